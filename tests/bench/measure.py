"""measure - the instruments of tests/bench/run: time, cpu with children, memory, a fresh file system."""
import contextlib
import os
import pathlib
import statistics
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def median(values):
    return statistics.median(values)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def cpu_seconds(pid):
    """Of a process and of all children it has waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICKS


def processes():
    """(pid, arguments) of everything that runs."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                found.append((int(folder.name), words))
    return found


def pids_with(folder):
    """What was started on a folder of ours and still runs."""
    return [pid for pid, words in processes() if pid != os.getpid() and any(str(folder) in word for word in words)]


def children_of(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += children_of(int(child))
    return found


def pss_mib(pid):
    """Proportional set size; 0 for a process that has just gone."""
    with contextlib.suppress(OSError, StopIteration):
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0


class PeakMemory:
    """The largest sum over a daemon and its children seen ten times a second while a block runs."""

    def __init__(self, pid):
        self.pid = pid
        self.mib = 0.0
        self.over = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.1):
            with contextlib.suppress(OSError):
                self.mib = max(self.mib, sum(pss_mib(pid) for pid in children_of(self.pid)))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@contextlib.contextmanager
def one_processor(pid):
    """A process with all its threads, and this one with what it starts, on the same processor."""
    before = os.sched_getaffinity(0)

    def put(processors):
        os.sched_setaffinity(0, processors)
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), processors)

    put({min(before)})
    try:
        yield
    finally:
        put(before)


@contextlib.contextmanager
def fresh_disk(work, kind="ext4", size="6G"):
    """A new file system of its own: after mass deletes an old one makes files ten times slower for minutes."""
    image, place = work / "disk.img", work / "disk"
    place.mkdir(exist_ok=True)
    subprocess.run(["truncate", "-s", size, image], check=True)
    make = {"ext4": ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"], "btrfs": ["mkfs.btrfs", "-q"]}
    subprocess.run([*make[kind], image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        for _ in range(50):
            if subprocess.run(["umount", place], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)
        image.unlink()


def in_parallel(commands, at_once):
    """Runs all commands, so many at a time; seconds for all, and how many failed."""
    start, running, failed = time.perf_counter(), [], 0
    for command in commands:
        if len(running) == at_once:
            failed += running.pop(0).wait() != 0
        running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL))
    failed += sum(process.wait() != 0 for process in running)
    return time.perf_counter() - start, failed
