"""hooks - RUN-4: their order, what they are given, and what their failure does."""
import json
import os

from kit import check, has, lacks, read, same, test

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def note(box, word, more=""):
    """A hook on the host that appends a word to the log."""
    return {"path": "/bin/sh", "args": ["sh", "-c", f"cat >/dev/null; echo {word} >>{box.log}{more}"]}


def inside(word, log="/log"):
    return {"path": "/bin/sh", "args": ["sh", "-c", f"cat >/dev/null; echo {word} >>{log}"]}


def log_of(box):
    box.log = box.outside("log", "", 0o666)
    return box.log


def words(box):
    return read(box.log).split()


def all_hooks(box):
    """The log lies outside; containers see it as /log."""
    box.bind(log_of(box), "/log", "rw")
    box.config["hooks"] = {kind: [note(box, kind)] for kind in KINDS}
    box.config["hooks"]["startContainer"] = [inside("startContainer")]
    box.script("echo process >>/log")


@test
def run_4_hooks_come_in_order(box):
    all_hooks(box)
    del box.config["hooks"]["poststart"]
    box.create()
    same(words(box), ["prestart", "createRuntime", "createContainer"], "after create")
    pid = box.pid()
    box.start()
    box.wait_end(pid)
    same(words(box)[3:], ["startContainer", "process"], "after start")
    box.delete()
    same(words(box)[5:], ["poststop"], "after delete")


@test(runc="runs poststart at create", crun="runs poststart beside startContainer")
def run_4_poststart_comes_after_start_container(box):
    all_hooks(box)
    box.create()
    same(words(box), ["prestart", "createRuntime", "createContainer"], "after create")
    pid = box.pid()
    box.start()
    box.wait_end(pid)
    log = words(box)
    same(log[3], "startContainer", "first of start")
    same(sorted(log[4:]), ["poststart", "process"], "then")


@test
def run_4_run_has_all_hooks(box):
    all_hooks(box)
    box.run()
    log = words(box)
    same(log[:3], ["prestart", "createRuntime", "createContainer"], "the first")
    same(sorted(log[3:6]), ["poststart", "process", "startContainer"], "then")
    same(log[6:], ["poststop"], "the last")


@test
def run_4_hooks_of_one_kind_come_in_order(box):
    log_of(box)
    box.config["hooks"] = {"createRuntime": [note(box, word) for word in "abc"]}
    box.run()
    same(words(box), ["a", "b", "c"], "the log")


STATE = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
         "startContainer": "created", "poststart": "running", "poststop": "stopped"}


def hook_state(kind):
    unlike = {"crun": "says created a step early"} if STATE[kind] == "creating" else {}
    if kind == "startContainer":
        unlike = {"crun": "says starting"}
    elif kind == "poststart":
        unlike = {"runc": "says created"}

    @test(**unlike)
    def body(box):
        box.bind(box.outside("out"), "/out", "rw")
        where = "/out" if kind == "startContainer" else os.path.join(box.folder, "out")
        box.config["annotations"] = {"org.example": "yes"}
        box.config["hooks"] = {kind: [{"path": "/bin/sh", "args": [
            "sh", "-c", f"cat >{where}/state.new; mv {where}/state.new {where}/state"]}]}
        box.args("/bin/sleep", "1000").create()
        pid = box.pid()
        box.start()
        box.kill("KILL")
        box.wait_end(pid)
        box.delete(force=True)
        state = json.loads(read(os.path.join(box.folder, "out/state")))
        check(state["ociVersion"].startswith("1."), f"ociVersion {state['ociVersion']}")
        same(state["id"], box.id, "id")
        same(state["status"], STATE[kind], "status")
        same(state["bundle"], box.bundle, "bundle")
        same(state.get("annotations"), {"org.example": "yes"}, "annotations")
        if kind == "poststop":
            same(state.get("pid", 0), 0, "pid")
        elif kind in ("createContainer", "startContainer"):
            check(state["pid"] in (1, pid), f"pid {state['pid']}")
        else:
            same(state["pid"], pid, "pid")
    body.__name__ = f"run_4_{kind}_gets_the_state_on_stdin"


for kind in KINDS:
    hook_state(kind)


@test
def run_4_hooks_get_their_args_and_env(box):
    out = os.path.join(box.folder, "seen")
    box.config["hooks"] = {"createRuntime": [{
        "path": "/bin/sh", "env": ["A=1", "B=two words"],
        "args": ["own-name", "-c", 'echo "$0|$1|$2|$A|$B|$HOME" >' + out, "zero", "one", "two"]}]}
    box.run()
    same(read(out), "zero|one|two|1|two words|\n", "what it saw")


@test
def run_4_a_hook_without_args_has_its_path(box):
    out = os.path.join(box.folder, "seen")
    hook = box.outside("hook", f"#!/bin/sh\necho $# >{out}\n", 0o755)
    box.config["hooks"] = {"createRuntime": [{"path": hook}]}
    box.run()
    same(read(out), "0\n", "its arguments")


@test
def run_4_runtime_hooks_are_in_the_namespaces_of_the_runtime(box):
    box.config["hooks"] = {kind: [{"path": "/bin/sh", "args": [
        "sh", "-c", f"(readlink /proc/self/ns/mnt; readlink /proc/self/ns/uts) >{box.folder}/{kind}"]}]
        for kind in ("createRuntime", "poststart", "poststop")}
    box.run()
    here = "".join(os.readlink(f"/proc/self/ns/{n}") + "\n" for n in ("mnt", "uts"))
    for kind in ("createRuntime", "poststart", "poststop"):
        same(read(f"{box.folder}/{kind}"), here, kind)


@test
def run_4_create_container_hooks_see_host_paths_in_the_new_namespaces(box):
    out = os.path.join(box.folder, "seen")
    box.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"(readlink /proc/self/ns/mnt; readlink /proc/self/ns/uts) >{out}"]}]}
    same_place = box.sh("readlink /proc/self/ns/mnt; readlink /proc/self/ns/uts")
    same(read(out), same_place, "the namespaces of the hook")


@test
def run_4_create_runtime_hooks_run_before_pivot_root(box):
    # what they mount below the rootfs on the host's side is for nobody, but the namespaces exist
    out = os.path.join(box.folder, "seen")
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
        "sh", "-c", "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | tr -d '\\n'); "
        f"readlink /proc/$pid/ns/uts >{out}"]}]}
    inner = box.sh("readlink /proc/self/ns/uts")
    same(read(out), inner, "the container's namespaces exist in createRuntime")


@test
def run_4_start_container_hooks_are_in_the_container(box):
    box.file("/bin/hook", "#!/bin/sh\npwd >/seen\nreadlink /proc/self/ns/mnt >>/seen\n", 0o755)
    box.config["hooks"] = {"startContainer": [{"path": "/bin/hook"}]}
    mnt = box.sh("readlink /proc/self/ns/mnt")
    seen = read(os.path.join(box.rootfs, "seen")).splitlines()
    same(seen[1] + "\n", mnt, "its namespace")


@test
def run_4_start_container_hooks_do_not_run_at_create(box):
    box.file("/bin/hook", "#!/bin/sh\necho >/seen\n", 0o755)
    box.config["hooks"] = {"startContainer": [{"path": "/bin/hook"}]}
    box.create()
    check(not os.path.exists(os.path.join(box.rootfs, "seen")), "it ran at create")


def failing(kind):
    unlike = {}
    if kind == "poststart":
        unlike = {"runc": "runs poststart at create", "crun": "goes on"}

    @test(**unlike)
    def body(box):
        log_of(box)
        box.bind(box.log, "/log", "rw")
        bad = {"path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null; echo words of the hook >&2; exit 5"]}
        box.config["hooks"] = {kind: [bad], "poststop": [note(box, "poststop")]}
        box.script("echo process >>/log; sleep 1000")
        early = kind in ("prestart", "createRuntime", "createContainer")
        if early:
            done = box.create(status="fails")
            check(done.err.strip(), "no message")
        else:
            box.create()
            pid = box.pid()
            # the program is not run; that start says so as well is asked of poststart alone
            done = box.start(status="fails" if kind == "poststart" else None)
            box.wait_end(pid)
            box.delete(force=True)
        if kind != "poststart":
            lacks(words(box), "process", "what ran")
        if box.kind == "gantry-oci":
            check("hook" in done.err or kind == "startContainer", f"the message: {done.err}")
            has(words(box), "poststop", "what ran after the failure")
        box.leaves_nothing()
    body.__name__ = f"run_4_a_failing_{kind}_hook_ends_the_container"


for kind in KINDS[:-1]:
    failing(kind)


@test
def run_4_a_failing_hook_keeps_the_next_from_running(box):
    log_of(box)
    bad = {"path": "/bin/false"}
    box.config["hooks"] = {"createRuntime": [note(box, "one"), bad, note(box, "two")]}
    box.create(status="fails")
    same(words(box), ["one"], "the log")


@test(runc="the failing one is the last")
def run_4_a_failing_poststop_hook_only_warns(box):
    log_of(box)
    box.config["hooks"] = {"poststop": [{"path": "/bin/false"}, note(box, "after")]}
    box.run("/bin/true", status=0)
    same(words(box), ["after"], "the next hook ran")
    box.leaves_nothing()


@test
def run_4_a_hook_that_is_not_there_fails(box):
    box.config["hooks"] = {"createRuntime": [{"path": "/no/such/hook"}]}
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    if box.kind != "crun":
        has(done.err, "/no/such/hook", "the message")
    box.leaves_nothing()


@test
def run_4_a_hook_killed_by_a_signal_fails(box):
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $$"]}]}
    box.create(status="fails")
    box.leaves_nothing()


@test
def run_4_a_hook_has_its_time(box):
    box.config["hooks"] = {"createRuntime": [
        {"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]}
    done = box.create(status="fails", timeout=10)
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def run_4_a_hook_within_its_time_is_well(box):
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/true", "timeout": 10}]}
    box.run()


@test(crun="takes any timeout", runc="0 is no limit there")
def run_4_a_timeout_must_be_positive(box):
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/true", "timeout": 0}]}
    done = box.create(status="fails")
    has(done.err, "timeout", "the message")
    box.leaves_nothing()


@test(crun="looks it up")
def run_4_a_path_must_be_absolute(box):
    box.config["hooks"] = {"createRuntime": [{"path": "true"}]}
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test(crun="dies of SIGPIPE")
def run_4_a_hook_need_not_read_its_stdin(box):
    box.config["annotations"] = {f"key{i}": "x" * 1000 for i in range(100)}
    box.config["hooks"] = {kind: [{"path": "/bin/true"}] for kind in KINDS}
    box.run("/bin/true")


@test
def run_4_hooks_have_no_descriptors_but_three(box):
    out = os.path.join(box.folder, "seen")
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"exec {box.suite.probe} fds >{out}"]}]}
    box.run()
    same([word.split("=")[0] for word in read(out).split()], ["0", "1", "2"], f"descriptors {read(out)}")


@test(crun="waits for it")
def run_4_an_orphaned_hook_child_does_not_block(box):
    # a daemon that a hook starts keeps the hook's stdout; the runtime must not wait for its end
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >{box.folder}/child"]}]}
    box.run(timeout=8)
    os.kill(int(read(f"{box.folder}/child")), 9)


@test
def run_4_the_network_of_a_container_can_be_made_by_hooks(box):
    box.add_namespace("network")
    out = os.path.join(box.folder, "seen")
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
        "sh", "-c", "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | tr -d '\\n'); "
        f"readlink /proc/$pid/ns/net >{out}"]}]}
    inner = box.sh("readlink /proc/self/ns/net")
    same(read(out), inner, "the network namespace exists in createRuntime")
