"""faults - the platform's calls fail, or end the daemon, one after the other.

    faults.py WORK PROGRAMS IMAGE fail|exit|fetch-fail|fetch-exit SCENARIO...

A scenario is something that a user asks for.  Its calls are counted first; then, for each of them,
the same is asked while exactly this call fails (`fail`) or is the daemon's last (`exit`).  What must
hold afterwards: the user heard a clear error or got what he wanted; the daemon lives (`fail`) or starts
again on what it finds (`exit`); the same thing asked once more succeeds; `gantry check` finds nothing;
and what is removed leaves nothing behind.  Start-up is a scenario of its own.  With `fetch-` the calls are those of
gantry-fetch, and the daemon lives on.

Most of the time somebody waits, so several engines take turns: each with folders, a namespace and a control of its
own.  The first counts, and whoever is ready takes the next number.
"""
import multiprocessing
import os
import shutil
import sys
import time

from control import Control, EXITS_WITH
from engine import Engine, Failed
from scenarios import Push, SCENARIOS, Start, WithImage

ENGINES = int(os.environ.get("GANTRY_FAULT_ENGINES", "0"))  # 0: as many as the scenario wants


class Faulty(Engine):
    """An engine whose calls can be numbered.  `arm` starts that; a scenario whose `ask` prepares
    something first calls it itself when that is done."""

    def begin(self, control, wish):
        self.control, self.wish, self.process_lived = control, wish, True

    def arm(self):
        wish, self.wish = self.wish, None
        if wish is not None:
            wish()


def ask(engine, scenario, wish):
    engine.begin(engine.control, wish)
    if not scenario.arms_itself:
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


def came(engine, number):
    """Was it that call's turn?  It may be one in the background, a moment later."""
    end = time.monotonic() + 0.5
    while engine.control.calls() < number and time.monotonic() < end:
        time.sleep(0.005)
    return engine.control.off() >= number


def fail_at(engine, scenario, number):
    result = ask(engine, scenario, lambda: engine.control.fail(number))
    hit = came(engine, number)
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
    hit = came(engine, number) and ends(engine)
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
    hit = came(engine, number)
    if engine.has_ended():
        raise Failed(f"the daemon ended with {engine.process.returncode}")
    finish(engine, scenario, result)
    return hit


HOWS = {"fail": fail_at, "exit": exit_at, "fetch-fail": fail_at, "fetch-exit": fetch_exit_at}


# ---- engines ------------------------------------------------------------------------------------

def with_controlled_fetch(engine, folder):
    """Programs of ours, of which gantry-fetch hears the control, and gantryd does not."""
    shutil.copytree(engine.programs, folder)
    fetch = f"{folder}/gantry-fetch"
    os.rename(fetch, f"{fetch}.real")
    with open(fetch, "w") as script:
        script.write(f"#!/bin/sh\nGANTRY_FAULT_CONTROL='{engine.control.path}' exec '{fetch}.real' \"$@\"\n")
    os.chmod(fetch, 0o755)
    engine.programs = folder


def engine_start(run, number):
    work = f"{run.work}/e{number}"
    os.makedirs(work)
    engine = Faulty(work, run.programs, f"fault-{run.pid}-{number}")
    engine.control = Control(f"{work}/control")
    engine.begin(engine.control, None)
    if run.how.startswith("fetch-"):
        with_controlled_fetch(engine, f"{work}/programs")
    elif run.how == "exit":
        engine.of_daemon["GANTRY_FAULT_CONTROL"] = engine.control.path
    else:  # calls of the command line fail, too
        engine.environment["GANTRY_FAULT_CONTROL"] = engine.control.path
    engine.start()
    return engine


def engine_end(engine):
    engine.stop()
    left = [f"process {pid}" for pid in engine.shims() + engine.helpers()] + engine.mounts() + engine.cgroups()
    if left:
        raise Failed(f"left behind: {' '.join(left)}")


def last_words(engine):
    with open(f"{engine.work}/gantryd.log", errors="replace") as log:
        return "".join(log.readlines()[-20:])


# ---- one scenario ----------------------------------------------------------------------------------

def prepare(run, engine, name):
    scenario = SCENARIOS[name](engine, run.image)
    engine.begin(engine.control, None)
    scenario.prepare()
    return scenario, count(engine, scenario)


def take_turns(run, engine, scenario, numbers):
    """Until all numbers are taken."""
    while True:
        with run.turn.get_lock():
            at, run.turn.value = run.turn.value, run.turn.value + 1
        if at >= len(numbers):
            return
        try:
            hit = HOWS[run.how](engine, scenario, numbers[at])
        except Failed as failed:
            raise Failed(f"{run.how} at call {numbers[at]} ({engine.control.name(numbers[at])}): {failed}")
        with run.hits.get_lock():
            run.hits.value += hit


def conclude(engine, scenario):
    engine.begin(engine.control, None)
    engine.remove_containers()
    if isinstance(scenario, (WithImage, Push)):
        engine.must("rmi", scenario.image)
    engine.settle()
    engine.check()


def stop_all(run):
    run.turn.value = 1 << 30


def help_out(run, number, name, numbers):
    """Another process, with an engine of its own."""
    engine = None
    try:
        engine = engine_start(run, number)
        scenario, _ = prepare(run, engine, name)
        take_turns(run, engine, scenario, numbers)
        conclude(engine, scenario)
        engine_end(engine)
    except Exception as failed:  # whatever it is, the others stop
        stop_all(run)
        print(f"FAILED: {name}: {failed if isinstance(failed, Failed) else repr(failed)}\n{last_words(engine) if engine else ''}", file=sys.stderr, flush=True)
        sys.exit(1)


def run_scenario(run, engine, name):
    start = time.monotonic()
    scenario, names = prepare(run, engine, name)
    numbers = run.only or chosen(names, bool(os.environ.get("GANTRY_FAULT_ALL")), scenario.alike)
    engines = min(ENGINES or scenario.engines, (len(numbers) + 5) // 6)
    run.turn.value = run.hits.value = 0
    others = [multiprocessing.get_context("fork").Process(target=help_out, args=(run, run.next_engine + i, name, numbers),
                                                          daemon=True) for i in range(1, engines)]
    run.next_engine += engines
    for other in others:
        other.start()
    try:
        take_turns(run, engine, scenario, numbers)
    except Failed as failed:
        stop_all(run)
        raise Failed(f"{name}: {failed}\n{last_words(engine)}")
    for other in others:
        other.join()
    if any(other.exitcode != 0 for other in others):
        raise Failed(f"{name}: see above")
    if not run.only and run.hits.value < len(numbers) * 3 // 4:
        raise Failed(f"{name}: of {len(numbers)} calls only {run.hits.value} came again")
    conclude(engine, scenario)
    print(f"{name}: {len(names)} platform calls, {run.how} at {len(numbers)} of them, {run.hits.value} hit,"
          f" {engines} engines, {time.monotonic() - start:.0f} s", flush=True)


class Run:
    def __init__(self, work, programs, image, how):
        self.work, self.programs, self.image, self.how = work, programs, image, how
        self.pid = os.getpid()
        self.only = [int(n) for n in os.environ.get("GANTRY_FAULT_ONLY", "").split()]
        self.turn, self.hits, self.next_engine = multiprocessing.Value("i"), multiprocessing.Value("i"), 0


def main():
    run = Run(*sys.argv[1:5])
    try:
        engine = engine_start(run, 0)
        for name in sys.argv[5:]:
            run_scenario(run, engine, name)
        engine_end(engine)
    except Failed as failed:
        sys.exit(f"FAILED: {failed}")


main()
