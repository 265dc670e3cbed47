"""crash - kill -9 at random moments, with work under way.

    crash.py WORK PROGRAMS IMAGE COUNT SEED

In every round a daemon is started on what the one before has left, several commands are given to it
at once, and it is killed after a random time.  The next one must find the store in order; what was
asked is asked again there and must succeed.  At the end all is removed, and nothing may be left: no
blob, snapshot or ingest, no supervisor, no control group, no mount.  The same seed gives the same
commands and times; what the machine does in them is another matter.
"""
import json
import random
import subprocess
import sys
import time

from engine import PATIENCE, Engine, Failed, until
from registry import Registry

LONGEST = 0.35  # seconds a daemon lives with work under way; a pull or a run takes less


class Crash:
    def __init__(self, engine, image, seed):
        self.engine, self.image, self.random = engine, image, random.Random(seed)
        self.registry = Registry(image)
        self.names = 0

    def mix(self):
        """Commands of one round, some of which get into each other's way."""
        self.names += 1
        name = f"c{self.names}"
        some = [
            ("pull", self.image),
            ("run", "--rm", "-v", "/etc", self.image, "echo", "hi"),  # a volume of its own, filled from the image
            ("run", "--name", name, self.image, "echo", "hi"),
            ("run", "-d", "--name", f"{name}-d", self.image, "sleep", "100000"),
            ("create", "--name", f"{name}-n", "-v", f"{self.random.choice(['data', 'more'])}:/etc", self.image, "true"),
            ("rmi", "-f", self.image),
            ("push", self.image, self.registry.reference(name)),
        ]
        containers = self.engine.containers()
        if containers:
            some.append(("rm", "-f", self.random.choice(containers)))
            some.append(("exec", self.random.choice(containers), "true"))
        return self.random.sample(some, self.random.randint(1, 4))

    def killed_at_work(self):
        commands = self.mix()
        running = [subprocess.Popen(self.engine.command(words), env=self.engine.environment, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for words in commands]
        time.sleep(self.random.uniform(0, LONGEST))  # the random moment is what is tried here
        if self.engine.has_ended():
            raise Failed(f"gantryd ended with {self.engine.process.returncode} during {commands}")
        self.engine.kill()
        for process, words in zip(running, commands):
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise Failed(f"'gantry {' '.join(words)}' does not notice that the daemon has gone")
        return commands

    def repeat(self, commands):
        """What was asked, once more: it succeeds, or has been done already."""
        there = {c["name"]: c for c in json.loads(self.engine.must("ps", "-a", "--format", "json"))}
        for words in commands:
            if words[0] == "rmi" and self.engine.must("images", "-q") == "":
                continue
            if words[0] == "push":
                self.pushed_again(words)
                continue
            if words[0] in ("rm", "exec"):
                self.engine.may_fail(*words)  # the container may have gone, or may not run
                continue
            if words[0] == "create" or "--name" in words:
                name = words[words.index("--name") + 1]
                if name in there:
                    self.engine.must("inspect", name)
                    continue
            self.engine.must("rmi" if words[0] == "rmi" else words[0], *words[1:])

    def pushed_again(self, words):
        name = words[2].split("/")[1].split(":")[0]
        self.registry.has(name)  # nothing, or all of it
        self.engine.must("pull", self.image)  # others may have removed it
        self.engine.must(*words)
        if not self.registry.has(name):
            raise Failed(f"{name} was pushed, and the registry has it not")

    def round(self):
        self.engine.start()
        commands = self.killed_at_work()
        self.engine.start()
        self.engine.check()
        self.repeat(commands)
        if self.random.random() < 0.3:  # not without end
            self.engine.remove_containers()
        self.engine.check()
        self.engine.kill()

    def end(self):
        self.engine.start()
        self.engine.remove_containers()
        # of volumes those alone that somebody named: the others went with their containers, killed or not
        until("anonymous volumes are gone", lambda: not set(self.engine.must("volume", "ls", "-q").split()) - {"data", "more"})
        self.engine.must("volume", "prune", "--all")
        for image in self.engine.must("images", "-q").split():
            self.engine.must("rmi", "-f", image)
        self.engine.must("gc")
        # a pull that was cut off has left what the next one would go on with
        kept = [path for path in self.engine.leftovers() if "/ingests/" in path]
        self.engine.settle(kept)
        if kept:
            self.engine.must("pull", self.image)
            self.engine.must("rmi", self.image)
        self.engine.settle()
        self.engine.check()
        self.engine.stop()
        until("no supervisor is left", lambda: not self.engine.shims())
        if self.engine.mounts() or self.engine.cgroups():
            raise Failed(f"left behind: {self.engine.mounts()} {self.engine.cgroups()}")


def main():
    work, programs, image, count, seed = sys.argv[1:]
    engine = Engine(work, programs, f"crash-{seed}")
    crash = Crash(engine, image, int(seed))
    start, done = time.monotonic(), 0
    try:
        for done in range(1, int(count) + 1):
            crash.round()
        crash.end()
    except Failed as failed:
        sys.exit(f"FAILED: round {done}, seed {seed}: {failed}")
    print(f"killed {done} times, seed {seed}, {time.monotonic() - start:.0f} s: "
          "everything that was asked again succeeded, and nothing was left")


main()
