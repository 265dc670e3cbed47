"""layers - what only programs do often enough to be measured: snapshots made and removed, containers' records made.

Both daemons are asked by one caller from Python (apis.py), so that the client's own time is about the same.
"""
import time

import apis
import engines
from apis import message

DRIVERS = (("overlay", "overlayfs", "ext4"), ("native", "native", "ext4"), ("btrfs", "btrfs", "btrfs"))


def chain_of(engine):
    """The name of the image's only layer."""
    words = ["snapshot", "ls"] if engine.name == "gantry" else ["snapshots", *engine.snapshots, "ls"]
    if engine.name == "gantry":
        words += engine.snapshots
    lines = engine.do(*words)[2].decode().split()
    return next(word for word in lines if word.startswith("sha256:"))


class GantryLayers(apis.GantryApi):
    def __init__(self, engine):
        super().__init__(engine)
        self.driver, self.pattern, self.trash = engine.snapshots[1], None, engine.root / "trash/snapshots"

    def turn(self, key, parent):
        self.call("snapshots.prepare", key=key, parent=parent, driver=self.driver)
        self.call("snapshots.commit", key=key, name=f"{key}-done", driver=self.driver)
        self.call("snapshots.remove", key=f"{key}-done", driver=self.driver)

    def settle(self):
        """Removal answers when the row is gone; the files go behind."""
        while any(self.trash.iterdir()):
            time.sleep(0.001)

    def take_pattern(self, engine, image):
        self.call("containers.create", id="pattern", image=image, options={"args": ["sleep", "1000"]})
        self.pattern = self.call("containers.get", id="pattern")["spec"]

    def records(self, ids, at_once):
        self.many("containers.create", [{"id": id, "spec": self.pattern, "snapshot": id} for id in ids], at_once)


class ContainerdLayers(apis.ContainerdApi):
    def __init__(self, engine):
        super().__init__(engine)
        self.driver, self.pattern = engine.snapshots[1], None

    def snapshots(self, method, **fields):
        self.call("snapshots.v1.Snapshots", method, message(f1=self.driver, **fields))

    def turn(self, key, parent):
        self.snapshots("Prepare", f2=key, f3=parent)
        self.snapshots("Commit", f2=f"{key}-done", f3=key)
        self.snapshots("Remove", f2=f"{key}-done")

    def settle(self):
        pass

    def take_pattern(self, engine, image):
        engine.create(image, "pattern", "sleep", "1000")
        reply = self.call("containers.v1.Containers", "Get", message(f1="pattern"))
        self.pattern = reply[reply.index(b"\n\x07pattern"):]

    def records(self, ids, at_once):
        """As `ctr` has made one; of a field that comes twice the later one counts."""
        self.many("containers.v1.Containers", "Create",
                  [message(f1=self.pattern + message(f1=id, f7=id)) for id in ids], at_once)


def api_of(engine):
    return (GantryLayers if engine.name == "gantry" else ContainerdLayers)(engine)


def turns(api, parent, first, count):
    """Milliseconds of each, and how many a second until all is gone."""
    took, start = [], time.perf_counter()
    for i in range(first, first + count):
        before = time.perf_counter()
        api.turn(f"turn-{i}", parent)
        took.append(1000 * (time.perf_counter() - before))
    api.settle()
    return took, count / (time.perf_counter() - start)


def snapshots(bench):
    """prepare, commit and remove on top of busybox, by each driver."""
    count = 20 if bench.options.quick else 100
    for ours, theirs, disk in DRIVERS:
        middle, rate = ({name: [] for name in bench.options.names} for _ in range(2))
        with bench.both(disk=disk, drivers={"gantry": ours, "containerd": theirs}) as running:
            sides = [(engine.name, api_of(engine), chain_of(engine)) for engine in running]
            for _, api, _ in sides:
                api.lease("bench")
            for i in range(bench.rounds + 1):
                for name, api, parent in sides:
                    took, per_second = turns(api, parent, i * count, count)
                    if i > 0:
                        middle[name].append(sorted(took)[count // 2])
                        rate[name].append(per_second)
        bench.table(f"prepare, commit and remove a snapshot, {ours}, p50", "ms", middle)
        bench.table("... until nothing is left", "1/s", rate)


def records(bench):
    """Containers as records alone: a spec and a snapshot's name, which is all that containerd's Create takes."""
    count = 50 if bench.options.quick else 500
    rates = {at_once: {name: [] for name in bench.options.names} for at_once in (1, 16)}
    with bench.both() as running:
        sides = [(engine.name, api_of(engine)) for engine in running]
        for engine, (_, api) in zip(running, sides):
            api.take_pattern(engine, bench.image("busybox"))
        for i in range(bench.rounds):
            for at_once, rate in rates.items():
                for name, api in sides:
                    start = time.perf_counter()
                    api.records([f"record-{at_once}-{i}-{j}" for j in range(count)], at_once)
                    rate[name].append(count / (time.perf_counter() - start))
    for at_once, rate in rates.items():
        bench.table(f"container records made by a program, {at_once} at a time", "1/s", rate, ">= 10" if at_once > 1 else "")
