"""faults - the platform's calls fail, or end the daemon, one after the other.

    faults.py WORK PROGRAMS IMAGE fail|exit|fetch-fail|fetch-exit SCENARIO...

A scenario is something that a user asks for.  Its calls are counted first; then, for each of them,
the same is asked while exactly this call fails (`fail`) or is the daemon's last (`exit`).  What must
hold afterwards: the user heard a clear error or got what he wanted; the daemon lives (`fail`) or starts
again on what it finds (`exit`); the same thing asked once more succeeds; `gantry check` finds nothing;
and what is removed leaves nothing behind.  Start-up is a scenario of its own.  With `fetch-` the calls are those of
gantry-fetch, and the daemon lives on.
"""
import glob
import json
import os
import shutil
import signal
import sys
import time

from control import Control, EXITS_WITH
from engine import Engine, Failed, Result, until
from registry import Registry

ALIKE = 3  # of calls of one name in a row, so many are tried: at both ends and between


class Scenario:
    """Prepared once; then for each call: ask, ask again, clean."""

    alike = ALIKE
    sound_after_crash = True  # before it is asked again

    def __init__(self, engine, image):
        self.engine, self.image, self.turns = engine, image, 0

    def prepare(self):
        pass

    def expected(self):
        return ()

    def ask(self):
        raise NotImplementedError

    def again(self, result):
        raise NotImplementedError

    def clean(self):
        pass


class Pull(Scenario):
    def ask(self):
        return self.engine.may_fail("pull", self.image)

    def again(self, result):
        self.engine.must("pull", self.image)
        self.turns += 1
        if self.turns % 8 != 1:  # what was pulled is hashed by the check; that it runs is seen now and then
            return
        self.engine.must("run", "--rm", self.image, "cat", "/above", said="above")
        self.engine.no_containers()

    def clean(self):
        self.engine.must("rmi", self.image)


class WithImage(Scenario):
    def prepare(self):
        self.engine.must("pull", self.image)
        self.engine.settle(self.engine.leftovers())
        self.kept = self.engine.leftovers()

    def expected(self):
        return self.kept


class Create(WithImage):
    """A container is there with all that belongs to it, or is not there."""

    def ask(self):
        return self.engine.may_fail("create", "--name", "made", self.image, "echo", "hi")

    def again(self, result):
        there = self.engine.gantry("inspect", "--type", "container", "made").status == 0
        if there and self.engine.process_lived and result.status != 0:
            raise Failed(f"it is there, and this was said: {result}")
        if not there:
            self.engine.must("create", "--name", "made", self.image, "echo", "hi")
        self.engine.must("start", "-a", "made", said="hi")

    def clean(self):
        self.engine.must("rm", "made")


class Run(WithImage):
    def ask(self):
        result = self.engine.may_fail("run", "--rm", self.image, "echo", "hi")
        if result.status == 0 and result.out != "hi":
            raise Failed(f"its output is lost: {result}")
        return result

    def again(self, result):
        self.engine.must("run", "--rm", self.image, "echo", "hi", said="hi")

    def clean(self):
        self.engine.remove_containers()


class Exec(WithImage):
    def prepare(self):
        super().prepare()
        self.engine.must("run", "-d", "--name", "host", self.image, "sleep", "100000")
        self.kept = self.engine.leftovers()

    def ask(self):
        return self.engine.may_fail("exec", "host", "echo", "hi")

    def again(self, result):
        self.engine.must("exec", "host", "echo", "hi", said="hi")


class Remove(WithImage):
    def ask(self):
        self.engine.must("run", "--name", "gone", self.image, "touch", "/a")
        self.engine.arm()
        return self.engine.may_fail("rm", "gone")

    def again(self, result):
        if self.engine.containers():
            self.engine.must("rm", "gone")


class Volumes(WithImage):
    """A container with volumes that are filled from its image: a named one, and one that nobody named."""

    def create(self):
        return "create", "--name", "made", "-v", "data:/deep", "-v", "/etc", self.image, "cat", "/deep/er/file", "/etc/passwd"

    def ask(self):
        return self.engine.may_fail(*self.create())

    def again(self, result):
        there = self.engine.gantry("inspect", "--type", "container", "made").status == 0
        if there and self.engine.process_lived and result.status != 0:
            raise Failed(f"it is there, and this was said: {result}")
        if not there:
            self.engine.must(*self.create())
        if "below\nroot:" not in (text := self.engine.must("start", "-a", "made")):
            raise Failed(f"what the image had there is not there: {text}")

    def clean(self):
        """Nothing but the named one may be left, whatever failed before."""
        self.engine.must("rm", "-v", "made")
        # the lease of a job that could not give it back holds it a moment longer
        until("the named one goes", lambda: self.engine.gantry("volume", "rm", "-f", "data").status == 0, 10)
        until("the other one is gone", lambda: not self.engine.must("volume", "ls", "-q"), 10)


class RemoveVolumes(WithImage):
    """rm -v takes the volume along, or the container stays with it."""

    def ask(self):
        self.engine.must("create", "--name", "gone", "-v", "/deep", self.image, "true")
        self.engine.arm()
        return self.engine.may_fail("rm", "-v", "gone")

    def again(self, result):
        if self.engine.containers():
            self.engine.must("rm", "-v", "gone")
        until("its volume is gone", lambda: not self.engine.must("volume", "ls", "-q"), 10)


class RemoveImage(Scenario):
    def ask(self):
        self.engine.must("pull", self.image)
        self.engine.arm()
        return self.engine.may_fail("rmi", self.image)

    def again(self, result):
        if self.engine.must("images", "-q"):
            self.engine.must("rmi", self.image)
        self.engine.must("gc")


class Push(Scenario):
    """Nothing is mounted: the bytes go."""

    def prepare(self):
        self.registry = Registry(self.image)
        self.engine.must("pull", self.image)
        self.kept = self.engine.leftovers()

    def expected(self):
        return self.kept

    def push(self):
        return "push", self.image, self.registry.reference(self.name)

    def ask(self):
        self.turns += 1
        self.name = f"turn{self.turns}"
        return self.engine.may_fail(*self.push())

    def again(self, result):
        if not self.registry.has(self.name) and result.status == 0:
            raise Failed("it was pushed, and the registry has it not")
        self.engine.must(*self.push())
        if not self.registry.has(self.name):
            raise Failed("it was pushed again, and the registry has it not")
        until("no gantry-fetch is left", lambda: not self.engine.helpers(), 10)

    def clean(self):
        """What is remembered of where its blobs are goes with them."""
        self.engine.must("rmi", self.image)
        self.engine.settle()
        self.prepare()


class Copy(Scenario):
    """From one name of the registry to another that it is not known by; nothing stays here."""

    def prepare(self):
        self.registry = Registry(self.image)

    def copy(self):
        return "copy", self.image, self.registry.reference(self.name)

    def ask(self):
        self.turns += 1
        self.name = f"copy{self.turns}"
        return self.engine.may_fail(*self.copy())

    def again(self, result):
        if not self.registry.has(self.name) and result.status == 0:
            raise Failed("it was copied, and the registry has it not")
        self.engine.must(*self.copy())
        if not self.registry.has(self.name):
            raise Failed("it was copied again, and the registry has it not")
        until("no gantry-fetch is left", lambda: not self.engine.helpers(), 10)

    def clean(self):
        self.engine.must("gc")  # by itself it comes, but on a busy machine later


class Snapshots(Scenario):
    """Made, committed, looked at, removed: each step is done or not, and the next try finds out which."""

    KEEP = ("-l", "containerd.io/gc.root=yes")
    STEPS = (("snapshot", "prepare", *KEEP, "work"), ("snapshot", "commit", *KEEP, "work", "done"),
             ("snapshot", "prepare", *KEEP, "above", "done"), ("snapshot", "view", *KEEP, "look", "done"),
             ("snapshot", "label", "look", "color=green"), ("snapshot", "rm", "look"), ("snapshot", "rm", "above"),
             ("snapshot", "rm", "done"), ("gc",))

    def ask(self):
        for step in self.STEPS:
            result = self.engine.may_fail(*step)
            if result.status != 0:
                break
        return result

    def again(self, result):
        there = {s["key"] for s in json.loads(self.engine.must("--format", "json", "snapshot", "ls"))}
        if result.status == 0 and there:
            raise Failed(f"they were removed, and are there: {there}")
        for key in ("look", "above", "work", "done"):
            if key in there:
                self.engine.must("snapshot", "rm", key)
        for step in self.STEPS:
            self.engine.must(*step)


class Repair(WithImage):
    """A layer and a blob are gone, and are made anew.  A check that finds something takes a second: one call of those
    that are alike is enough."""

    alike, sound_after_crash = 1, False

    def ask(self):
        engine = self.engine
        layer = json.loads(engine.must("--format", "json", "snapshot", "ls"))[0]["layer"]
        blob = max(glob.glob(f"{engine.root}/blobs/sha256/*"), key=os.path.getsize)
        shutil.rmtree(f"{engine.root}/snapshots/{layer}/fs")
        os.unlink(blob)
        engine.arm()
        result = engine.gantry("check", "--repair")
        if result.status != 0 and "gantry: " not in result.errors and "not repaired: " not in result.out:
            raise Failed(f"no clear error: {result}")
        return result

    def again(self, result):
        self.engine.must("check", "--repair")
        self.engine.must("run", "--rm", self.image, "cat", "/above", said="above")
        self.engine.no_containers()


class Start(WithImage):
    """A start on what a crash has left: files without rows, a half-made pull, a container that ended
    while nobody looked, and one that goes on."""

    def prepare(self):
        super().prepare()
        self.engine.must("run", "-d", "--name", "stays", self.image, "sleep", "100000")
        self.kept = self.engine.leftovers()

    def dirt(self):
        """What the daemon finds at its next start."""
        engine, name = self.engine, "0" * 64
        engine.must("run", "-d", "--name", "ends", self.image, "sleep", "100000")
        pid = json.loads(engine.must("inspect", "ends"))[0]["pid"]
        engine.kill()
        os.kill(pid, signal.SIGKILL)
        for file in (f"blobs/sha256/{name}", f"ingests/{name}"):
            open(f"{engine.root}/{file}", "w").close()
        for folder in ("snapshots/99999999/fs", f"containers/{engine.namespace}/{name}", "trash/content/old"):
            os.makedirs(f"{engine.root}/{folder}")

    def ask(self):
        """It starts, or says why not."""
        engine = self.engine
        self.dirt()
        engine.arm()
        mark = engine.log.tell()
        engine.spawn()
        until("gantryd answers or ends", lambda: engine.has_ended() or engine.answers())
        if engine.has_ended() and engine.process.returncode not in (1, EXITS_WITH):
            raise Failed(f"gantryd ended with {engine.process.returncode}")
        if engine.has_ended() and engine.process.returncode == 1:
            with open(f"{engine.work}/gantryd.log", "rb") as log:
                log.seek(mark)
                if b"gantryd: " not in log.read():
                    raise Failed("gantryd does not say why it cannot start")
        return Result(("start",), 0 if not engine.has_ended() else engine.process.returncode, "", "")

    def again(self, result):
        engine = self.engine
        if engine.has_ended():
            engine.start()
        until("the end of a container is known", lambda: engine.gantry("wait", "ends").out == "137", 10)
        # a supervisor that could not be reached once is a moment later
        until("the other is reached", lambda: engine.may_fail("exec", "stays", "echo", "hi").out == "hi", 10)

    def clean(self):
        self.engine.must("rm", "ends")


SCENARIOS = {"start": Start, "pull": Pull, "create": Create, "run": Run, "exec": Exec, "rm": Remove, "rmi": RemoveImage, "volumes": Volumes, "rm-volumes": RemoveVolumes,
             "push": Push, "copy": Copy,
             "snapshots": Snapshots, "repair": Repair}


class Faulty(Engine):
    """An engine whose calls can be numbered.  `arm` starts that; a scenario whose `ask` prepares
    something first calls it itself when that is done."""

    def begin(self, control, wish):
        self.control, self.wish, self.process_lived = control, wish, True

    def arm(self):
        wish, self.wish = self.wish, None
        if wish is not None:
            wish()


def arms_itself(scenario):
    return isinstance(scenario, (Remove, Repair, RemoveVolumes, RemoveImage, Start))


def ask(engine, scenario, wish):
    engine.begin(engine.control, wish)
    if not arms_itself(scenario):
        engine.arm()
    return scenario.ask()


def count(engine, scenario):
    """Names of the calls; what is done in the background afterwards belongs to it."""
    result = ask(engine, scenario, engine.control.count)
    if result.status != 0:
        raise Failed(str(result))
    calls = -1
    while calls != (now := engine.control.calls()):
        calls = now
        time.sleep(0.3)
    engine.control.off()
    scenario.again(result)
    scenario.clean()
    engine.settle(scenario.expected())
    return [engine.control.name(n) for n in range(1, calls + 1)]


def chosen(names, all_of_them, alike):
    """Numbers to try: all, but of many alike in a row only some."""
    numbers, start = [], 0
    while start < len(names):
        end = start
        while end < len(names) and names[end] == names[start]:
            end += 1
        run = list(range(start + 1, end + 1))
        if len(run) > alike and not all_of_them:
            run = [run[0], run[len(run) // 2], run[-1]][:alike]
        numbers += run
        start = end
    return numbers


def finish(engine, scenario, result):
    scenario.again(result)
    engine.check()
    scenario.clean()
    engine.settle(scenario.expected())


def fail_at(engine, scenario, number):
    result = ask(engine, scenario, lambda: engine.control.fail(number))
    hit = engine.control.off() >= number
    if engine.has_ended() and not isinstance(scenario, Start):
        raise Failed(f"the daemon ended with {engine.process.returncode}")
    finish(engine, scenario, result)
    return hit


def ends(engine):
    """A call that came just when the wish went is numbered and not the last: then it lives on."""
    end = time.monotonic() + 5
    while not engine.has_ended() and time.monotonic() < end:
        time.sleep(0.005)
    return engine.has_ended()


def exit_at(engine, scenario, number):
    result = ask(engine, scenario, lambda: engine.control.exit(number))
    if engine.control.calls() < number:  # in the background, if at all
        end = time.monotonic() + 0.5
        while engine.control.calls() < number and time.monotonic() < end:
            time.sleep(0.005)
    hit = engine.control.off() >= number and ends(engine)
    if hit:
        if engine.process.returncode != EXITS_WITH:
            raise Failed(f"the daemon ended with {engine.process.returncode}")
        engine.process_lived = False
        engine.start()
        if scenario.sound_after_crash:
            engine.check()
    finish(engine, scenario, result)
    return hit


def fetch_exit_at(engine, scenario, number):
    """The process ends and the daemon does not."""
    result = ask(engine, scenario, lambda: engine.control.exit(number))
    hit = engine.control.off() >= number
    if engine.has_ended():
        raise Failed(f"the daemon ended with {engine.process.returncode}")
    finish(engine, scenario, result)
    return hit


def with_controlled_fetch(engine, folder):
    """Programs of ours, of which gantry-fetch hears the control, and gantryd does not."""
    shutil.copytree(engine.programs, folder)
    fetch = f"{folder}/gantry-fetch"
    os.rename(fetch, f"{fetch}.real")
    with open(fetch, "w") as script:
        script.write(f"#!/bin/sh\nGANTRY_FAULT_CONTROL='{engine.control.path}' exec '{fetch}.real' \"$@\"\n")
    os.chmod(fetch, 0o755)
    engine.programs = folder


HOWS = {"fail": fail_at, "exit": exit_at, "fetch-fail": fail_at, "fetch-exit": fetch_exit_at}


def run_scenario(engine, name, how, image, only):
    scenario = SCENARIOS[name](engine, image)
    start, hits, number = time.monotonic(), 0, 0
    engine.begin(engine.control, None)
    scenario.prepare()
    names = count(engine, scenario)
    numbers = only or chosen(names, bool(os.environ.get("GANTRY_FAULT_ALL")), scenario.alike)
    try:
        for number in numbers:
            hits += HOWS[how](engine, scenario, number)
    except Failed as failed:
        raise Failed(f"{name}, {how} at call {number} of {len(names)} ({engine.control.name(number)}): {failed}")
    if not only and hits < len(numbers) * 3 // 4:
        raise Failed(f"{name}: of {len(numbers)} calls only {hits} came again")
    engine.begin(engine.control, None)
    engine.remove_containers()
    if isinstance(scenario, (WithImage, Push)):
        engine.must("rmi", image)
    engine.settle()
    engine.check()
    print(f"{name}: {len(names)} platform calls, {how} at {len(numbers)} of them, {hits} hit,"
          f" {time.monotonic() - start:.0f} s", flush=True)


def main():
    work, programs, image, how, *names = sys.argv[1:]
    only = [int(n) for n in os.environ.get("GANTRY_FAULT_ONLY", "").split()]
    engine = Faulty(work, programs, f"fault-{os.getpid()}")
    engine.control = Control(f"{work}/control")
    if how.startswith("fetch-"):
        with_controlled_fetch(engine, f"{work}/programs")
    else:
        engine.environment["GANTRY_FAULT_CONTROL"] = engine.control.path
    try:
        engine.start()
        for name in names:
            run_scenario(engine, name, how, image, only)
        engine.stop()
    except Failed as failed:
        sys.exit(f"FAILED: {failed}")
    left = [f"process {pid}" for pid in engine.shims()] + engine.mounts()
    left += engine.cgroups()
    if left:
        sys.exit(f"FAILED: left behind: {' '.join(left)}")


main()
