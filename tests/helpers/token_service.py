"""token_service - gives tokens that docker-registry believes, by POST (OAuth 2) and by GET.

    token_service.py KEY CERTIFICATE LOG [ADDRESS PORT TLS-KEY TLS-CERTIFICATE]

Listens on a free port of loopback, or with TLS where it is told.  Prints its port.  The user "user" has the password "open-sesame" and may do everything; so may who sends the
identity token "again-and-again"; everybody else may read what begins with "public".  What may be done stands
in the token, signed with KEY; docker-registry has the certificate (rootcertbundle).  By path:

    /token      both ways, POST as Docker Hub has it
    /get        GET alone; POST gets 405        /get-401, /get-404   the same with these statuses
    /short      tokens of a second
    /slow       says nothing before the file LOG.go is there

A line of LOG for every request: METHOD PATH WHO SCOPES, and the answer's status.  What is secret is not
written there; that nothing secret comes by another way is checked here: `leak` instead of a status.
"""
import base64
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

key, certificate, log = sys.argv[1:4]
address, port = (sys.argv[4], int(sys.argv[5])) if len(sys.argv) > 4 else ("127.0.0.1", 0)
lock = threading.Lock()


def plain(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def chain():
    lines = open(certificate).read().split("-----")[2]
    return ["".join(lines.split())]


def token(subject, access, seconds):
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": chain()}
    claims = {"iss": "a test", "sub": subject, "aud": "the registry", "nbf": now - 10, "iat": now,
              "exp": now + max(seconds, 60), "jti": os.urandom(8).hex(), "access": access}
    text = plain(json.dumps(head).encode()) + "." + plain(json.dumps(claims).encode())
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(),
                               stdout=subprocess.PIPE, check=True).stdout
    return text + "." + plain(signature)


def granted(user, scopes):
    access = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        actions = actions.split(",")
        if not user:
            actions = [a for a in actions if a == "pull" and name.startswith("public")]
        if actions:
            access.append({"type": kind, "name": name, "actions": actions})
    return access


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def note(self, who, scopes, status):
        path = urllib.parse.urlsplit(self.path).path
        with lock, open(log, "a") as file:
            file.write(f"{self.command} {path} {who} {' '.join(sorted(scopes)) or '-'} {status}\n")

    def answer(self, status, body, who, scopes):
        data = json.dumps(body).encode()
        self.note(who, scopes, status)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def give(self, user, who, scopes, extra):
        seconds = 1 if self.path.startswith("/short") else 300
        while self.path.startswith("/slow") and not os.path.exists(log + ".go"):
            time.sleep(0.02)
        body = {"token": token(user, granted(user, scopes), seconds), "expires_in": seconds}
        self.answer(200, dict(body, **extra), who, scopes)

    def do_GET(self):
        split = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(split.query)
        scopes = query.get("scope", [])
        if "open-sesame" in self.path or "again-and-again" in self.path:
            return self.answer(400, {}, "somebody", scopes + ["leak"])
        if "Authorization" not in self.headers:
            return self.give("", "anybody", scopes, {})
        if self.headers["Authorization"] != "Basic " + base64.b64encode(b"user:open-sesame").decode():
            return self.answer(401, {"details": "incorrect username or password"}, "stranger", scopes)
        extra = {"refresh_token": "again-and-again"} if query.get("offline_token") == ["true"] else {}
        self.give("user", "user", scopes, extra)

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        form = urllib.parse.parse_qs(self.rfile.read(size).decode())
        one = {name: values[0] for name, values in form.items()}
        scopes = one.get("scope", "").split()
        path = urllib.parse.urlsplit(self.path).path
        if "Authorization" in self.headers:
            return self.answer(400, {}, "somebody", scopes + ["leak"])
        if path.startswith("/get"):
            return self.answer(int(path[5:] or 405), {}, "somebody", scopes)
        if one.get("grant_type") == "refresh_token":
            if one.get("refresh_token") != "again-and-again":
                return self.answer(400, {"error": "invalid_grant"}, "stranger", scopes)
            return self.give("user", "user-again", scopes, {"refresh_token": "again-and-again"})
        if (one.get("grant_type"), one.get("username"), one.get("password")) != ("password", "user", "open-sesame"):
            return self.answer(401, {"details": "incorrect username or password"}, "stranger", scopes)
        extra = {"refresh_token": "again-and-again"} if one.get("access_type") == "offline" else {}
        self.give("user", "user", scopes, extra)


server = http.server.ThreadingHTTPServer((address, port), Handler)
if len(sys.argv) > 6:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[7], sys.argv[6])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
