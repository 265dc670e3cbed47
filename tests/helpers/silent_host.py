"""silent_host - takes connections and never says a word.  Prints its port, and "one" on stderr for each of them."""
import socket
import sys

listener, kept = socket.create_server(("127.0.0.1", 0)), []
print(listener.getsockname()[1], flush=True)
while True:
    kept.append(listener.accept()[0])
    print("one", file=sys.stderr, flush=True)
