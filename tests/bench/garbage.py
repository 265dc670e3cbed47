"""garbage - the sections `gc` and `startup` of tests/bench/run: what a collector and a start cost with many things.

containerd is asked over its own API, because ten thousand `ctr`s would be measured instead.
"""
import hashlib
import sqlite3
import time

import apis
import engines
import layers
import measure
from apis import message


def make_containerd_garbage(engine, count):
    api = apis.ContainerdApi(engine)
    api.lease("garbage")
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


def plant(engine, count):
    """The same for gantry, put into its store while it is stopped: rows, blobs and folders."""
    root, now = engine.root, time.time_ns()
    engine.stop()
    database = sqlite3.connect(root / "state.db")
    first = database.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
                             " WHERE name = 'snapshots_layer'").fetchone()[0] + 1
    database.execute("INSERT INTO leases_lease (namespace, id, flat, created) VALUES ('default', 'garbage', 0, ?)", (now,))
    for i in range(count // 2):
        data = f"garbage number {i}".encode()
        digest = hashlib.sha256(data).hexdigest()
        (root / "blobs/sha256" / digest).write_bytes(data)
        for part in ("fs", "work"):
            (root / f"snapshots/{first + i}/{part}").mkdir(parents=True)
        database.execute("INSERT INTO content_blob (namespace, digest, size, root, created, updated)"
                         " VALUES ('default', ?, ?, 0, ?, ?)", (f"sha256:{digest}", len(data), now, now))
        database.execute("INSERT INTO snapshots_layer (id, driver, apart, created) VALUES (?, 'overlay', 0, ?)",
                         (first + i, now))
        database.execute("INSERT INTO snapshots_snapshot (namespace, driver, key, kind, layer, root, created, updated)"
                         " VALUES ('default', 'overlay', ?, 'active', ?, 0, ?, ?)", (f"garbage-{i}", first + i, now, now))
        database.executemany("INSERT INTO leases_resource (namespace, lease, kind, driver, key)"
                             " VALUES ('default', 'garbage', ?, ?, ?)",
                             [("content", "", f"sha256:{digest}"), ("snapshot", "overlay", f"garbage-{i}")])
    database.commit()
    database.close()
    engine.start(root)


def tell_list(bench, asked):
    bench.row("containers.list before, p50", "us", [asked["list_idle_p50_us"]])
    bench.row("... p99", "us", [asked["list_idle_p99_us"]])
    bench.row(f"... while they are removed (asked {asked['listed']} times), p50", "us", [asked["list_busy_p50_us"]])
    bench.row("... p99", "us", [asked["list_busy_p99_us"]])


def gc(bench):
    """Half blobs, half snapshots on a lease that is removed, until they are gone; and a list meanwhile."""
    count = 200 if bench.options.quick else 10000
    took, asked = {}, None
    with bench.both() as running:
        for engine in running:
            if engine.name == "gantry":
                plant(engine, count)
                asked = bench.ask(engine, "garbage", 0)
                took[engine.name] = [asked["gc_ms"]]
            else:
                took[engine.name] = [make_containerd_garbage(engine, count)[1]]
    bench.table(f"{count} blobs and snapshots removed by the collector, until they are gone", "ms", took)
    if asked:
        tell_list(bench, asked)
    if "gantry" in bench.options.names and not bench.options.quick:
        with bench.both() as running:
            plant(running[0], 100000)
            asked = bench.ask(running[0], "garbage", 0)
        bench.row("100000 blobs and snapshots removed", "ms", [asked["gc_ms"]])
        tell_list(bench, asked)


def startup(bench):
    """The daemon's start, from its process to its first answer, with nothing and with many records."""
    snapshots, records = (40, 60) if bench.options.quick else (2000, 3000)
    empty, full, killed = {}, {}, {}
    with bench.both() as running:
        for engine in running:
            empty[engine.name] = restarts(engine)
            fill(bench, engine, snapshots, records)
            full[engine.name] = restarts(engine)
            killed[engine.name] = restarts(engine, kill=True)
    bench.table("start of the daemon, one image", "ms", empty)
    bench.table(f"... {snapshots + records} records, {snapshots} of them with a snapshot", "ms", full, "<= 50 ms")
    bench.table("... after a kill -9", "ms", killed)


def restarts(engine, kill=False):
    times = []
    for _ in range(5):
        engine.stop(kill=kill)
        times.append(1000 * engine.start(engine.root))
    return times


def fill(bench, engine, snapshots, records):
    """Containers as the command line makes them, and records alone."""
    commands = [engine.create_command(bench.image("busybox"), engine.new_id(), "sleep", "1000") for _ in range(snapshots)]
    _, failed = measure.in_parallel(commands, 2)
    if failed:
        raise engines.Ended(f"{engine.name}: {failed} of {snapshots} containers were not made")
    api = layers.api_of(engine)
    api.take_pattern(engine, bench.image("busybox"))
    api.records([f"record-{i}" for i in range(records)], 16)
