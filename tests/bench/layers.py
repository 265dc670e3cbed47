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
        self.driver, self.image, self.trash = engine.snapshots[1], None, engine.root / "trash/snapshots"

    def turn(self, key, parent):
        self.call("snapshots.prepare", key=key, parent=parent, driver=self.driver)
        self.call("snapshots.commit", key=key, name=f"{key}-done", driver=self.driver)
        self.call("snapshots.remove", key=f"{key}-done", driver=self.driver)

    def settle(self):
        """Removal answers when the row is gone; the files go behind."""
        while any(self.trash.iterdir()):
            time.sleep(0.001)

    def record(self, id, image, parent):
        self.call("containers.create", id=id, image=image, options={"args": ["sleep", "1000"]})


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

    def record(self, id, image, parent):
        """As `ctr` has made one; of a field that comes twice the later one counts."""
        self.snapshots("Prepare", f2=id, f3=parent)
        self.call("containers.v1.Containers", "Create", message(f1=self.pattern + message(f1=id, f7=id)))

    def take_pattern(self, engine, image):
        engine.create(image, "pattern", "sleep", "1000")
        reply = self.call("containers.v1.Containers", "Get", message(f1="pattern"))
        self.pattern = reply[reply.index(b"\n\x07pattern"):]


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
    """Containers with their snapshots and specs, made by a program."""
    count = 20 if bench.options.quick else 200
    rate = {name: [] for name in bench.options.names}
    image = bench.image("busybox")
    with bench.both() as running:
        sides = [(engine.name, api_of(engine), chain_of(engine)) for engine in running]
        for engine, (_, api, _) in zip(running, sides):
            api.lease("bench")
            if engine.name == "containerd":
                api.take_pattern(engine, image)
        for i in range(bench.rounds):
            for name, api, parent in sides:
                start = time.perf_counter()
                for j in range(count):
                    api.record(f"record-{i}-{j}", image, parent)
                rate[name].append(count / (time.perf_counter() - start))
    bench.table("containers made by a program", "1/s", rate, ">= 10")
