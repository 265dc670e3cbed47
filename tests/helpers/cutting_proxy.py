"""cutting_proxy - hands connections on to a registry, and cuts one of them, or holds it.

    cutting_proxy.py HOST:PORT BYTES LOG [hold]

Listens on a free port of loopback and prints it.  The first connection over which a client sends more than BYTES is
cut there, at both ends.  With `hold` it is not: what the client sends further goes nowhere, and no answer comes, until
it goes.  A line of LOG for every request line and every Authorization that passes, and "cut" for the cut or "held".
"""
import re
import socket
import sys
import threading

host, _, port = sys.argv[1].partition(":")
limit, log = int(sys.argv[2]), open(sys.argv[3], "a", buffering=1)
holds = sys.argv[4:] == ["hold"]
lock = threading.Lock()
left = 1  # connections to cut


def copy(source, to, counted):
    global left
    sent = 0
    try:
        while data := source.recv(65536):
            for line in re.findall(rb"^(?:(?:GET|HEAD|POST|PUT|PATCH|DELETE) \S+ HTTP/1.1|Authorization: .*)\r$", data,
                                   re.M) if counted else ():
                log.write(line.decode().strip() + "\n")
            if counted:
                sent += len(data)
                with lock:
                    cut = left > 0 and sent > limit
                    left -= cut
                if cut:
                    to.sendall(data[: len(data) - (sent - limit)])
                    log.write("held\n" if holds else "cut\n")
                    while holds and source.recv(65536):
                        pass
                    break
            to.sendall(data)
    except OSError:
        pass
    for end in (source, to):
        try:
            end.shutdown(socket.SHUT_RDWR)  # wakes who waits for it
            end.close()  # bytes that nobody will read make it a reset
        except OSError:
            pass


server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    registry = socket.create_connection((host, int(port)))
    threading.Thread(target=copy, args=(client, registry, True), daemon=True).start()
    threading.Thread(target=copy, args=(registry, client, False), daemon=True).start()
