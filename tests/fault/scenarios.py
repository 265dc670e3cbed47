"""scenarios - what users ask for while the platform's calls fail (faults.py), and what must hold afterwards."""
import glob
import json
import os
import shutil
import signal

from control import EXITS_WITH
from engine import Failed, Result, until
from registry import Registry

ALIKE = 3  # of calls of one name in a row, so many are tried: at both ends and between


class Scenario:
    """Prepared once; then for each call: ask, ask again, clean."""

    alike = ALIKE
    engines = 6               # side by side
    arms_itself = False       # `ask` prepares something first, and calls arm() when that is done
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
    DRIVER = "overlay"

    def prepare(self):
        self.engine.must("pull", "--snapshotter", self.DRIVER, self.image)
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
    arms_itself = True

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

    arms_itself = True

    def ask(self):
        self.engine.must("create", "--name", "gone", "-v", "/deep", self.image, "true")
        self.engine.arm()
        return self.engine.may_fail("rm", "-v", "gone")

    def again(self, result):
        if self.engine.containers():
            self.engine.must("rm", "-v", "gone")
        until("its volume is gone", lambda: not self.engine.must("volume", "ls", "-q"), 10)


class RemoveImage(Scenario):
    arms_itself = True

    def ask(self):
        self.engine.must("pull", self.image)
        self.engine.arm()
        return self.engine.may_fail("rmi", self.image)

    def again(self, result):
        if self.engine.must("images", "-q"):
            self.engine.must("rmi", self.image)
        self.engine.must("gc")


class Sent(Scenario):
    """An image goes to a name of the registry that is new each time; `word` and `done` say how."""

    def send(self):
        return self.word, self.image, self.registry.reference(self.name)

    def ask(self):
        self.turns += 1
        self.name = f"{self.engine.namespace}-{self.word}{self.turns}"
        return self.engine.may_fail(*self.send())

    def again(self, result):
        if not self.registry.has(self.name) and result.status == 0:
            raise Failed(f"it was {self.done}, and the registry has it not")
        self.engine.must(*self.send())
        if not self.registry.has(self.name):
            raise Failed(f"it was {self.done} again, and the registry has it not")
        self.engine.no_helpers()


class Push(Sent):
    """Nothing is mounted: the bytes go."""
    word, done = "push", "pushed"

    def prepare(self):
        self.registry = Registry(self.image)
        self.engine.must("pull", self.image)
        self.kept = self.engine.leftovers()

    def expected(self):
        return self.kept

    def clean(self):
        """What is remembered of where its blobs are goes with them."""
        self.engine.must("rmi", self.image)
        self.engine.settle()
        self.prepare()


class Copy(Sent):
    """From one name of the registry to another that it is not known by; nothing stays here."""
    word, done = "copy", "copied"

    def prepare(self):
        self.registry = Registry(self.image)

    def clean(self):
        self.engine.must("gc")  # by itself it comes, but on a busy machine later


class Commit(WithImage):
    """Of a running container: the image is there and whole, or is not there; and the container goes on."""

    def prepare(self):
        super().prepare()
        self.engine.must("run", "-d", "--name", "box", self.image, "sh", "-c", "echo made >/made; sleep 100000")
        until("it has written", lambda: self.engine.gantry("exec", "box", "test", "-s", "/made").status == 0)
        self.kept = self.engine.leftovers()

    def ask(self):
        return self.engine.may_fail("commit", "box", "made:1")

    def again(self, result):
        engine = self.engine
        engine.must("exec", "box", "true")  # it does not stand still
        there = any(i["name"].endswith("/made:1") for i in json.loads(engine.must("--format", "json", "images")))
        if there != (result.status == 0) and (engine.process_lived or not there):
            raise Failed(f"the image is {'' if there else 'not '}there, and this was said: {result}")
        engine.must("commit", "box", "made:1")
        engine.must("run", "--rm", "made:1", "cat", "/made", said="made")
        engine.no_containers(but=1)
        engine.no_helpers()

    def clean(self):
        self.engine.must("rmi", "made:1")


class CopyFiles(WithImage):
    """In and out again, of a container that runs and of one that does not."""

    def prepare(self):
        super().prepare()
        self.engine.must("run", "-d", "--name", "on", self.image, "sleep", "100000")
        self.engine.must("create", "--name", "off", self.image, "true")
        self.kept = self.engine.leftovers()
        self.folder = f"{self.engine.work}/files"
        os.makedirs(self.folder, exist_ok=True)
        with open(f"{self.folder}/in", "w") as file:
            file.write("sent" * 5000)

    def steps(self):
        for name in ("on", "off"):
            yield "cp", f"{self.folder}/in", f"{name}:/tmp/in"
            yield "cp", f"{name}:/tmp/in", f"{self.folder}/out-{name}"

    def ask(self):
        for step in self.steps():
            result = self.engine.may_fail(*step)
            if result.status != 0:
                break
        return result

    def again(self, result):
        for step in self.steps():
            self.engine.must(*step)
        for name in ("on", "off"):
            with open(f"{self.folder}/out-{name}") as file:
                if file.read() != "sent" * 5000:
                    raise Failed(f"out of '{name}' came something else")
            os.unlink(f"{self.folder}/out-{name}")
        if left := set(os.listdir(self.folder)) - {"in"}:
            raise Failed(f"left in the user's folder: {left}")
        self.engine.no_helpers()


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

    arms_itself, engines, alike, sound_after_crash = True, 10, 1, False

    def ask(self):
        engine = self.engine
        layer = json.loads(engine.must("--format", "json", "snapshot", "ls", "--snapshotter", self.DRIVER))[0]["layer"]
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
        self.engine.must("run", "--rm", "--snapshotter", self.DRIVER, self.image, "cat", "/above", "/deep/er/file", said="above\nbelow")
        self.engine.no_containers()


class RepairWhole(Repair):
    """Of a driver whose layers hold their parents' files."""

    DRIVER = "native"


class Start(WithImage):
    """A start on what a crash has left: files without rows, a half-made pull, a container that ended
    while nobody looked, and one that goes on."""

    arms_itself = True

    def prepare(self):
        super().prepare()
        self.engine.must("run", "-d", "--name", "stays", self.image, "sleep", "100000")
        self.kept = self.engine.leftovers()

    def dirt(self):
        """What the daemon finds at its next start."""
        engine, name = self.engine, "0" * 64
        engine.must("run", "-d", "--name", "ends", self.image, "sleep", "100000")
        # its row comes a moment behind the answer
        pid = until("its process is known", lambda: json.loads(engine.must("inspect", "ends"))[0].get("pid"), 10)
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
             "push": Push, "copy": Copy, "commit": Commit, "cp": CopyFiles,
             "snapshots": Snapshots, "repair": Repair, "repair-whole": RepairWhole}
