"""states - RUN-1 as a table: what every command does in every state, and that a refusal changes nothing."""
from kit import same, test

# command: (words behind the id, the states in which it succeeds)
COMMANDS = {
    "state": ([], "created running paused stopped"),
    "start": ([], "created"),
    "kill": (["0"], "created running paused"),  # the signal that only asks
    "pause": ([], "created running"),
    "resume": ([], "paused"),
    "exec": (["/bin/true"], "created running"),
    "ps": ([], "created running paused"),
    "update": ([], "created running paused"),
    "delete": ([], "stopped"),
    "delete --force": ([], "created running paused stopped"),
}

# what becomes of the state by a command that succeeds
BECOMES = {("start", "created"): "running", ("pause", "created"): "paused", ("pause", "running"): "paused",
           ("resume", "paused"): "running", ("delete", "stopped"): None}

UNLIKE = {
    ("crun", "start", "paused"): "starts it",
    ("crun", "delete", "created"): "deletes it",
    ("crun", "pause", "created"): "says created still",
    ("crun", "pause", "paused"): "is content",
    ("crun", "pause", "stopped"): "is content",
    ("crun", "resume", "created"): "is content",
    ("crun", "resume", "running"): "is content",
    ("crun", "exec", "paused"): "waits",
    ("crun", "update", "stopped"): "takes it",
}


def bring_to(box, state):
    if state == "created":
        box.args("/bin/sleep", "1000").create()
        return
    pid = box.sleeper()
    if state == "paused":
        box.call("pause", box.id)
    elif state == "stopped":
        box.kill("KILL")
        box.wait_end(pid)


def cell(command, state):
    words, states = COMMANDS[command]
    succeeds = state in states.split()
    unlike = {kind: why for (kind, c, s), why in UNLIKE.items() if (c, s) == (command, state)}

    @test(**unlike)
    def body(box):
        bring_to(box, state)
        flags = ["--pids-limit", "100"] if command == "update" else []
        done = box.call(*command.split(), *flags, box.id, *words, status=None)
        becomes = BECOMES.get((command, state), state)
        if command == "delete" and state == "created" and done.status == 0:
            return  # runc and its callers take a created one away as well
        same(done.status == 0, succeeds, f"success; {done.err.strip()}")
        if command == "delete --force":
            becomes = None
        if becomes is None:
            box.leaves_nothing()
        else:
            same(box.status(), becomes, "the state afterwards")
    body.__name__ = f"run_1_{command.replace(' --', '_')}_of_a_{state}_container"


for command in COMMANDS:
    for state in ("created", "running", "paused", "stopped"):
        if (command, state) != ("ps", "stopped"):  # an empty list to one, an error to another
            cell(command, state)
