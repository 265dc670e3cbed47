"""filters - linux.seccomp: every action, arguments, flags, and the listener."""
import fcntl
import json
import os
import select
import socket
import struct

from kit import OLD, check, has, message, read, same, skip, status_fields, test

NOTIF_RECV = 0xC0502100  # _IOWR('!', 0, struct seccomp_notif), 80 bytes
NOTIF_SEND = 0xC0182101  # _IOWR('!', 1, struct seccomp_notif_resp), 24 bytes


def rule(action, *names, args=None, **more):
    entry = {"names": list(names), "action": action, **more}
    if args:
        entry["args"] = [dict(zip(("index", "value", "op", "valueTwo"), arg)) for arg in args]
    return entry


def profile(box, *rules, default="SCMP_ACT_ALLOW", **more):
    box.linux["seccomp"] = {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"] if os.uname().machine == "x86_64"
                            else [], "syscalls": list(rules), **more}
    if not box.linux["seccomp"]["architectures"]:
        del box.linux["seccomp"]["architectures"]


def call(box, *words, **more):
    return box.run("/bin/probe", "call", *words, **more).out.strip()


@test
def seccomp_filter_is_loaded(box):
    profile(box)
    same(status_fields(box.run("/bin/cat", "/proc/self/status").out)["Seccomp"], "2", "the mode")


@test
def seccomp_no_filter_is_loaded_without_a_section(box):
    same(status_fields(box.run("/bin/cat", "/proc/self/status").out)["Seccomp"], status_fields(read("/proc/self/status"))["Seccomp"],
         "the mode")


@test
def seccomp_errno_is_eperm_when_not_given(box):
    profile(box, rule("SCMP_ACT_ERRNO", "getcpu"))
    same(call(box, "getcpu", "0", "0", "0"), "-1 EPERM", "the result")


@test
def seccomp_errno_as_given(box):
    profile(box, rule("SCMP_ACT_ERRNO", "getcpu", errnoRet=38))
    same(call(box, "getcpu", "0", "0", "0"), "-1 ENOSYS", "the result")


@test
def seccomp_errno_of_0_gives_0(box):
    profile(box, rule("SCMP_ACT_ERRNO", "getcpu", errnoRet=0))
    same(call(box, "getcpu", "0", "0", "0"), "0", "the result")


@test
def seccomp_default_errno(box):
    allowed = """read write open openat close fstat newfstatat stat lstat execve execveat exit exit_group brk mmap munmap
        mprotect arch_prctl rt_sigaction rt_sigprocmask ioctl readlink readlinkat prlimit64 getrandom set_tid_address
        set_robust_list rseq uname access futex fcntl getpid gettid capget capset prctl setuid setgid setgroups
        getdents64 chdir fchdir statx lseek epoll_ctl epoll_pwait epoll_create1 eventfd2 pipe2 nanosleep clone clone3
        sigaltstack madvise sched_getaffinity sched_yield tgkill getppid close_range faccessat2 writev readv pread64
        pselect6 poll ppoll wait4 fstatfs statfs getuid getgid geteuid getegid sendmsg recvmsg sendto recvfrom
        dup dup2 dup3 keyctl mount umount2 getcwd openat2 restart_syscall seccomp timer_settime timer_delete
        rt_sigreturn umask setsid setresuid setresgid getresuid getresgid execve socket connect shutdown""".split()
    profile(box, rule("SCMP_ACT_ALLOW", *allowed), default="SCMP_ACT_ERRNO", defaultErrnoRet=1)
    same(call(box, "getcpu", "0", "0", "0"), "-1 EPERM", "the result")
    box.linux["seccomp"]["defaultErrnoRet"] = 7
    same(call(box, "getcpu", "0", "0", "0"), "-1 E2BIG", "the result with defaultErrnoRet")


@test
def seccomp_calls_newer_than_the_profile_answer_enosys(box):
    # what glibc does not know to be missing when it is EPERM; number 600 is in no table of today
    if box.kind == "crun":
        skip("crun gives the default's errno")
    allowed = "read write close exit_group brk mmap munmap mprotect arch_prctl readlink prlimit64 set_tid_address " \
              "set_robust_list rseq getrandom execve fstat newfstatat futex openat fcntl prctl capset setuid setgid " \
              "setgroups ioctl getpid gettid epoll_pwait epoll_ctl nanosleep rt_sigreturn rt_sigaction rt_sigprocmask " \
              "sigaltstack madvise tgkill sched_yield getdents64 chdir capget clone close_range keyctl umask statx " \
              "faccessat2 lseek getppid write pselect6 fstatfs getcwd readlinkat uname access"
    profile(box, rule("SCMP_ACT_ALLOW", *allowed.split()), default="SCMP_ACT_ERRNO")
    same(call(box, "600"), "-1 ENOSYS", "of call number 600")
    same(call(box, "getcpu", "0", "0", "0"), "-1 EPERM", "of a call that the default is for")


@test
def seccomp_log_lets_it_happen(box):
    profile(box, rule("SCMP_ACT_LOG", "getcpu"))
    same(call(box, "getcpu", "0", "0", "0"), "0", "the result")


@test
def seccomp_allow_in_a_default_of_errno(box):
    profile(box, rule("SCMP_ACT_ERRNO", "getcpu"), rule("SCMP_ACT_ALLOW", "getppid"))
    same(call(box, "getppid"), "0", "the result")


def killed(action, **unlike):
    @test(**unlike)
    def body(box):
        profile(box, rule(action, "getcpu"))
        box.run("/bin/probe", "call", "getcpu", "0", "0", "0", status=159)
    body.__name__ = f"seccomp_{action[9:].lower()}_ends_the_process"


killed("SCMP_ACT_KILL")
killed("SCMP_ACT_KILL_PROCESS")
killed("SCMP_ACT_KILL_THREAD")
killed("SCMP_ACT_TRAP")


@test
def seccomp_trace_without_a_tracer_is_enosys(box):
    profile(box, rule("SCMP_ACT_TRACE", "getcpu", errnoRet=5))
    same(call(box, "getcpu", "0", "0", "0"), "-1 ENOSYS", "the result")


def compares(name, first, matching, other, **unlike):
    """dup(FD) with a first argument that matches, or does not; 3 is no descriptor: EBADF when it is let through."""
    @test(**unlike)
    def body(box):
        profile(box, rule("SCMP_ACT_ERRNO", "dup", errnoRet=7, args=[(0, *first)]))
        same(call(box, "dup", str(matching)), "-1 E2BIG", f"dup({matching})")
        same(call(box, "dup", str(other)), "-1 EBADF", f"dup({other})")
    body.__name__ = f"seccomp_args_{name}"


compares("equal", (50, "SCMP_CMP_EQ"), 50, 51)
compares("not_equal", (50, "SCMP_CMP_NE"), 51, 50)
compares("less", (50, "SCMP_CMP_LT"), 49, 50)
compares("less_or_equal", (50, "SCMP_CMP_LE"), 50, 51)
compares("greater", (50, "SCMP_CMP_GT"), 51, 50)
compares("greater_or_equal", (50, "SCMP_CMP_GE"), 50, 49)
compares("masked_equal", (0xf0, "SCMP_CMP_MASKED_EQ", 0x50), 0x55, 0x65)


@test
def seccomp_args_of_one_rule_must_all_match(box):
    profile(box, rule("SCMP_ACT_ERRNO", "setpriority", errnoRet=7,
                      args=[(0, 0, "SCMP_CMP_EQ"), (2, 18, "SCMP_CMP_EQ")]))
    same(call(box, "setpriority", "0", "0", "18"), "-1 E2BIG", "both match")
    same(call(box, "setpriority", "0", "0", "19"), "0", "one matches")


@test
def seccomp_args_of_the_same_index_are_alternatives(box):
    # libseccomp takes an index once per rule: such rules become several
    profile(box, rule("SCMP_ACT_ERRNO", "dup", errnoRet=7, args=[(0, 50, "SCMP_CMP_EQ"), (0, 60, "SCMP_CMP_EQ")]))
    same(call(box, "dup", "50"), "-1 E2BIG", "the first")
    same(call(box, "dup", "60"), "-1 E2BIG", "the second")
    same(call(box, "dup", "70"), "-1 EBADF", "neither")


@test
def seccomp_args_of_64_bits(box):
    profile(box, rule("SCMP_ACT_ERRNO", "getrandom", errnoRet=7, args=[(1, 0x100000000, "SCMP_CMP_EQ")]))
    same(call(box, "getrandom", "0", "0x100000000", "1"), "-1 E2BIG", "the result")


@test
def seccomp_names_that_nobody_knows_are_ignored(box):
    profile(box, rule("SCMP_ACT_ERRNO", "no_such_call_here", "getcpu"))
    same(call(box, "getcpu", "0", "0", "0"), "-1 EPERM", "the result")


@test
def seccomp_several_architectures(box):
    if os.uname().machine != "x86_64":
        skip("for x86_64")
    profile(box, rule("SCMP_ACT_ERRNO", "getcpu"))
    box.linux["seccomp"]["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    same(call(box, "getcpu", "0", "0", "0"), "-1 EPERM", "the result")


@test(runc=OLD)
def seccomp_flags(box):
    profile(box, rule("SCMP_ACT_ERRNO", "getcpu"), flags=["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"])
    same(call(box, "getcpu", "0", "0", "0"), "-1 EPERM", "the result")


@test(runc=OLD, crun="takes it silently")
def seccomp_unknown_flag_fails(box):
    profile(box, flags=["SECCOMP_FILTER_FLAG_WISH"])
    done = box.create(status="fails")
    has(done.err, "SECCOMP_FILTER_FLAG_WISH", "the message")
    box.leaves_nothing()


def refused(name, change, part, **unlike):
    @test(**unlike)
    def body(box):
        profile(box, rule("SCMP_ACT_ERRNO", "getcpu"))
        change(box.linux["seccomp"])
        done = box.create(status="fails")
        message(box, done, part)
        box.leaves_nothing()
    body.__name__ = f"seccomp_{name}_fails"


refused("unknown_action", lambda s: s["syscalls"][0].update(action="SCMP_ACT_SMILE"), "SCMP_ACT_SMILE")
refused("unknown_default_action", lambda s: s.update(defaultAction="SCMP_ACT_SMILE"), "SCMP_ACT_SMILE")
refused("unknown_architecture", lambda s: s.update(architectures=["SCMP_ARCH_ABACUS"]), "SCMP_ARCH_ABACUS")
refused("unknown_operator", lambda s: s["syscalls"][0].update(args=[{"index": 0, "value": 1, "op": "SCMP_CMP_LIKE"}]), "SCMP_CMP_LIKE")
refused("argument_index_of_6", lambda s: s["syscalls"][0].update(args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]), "")
refused("default_of_notify", lambda s: s.update(defaultAction="SCMP_ACT_NOTIFY"), "", crun="takes it")
refused("errno_for_an_action_without", lambda s: s["syscalls"][0].update(action="SCMP_ACT_ALLOW", errnoRet=5), "errnoRet",
        runc="ignores it", crun="has its own words")
refused("notify_without_a_listener", lambda s: s["syscalls"][0].update(action="SCMP_ACT_NOTIFY"), "listener", crun="takes it")


@test
def seccomp_applies_to_exec(box):
    profile(box, rule("SCMP_ACT_ERRNO", "getcpu", errnoRet=7))
    box.sleeper()
    same(box.exec("/bin/probe", "call", "getcpu", "0", "0", "0").out, "-1 E2BIG\n", "the result")


@test
def seccomp_is_loaded_last_with_no_new_privileges(box):
    # a profile that refuses what the runtime itself does before must not hinder it
    profile(box, rule("SCMP_ACT_ERRNO", "mount", "setgid", "setuid", "setgroups", "capset", "sethostname", "pivot_root"))
    box.process["noNewPrivileges"] = True
    box.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [7]}
    box.config["hostname"] = "inside"
    same(box.run("/bin/id", "-u").out, "1000\n", "id")


class Listener:
    """The agent behind listenerPath."""

    def __init__(self, box):
        self.path = os.path.join(box.folder, "agent.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(1)
        self.socket.settimeout(10)

    def accept(self):
        connection, _ = self.socket.accept()
        connection.settimeout(10)
        data, fds, _, _ = socket.recv_fds(connection, 65536, 8)
        self.fds = fds
        while True:  # the sender may keep the connection
            try:
                return json.loads(data)
            except ValueError:
                more = connection.recv(65536)
                check(more, f"the listener got {data!r}")
                data += more

    def answer(self, fd, value=0, error=0, flags=0):
        check(select.select([fd], [], [], 10)[0], "no call is notified of")
        notif = bytearray(80)
        fcntl.ioctl(fd, NOTIF_RECV, notif)
        ident, pid, _ = struct.unpack_from("=QII", notif)
        number, = struct.unpack_from("=i", notif, 16)
        fcntl.ioctl(fd, NOTIF_SEND, bytearray(struct.pack("=QqiI", ident, value, -error, flags)))
        return pid, number


@test(crun="takes it", gantry="the listener is fetched from outside, so nothing waits for itself")
def seccomp_notify_of_write_fails(box):
    """The listener's descriptor is sent with write: it would wait for itself."""
    listener = Listener(box)
    profile(box, rule("SCMP_ACT_NOTIFY", "write"), listenerPath=listener.path)
    done = box.create(status="fails")
    has(done.err, "write", "the message")
    box.leaves_nothing()


def notified(box, **more):
    listener = Listener(box)
    profile(box, rule("SCMP_ACT_NOTIFY", "getcpu"), listenerPath=listener.path, **more)
    return listener


@test
def seccomp_notify_asks_the_listener(box):
    listener = notified(box, listenerMetadata="some words")
    box.config["annotations"] = {"org.example": "yes"}
    box.args("/bin/probe", "call", "getcpu", "0", "0", "0").save()
    child = box.start_call("run", "--bundle", box.bundle, box.id)
    state = listener.accept()
    check(state["ociVersion"].startswith("1.") or box.kind == "crun", f"ociVersion {state}")
    same(state["fds"], ["seccompFd"], "fds")
    same(state["metadata"], "some words", "metadata")
    same(state["state"]["id"], box.id, "state.id")
    same(state["state"]["bundle"], box.bundle, "state.bundle")
    same(state["state"]["status"], "creating", "state.status")
    same(state["state"].get("annotations"), {"org.example": "yes"}, "state.annotations")
    check(state["pid"] > 1 and os.path.exists(f"/proc/{state['pid']}"), f"pid {state['pid']}")
    same(state["pid"], state["state"]["pid"], "pid and state.pid")
    same(len(listener.fds), 1, "descriptors")
    listener.answer(listener.fds[0], value=77)
    done = box.end_call(child)
    same(done.out, "77\n", "the result")


@test
def seccomp_notify_may_refuse(box):
    listener = notified(box)
    box.args("/bin/probe", "call", "getcpu", "0", "0", "0").save()
    child = box.start_call("run", "--bundle", box.bundle, box.id)
    listener.accept()
    listener.answer(listener.fds[0], error=7)
    same(box.end_call(child).out, "-1 E2BIG\n", "the result")


@test
def seccomp_notify_of_exec_has_its_own_descriptor(box):
    listener = notified(box)
    box.args("/bin/sleep", "1000").save()
    child = box.start_call("run", "--detach", "--bundle", box.bundle, box.id)
    first = listener.accept()
    box.end_call(child)
    child = box.start_call("exec", box.id, "/bin/probe", "call", "getcpu", "0", "0", "0")
    second = listener.accept()
    check(second["pid"] != first["pid"], "the pid of exec is its own")
    same(second["state"]["id"], box.id, "state.id")
    same(second["state"]["status"], "running", "state.status")
    listener.answer(listener.fds[0], value=5)
    same(box.end_call(child).out, "5\n", "the result")


@test
def seccomp_notify_without_somebody_listening_fails(box):
    profile(box, rule("SCMP_ACT_NOTIFY", "getcpu"), listenerPath=os.path.join(box.folder, "nobody.sock"))
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()
