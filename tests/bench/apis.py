"""apis - both daemons as programs ask them, from Python, so that neither is quicker for its client's sake.

containerd speaks gRPC; its messages are written by hand, because protobuf's wire format is a tag and a length before
each field.  gantry speaks msgpack over ZeroMQ (docs/wire.md).
"""
import concurrent.futures
import hashlib


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def message(**fields):
    """f1="text", f2=3, ...: strings and bytes as length and value, numbers as varints."""
    out = b""
    for name, value in fields.items():
        tag = int(name[1:]) << 3
        if isinstance(value, (str, bytes)):
            value = value.encode() if isinstance(value, str) else value
            out += varint(tag | 2) + varint(len(value)) + value
        else:
            out += varint(tag) + varint(int(value))
    return out


class ContainerdApi:
    """Services as far as they are needed; api/services/*/v1/*.proto."""
    def __init__(self, engine):
        import grpc
        self.channel = grpc.insecure_channel(f"unix:{engine.state}/c.sock")
        self.metadata = [("containerd-namespace", "bench")]

    def call(self, service, method, request):
        ask = self.channel.unary_unary(f"/containerd.services.{service}/{method}")
        return ask(request, metadata=self.metadata, timeout=600)

    def many(self, service, method, requests, at_once):
        """Asks all, so many at a time."""
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for _ in pool.map(lambda request: self.call(service, method, request), requests):
                pass

    def blob(self, ref, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        write = self.channel.stream_stream("/containerd.services.content.v1.Content/Write")
        request = message(f1=2, f2=ref, f3=len(data), f4=digest, f6=data)  # action COMMIT
        for _ in write(iter([request]), metadata=self.metadata, timeout=60):
            pass

    def lease(self, id):
        """What is made from now on hangs on it."""
        self.call("leases.v1.Leases", "Create", message(f1=id))
        self.metadata.append(("containerd-lease", id))


class GantryApi:
    def __init__(self, engine):
        import msgpack
        import zmq
        self.pack, self.unpack, self.more, self.id = msgpack.packb, msgpack.unpackb, {}, 0
        self.socket = zmq.Context().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(engine.endpoint)

    def ask(self, op, **body):
        self.id += 1
        envelope = {"version": 1, "id": self.id, "kind": "request", "op": op, **self.more}
        self.socket.send_multipart([self.pack(envelope), self.pack(body)])

    def answer(self):
        while True:
            envelope, body = map(self.unpack, self.socket.recv_multipart())
            if envelope["kind"] == "ping":
                pong = {"version": 1, "id": envelope["id"], "kind": "pong"}
                self.socket.send_multipart([self.pack(pong), self.pack({})])
            if envelope["kind"] == "error":
                raise RuntimeError(body["message"])
            if envelope["kind"] == "reply":
                return body

    def call(self, op, **body):
        self.ask(op, **body)
        return self.answer()

    def many(self, op, bodies, at_once):
        """Asks all, so many at a time."""
        for i, body in enumerate(bodies):
            if i >= at_once:
                self.answer()
            self.ask(op, **body)
        for _ in range(min(at_once, len(bodies))):
            self.answer()

    def lease(self, id):
        self.call("leases.create", id=id)
        self.more["lease"] = id
