#!/usr/bin/env python3
"""suite - one suite for every OCI runtime: its command line, seen from outside.

    suite.py [-j N] [-k WORD]... [--probe FILE] [--list] [--all] RUNTIME

RUNTIME is a name (looked up in PATH) or a path; what it is called (runc, crun, gantry-oci) says
which differences are known and skipped, with the reason.  -k takes only tests in whose
"area.name" a WORD is; --all runs what is known to differ as well.  Prints a line per test and
last "N passed, N failed, N skipped"; ends with 1 when a test failed, 77 when nothing can run.

Every test runs in a process of its own, below a keeper that inherits whatever it leaves, in a
mount namespace of the suite's: what a runtime forgets is reported, and goes with it.
"""
import argparse
import ctypes
import glob
import importlib
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import kit

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x20000
LIMIT = 60  # seconds that a test may take


class Suite:
    def __init__(self, options):
        self.runtime = shutil.which(options.runtime) or ""
        self.kind = os.path.basename(options.runtime)
        self.prefix = f"gantry-contract-{os.getpid()}"
        self.busybox = shutil.which("busybox") or ""
        self.probe = options.probe
        self.folder = None

    def cannot_run(self):
        if not self.runtime:
            return f"{self.kind} is not here"
        if os.geteuid() != 0:
            return "needs root"
        if not self.busybox or not static(self.busybox):
            return "needs a static busybox"
        return None

    def open(self):
        """A mount namespace, a folder, and what containers are made of."""
        kit.LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if kit.LIBC.unshare(CLONE_NEWNS) < 0:
            raise OSError(ctypes.get_errno(), "unshare")
        kit.mount("none", "/", None, kit.MS_REC | kit.MS_PRIVATE)
        self.folder = tempfile.mkdtemp(prefix="contract.", dir="/var/tmp")
        os.chmod(self.folder, 0o755)
        kit.mount("contract", self.folder, "tmpfs", 0, "mode=755")
        if self.kind == "crun" and kit.cgroup_version() == 1:
            # it refuses hosts that have both hierarchies mounted
            kit.umount("/sys/fs/cgroup/unified")
        busybox = shutil.copy(self.busybox, os.path.join(self.folder, "busybox"))
        self.busybox = busybox
        probe = os.path.join(self.folder, "probe")
        if self.probe:
            shutil.copy(self.probe, probe)
        else:
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.c")
            subprocess.run([os.environ.get("CC", "cc"), "-static", "-O1", "-D_GNU_SOURCE", "-o", probe,
                            source], check=True)
        self.probe = probe

    def close(self):
        if not self.folder:
            return
        end_children()  # of tests that were interrupted
        for line in reversed(kit.read("/proc/self/mountinfo").splitlines()):
            where = line.split()[4]
            if where.startswith(self.folder + "/"):
                kit.umount(where)
        kit.umount(self.folder)
        os.rmdir(self.folder)
        remove_cgroups(self.prefix)


def static(path):
    with open(path, "rb") as file:
        return b"/lib64/ld-linux" not in file.read(4096)


def remove_cgroups(prefix):
    """Groups that carry this run's name, the innermost first."""
    for place in ["/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*")]:
        top = os.path.join(place, prefix)
        if not os.path.ismount(place):
            shutil.rmtree(top, ignore_errors=True)  # what crun makes where nothing is mounted
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


# ---- one test -----------------------------------------------------------------------------------
def play(suite, body, number):
    """In the test's own process: ("ok" | "FAIL" | "skip", why)."""
    box = None
    try:
        box = kit.Box(suite, body.__name__, number)
        body(box)
        result = ("ok", "")
    except kit.Skip as why:
        result = ("skip", str(why))
    except kit.Fail as why:
        result = ("FAIL", str(why))
    except Exception:
        result = ("FAIL", " | ".join(traceback.format_exc().strip().splitlines()[-3:]))
    if box:
        found = tidy(box)
        if result[0] == "ok" and found:
            result = ("FAIL", f"left after delete: {found}")
    return result


def tidy(box):
    """Deletes what the test's containers are; what remains then is the runtime's fault."""
    found = []
    for name in box.ids:
        if os.path.exists(os.path.join(box.root, name)):
            child = box.start_call("delete", "--force", name)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                found.append("delete --force does not end")
    for name in box.ids:
        left = box.left(name)
        if left:
            found.append(f"{name}: {left}")
    return "; ".join(found)


def keep(suite, body, number, report):
    """The keeper: inherits orphans, reaps them, and ends what is left."""
    kit.LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    kit.LIBC.unshare(CLONE_NEWNS)  # no test sees another's mounts
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    started = time.monotonic()
    sides = os.pipe()
    player = os.fork()
    if player == 0:
        os.close(sides[0])
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        result = play(suite, body, number)
        try:
            os.write(sides[1], json.dumps(result).encode()[:60000])
        except BrokenPipeError:  # the keeper was told to stop
            pass
        os._exit(0)
    os.close(sides[1])
    ended = reap_until(player, started + LIMIT)
    data = b""
    if ended:
        # containers that outlive the test may hold our end of nothing: it is close-on-exec
        while select.select([sides[0]], [], [], 0)[0]:
            more = os.read(sides[0], 65536)
            if not more:
                break
            data += more
    word, why = json.loads(data) if data else (
        "FAIL", "the test itself died" if ended else f"does not end within {LIMIT} s")
    left = end_children()
    if word == "ok" and left:
        word, why = "FAIL", f"processes were left: {left}"
    shutil.rmtree(os.path.join(suite.folder, str(number)), ignore_errors=True)
    line = {"word": word, "why": why, "seconds": time.monotonic() - started}
    os.write(report, json.dumps(line).encode())


def reap_until(player, end):
    while time.monotonic() < end:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == player:
                return True
            if pid == 0:
                break
        signal.sigtimedwait([signal.SIGCHLD], min(1, max(0, end - time.monotonic())))
    return False


def end_children():
    """Gives the children a second to end, then kills them; names those that had to be killed."""
    named = []
    started = time.monotonic()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return named
        if pid:
            continue
        late = time.monotonic() - started
        if late > 10:
            return named + ["and they do not end"]
        if late > 1:
            for child in kit.read(f"/proc/self/task/{os.getpid()}/children").split():
                named += end_child(int(child), named)
        signal.sigtimedwait([signal.SIGCHLD], 0.05)


def end_child(pid, named):
    """Kills it; a frozen process of v1 ends only when its group is thawed."""
    try:
        name = f"{pid} {kit.read(f'/proc/{pid}/cmdline')!r}"
        group = next((line.split(":", 2)[2] for line in kit.read(f"/proc/{pid}/cgroup").splitlines()
                      if ":freezer:" in line), "/")
        os.kill(pid, signal.SIGKILL)
        if "/gantry-contract-" in group:
            kit.write(f"/sys/fs/cgroup/freezer{group}/freezer.state", "THAWED")
    except (OSError, ProcessLookupError):
        return []
    return [name] if name not in named else []


# ---- all of them ----------------------------------------------------------------------------------
def load_areas():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    for path in sorted(glob.glob(os.path.join(here, "*.py"))):
        name = os.path.basename(path)[:-3]
        if name not in ("kit", "suite"):
            importlib.import_module(name)


class Score:
    def __init__(self):
        self.counts = {"ok": 0, "FAIL": 0, "skip": 0}
        self.failed = []

    def add(self, body, word, why, seconds=0.0):
        self.counts[word] += 1
        name = f"{body.area}.{body.__name__}"
        if word == "FAIL":
            self.failed.append(name)
        took = f" ({seconds:.2f} s)" if seconds else ""
        print(f"{word:4} {name}{took}{': ' + why if why else ''}", flush=True)

    def end(self, elapsed):
        for name in self.failed:
            print(f"failed: {name}")
        print(f"took {elapsed:.1f} s")
        print(f"{self.counts['ok']} passed, {self.counts['FAIL']} failed, "
              f"{self.counts['skip']} skipped", flush=True)
        return 1 if self.counts["FAIL"] else 0


def start_keeper(suite, body, number):
    sides = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(sides[0])
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = 0
        try:
            keep(suite, body, number, sides[1])
        except BaseException:
            traceback.print_exc()
            status = 1
        os._exit(status)
    os.close(sides[1])
    return keeper, sides[0]


def run_all(suite, bodies, jobs, everything, score):
    waiting = []
    for body in bodies:
        if suite.kind in body.unlike and not everything:
            score.add(body, "skip", body.unlike[suite.kind])
        else:
            waiting.append(body)
    running = {}
    number = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            number += 1
            body = waiting.pop(0)
            keeper, fd = start_keeper(suite, body, number)
            running[fd] = (keeper, body)
        for fd in select.select(list(running), [], [])[0]:
            data = os.read(fd, 1 << 20)
            os.close(fd)
            keeper, body = running.pop(fd)
            os.waitpid(keeper, 0)
            line = json.loads(data) if data else {
                "word": "FAIL", "why": "the keeper died", "seconds": 0}
            score.add(body, line["word"], line["why"], line["seconds"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-k", action="append", default=[])
    parser.add_argument("--probe", help="probe.c, compiled statically")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    load_areas()
    bodies = [body for body in kit.TESTS if not options.k or any(
        word in f"{body.area}.{body.__name__}" for word in options.k)]
    if options.list:
        print("\n".join(f"{body.area}.{body.__name__}" for body in bodies))
        return 0
    suite = Suite(options)
    why = suite.cannot_run()
    if why:
        print(f"skipped: {why}")
        return 77
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    started = time.monotonic()
    owner = os.getpid()
    score = Score()
    try:
        suite.open()
        run_all(suite, bodies, options.j, options.all, score)
    finally:
        if os.getpid() == owner:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            suite.close()
    return score.end(time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
