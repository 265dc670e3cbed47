"""execs - exec: what runs beside the first process, and how it ends."""
import json
import os
import signal

from kit import OLD, cap_mask, check, has, message, read, same, status_fields, test, until


def spec_file(box, **changes):
    spec = {**box.process, **changes}
    return box.outside("process.json", json.dumps(spec))


@test
def exec_runs_in_the_container(box):
    pid = box.sleeper()
    out = box.exec("/bin/sh", "-c", "for n in mnt uts ipc pid; do readlink /proc/self/ns/$n; done").out.split()
    same(out, [os.readlink(f"/proc/{pid}/ns/{n}") for n in ("mnt", "uts", "ipc", "pid")], "its namespaces")


@test
def exec_passes_the_exit_status_on(box):
    box.sleeper()
    for status in (0, 1, 3, 255):
        box.exec("/bin/sh", "-c", f"exit {status}", status=status)


@test
def exec_gives_128_and_the_signal_when_killed(box):
    box.sleeper()
    box.exec("/bin/sh", "-c", "kill -9 $$", status=137)


@test
def exec_of_a_missing_program_fails(box):
    box.sleeper()
    done = box.fails("exec", box.id, "no-such-program")
    has(done.err, "no-such-program", "the message")
    has(done.err, "not found", "the message")
    if box.kind != "crun":
        same(done.status, 255, "status")


@test
def exec_of_what_may_not_be_run_fails(box):
    box.file("/bin/plain", "", 0o644)
    box.sleeper()
    done = box.fails("exec", box.id, "/bin/plain")
    message(box, done, "permission denied")


@test
def exec_keeps_stdin_stdout_stderr(box):
    box.sleeper()
    done = box.exec("/bin/sh", "-c", "read x; echo out $x; echo err $x >&2", stdin="word\n")
    same(done.out, "out word\n", "stdout")
    same(done.err, "err word\n", "stderr")


@test(crun="starts from an empty process")
def exec_without_flags_is_as_the_first_process(box):
    box.process["env"].append("FROM=config")
    box.process["cwd"] = "/tmp"
    box.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7]}
    box.sleeper()
    out = box.exec("/bin/sh", "-c", "echo $FROM; pwd; id -u; id -g; cat /proc/self/status").out
    same(out.split()[:4], ["config", "/tmp", "1000", "1001"], "env, cwd, uid, gid")
    has(status_fields(out)["Groups"].split(), "7", "groups")


@test(crun="from 1.9 on it takes the container's ids")
def exec_user(box):
    box.sleeper()
    same(box.exec("/bin/sh", "-c", "id -u; id -g", flags=["--user", "1000:1001"]).out.split(), ["1000", "1001"], "uid and gid")
    same(box.exec("/bin/sh", "-c", "id -u", flags=["-u", "1000"]).out.split(), ["1000"], "uid")


@test(crun=OLD)
def exec_additional_gids(box):
    box.sleeper()
    out = box.exec("/bin/cat", "/proc/self/status", flags=["--additional-gids", "7", "--additional-gids", "8"]).out
    same(sorted(int(g) for g in status_fields(out)["Groups"].split() if g != "0"), [7, 8], "groups")


@test
def exec_env(box):
    box.process["env"].append("A=config")
    box.sleeper()
    out = box.exec("/bin/sh", "-c", "echo $A $B", flags=["--env", "A=1", "--env", "B=two words"]).out
    same(out, "1 two words\n", "the environment")


@test
def exec_cwd(box):
    box.sleeper()
    same(box.exec("/bin/pwd", flags=["--cwd", "/tmp"]).out, "/tmp\n", "cwd")


@test
def exec_no_new_privileges(box):
    box.sleeper()
    fields = status_fields(box.exec("/bin/cat", "/proc/self/status", flags=["--no-new-privs"]).out)
    same(fields["NoNewPrivs"], "1", "NoNewPrivs")


@test
def exec_cap(box):
    box.sleeper()
    fields = status_fields(box.exec("/bin/cat", "/proc/self/status", flags=["--cap", "CAP_NET_RAW"]).out)
    check(int(fields["CapBnd"], 16) & cap_mask(["CAP_NET_RAW"]), f"bounding {fields['CapBnd']}")
    check(int(fields["CapEff"], 16) & cap_mask(["CAP_NET_RAW"]), f"effective {fields['CapEff']}")


@test
def exec_has_the_containers_capabilities(box):
    box.sleeper()
    fields = status_fields(box.exec("/bin/cat", "/proc/self/status").out)
    same(int(fields["CapEff"], 16), cap_mask(box.process["capabilities"]["effective"]), "effective")


@test
def exec_process_file(box):
    box.sleeper()
    path = spec_file(box, args=["/bin/sh", "-c", "echo $A; pwd; id -u; ulimit -n"], cwd="/tmp", env=["A=1", "PATH=/bin"],
                     user={"uid": 1000, "gid": 1000}, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 70, "hard": 70}])
    same(box.call("exec", "--process", path, box.id).out.split(), ["1", "/tmp", "1000", "70"], "what it sees")


@test
def exec_process_file_that_is_nonsense_fails(box):
    box.sleeper()
    box.fails("exec", "--process", box.outside("process.json", "{nonsense"), box.id)
    box.fails("exec", "--process", os.path.join(box.folder, "none"), box.id)
    same(box.status(), "running", "status")


def bad_process(name, part, unlike=None, **changes):
    @test(**(unlike or {}))
    def body(box):
        box.sleeper()
        done = box.fails("exec", "--process", spec_file(box, **changes), box.id)
        if box.kind == "gantry-oci":
            has(done.err, part, "the message")
        same(box.status(), "running", "status")
    body.__name__ = f"exec_process_file_with_{name}_fails"


bad_process("no_args", "args", args=[])
bad_process("args_of_numbers", "args", args=[1, 2])
bad_process("relative_cwd", "cwd", {"crun": "takes it"}, cwd="tmp", args=["/bin/true"])
bad_process("unknown_rlimit", "rlimits", rlimits=[{"type": "RLIMIT_X", "soft": 1, "hard": 1}])
bad_process("user_of_words", "user", {"crun": "does not end"}, user={"uid": "root", "gid": 0})


@test
def exec_detached_writes_the_pid_file(box):
    box.sleeper()
    path = os.path.join(box.folder, "pid")
    box.exec("/bin/sleep", "1000", flags=["--detach", "--pid-file", path])
    pid = int(read(path))
    until("the program runs", lambda: read(f"/proc/{pid}/cmdline") == "/bin/sleep\x001000\x00")
    has(read(os.path.join(box.cgroup("pids"), "cgroup.procs")).split(), str(pid), "the control group")


@test
def exec_in_the_foreground_writes_the_pid_file(box):
    box.sleeper()
    path = os.path.join(box.folder, "pid")
    box.exec("/bin/true", flags=["--pid-file", path])
    check(int(read(path)) > 1, "the pid file")


@test
def exec_is_in_the_control_groups(box):
    box.sleeper()
    out = box.exec("/bin/cat", "/proc/self/cgroup").out
    has(out, box.cgroups_path(), "its groups")


@test
def exec_forwards_signals(box):
    box.sleeper()
    os.mkfifo(os.path.join(box.rootfs, "ready"))
    fd = os.open(os.path.join(box.rootfs, "ready"), os.O_RDONLY | os.O_NONBLOCK)
    child = box.start_call("exec", box.id, "/bin/sh", "-c", "trap 'exit 9' TERM; echo >/ready; while :; do sleep 0.05; done")
    box.heard(fd)
    child.send_signal(signal.SIGTERM)
    box.end_call(child, status=9)


@test
def exec_of_a_stopped_container_fails(box):
    pid = box.sleeper()
    box.kill("KILL")
    box.wait_end(pid)
    done = box.fails("exec", box.id, "/bin/true")
    check(done.err.strip(), "no message")


@test
def exec_of_a_created_container_works(box):
    box.args("/bin/sleep", "1000").create()
    same(box.exec("/bin/echo", "well").out, "well\n", "out")
    same(box.status(), "created", "status")


@test(crun="waits")
def exec_in_a_paused_container_fails(box):
    box.sleeper()
    box.call("pause", box.id)
    done = box.fails("exec", box.id, "/bin/true")
    has(done.err, "paused", "the message")
    box.call("resume", box.id)
    box.exec("/bin/true")


@test(crun=OLD)
def exec_in_a_paused_container_can_be_insisted_on(box):
    box.sleeper()
    box.call("pause", box.id)
    child = box.start_call("exec", "--ignore-paused", box.id, "/bin/echo", "well")
    box.call("resume", box.id)
    same(box.end_call(child).out, "well\n", "out")


@test
def exec_has_only_three_descriptors(box):
    leaked = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(3)]
    for fd in leaked:
        os.set_inheritable(fd, True)
    box.sleeper()
    out = box.exec("/bin/probe", "fds", pass_fds=leaked).out
    same([word.split("=")[0] for word in out.split()], ["0", "1", "2"], f"descriptors {out}")


@test
def exec_needs_a_command(box):
    box.sleeper()
    box.fails("exec", box.id)


@test
def exec_flags_end_with_the_id(box):
    """What follows the id is the program's own, also what begins with a dash."""
    box.sleeper()
    same(box.exec("/bin/echo", "-e", "--cwd", "x").out, "--cwd x\n", "out")
    same(box.exec("--", "/bin/echo", "a", status=None).out.strip() in ("a", ""), True, "a separating --")


@test
def exec_many_at_a_time(box):
    box.sleeper()
    children = [box.start_call("exec", box.id, "/bin/echo", str(number)) for number in range(8)]
    for number, child in enumerate(children):
        same(box.end_call(child).out, f"{number}\n", "out")


@test(crun="starts from an empty process")
def exec_rlimits_are_the_containers(box):
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}]
    box.sleeper()
    same(box.exec("/bin/sh", "-c", "ulimit -n").out, "100\n", "nofile")


@test(crun="starts from an empty process")
def exec_oom_score_adj_is_the_containers(box):
    box.process["oomScoreAdj"] = 345
    box.sleeper()
    same(box.exec("/bin/cat", "/proc/self/oom_score_adj").out, "345\n", "oom_score_adj")


@test
def exec_ends_with_the_container(box):
    pid = box.sleeper()
    os.mkfifo(os.path.join(box.rootfs, "ready"))
    fd = os.open(os.path.join(box.rootfs, "ready"), os.O_RDONLY | os.O_NONBLOCK)
    child = box.start_call("exec", box.id, "/bin/sh", "-c", "echo >/ready; exec sleep 1000")
    box.heard(fd)
    box.kill("KILL")
    box.wait_end(pid)
    box.end_call(child, status=137)


@test
def exec_preserves_descriptors(box):
    from lifecycle import far_pipe, with_descriptors
    box.sleeper()
    source, target = far_pipe()
    done = box.call("exec", "--preserve-fds", "1", box.id, "/bin/sh", "-c", "echo through >&3; readlink /proc/self/fd/4",
                    pass_fds=(target,), wrap=with_descriptors(target, 2), status=None)
    same(done.out, "", "descriptor 4 came through as well")
    same(box.heard(source), "through\n", "through descriptor 3")


# ---- kill and ps -----------------------------------------------------------------------------------------
def trap_all(box):
    fd = box.fifo("ready")
    box.script("for s in TERM USR1 HUP INT; do trap \"echo $s >/ready\" $s; done; trap 'echo RTMIN >/ready' 34; "
               "echo up >/ready; while :; do sleep 0.02; done")
    box.detach()
    same(box.heard(fd), "up\n", "the first word")
    return fd


@test
def kill_is_term_when_nothing_is_said(box):
    fd = trap_all(box)
    box.call("kill", box.id)
    same(box.heard(fd), "TERM\n", "the signal")


def kill_by(name, word, heard):
    @test
    def body(box):
        fd = trap_all(box)
        box.kill(word)
        same(box.heard(fd), heard + "\n", "the signal")
    body.__name__ = f"kill_by_{name}"


kill_by("name", "USR1", "USR1")
kill_by("long_name", "SIGHUP", "HUP")
kill_by("number", "10", "USR1")
kill_by("number_of_a_real_time_signal", "34", "RTMIN")


@test(crun="sends another")
def kill_by_lower_case_name(box):
    fd = trap_all(box)
    done = box.kill("usr1", status=None)
    if done.status == 0:
        same(box.heard(fd), "USR1\n", "the signal")
    elif box.kind == "gantry-oci":
        check(False, f"runc takes it: {done.err}")


@test(crun="sends another")
def kill_with_an_unknown_signal_fails(box):
    box.sleeper()
    for word in ("NOSUCH", "SIGNOSUCH", "1000", "-5"):
        box.fails("kill", "--", box.id, word)
    same(box.status(), "running", "status")


@test
def kill_all_reaches_every_process(box):
    box.without_namespace("pid").without_mount("/proc").bind("/proc", "/proc", "rbind")
    fd = box.fifo("ready")
    box.script("setsid sh -c \"trap 'echo second >/ready; exit' TERM; echo up >/ready; while :; do sleep 0.02; done\" & "
               "trap '' TERM; while :; do sleep 0.02; done")
    box.detach()
    same(box.heard(fd), "up\n", "the first word")
    box.call("kill", "--all", box.id, "TERM")
    same(box.heard(fd), "second\n", "the other process")


@test
def kill_all_of_a_stopped_container_is_possible(box):
    # callers clean up with it, when there was no pid namespace
    pid = box.sleeper()
    box.kill("KILL")
    box.wait_end(pid)
    done = box.call("kill", "--all", box.id, "KILL", status=None)
    if box.kind == "runc":
        same(done.status, 0, f"status; {done.err}")


@test
def ps_as_a_table(box):
    pid = box.sleeper()
    lines = box.call("ps", box.id).lines
    if box.kind == "crun":
        has(lines, str(pid), "the pids")
    else:
        check("PID" in lines[0] and "CMD" in lines[0], f"the head {lines[0]}")
        check(any(str(pid) in line.split() and "sleep 1000" in line for line in lines[1:]), f"the lines {lines}")


@test
def ps_as_json(box):
    pid = box.sleeper()
    same(json.loads(box.call("ps", "--format", "json", box.id).out), [pid], "the pids")
    same(json.loads(box.call("ps", "-f", "json", box.id).out), [pid], "the pids")


@test(crun="has no ps of its own")
def ps_passes_arguments_on(box):
    pid = box.sleeper()
    lines = box.call("ps", box.id, "-o", "pid,comm").lines
    same(lines[0].split(), ["PID", "COMMAND"], "the head")
    same([line.split() for line in lines[1:]], [[str(pid), "sleep"]], "the lines")


@test
def ps_with_an_unknown_format_fails(box):
    box.sleeper()
    box.fails("ps", "--format", "picture", box.id)


@test
def ps_sees_exec(box):
    box.sleeper()
    path = os.path.join(box.folder, "pid")
    box.exec("/bin/sleep", "1000", flags=["--detach", "--pid-file", path])
    has(json.loads(box.call("ps", "--format", "json", box.id).out), int(read(path)), "the pids")
