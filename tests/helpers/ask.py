"""ask - one request to a daemon, in JSON, as a program of somebody else would.

    ask.py ENDPOINT OP [BODY]

Prints the reply; for an error prints its message on stderr and ends with 1.
"""
import json
import sys

import msgpack
import zmq

endpoint, op = sys.argv[1:3]
body = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
socket = zmq.Context().socket(zmq.DEALER)
socket.linger = 0
socket.connect(endpoint)
socket.send_multipart([msgpack.packb({"version": 1, "id": 1, "kind": "request", "op": op}), msgpack.packb(body)])
while True:
    if not socket.poll(60000):
        sys.exit("no answer")
    frames = socket.recv_multipart()
    envelope, body = msgpack.unpackb(frames[0]), frames[1]
    if envelope["kind"] == "reply":
        print(json.dumps(msgpack.unpackb(body)))
        break
    if envelope["kind"] == "error":
        sys.exit(json.dumps(msgpack.unpackb(body)))
