"""power - the power goes at random moments, and what was not flushed is lost, or half of it is.

    power.py WORK PROGRAMS CUTS SEED IMAGE...

The state lies on a disk that writes down its writes and flushes (power/disk.c).  Several users pull, run, commit and
remove at once; each notes how far the disk was when he asked and when he was answered.  Then, for each of
the cuts, a disk is made of everything up to the last flush before that moment and of some of what came behind it:
nothing, all, or at random whole writes or single sectors.  A daemon is started there, as after the next boot.
What must hold: `gantry check --deep` finds nothing; every blob has its digest, every committed snapshot the tree that
it has on a disk that lost nothing; what was answered as done is done; and now and then all of it works again.

GANTRY_POWER_FS: xfs or btrfs instead of ext4.  GANTRY_POWER_DRIVER: the snapshotter, instead of the default one.  GANTRY_POWER_TIME: after so many seconds no further cut is tried.  GANTRY_POWER_KEEP: a folder for the disk of a cut
that went wrong.  GANTRY_POWER_FORGETFUL: a library with which the daemon syncs nothing; then something must be found.
"""
import bisect
import ctypes
import glob
import hashlib
import json
import mmap
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time

from engine import Engine, Failed, until

SECTOR = 512
RECORD = struct.Struct("=QQQ")  # kind, offset, size
WRITE, FLUSH = 1, 2
FILE_SYSTEM = os.environ.get("GANTRY_POWER_FS", "ext4")
# Size of the disk, how it is made, how it is mounted for the work: only what is flushed is there for sure, no commit of
# the file system's own, no flush that its heuristics add.
DISK_SIZE, MAKE, OPTIONS = {
    "ext4": (96 << 20, ("mkfs.ext4", "-q", "-b", "4096", "-J", "size=8"), "noatime,noauto_da_alloc,commit=600"),
    "xfs": (320 << 20, ("mkfs.xfs", "-q"), "noatime"),
    "btrfs": (256 << 20, ("mkfs.btrfs", "-q"), "noatime,commit=600"),
}[FILE_SYSTEM]


def system(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


# ---- the disk -------------------------------------------------------------------------------------


def attach(file, place, options):
    """A loop device on the file, mounted; its name."""
    for attempt in range(10):  # of several who ask for a free one at once, one gets it
        try:
            device = system("losetup", "-f", "--show", file)
            break
        except Failed:
            if attempt == 9:
                raise
            time.sleep(0.05)
    try:
        system("mount", "-t", FILE_SYSTEM, "-o", options, device, place)
    except Failed:
        system("losetup", "-d", device)
        raise
    return device


def detach(device, place):
    """Nothing writes to its file any more: no process in a mount namespace of its own has it, either."""
    until("it is unmounted", lambda: subprocess.run(["umount", place], capture_output=True).returncode == 0, 10)
    system("losetup", "-d", device)
    until("the loop device lets go", lambda: not os.path.exists(f"/sys/block/{os.path.basename(device)}/loop"), 10)


class Disk:
    """The one that writes down."""

    def __init__(self, work, programs):
        self.image, self.base, self.log = f"{work}/image", f"{work}/base", f"{work}/log"
        self.file, self.place = f"{work}/disk.file", f"{work}/disk"
        os.makedirs(self.place, exist_ok=True)
        for path, size in ((self.image, DISK_SIZE), (self.file, 0)):
            with open(path, "wb") as file:
                file.truncate(size)
        system(*MAKE, self.image)
        shutil.copyfile(self.image, self.base)
        self.server = subprocess.Popen([f"{programs}/power_disk", self.image, self.file, self.log])
        until("the disk is there", lambda: os.stat(self.file).st_size == DISK_SIZE, 10)
        self.device = attach(self.file, self.place, OPTIONS)

    def now(self):
        return os.stat(self.log).st_size

    def close(self):
        detach(self.device, self.place)
        until("nobody has the disk", lambda: subprocess.run(["umount", self.file], capture_output=True).returncode == 0, 10)
        self.server.wait()


class Cuts:
    """Disks as they may be after a cut; asked for in the order of their moments."""

    def __init__(self, disk, path):
        self.path = path
        with open(disk.log, "rb") as file:
            self.log = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.records, self.ends = [], []  # (kind, offset, size, where its bytes are)
        at = 0
        while at < len(self.log):
            kind, offset, size = RECORD.unpack_from(self.log, at)
            at += RECORD.size
            self.records.append((kind, offset, size, at))
            at += size if kind == WRITE else 0
            self.ends.append(at)
        with open(disk.base, "r+b") as file:
            self.flushed = mmap.mmap(file.fileno(), 0)
        self.done = 0  # records that are in `flushed`

    def flushes(self):
        return sum(record[0] == FLUSH for record in self.records)

    def _write(self, target, record, first=0, last=None):
        _, offset, size, at = record
        last = size if last is None else min(last, size)
        target[offset + first:offset + last] = self.log[at + first:at + last]

    def make(self, count, how, dice):
        """The disk when so many records were made; how many of the writes behind the last flush it has, and of how
        many."""
        last = count
        while last > self.done and self.records[last - 1][0] != FLUSH:
            last -= 1
        for record in self.records[self.done:last]:
            if record[0] == WRITE:
                self._write(self.flushed, record)
        self.done = max(self.done, last)
        if os.path.exists(self.path):
            os.unlink(self.path)
        with open(self.path, "w+b") as file:
            file.write(self.flushed)
            file.flush()
            with mmap.mmap(file.fileno(), 0) as target:
                rest = self.records[self.done:count]
                return sum(self._keep(target, record, how, dice) for record in rest), len(rest)

    def _keep(self, target, record, how, dice):
        share = {"none": 0, "all": 1, "half": 0.5, "most": 0.9, "torn": 0.5}[how]
        # a file system may rely on its first block, with all it knows of itself, to be written whole
        if how != "torn" or record[1] < 4096:
            if share == 1 or dice.random() < share:
                self._write(target, record)
                return 1
            return 0
        for first in range(0, record[2], SECTOR):
            if dice.random() < share:
                self._write(target, record, first, first + SECTOR)
        return 1


# ---- what is known of trees -------------------------------------------------------------------------


def tree_digest(folder):
    """Of everything a user can see of it, but for the times of folders."""
    total = hashlib.sha256()
    for path in sorted([folder] + [os.path.join(at, name) for at, folders, files in os.walk(folder)
                                   for name in folders + files]):
        info = os.lstat(path)
        words = [os.path.relpath(path, folder), info.st_mode, info.st_uid, info.st_gid, info.st_rdev]
        words += [(name, os.getxattr(path, name, follow_symlinks=False))
                  for name in sorted(os.listxattr(path, follow_symlinks=False))]
        if not stat.S_ISDIR(info.st_mode):
            words += [info.st_size, info.st_mtime_ns, info.st_nlink]
        if stat.S_ISLNK(info.st_mode):
            words.append(os.readlink(path))
        if stat.S_ISREG(info.st_mode):
            with open(path, "rb") as file:
                words.append(hashlib.file_digest(file, "sha256").hexdigest())
        total.update(repr(words).encode())
    return total.hexdigest()


def committed(engine):
    """Keys of committed snapshots, and the numbers of their layers."""
    return {s["key"]: s["layer"] for s in json.loads(engine.must("--format", "json", "snapshot", "ls"))
            if s["kind"] == "committed"}


def trees(engine):
    return {key: tree_digest(f"{engine.root}/snapshots/{layer}/fs") for key, layer in committed(engine).items()}


# ---- what is asked ------------------------------------------------------------------------------------


class History:
    """What became of each thing, and between which moments of the disk."""

    def __init__(self, disk):
        self.disk, self.of = disk, {}

    def did(self, thing, state, action):
        begin = self.disk.now()
        action()
        self.of.setdefault(thing, []).append((state, begin, self.disk.now()))

    def possible(self, thing, moment):
        states = {None}
        for state, begin, end in self.of[thing]:
            if end <= moment:
                states = {state}
            elif begin < moment:
                states.add(state)
        return states

    def answers(self):
        return [end for changes in self.of.values() for _, _, end in changes]


class User(threading.Thread):
    """Asks one thing after the other, of things that nobody else touches."""

    def __init__(self, engine, history, dice, rounds):
        super().__init__()
        self.engine, self.history, self.dice, self.rounds = engine, history, dice, rounds
        self.failure = None

    def run(self):
        try:
            for number in range(self.rounds):
                self.round(number)
        except Exception as failure:  # whoever waits for this thread says it
            self.failure = failure

    def did(self, thing, state, *words):
        self.history.did(thing, state, lambda: self.engine.must(*words))


class Puller(User):
    def __init__(self, image, *rest):
        super().__init__(*rest)
        self.image = image

    def round(self, number):
        self.did(f"image {self.image}", "there", "pull", self.image)
        if number + 1 < self.rounds or self.dice.random() < 0.5:
            self.did(f"image {self.image}", None, "rmi", self.image)


class Runner(User):
    """Containers made, run, removed; some stay."""

    def __init__(self, image, *rest):
        super().__init__(*rest)
        self.image = image

    def round(self, number):
        name, thing = f"c{number}", f"container c{number}"
        if number == 0:
            self.did(f"image {self.image}", "there", "pull", self.image)
        if self.dice.random() < 0.5:
            self.did(thing, "there", "create", "--name", name, self.image, "echo", "hi")
            self.did(thing, "there", "start", name)
            self.engine.must("wait", name)
        else:
            self.did(thing, "there", "run", "--name", name, self.image, "sh", "-c", "echo hi >/file")
        self.engine.must("run", "--rm", self.image, "true")
        if self.dice.random() < 0.5:
            self.did(thing, None, "rm", name)


class Maker(User):
    """Images made of containers that have written something; they are there with all they hold, or are not."""

    def __init__(self, image, *rest):
        super().__init__(*rest)
        self.image = image

    def round(self, number):
        self.engine.must("pull", self.image)
        self.engine.must("run", "--name", f"writes{number}", self.image, "sh", "-c",
                         f"echo {number} >/made; mkdir -p /deep/er; dd if=/dev/urandom of=/deep/er/file bs=1k count=50 2>/dev/null")
        self.did(f"image docker.io/library/made{number}", "there", "commit", f"writes{number}", f"made{number}")
        self.engine.must("rm", f"writes{number}")
        if self.dice.random() < 0.3:
            self.did(f"image docker.io/library/made{number}", None, "rmi", f"made{number}")


class Filler(User):
    """Volumes; what a container writes into one is its own to flush, and it does."""

    def __init__(self, image, *rest):
        super().__init__(*rest)
        self.image = image

    def round(self, number):
        name = f"v{number}"
        self.did(f"volume {name}", "there", "volume", "create", name)
        self.engine.must("pull", self.image)
        self.did(f"file {name}", str(number), "run", "--rm", "-v", f"{name}:/data", self.image, "sh", "-c",
                 f"echo {number} | dd of=/data/file conv=fsync 2>/dev/null")
        if self.dice.random() < 0.3:
            begin = self.history.disk.now()
            self.did(f"volume {name}", None, "volume", "rm", name)
            self.history.of[f"file {name}"].append((None, begin, self.history.disk.now()))


class Committer(User):
    """Snapshots written by hand and committed; what they hold is known by their names."""

    label = ("-l", "containerd.io/gc.root=yes")

    def write(self, key, number):
        layer = json.loads(self.engine.must("--format", "json", "snapshot", "ls", "-f", f"key=={key}"))[0]["layer"]
        folder = f"{self.engine.root}/snapshots/{layer}/fs"
        for i in range(self.dice.randint(1, 5)):
            os.makedirs(f"{folder}/{i}/{number}")
            with open(f"{folder}/{i}/{number}/file", "wb") as file:
                file.write(os.urandom(self.dice.choice((10, 5000, 200000))))
            os.symlink("file", f"{folder}/{i}/link")
        return tree_digest(folder)

    def round(self, number):
        key, name = f"work{number}", f"done{number}"
        self.did(f"snapshot {key}", "active", "snapshot", "prepare", *self.label, key)
        tree = self.write(key, number)
        thing = f"snapshot {name}"
        begin = self.history.disk.now()
        self.did(thing, tree, "snapshot", "commit", *self.label, key, name)
        self.history.of[f"snapshot {key}"].append((None, begin, self.history.disk.now()))
        if self.dice.random() < 0.4:
            self.did(thing, None, "snapshot", "rm", name)


class Nudger(User):
    """Has files written back at random, as the kernel does in its own time, and nothing flushed."""

    def round(self, number):
        files = glob.glob(f"{self.engine.root}/[bcis]*/**", recursive=True)
        path = self.dice.choice(files or [self.engine.root])
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # gone, or a link
            return
        ctypes.CDLL(None).sync_file_range(file, ctypes.c_int64(0), ctypes.c_int64(0), 2)  # SYNC_FILE_RANGE_WRITE
        os.close(file)
        time.sleep(0.01)


class Collector(User):
    def round(self, number):
        self.engine.must("gc")


# What else gets written belongs here: one class per kind of thing, and what it says in found().
def users(engine, history, dice, images):
    all_of_them = [Puller(image, engine, history, random.Random(dice.random()), 5) for image in images[1:]]
    all_of_them.append(Runner(images[0], engine, history, random.Random(dice.random()), 7))
    all_of_them.append(Maker(images[0], engine, history, random.Random(dice.random()), 4))
    all_of_them.append(Filler(images[0], engine, history, random.Random(dice.random()), 5))
    all_of_them.append(Committer(engine, history, random.Random(dice.random()), 10))
    all_of_them.append(Nudger(engine, history, random.Random(dice.random()), 200))
    all_of_them.append(Collector(engine, history, random.Random(dice.random()), 6))
    return all_of_them


def work_on(disk, engine, dice, images):
    history = History(disk)
    workers = users(engine, history, dice, images)
    engine.start(GANTRY_TEST_BOOT_ID="before")
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for worker in workers:
        if worker.failure is not None:
            raise Failed(f"before any cut: {worker.failure}")
    engine.kill()
    return history


# ---- what must hold afterwards ----------------------------------------------------------------------------


def found(engine):
    """What there is, in the words of the history.  The collector goes about meanwhile: then once more."""
    def look():
        try:
            return [found_now(engine)]
        except FileNotFoundError:
            return None
    return until("what is listed is there", look)[0]


def found_now(engine):
    there = {f"image {image['name'].removesuffix(':latest')}": "there"
             for image in json.loads(engine.must("--format", "json", "images"))}
    there |= {f"container {c['name']}": "there" for c in json.loads(engine.must("--format", "json", "ps", "-a"))}
    for volume in json.loads(engine.must("--format", "json", "volume", "ls")):
        there[f"volume {volume['name']}"] = "there"
        for path in glob.glob(f"{engine.root}/volumes/{engine.namespace}/{volume['name']}/**/file", recursive=True):
            with open(path) as file:
                there[f"file {volume['name']}"] = file.read().strip()
    for snapshot in json.loads(engine.must("--format", "json", "snapshot", "ls")):
        is_done = snapshot["kind"] == "committed"
        tree = tree_digest(f"{engine.root}/snapshots/{snapshot['layer']}/fs") if is_done else "active"
        there[f"snapshot {snapshot['key']}"] = tree
    return there


def check_blobs(engine):
    for path in glob.glob(f"{engine.root}/blobs/sha256/*"):
        try:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:  # the collector was here
            continue
        if digest != os.path.basename(path):
            raise Failed(f"{path} has other bytes")


def check_answers(there, history, moment, known):
    for thing in history.of:
        if there.get(thing) not in history.possible(thing, moment):
            raise Failed(f"{thing}: is {there.get(thing)}, and may only be one of {history.possible(thing, moment)}")
    for key, tree in known.items():
        if there.get(f"snapshot {key}") not in (None, tree):
            raise Failed(f"snapshot {key}: its tree is another one")


def check_use(engine, history, there, images):
    """Everything that is there can be used, and everything else be made again."""
    for thing in there:
        if thing in history.of and thing.startswith("container "):
            engine.must("start", "-a", thing.split()[1])
        if thing in history.of and thing.startswith("image docker.io/library/made"):
            number = thing.removeprefix("image docker.io/library/made")
            engine.must("run", "--rm", f"made{number}", "cat", "/made", said=number)
    for image in images:
        engine.must("pull", image)
        engine.must("run", "--rm", image, "true")
    engine.remove_containers()
    engine.must("gc")
    engine.check()


def after(engine, history, moment, known, images, thoroughly):
    engine.start(GANTRY_TEST_BOOT_ID="behind")
    try:
        there = found(engine)
        check_answers(there, history, moment, known)
        check_blobs(engine)
        engine.check()
        if thoroughly:
            check_use(engine, history, there, images)
    finally:
        engine.kill()
        shutil.rmtree(engine.state, ignore_errors=True)


def moments(cuts, history, count, dice):
    """Half of them anywhere, half a few writes behind an answer."""
    total = len(cuts.records)
    ends = history.answers()
    chosen = [dice.randint(1, total) for _ in range(count - count // 2)]
    chosen += [min(total, bisect.bisect_right(cuts.ends, dice.choice(ends)) + dice.choice((0, 0, 1, 2, 5)))
               for _ in range(count // 2)]
    return sorted(max(1, one) for one in chosen)


def cut_all(work, disk, engine, history, known, images, count, dice, patience):
    cuts = Cuts(disk, f"{work}/cut")
    start, tried, kept, lost = time.monotonic(), 0, 0, 0
    for number, at in enumerate(moments(cuts, history, count, dice)):
        if time.monotonic() - start > patience:
            break
        how = dice.choice(("none", "all", "half", "most", "torn"))
        some, of = cuts.make(at, how, dice)
        kept, lost, tried = kept + some, lost + of - some, tried + 1
        try:
            device = attach(cuts.path, disk.place, "noatime")
            try:
                after(engine, history, cuts.ends[at - 1], known, images, number % 4 == 0)
            finally:
                detach(device, disk.place)
        except Failed as failed:
            if os.environ.get("GANTRY_POWER_KEEP"):
                shutil.copyfile(cuts.path, f"{os.environ['GANTRY_POWER_KEEP']}/cut-{number}")
            raise Failed(f"cut {number}, behind write {at} of {len(cuts.records)}, {some} of {of} writes behind the last"
                         f" flush kept ({how}): {failed}")
    return (f"{tried} cuts of {len(cuts.records)} writes and {cuts.flushes()} flushes, {lost} of {kept + lost} writes lost,"
            f" {len(history.of)} things, {time.monotonic() - start:.0f} s")


def with_driver(work, driver):
    """Options of gantryd."""
    with open(f"{work}/{driver}.toml", "w") as file:
        file.write(f"snapshotter = \"{driver}\"\n")
    return "--config", f"{work}/{driver}.toml"


def known_trees(work, programs, seed, images, options):
    """Of the images' layers, on a disk that loses nothing."""
    reference = Engine(f"{work}/reference", programs, f"power-{seed}")
    reference.options = options
    reference.start()
    for image in images:
        reference.must("pull", image)
    known = trees(reference)
    reference.stop()
    return known


def main():
    work, programs, count, seed, *images = sys.argv[1:]
    dice = random.Random(int(seed))
    driver = os.environ.get("GANTRY_POWER_DRIVER", "overlay")
    # a disk of its own has what btrfs needs; its trees are those of native
    known = known_trees(work, programs, seed, images, with_driver(work, "native" if driver == "btrfs" else driver))
    disk = Disk(work, f"{programs}/../tests")
    engine = Engine(work, programs, f"power-{seed}")
    engine.root = f"{disk.place}/root"
    engine.options = with_driver(work, driver)
    forgetful = os.environ.get("GANTRY_POWER_FORGETFUL")
    if forgetful:
        engine.environment["LD_PRELOAD"] = forgetful
    try:
        history = work_on(disk, engine, dice, images)
        disk.close()
        engine.environment.pop("LD_PRELOAD", None)
        shutil.rmtree(engine.state, ignore_errors=True)
        said = cut_all(work, disk, engine, history, known, images, int(count), dice,
                       float(os.environ.get("GANTRY_POWER_TIME", "inf")))
    except Failed as failed:
        if not forgetful:
            sys.exit(f"FAILED: seed {seed}: {failed}")
        print(f"nothing was synced, and it was noticed: {failed}")
        return
    if forgetful:
        sys.exit(f"FAILED: nothing was synced, and nothing was noticed in {said}")
    print(said)


main()
