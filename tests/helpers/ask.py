"""ask - one request to a daemon, in JSON, as a program of somebody else would.

    ask.py ENDPOINT OP [BODY [ANSWERS]]

Prints the reply; for an error prints its message on stderr and ends with 1.  ANSWERS, when the daemon asks for
credentials: {"HOST": {"username": ..., "password": ...}, ...}, nobody being known elsewhere; or `never`, `nonsense`,
or `leave`: says no more.  Each question is printed on stderr.
"""
import json
import sys

import msgpack
import zmq

endpoint, op = sys.argv[1:3]
body = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
answers = sys.argv[4] if len(sys.argv) > 4 else "never"
socket = zmq.Context().socket(zmq.DEALER)
socket.linger = 0
socket.connect(endpoint)
socket.send_multipart([msgpack.packb({"version": 1, "id": 1, "kind": "request", "op": op}), msgpack.packb(body)])
while True:
    if not socket.poll(60000):
        sys.exit("no answer")
    frames = socket.recv_multipart()
    envelope, body = msgpack.unpackb(frames[0]), frames[1]
    if envelope["kind"] == "ping":
        socket.send_multipart([msgpack.packb({"version": 1, "id": envelope["id"], "kind": "pong"}), msgpack.packb({})])
    if envelope["kind"] == "data" and envelope["stream"].startswith("credentials-"):
        question = msgpack.unpackb(body)
        print("asked " + json.dumps(question), file=sys.stderr, flush=True)
        if answers == "leave":
            break
        if answers == "nonsense":
            said = b"\xc1 what?"
        elif answers != "never":
            said = msgpack.packb(json.loads(answers).get(question["host"], {}))
        if answers != "never":
            socket.send_multipart([msgpack.packb({"version": 1, "id": 1, "kind": "data", "stream": envelope["stream"],
                                                  "end": True}), said])
    if envelope["kind"] == "reply":
        print(json.dumps(msgpack.unpackb(body)))
        break
    if envelope["kind"] == "error":
        sys.exit(json.dumps(msgpack.unpackb(body)))
