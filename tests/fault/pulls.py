"""pulls - twenty pulls at a time of images that share layers, removals, and the collector all the while; against a model.

    pulls.py WORK PROGRAMS ROUNDS SEED LAYOUT REGISTRY

The model is a set of names: what was pulled last is there, what was removed last is not.  Of one name only one thing is
asked at a time; what the names share is everybody's.  Behind every round the names are those of the model, each
image has all its blobs with the right bytes and all its snapshots, `gantry check --deep` finds nothing, and, where no
pull was broken off, nothing else is there.  Then pulls are broken off, too; at the end all is removed and nothing is left.
"""
import glob
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import engine as engines
from engine import Engine, Failed, until

AT_ONCE = 20
STEPS = 5  # of each, in a round
NAMESPACES = ("one", "two")


class Images:
    """What the registry has: digests of blobs and chain ids by name."""

    def __init__(self, layout, registry):
        with open(f"{layout}/index.json") as file:
            index = json.load(file)
        self.blobs, self.chains, self.names = {}, {}, []
        for entry in index["manifests"]:
            name = f"{registry}/{entry['annotations']['org.opencontainers.image.ref.name']}"
            manifest = self.document(layout, entry["digest"])
            config = self.document(layout, manifest["config"]["digest"])
            self.names.append(name)
            self.blobs[name] = {entry["digest"], manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])}
            self.chains[name] = set(self.chain_ids(config["rootfs"]["diff_ids"]))

    @staticmethod
    def document(layout, digest):
        with open(f"{layout}/blobs/{digest.replace(':', '/')}") as file:
            return json.load(file)

    @staticmethod
    def chain_ids(diff_ids):
        chain = None
        for diff_id in diff_ids:
            chain = diff_id if chain is None else "sha256:" + hashlib.sha256(f"{chain} {diff_id}".encode()).hexdigest()
            yield chain


class Model:
    def __init__(self, names):
        self.lock = threading.Lock()
        self.there = {name: False for name in names}  # (namespace, name); None: nobody knows
        self.busy = set()

    def take(self, dice):
        with self.lock:
            thing = dice.choice([thing for thing in self.there if thing not in self.busy])
            self.busy.add(thing)
            return thing, self.there[thing]

    def give(self, thing, there):
        with self.lock:
            self.there[thing] = there
            self.busy.discard(thing)


class Worker(threading.Thread):
    def __init__(self, engine, model, dice, breaks):
        super().__init__()
        self.engine, self.model, self.dice, self.breaks = engine, model, dice, breaks
        self.failure = None

    def run(self):
        try:
            for _ in range(STEPS):
                self.step()
        except Exception as failure:  # who waits for this thread says it
            self.failure = failure

    def step(self):
        thing, there = self.model.take(self.dice)
        (namespace, name), known = thing, None
        try:
            if there and self.dice.random() < 0.6:
                self.engine.must("-n", namespace, "rmi", name)
                known = False
            elif self.breaks and self.dice.random() < 0.5:
                self.break_off(namespace, name)
                known = True if there else None  # what was there stays
            else:
                self.engine.must("-n", namespace, "pull", name)
                known = True
        finally:
            self.model.give(thing, known)

    def break_off(self, namespace, name):
        pull = subprocess.Popen(self.engine.command(("-n", namespace, "pull", name)), env=self.engine.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(self.dice.uniform(0, 0.4))  # the random moment is what is tried here
        pull.send_signal(self.dice.choice((signal.SIGTERM, signal.SIGKILL)))
        pull.wait(engines.PATIENCE)


class Collector(threading.Thread):
    def __init__(self, engine):
        super().__init__()
        self.engine, self.over, self.failure, self.runs = engine, threading.Event(), None, 0

    def run(self):
        try:
            while not self.over.is_set():
                self.engine.must("gc")
                self.runs += 1
        except Exception as failure:
            self.failure = failure


def play(engine, model, dice, breaks):
    collector = Collector(engine)
    workers = [Worker(engine, model, random.Random(dice.random()), breaks) for _ in range(AT_ONCE)]
    for thread in [collector, *workers]:
        thread.start()
    for worker in workers:
        worker.join()
    collector.over.set()
    collector.join()
    for thread in [collector, *workers]:
        if thread.failure is not None:
            raise thread.failure
    return collector.runs


def names_there(engine, namespace):
    return {image["name"].removesuffix(":latest")
            for image in json.loads(engine.must("-n", namespace, "--format", "json", "images"))}


def check_names(engine, model):
    for namespace in NAMESPACES:
        there = names_there(engine, namespace)
        for (of, name), known in model.there.items():
            if of != namespace:
                continue
            if known is None:
                model.there[(of, name)] = name in there
            elif known != (name in there):
                raise Failed(f"{name} in {namespace}: is {'there' if name in there else 'not there'}")


def blobs_there(engine):
    return {"sha256:" + os.path.basename(path) for path in glob.glob(f"{engine.root}/blobs/sha256/*")}


def chains_there(engine):
    return {snapshot["key"] for namespace in NAMESPACES
            for snapshot in json.loads(engine.must("-n", namespace, "--format", "json", "snapshot", "ls"))}


def check_things(engine, images, model, exactly):
    """Of every image all is there; `exactly`: and nothing else is, a moment later."""
    named = [name for (_, name), there in model.there.items() if there]
    blobs = set().union(*(images.blobs[name] for name in named))
    chains = set().union(*(images.chains[name] for name in named))
    if blobs - blobs_there(engine) or chains - chains_there(engine):
        raise Failed(f"missing: {blobs - blobs_there(engine)} {chains - chains_there(engine)}")
    engine.check()
    if exactly:
        engine.must("gc")
        until("blobs that nothing names go", lambda: blobs_there(engine) == blobs)
        until("snapshots that nothing names go", lambda: chains_there(engine) == chains)


def end(engine, images):
    """A pull that succeeds lets go of what one that was broken off has kept."""
    for namespace in NAMESPACES:
        for name in images.names:
            engine.must("-n", namespace, "pull", name)
            engine.must("-n", namespace, "rmi", name)
    engine.must("gc")
    engine.settle()
    engine.check()


def main():
    work, programs, rounds, seed, layout, registry = sys.argv[1:]
    engines.PATIENCE = 120  # twenty commands at a time, on whatever machine this is
    dice = random.Random(int(seed))
    images = Images(layout, registry)
    model = Model([(namespace, name) for namespace in NAMESPACES for name in images.names])
    engine = Engine(work, programs, "one")
    runs, start = 0, time.monotonic()
    try:
        engine.start()
        for number in range(int(rounds)):
            breaks = number >= int(rounds) // 2
            runs += play(engine, model, dice, breaks)
            check_names(engine, model)
            check_things(engine, images, model, not breaks)
        end(engine, images)
        engine.stop()
    except Failed as failed:
        sys.exit(f"FAILED: seed {seed}: {failed}")
    print(f"{rounds} rounds of {AT_ONCE} x {STEPS} pulls and removals of {len(model.there)} names, {runs} collections,"
          f" seed {seed}, {time.monotonic() - start:.0f} s")


main()
