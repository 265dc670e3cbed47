"""odd_registry - one image under many names, each with its own way to ask for credentials; and another host.

    odd_registry.py LAYOUT LOG

Serves the first image of the OCI layout.  Prints two ports: the registry's, 127.0.0.1:PORT, and the other
host's, localhost:PORT.  By the name of the repository another challenge is sent (CHALLENGES below); the image
is given to `Bearer good` and to `Basic user:open-sesame`.  Every request is a line of LOG:

    home|other METHOD PATH -|basic|form|bearer:TOKEN

Whoever sees the password in a place where it should not be writes `leak` there.
"""
import base64
import hashlib
import http.server
import json
import pathlib
import sys
import threading
import urllib.parse

layout, log = pathlib.Path(sys.argv[1]), sys.argv[2]
lock = threading.Lock()
BASIC = "Basic " + base64.b64encode(b"user:open-sesame").decode()

CHALLENGES = {
    "several": ["Negotiate", "NTLM TlRMTVNTUAAB==", 'Digest realm="a, b", nonce="x=, Bearer realm=y", qop="auth,auth-int"',
                'Basic realm="x"', 'Bearer realm="{home}/token/good",service="s",scope="repository:several:pull"'],
    "quoted": ['Basic realm="one, two \\"three\\", Bearer realm=four", Bearer service="a, b",realm="{home}/token/good"'],
    "unknown": ['Hawk id="dh37", ts=1, Token68 abc/def+==, bEARER REALM = "{home}/token/good" , Service=s'],
    "case": ['BEARER Realm="{home}/token/good",SERVICE="s",ScOpE="repository:case:pull"'],
    "noscope": ['Bearer realm="{home}/token/good"'],
    "basic": ['bAsIc rEaLm=x'],
    "access": ['Bearer realm="{home}/token/access"'],
    "large": ['Bearer realm="{home}/token/large"'],
    "html": ['Bearer realm="{home}/token/html"'],
    "nothing": ['Bearer realm="{home}/token/nothing"'],
    "again": ['Bearer realm="{home}/token/bad",scope="repository:again:pull",error="invalid_token"'],
    "refused": ['Bearer realm="{home}/token/refused"'],
    "missing": ['Bearer realm="{home}/token/expires-missing"'],
    "zero": ['Bearer realm="{home}/token/expires-0"'],
    "negative": ['Bearer realm="{home}/token/expires--5"'],
    "huge": ['Bearer realm="{home}/token/expires-9000000000000000000"'],
    "endless": ['Bearer realm="{home}/token/expires-99999999999999999999999"'],
    "elsewhere": ['Bearer realm="{other}/token/good"'],
    "astray": ['Bearer realm="{home}/token/astray"'],
    "clear": ['Bearer realm="http://192.0.2.1/token"'],
    "nowhere": ['Bearer realm="file:///etc/passwd", Bearer realm="{other'],
    "none": [],
    "odd": ['Kerberos abc'],
}


def blob(digest):
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


first = json.loads((layout / "index.json").read_text())["manifests"][0]
manifest = blob(first["digest"])
layers = [layer["digest"] for layer in json.loads(manifest)["layers"]]


def foreign_manifest():
    document = json.loads(manifest)
    for layer in document["layers"]:
        layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        layer["urls"] = [f"http://localhost:{other.server_port}/layer/{layer['digest']}"]
    return json.dumps(document).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # who asked has heard enough

    def note(self, body):
        sent = self.headers.get("Authorization", "")
        kind = "-"
        if sent:
            kind = "basic" if sent == BASIC else sent.replace("Bearer ", "bearer:").split()[0]
        elif b"password=open-sesame" in body:
            kind = "form"
        elif b"sesame" in body or "sesame" in self.path or "sesame" in str(self.headers):
            kind = "leak"
        with lock, open(log, "a") as file:
            name = "home" if self.server is home else "other"
            file.write(f"{name} {self.command} {urllib.parse.urlsplit(self.path).path} {kind}\n")

    def do_POST(self):
        self.do_GET(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_GET(self, body=b""):
        self.note(body)
        words = urllib.parse.urlsplit(self.path).path.strip("/").split("/")
        if words[0] == "token":
            return self.token(words[1])
        if words[0] == "layer":
            return self.challenge(['Basic realm="give it to me"', 'Bearer realm="{other}/token/good"'])
        if self.server is other or words[0] != "v2" or len(words) != 4:
            return self.answer(404)
        self.registry(*words[1:])

    def challenge(self, values):
        at = {"home": f"http://127.0.0.1:{home.server_port}", "other": f"http://localhost:{other.server_port}"}
        self.answer(401, b"who are you?", [("WWW-Authenticate", v.replace("{home}", at["home"]).replace("{other}", at["other"]))
                                           for v in values])

    def token(self, how):
        token = {"token": "good"}
        if how == "access":
            token = {"access_token": "good", "token": ""}
        elif how.startswith("expires-"):
            text = how[len("expires-"):]
            return self.answer(200, b'{"token": "good"}' if text == "missing" else
                               b'{"token": "good", "expires_in": %s}' % text.encode())
        elif how == "bad":
            token = {"token": "worthless"}
        elif how == "nothing":
            token = {"tokens": ["good"]}
        elif how == "large":
            return self.answer(200, b'{"token": "good", "more": "' + b"x" * (10 << 20) + b'"}')
        elif how == "html":
            return self.answer(200, b"<html><body>Please log in</body></html>", [("Content-Type", "text/html")])
        elif how == "refused":
            return self.answer(403, b'{"details": "not today"}')
        elif how == "astray":
            return self.answer(307, b"", [("Location", f"http://localhost:{other.server_port}/token/good")])
        self.answer(200, json.dumps(token).encode())

    def registry(self, repository, kind, name):
        if repository not in ("moved", "foreign") and self.headers.get("Authorization") not in ("Bearer good", BASIC):
            return self.challenge(CHALLENGES[repository])
        if kind == "manifests":
            body = foreign_manifest() if repository == "foreign" else manifest
            return self.answer(200, body, [("Content-Type", first["mediaType"]), ("Docker-Content-Digest", digest_of(body))])
        if repository == "moved" and self.headers.get("Authorization") != "Bearer good":
            return self.challenge(['Bearer realm="{home}/token/good"'])
        if repository == "moved" and name in layers:
            return self.answer(307, b"", [("Location", f"http://localhost:{other.server_port}/layer/{name}")])
        if repository == "foreign" and name in layers:
            return self.answer(404, b'{"errors": [{"code": "BLOB_UNKNOWN", "message": "see its urls"}]}')
        self.answer(200, blob(name))


def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    return made


home, other = server(), server()
threading.Thread(target=other.serve_forever, daemon=True).start()
print(home.server_port, other.server_port, flush=True)
home.serve_forever()
