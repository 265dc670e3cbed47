"""lifecycle - RUN-1 to RUN-3: every operation in every state, and what it leaves."""
import fcntl
import os
import signal
import sys

from kit import OLD, check, has, message, read, same, test, until


@test
def run_1_a_container_goes_through_created_running_stopped(box):
    box.args("/bin/sleep", "1000").create()
    same(box.status(), "created", "after create")
    pid = box.pid()
    check(os.path.exists(f"/proc/{pid}"), "the pid is a process of the host")
    box.start()
    same(box.status(), "running", "after start")
    same(box.pid(), pid, "the pid of the started")
    same(read(f"/proc/{pid}/cmdline"), "/bin/sleep\x001000\x00", "what runs")
    box.kill("KILL")
    box.wait_end(pid)
    same(box.status(), "stopped", "after kill")
    box.delete()
    box.leaves_nothing()


@test
def run_1_start_needs_a_created_container(box):
    pid = box.sleeper()
    box.fails("start", box.id)
    same(box.status(), "running", "after the refused start")
    box.kill("KILL")
    box.wait_end(pid)
    box.fails("start", box.id)
    same(box.status(), "stopped", "after the second refused start")


@test
def run_1_start_of_an_unknown_container_fails(box):
    done = box.fails("start", "no-such-container")
    message(box, done, "does not exist")


@test
def run_1_state_kill_delete_of_an_unknown_container_fail(box):
    for words in (["state"], ["kill"], ["delete"], ["pause"], ["resume"], ["ps"], ["update"]):
        done = box.fails(*words, "no-such-container", *(["KILL"] if words == ["kill"] else []))
        check(done.err.strip(), f"{words[0]}: no message")
    box.fails("exec", "no-such-container", "/bin/true")
    same(os.path.exists(os.path.join(box.root, "no-such-container")), False, "a folder was made")


@test
def run_1_delete_force_of_an_unknown_container_is_no_error(box):
    box.call("delete", "--force", "no-such-container")


@test
def run_1_kill_works_on_created_and_running(box):
    box.args("/bin/sleep", "1000").create()
    pid = box.pid()
    box.kill("KILL")
    box.wait_end(pid)
    same(box.status(), "stopped", "a killed created container")
    box.fails("kill", box.id, "KILL")
    box.delete()


@test
def run_1_kill_of_a_stopped_container_fails(box):
    pid = box.sleeper()
    box.kill("KILL")
    box.wait_end(pid)
    done = box.fails("kill", box.id, "TERM")
    message(box, done, "not running")
    same(box.status(), "stopped", "the state")


@test
def run_1_delete_needs_a_stopped_container(box):
    pid = box.sleeper()
    done = box.fails("delete", box.id)
    message(box, done, "not stopped")
    same(box.status(), "running", "after the refused delete")
    check(os.path.exists(f"/proc/{pid}"), "the process is there")


@test
def run_1_delete_force_ends_a_running_container(box):
    pid = box.sleeper()
    box.delete(force=True)
    box.wait_end(pid)
    box.leaves_nothing()


@test(crun="deletes a created container without --force as well")
def run_1_delete_of_a_created_container(box):
    # runtime-spec: only stopped ones; runc kills a created one and deletes it, callers rely on it
    box.create()
    done = box.delete(status=None)
    if done.status == 0:
        box.leaves_nothing()
    else:
        same(box.status(), "created", "after the refused delete")


@test
def run_1_delete_force_ends_a_created_container(box):
    box.create()
    pid = box.pid()
    box.delete(force=True)
    box.wait_end(pid)
    box.leaves_nothing()


@test
def run_1_a_duplicate_id_is_refused(box):
    pid = box.sleeper()
    before = sorted(os.listdir(os.path.join(box.root, box.id)))
    done = box.create(status="fails")
    check("exist" in done.err, f"the message: {done.err!r}")
    done = box.run(status="fails")
    same(box.status(), "running", "the first container")
    same(box.pid(), pid, "its process")
    same(sorted(os.listdir(os.path.join(box.root, box.id))), before, "its folder")
    check(os.path.exists(box.cgroup("devices")), "its control group")
    check(os.path.exists(f"/proc/{pid}"), "its process is alive")


@test
def run_1_an_id_can_be_used_again_after_delete(box):
    for _ in range(2):
        box.sh("exit 0")
        box.leaves_nothing()


def bad_id(name, value):
    def body(box):
        box.save()
        before = snapshot(box.folder)
        done = box.fails("create", "--bundle", box.bundle, "--", value)
        check(done.err.strip(), "no message")
        box.fails("state", "--", value)
        box.fails("delete", "--", value)
        same(snapshot(box.folder), before, "files changed")
    body.__name__ = body.__qualname__ = f"run_1_{name}_is_no_id"
    return body


def snapshot(folder):
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if os.path.join(here, f) != os.path.join(folder, "state")]
        found += [os.path.join(here, f) for f in folders + files if not f.startswith(("out.", "err."))]
    return sorted(found)


CRUN_IDS = "looks only for slashes"
for name, value, unlike in (
        ("nothing", "", {"crun": "takes an empty id for no argument"}),
        ("a_dot", ".", {"crun": CRUN_IDS}),
        ("two_dots", "..", {"crun": CRUN_IDS}),
        ("a_path", "a/b", {}),
        ("a_way_out", "../bundle", {"crun": "delete takes it"}),
        ("an_absolute_path", "/etc", {"crun": "takes it"}),
        ("a_blank", "a b", {"crun": CRUN_IDS}),
        ("a_line_feed", "a\nb", {"crun": CRUN_IDS}),
        ("a_question_mark", "a?b", {"crun": CRUN_IDS}),
        ("a_very_long_word", "x" * 2000, {}),
        ("a_letter_beyond_ascii", "\u00e4", {"crun": CRUN_IDS})):
    test(**unlike)(bad_id(name, value))


@test
def run_1_ids_may_have_these_letters(box):
    box.ids[:] = [box.id + "_aZ0+-."]
    box.id = box.ids[0]
    box.linux["cgroupsPath"] = box.cgroups_path()
    box.create()
    same(box.state()["id"], box.id, "the id")
    box.delete(force=True)


@test
def run_1_operations_ask_for_an_id(box):
    for words in (["create"], ["start"], ["state"], ["kill"], ["delete"], ["run"], ["pause"],
                  ["resume"], ["ps"], ["update"]):
        done = box.fails(*words, cwd=box.folder)
        check((done.err + done.out).strip(), f"{words[0]}: no message")


@test
def run_1_an_unknown_command_fails(box):
    done = box.call("no-such-command", status=None)
    check(done.status != 0, "it succeeded")


@test
def run_1_an_unknown_flag_fails(box):
    box.save()
    box.fails("create", "--no-such-flag", "--bundle", box.bundle, box.id)
    box.leaves_nothing()


@test
def run_1_run_passes_the_exit_status_on(box):
    for status in (0, 1, 7, 255):
        box.sh(f"exit {status}", status=status)
    box.leaves_nothing()


@test
def run_1_run_gives_128_and_the_signal_when_killed(box):
    # a first process ignores what it does not handle, but not from the parent namespace
    box.fifo("ready")
    fd = box.ends[0]
    box.script("echo > /ready; sleep 1000").save()
    child = box.start_call("run", "--bundle", box.bundle, box.id)
    box.heard(fd)
    box.kill("KILL")
    box.end_call(child, status=128 + signal.SIGKILL)
    box.leaves_nothing()


@test
def run_1_run_forwards_signals_to_the_container(box):
    fd = box.fifo("ready")
    box.script("trap 'exit 9' TERM; echo > /ready; while :; do sleep 0.05; done").save()
    child = box.start_call("run", "--bundle", box.bundle, box.id)
    box.heard(fd)
    child.send_signal(signal.SIGTERM)
    box.end_call(child, status=9)
    box.leaves_nothing()


@test
def run_1_run_keeps_stdin_stdout_stderr(box):
    box.script("read x; echo out $x; echo err $x >&2").save()
    done = box.call("run", "--bundle", box.bundle, box.id, stdin="word\n")
    same(done.out, "out word\n", "stdout")
    same(done.err, "err word\n", "stderr")


@test
def run_1_create_takes_the_bundle_of_the_working_directory(box):
    box.save()
    box.call("create", box.id, cwd=box.bundle)
    same(box.state()["bundle"], box.bundle, "the bundle")
    box.call("start", box.id, cwd="/")


@test
def run_1_a_relative_bundle_becomes_absolute(box):
    box.save()
    box.call("create", "--bundle", "bundle", box.id, cwd=box.folder)
    same(box.state()["bundle"], box.bundle, "the bundle")


@test
def run_1_create_writes_the_pid_file(box):
    path = os.path.join(box.folder, "pid")
    box.create(flags=["--pid-file", path])
    same(read(path), str(box.pid()), "the pid file")


@test
def run_1_run_detached_writes_the_pid_file(box):
    path = os.path.join(box.folder, "pid")
    pid = box.sleeper(flags=["--pid-file", path])
    same(read(path), str(pid), "the pid file")


@test
def run_1_the_pid_file_replaces_an_old_one(box):
    path = box.outside("pid", "999999999999999\n")
    pid = box.sleeper(flags=["--pid-file", path])
    same(read(path), str(pid), "the pid file")


@test(crun="leaves the container when the pid file cannot be written")
def run_3_a_pid_file_that_cannot_be_written_leaves_nothing(box):
    box.create(status="fails", flags=["--pid-file", os.path.join(box.folder, "no/such/pid")])
    box.leaves_nothing()


@test
def run_2_state_has_the_fields_of_the_specification(box):
    box.config["annotations"] = {"org.example.key": "a value", "b": ""}
    box.create()
    state = box.state()
    check(state["ociVersion"].startswith("1."), f"ociVersion {state['ociVersion']}")
    same(state["id"], box.id, "id")
    same(state["status"], "created", "status")
    check(isinstance(state["pid"], int) and state["pid"] > 1, f"pid {state['pid']!r}")
    same(state["bundle"], box.bundle, "bundle")
    same(state["annotations"], {"org.example.key": "a value", "b": ""}, "annotations")


@test
def run_2_state_has_what_callers_of_runc_read(box):
    box.create()
    state = box.state()
    same(os.path.join(box.bundle, state["rootfs"]), box.rootfs, "rootfs")
    check(state["created"][:2] == "20" and state["created"].endswith("Z"), f"created {state['created']}")
    check("owner" in state, "owner")


@test
def run_2_a_stopped_container_has_pid_0(box):
    pid = box.sleeper()
    box.kill("KILL")
    box.wait_end(pid)
    same(box.state()["pid"], 0, "pid")


@test
def run_2_a_recycled_pid_is_not_the_container(box):
    # the state must compare the process's start time, not only its pid
    pid = box.sleeper()
    box.kill("KILL")
    box.wait_end(pid)
    until("the process is reaped", lambda: not os.path.exists(f"/proc/{pid}"))
    same(box.status(), "stopped", "status")


@test
def run_3_edits_of_the_config_after_create_have_no_effect(box):
    box.script("echo before; hostname").config["hostname"] = "before"
    out = box.create()
    pid = box.pid()
    box.script("echo after").config["hostname"] = "after"
    box.save()
    box.start()
    box.wait_end(pid)
    same(out.out, "before\nbefore\n", "what ran")


@test
def run_3_removing_the_bundle_after_create_does_not_matter(box):
    out = box.script("echo here").create()
    os.unlink(os.path.join(box.bundle, "config.json"))
    pid = box.pid()
    box.start()
    box.wait_end(pid)
    same(out.out, "here\n", "what ran")
    box.delete()


@test
def run_3_create_runs_nothing_of_the_program(box):
    box.script("touch /tmp/ran").create()
    check(not os.path.exists(os.path.join(box.rootfs, "tmp/ran")), "it ran before start")
    pid = box.pid()
    box.start()
    box.wait_end(pid)
    check(os.path.exists(os.path.join(box.rootfs, "tmp/ran")), "it did not run")


@test
def run_3_a_missing_bundle_is_an_error(box):
    done = box.fails("create", "--bundle", os.path.join(box.folder, "none"), box.id)
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def run_3_a_missing_config_is_an_error(box):
    done = box.fails("create", "--bundle", box.bundle, box.id)
    has(done.err, "config.json", "the message")
    box.leaves_nothing()


@test
def run_3_a_bundle_that_is_a_file_is_an_error(box):
    path = box.outside("file", "")
    box.fails("create", "--bundle", path, box.id)
    box.leaves_nothing()


@test
def run_3_a_missing_program_is_an_error_of_create(box):
    done = box.args("no-such-program").create(status=None)
    if done.status == 0:  # RUN-3 lets it be one of start
        done = box.start(status="fails")
        box.delete(force=True)
    has(done.err, "no-such-program", "the message")
    has(done.err, "not found", "the message")
    box.leaves_nothing()


@test
def run_3_a_program_that_may_not_be_run_is_an_error(box):
    box.file("/bin/plain", "no program", 0o644)
    done = box.args("/bin/plain").run(status="fails")
    message(box, done, "permission denied")
    box.leaves_nothing()


@test
def run_3_a_program_of_no_known_format_is_an_error(box):
    box.file("/bin/plain", "\x01\x02 no program", 0o755)
    done = box.args("/bin/plain").run(status="fails")
    has(done.err.lower(), "exec format error", "the message")


@test
def run_3_a_failed_create_leaves_nothing(box):
    box.add_mount("/x", "no-such-file-system", "none")
    done = box.create(status="fails")
    has(done.err.lower(), "no such device", "the message")
    box.leaves_nothing()


@test
def run_5_unknown_properties_are_ignored(box):
    box.config["x-unknown"] = {"a": [1]}
    box.process["x-unknown"] = None
    box.linux["x-unknown"] = "y"
    box.linux["resources"]["x-unknown"] = 1
    box.config["vm"] = {"kernel": {"path": "/k"}}
    same(box.sh("echo well"), "well\n", "out")


@test
def run_5_null_properties_are_absent(box):
    for key in ("hostname", "annotations", "hooks"):
        box.config[key] = None
    for key in ("sysctl", "devices", "seccomp", "maskedPaths", "rootfsPropagation", "uidMappings"):
        box.linux[key] = None
    box.process["rlimits"] = None
    box.process["apparmorProfile"] = None
    same(box.sh("echo well"), "well\n", "out")


@test
def run_6_only_three_descriptors_reach_the_program(box):
    leaked = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(3)]
    for fd in leaked:
        os.set_inheritable(fd, True)
    out = box.run("/bin/probe", "fds", pass_fds=leaked).out
    same([word.split("=")[0] for word in out.split()], ["0", "1", "2"], f"descriptors {out}")


def with_descriptors(fd, count):
    """Words that run what follows with FD as descriptors 3 to 2 + COUNT and no others."""
    return [sys.executable, "-c", "import os, sys\n"
            "fd, count = int(sys.argv[1]), int(sys.argv[2])\n"
            "os.set_inheritable(fd, False)\n"
            "for i in range(count): os.dup2(fd, 3 + i, True)\n"
            "os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "os.execv(sys.argv[3], sys.argv[3:])\n", str(fd), str(count)]


def far_pipe():
    """A pipe whose writing end is not among the first descriptors."""
    source, target = os.pipe()
    far = fcntl.fcntl(target, fcntl.F_DUPFD, 50)
    os.close(target)
    return source, far


@test
def run_6_preserved_descriptors_reach_the_program(box):
    source, target = far_pipe()
    box.script("echo through >&3; readlink /proc/self/fd/4").save()
    done = box.call("run", "--preserve-fds", "1", "--bundle", box.bundle, box.id,
                    pass_fds=(target,), wrap=with_descriptors(target, 2), status=None)
    same(done.out, "", "descriptor 4 came through as well")
    same(box.heard(source), "through\n", "through descriptor 3")


@test
def run_6_listen_fds_reach_the_program(box):
    source, target = far_pipe()
    box.script("echo $LISTEN_FDS $LISTEN_PID >&3; readlink /proc/self/fd/4").save()
    done = box.call("run", "--bundle", box.bundle, box.id, pass_fds=(target,), status=None,
                    wrap=with_descriptors(target, 2), env={**os.environ, "LISTEN_FDS": "1"})
    same(done.out, "", "descriptor 4 came through as well")
    same(box.heard(source).split()[:1], ["1"], f"LISTEN_FDS; {done.err}")


@test(crun=OLD)
def run_keep_leaves_a_stopped_container(box):
    box.run("/bin/true", flags=["--keep"])
    same(box.status(), "stopped", "status")
    box.delete()


@test
def delete_removes_the_control_group(box):
    box.sleeper()
    check(box.cgroups_left(), "there is a control group")
    box.end()
    same(box.cgroups_left(), [], "control groups after delete")


@test(runc="may leave control groups when the machine is busy")
def delete_kills_what_a_shared_pid_namespace_left(box):
    # without a pid namespace of its own the first process's end does not take the others along
    box.without_namespace("pid").without_mount("/proc")
    box.config["mounts"].insert(0, {"destination": "/proc", "type": "bind", "source": "/proc",
                                    "options": ["rbind"]})
    fd = box.fifo("ready")
    box.script("(setsid sleep 1000 & echo $! > /ready); sleep 1000")
    pid = box.detach()
    child = int(box.heard(fd))
    box.kill("KILL")
    box.wait_end(pid)
    box.delete(force=True)
    box.wait_end(child)
    box.leaves_nothing()
