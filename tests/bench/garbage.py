"""garbage - the sections `gc` and `startup` of tests/bench/run: what a collector and a start cost with many things.

containerd is asked over its own gRPC API, with messages written by hand (protobuf's wire format is a
tag and a length before each field), because ten thousand `ctr`s would be measured instead.
"""
import hashlib
import time

import engines


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


class Api:
    """containerd's services as far as they are needed; api/services/*/v1/*.proto."""
    def __init__(self, engine):
        import grpc
        self.channel = grpc.insecure_channel(f"unix:{engine.state}/c.sock")
        self.metadata = [("containerd-namespace", "bench")]

    def call(self, service, method, request):
        ask = self.channel.unary_unary(f"/containerd.services.{service}/{method}")
        return ask(request, metadata=self.metadata, timeout=600)

    def blob(self, ref, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        write = self.channel.stream_stream("/containerd.services.content.v1.Content/Write")
        request = message(f1=2, f2=ref, f3=len(data), f4=digest, f6=data)  # action COMMIT
        for _ in write(iter([request]), metadata=self.metadata, timeout=60):
            pass


def make_containerd_garbage(engine, count):
    api = Api(engine)
    api.call("leases.v1.Leases", "Create", message(f1="garbage"))
    api.metadata.append(("containerd-lease", "garbage"))
    start = time.perf_counter()
    for i in range(count):
        if i % 2 == 0:
            api.blob(f"garbage-{i}", f"garbage number {i}".encode())
        else:
            api.call("snapshots.v1.Snapshots", "Prepare", message(f1="overlayfs", f2=f"garbage-{i}"))
    made = time.perf_counter() - start
    api.metadata.pop()
    start = time.perf_counter()
    api.call("leases.v1.Leases", "Delete", message(f1="garbage", f2=True))
    return 1000 * made, 1000 * (time.perf_counter() - start)


def gc(bench):
    """Half blobs, half snapshots on a lease that is removed, until they are gone; and `ps` meanwhile."""
    for count in (200,) if bench.options.quick else (10000,):
        made, took, asked = {}, {}, {}
        with bench.both() as running:
            for engine in running:
                if engine.name == "gantry":
                    asked = bench.ask(engine, "garbage", count)
                    figures = asked["made_ms"], asked["gc_ms"]
                else:
                    figures = make_containerd_garbage(engine, count)
                made[engine.name], took[engine.name] = [figures[0]], [figures[1]]
        bench.table(f"{count} blobs and snapshots made, one caller", "ms", made)
        bench.table("... removed by the collector, until they are gone", "ms", took)
        if asked:
            bench.row("containers.list before, p50", "us", [asked["list_idle_p50_us"]])
            bench.row(f"... while they are removed (asked {asked['listed']} times), p50", "us", [asked["list_busy_p50_us"]])
            bench.row("... p99", "us", [asked["list_busy_p99_us"]])
    if "gantry" in bench.options.names and not bench.options.quick:
        with bench.both() as running:
            asked = bench.ask(running[0], "garbage", 100000)
        bench.row("100000 blobs and snapshots removed", "ms", [asked["gc_ms"]])
        bench.row("containers.list before, p50", "us", [asked["list_idle_p50_us"]])
        bench.row(f"... while they are removed (asked {asked['listed']} times), p50", "us", [asked["list_busy_p50_us"]])
        bench.row("... p99", "us", [asked["list_busy_p99_us"]])


def startup(bench):
    """The daemon's start, from its process to its first answer, with nothing and with many records."""
    count = 100 if bench.options.quick else 5000
    empty, full, killed = {}, {}, {}
    with bench.both() as running:
        for engine in running:
            empty[engine.name] = restarts(engine)
            fill(bench, engine, count)
            full[engine.name] = restarts(engine)
            killed[engine.name] = restarts(engine, kill=True)
    bench.table("start of the daemon, one image", "ms", empty)
    bench.table(f"... {count} records with a snapshot each", "ms", full, "<= 50 ms")
    bench.table("... after a kill -9", "ms", killed)


def restarts(engine, kill=False):
    times = []
    for _ in range(5):
        engine.stop(kill=kill)
        times.append(1000 * engine.start(engine.root))
    return times


def fill(bench, engine, count):
    if engine.name == "gantry":
        bench.ask(engine, "create", bench.image("busybox"), count, 0)
        return
    import measure
    commands = [engine.create_command(bench.image("busybox"), engine.new_id(), "sleep", "1000") for _ in range(count)]
    _, failed = measure.in_parallel(commands, 2)
    if failed:
        raise engines.Ended(f"{engine.name}: {failed} of {count} containers were not made")
