"""slow_registry - stands before a registry, and gives half of each large blob, then silence.

    slow_registry.py HOST:PORT SIZE

Prints its own port.  A request for the rest of such a blob (Range) is passed on whole.  Every request for
a blob over SIZE bytes is a line: the digest and the Range that was asked for, `-` for none.
"""
import http.server
import sys
import threading
import urllib.error
import urllib.request

behind, large = sys.argv[1], int(sys.argv[2])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        asked = self.headers.get("Range")
        request = urllib.request.Request(f"http://{behind}{self.path}", method=self.command)
        for name in ("Accept", "Range"):
            if self.headers.get(name):
                request.add_header(name, self.headers[name])
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "Docker-Content-Digest", "Content-Range", "Accept-Ranges", "Content-Length"):
            if answer.headers.get(name):
                self.send_header(name, answer.headers[name])
        self.end_headers()
        is_large = "/blobs/" in self.path and int(answer.headers.get("Content-Length", 0)) > large
        if "/blobs/" in self.path and (is_large or asked):
            print(self.path.rsplit("/", 1)[1], asked or "-", flush=True)
        if self.command == "HEAD":
            return
        if not is_large or asked:
            self.wfile.write(body)
            return
        self.wfile.write(body[:len(body) // 2])
        self.wfile.flush()
        threading.Event().wait()  # until the client goes, or we are ended


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
