"""odd_mirror - a mirror that serves the images of an OCI layout, or does something else.

    odd_mirror.py LAYOUT MODE-FILE LOG [PORT]

Prints two ports of loopback: its own, and that of another host (localhost:PORT) that it may redirect to.
Every repository has the first image of the layout.  MODE-FILE is read for every request; its word is one of

    well        404         503         429 (Retry-After: 100)      html (200, a page)
    blobs       has the blobs alone             wrong       other bytes of the same size, for blobs
    layer       the same, for large ones alone
    tag         another manifest for the tag    cut         half of a blob, then the connection ends
    basic       wants mirror:mirror-secret      bearer      names a token service of its own
    redirect    blobs are at the other host

A line of LOG for every request: home|other PATH?QUERY AUTHORIZATION X-FOR, with `-` for what was not sent.
"""
import base64
import http.server
import json
import pathlib
import sys
import threading
import urllib.parse

layout, mode_file, log = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
port = int(sys.argv[4]) if len(sys.argv) > 4 else 0
lock = threading.Lock()
first = json.loads((layout / "index.json").read_text())["manifests"][0]


def blob(digest):
    path = layout / "blobs" / digest.replace(":", "/")
    return path.read_bytes() if path.exists() else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", headers=(), only=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:only])
        if only is not None:
            self.close_connection = True

    def do_GET(self):
        name = "home" if self.server is home else "other"
        auth = self.headers.get("Authorization", "-").replace(" ", ":")
        with lock, open(log, "a") as file:
            file.write(f"{name} {urllib.parse.unquote(self.path)} {auth} {self.headers.get('X-For', '-')}\n")
        with open(mode_file) as file:
            mode = file.read().strip()
        path = urllib.parse.urlsplit(self.path).path.strip("/").split("/")
        kind, wanted = path[-2:] if len(path) > 3 else ("", "")
        if mode in ("404", "503", "429"):
            return self.answer(int(mode), b"", [("Retry-After", "100")] if mode == "429" else [])
        if mode == "html":
            return self.answer(200, b"<html>please log in</html>", [("Content-Type", "text/html")])
        if mode == "basic" and auth != "Basic:" + base64.b64encode(b"mirror:mirror-secret").decode():
            return self.answer(401, b"", [("WWW-Authenticate", 'Basic realm="a mirror"')])
        if mode == "bearer":
            realm = f"http://127.0.0.1:{home.server_port}/token"
            return self.answer(401, b"", [("WWW-Authenticate", f'Bearer realm="{realm}",service="a"'),
                                          ("WWW-Authenticate", 'Basic realm="a mirror"')])
        if kind == "manifests" and mode != "blobs":
            return self.manifest(mode, wanted)
        body = blob(wanted) if kind == "blobs" else None
        if body is None:
            return self.answer(404)
        if mode == "redirect" and self.server is home:
            return self.answer(307, b"", [("Location", f"http://localhost:{other.server_port}{self.path}")])
        if mode == "wrong" or (mode == "layer" and len(body) > 100000):
            body = bytes(len(body))
        self.answer(200, body, only=len(body) // 2 if mode == "cut" and len(body) > 100000 else None)

    def manifest(self, mode, wanted):
        body = blob(first["digest"] if ":" not in wanted else wanted)
        if body is None:
            return self.answer(404)
        if mode == "tag" and ":" not in wanted:
            body = body.replace(b"{", b"{ ", 1)
        self.answer(200, body, [("Content-Type", first["mediaType"])])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


home, other = Server(("127.0.0.1", port), Handler), Server(("127.0.0.1", 0), Handler)
threading.Thread(target=other.serve_forever, daemon=True).start()
print(home.server_port, other.server_port, flush=True)
home.serve_forever()
