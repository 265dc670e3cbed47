"""pulls - the sections of tests/bench/run that bring images here: cold, together, through a narrow line, by mirrors.

Every pull is a cold one: its daemon is new, on a file system of its own.
"""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import engines
import measure


@contextlib.contextmanager
def cold(bench, name, **more):
    """An engine that has nothing, on a disk that had nothing."""
    with measure.fresh_disk(bench.work) as root:
        engine = bench.engine(name)
        engine.start(root / "root", **more)
        try:
            yield engine
        finally:
            engine.stop()


def by_candidate(bench):
    return {name: [] for name in bench.options.names}


# ---- one image, one client ----------------------------------------------------------------------


def layers_of(bench, image):
    """Files with an image's layers, packed, in the cache; and how many entries and bytes they hold."""
    layout = bench.options.cache / "layout"
    blob = lambda digest: layout / "blobs" / digest.replace(":", "/")
    index = json.loads((layout / "index.json").read_text())
    named = lambda m: m["annotations"]["org.opencontainers.image.ref.name"]
    manifest = next(m for m in index["manifests"] if named(m) == image)
    return [blob(layer["digest"]) for layer in json.loads(blob(manifest["digest"]).read_text())["layers"]]


def entries_of(layers):
    listed = subprocess.run(f"cat {' '.join(map(str, layers))} | gzip -dc | tar -tif - | wc -l", shell=True, check=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return int(listed.stdout)


def floor(bench, layers):
    """igzip | tar, two layers at a time, on a new disk and until it is there; and sha256 of the layers."""
    with measure.fresh_disk(bench.work) as root:
        script = 'mkdir -p "$0.d" && igzip -dc "$1" | tar -C "$0.d" --xattrs -xpf -'
        start = time.perf_counter()
        subprocess.run(["xargs", "-P2", "-n2", "sh", "-c", script], check=True, text=True,
                       input="\n".join(f"{root}/{i} {layer}" for i, layer in enumerate(layers)))
        subprocess.run(["sync", "-f", root], check=True)
        subprocess.run(["xargs", "-P2", "-n1", "openssl", "dgst", "-sha256"], check=True, text=True,
                       input="\n".join(map(str, layers)), stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def one(bench):
    wanted = (("debian", 5, "<= 0.45"), ("redis", 3, ""), ("many", 3, "<= 0.40"), ("many-zstd", 3, ""))
    for image, rounds, target in wanted[:1] if bench.options.quick else wanted:
        wall, cpu, memory = (by_candidate(bench) for _ in range(3))
        least = []
        layers = layers_of(bench, image)
        for _ in range(min(rounds, bench.rounds)):
            for name in bench.options.names:
                with cold(bench, name) as engine:
                    before = measure.cpu_seconds(engine.pid)
                    with measure.PeakMemory(engine.pid) as peak:
                        seconds, client, _ = engine.pull(bench.image(image))
                    wall[name].append(seconds)
                    cpu[name].append(measure.cpu_seconds(engine.pid) - before + client)
                    memory[name].append(peak.mib)
            if not image.endswith("zstd"):
                least.append(floor(bench, layers))
        bench.table(f"pull and unpack {image}", "s", wall, target)
        bench.table("... cpu with children", "s", cpu, "<= 0.5" if image == "many" else "")
        bench.table("... peak memory, daemon and children", "MiB", memory, "<= 32 MiB")
        if least and "gantry" in wall:
            bench.row("... beside igzip | tar, two at a time, and sha256", "s", wall["gantry"], least,
                      "<= 1.4" if image == "debian" else "")


def calls(bench):
    """System calls of daemon and helpers for each entry of `many`: traced, so it says nothing of time."""
    image = "debian" if bench.options.quick else "many"
    entries = entries_of(layers_of(bench, image))
    found, unpacker = by_candidate(bench), []
    for name in bench.options.names:
        with cold(bench, name) as engine:
            out = bench.work / "calls"
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-c", "-o", out, "-p", str(engine.pid)],
                                      stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while b"TracerPid:\t0" in pathlib.Path(f"/proc/{engine.pid}/status").read_bytes():
                time.sleep(0.01)
            engine.pull(bench.image(image))
            tracer.send_signal(2)
            tracer.wait()
            total = next(line for line in reversed(out.read_text().splitlines()) if line.endswith("total"))
            found[name].append(int(total.split()[3]) / entries)
    bench.table(f"system calls per entry of {image}, daemon and helpers", "", found)


# ---- several ------------------------------------------------------------------------------------


def together(bench):
    """Ten clients that pull the same image, which is nowhere yet, beside one."""
    image = bench.image("debian")
    alone, ten = by_candidate(bench), by_candidate(bench)
    for _ in range(min(3, bench.rounds)):
        for name in bench.options.names:
            with cold(bench, name) as engine:
                alone[name].append(engine.pull(image)[0])
            with cold(bench, name) as engine:
                seconds, failed = measure.in_parallel([engine.pull_command(image)] * 10, 10)
                if failed:
                    raise engines.Ended(f"{name}: {failed} of 10 pulls failed")
                ten[name].append(seconds)
    bench.table("10 clients pull one cold image", "s", ten)
    for name in bench.options.names:
        bench.row(f"... {name}, against one client", "x", [t / a for t, a in zip(ten[name], alone[name])])


@contextlib.contextmanager
def narrow(address, rate):
    """The registry behind a line that gives each connection so many bytes per second."""
    program = pathlib.Path(__file__).parents[1] / "helpers/slow_line.py"
    line = subprocess.Popen([sys.executable, program, address, str(rate)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, text=True)
    try:
        yield f"127.0.0.1:{line.stdout.readline().strip()}"
    finally:
        line.terminate()
        line.wait()


def ranges(bench):
    """One big layer, where a connection gets 20 MB/s: by several, and by one."""
    address = bench.registry_of("noise")
    wall, one_by_one = by_candidate(bench), []
    for _ in range(min(3, bench.rounds)):
        with narrow(address, 20e6) as registry:
            for name in bench.options.names:
                with cold(bench, name) as engine:
                    wall[name].append(engine.pull(f"{registry}/noise:latest")[0])
            if "gantry" in wall:
                with cold(bench, "gantry", config="limits.ranges = 1") as engine:
                    one_by_one.append(engine.pull(f"{registry}/noise:latest")[0])
    bench.table("pull a layer of 256 MB, 20 MB/s for each connection", "s", wall)
    if one_by_one:
        bench.row("... gantry with limits.ranges = 1", "s", one_by_one)


def mirrors(bench):
    """Peak memory where two mirrors are asked before the registry, each by a process of its own."""
    if "gantry" not in bench.options.names:
        return
    folder = bench.work / "certs.d/images.test"
    folder.mkdir(parents=True, exist_ok=True)
    address = bench.registry_of("empty")
    hosts = "".join(f'[host."http://{host}"]\n  capabilities = ["pull", "resolve"]\n'
                    for host in (address, address.replace("127.0.0.1", "localhost")))
    (folder / "hosts.toml").write_text(f'server = "http://{bench.registry}"\n{hosts}')
    with cold(bench, "gantry", config=f'registries.hosts = ["{folder.parent}"]') as engine:
        with measure.PeakMemory(engine.pid) as peak:
            engine.pull(f"images.test/{'debian' if bench.options.quick else 'many'}:latest")
    bench.row("peak memory of a pull past two mirrors, daemon and children", "MiB", [peak.mib], target="<= 32 MiB")
