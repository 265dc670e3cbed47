"""process - the section of config.json that says what runs, as whom, with which limits."""
import json
import os
import resource
import signal
import subprocess

from kit import (ALL_CAPABILITIES, OLD, available_capabilities, cap_mask, check, has, lacks, message,
                 needs_capability, ours, read, same, skip, status_fields, test)


@test
def process_cwd_is_where_it_starts(box):
    box.process["cwd"] = "/tmp"
    same(box.sh("pwd; readlink /proc/self/cwd"), "/tmp\n/tmp\n", "out")


@test
def process_cwd_is_made_when_it_is_missing(box):
    box.process["cwd"] = "/made/for/me"
    done = box.script("pwd").run(status=None)
    if box.kind == "crun" and done.status != 0:
        return
    same(done.out, "/made/for/me\n", "out")


@test(crun="takes it from /")
def process_cwd_must_be_absolute(box):
    box.process["cwd"] = "tmp"
    done = box.create(status="fails")
    has(done.err.lower(), "cwd", "the message")
    box.leaves_nothing()


@test
def process_cwd_that_is_a_file_fails(box):
    box.process["cwd"] = "/etc/passwd"
    done = box.run("/bin/true", status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def process_cwd_may_be_a_symbolic_link(box):
    os.symlink("tmp", os.path.join(box.rootfs, "link"))
    box.process["cwd"] = "/link"
    same(box.sh("pwd -P"), "/tmp\n", "out")


@test
def process_env_is_all_there_is(box):
    os.environ["CONTRACT_SECRET"] = "here"
    box.process["env"] = ["PATH=/bin", "A=1", "B=two words", "C=", "D=x=y"]
    out = box.run("/bin/env").out.splitlines()
    for word in ("A=1", "B=two words", "C=", "D=x=y", "PATH=/bin"):
        has(out, word, "the environment")
    lacks("\n".join(out), "CONTRACT_SECRET", "the environment")


@test
def process_env_home_comes_from_the_users_entry(box):
    same(box.sh("echo $HOME"), "/root\n", "HOME of root")
    box.process["env"].append("HOME=/own")
    same(box.sh("echo $HOME"), "/own\n", "HOME as configured")


@test
def process_args_are_passed_as_they_are(box):
    out = box.run("/bin/sh", "-c", 'printf "<%s>" "$@"', "zero", "a b", "", "*", "\u00e4").out
    same(out, "<a b><><*><\u00e4>", "out")


@test
def process_args_0_is_looked_up_in_the_containers_path(box):
    box.file("/own/tool", "#!/bin/sh\necho found\n", 0o755)
    box.process["env"] = ["PATH=/none:/own:/bin"]
    same(box.run("tool").out, "found\n", "out")


@test
def process_args_0_may_be_relative_to_cwd(box):
    box.file("/own/tool", "#!/bin/sh\necho found\n", 0o755)
    box.process["cwd"] = "/own"
    same(box.run("./tool").out, "found\n", "out")


@test
def process_args_may_not_be_empty(box):
    box.process["args"] = []
    done = box.create(status="fails")
    message(box, done, "args")
    box.leaves_nothing()


@test
def process_is_the_first_process_of_its_namespace(box):
    same(box.sh("echo $$"), "1\n", "pid")


@test
def process_leads_a_session(box):
    same(box.run("/bin/probe", "call", "getsid", "0").out, "1\n", "session")


@test(runc="leaves the blocked ones")
def process_ignores_and_blocks_no_signals(box):
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGCHLD])
    fields = status_fields(box.run("/bin/cat", "/proc/self/status").out)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1, signal.SIGCHLD])
    same(int(fields["SigBlk"], 16), 0, "blocked signals")
    same(int(fields["SigIgn"], 16), 0, "ignored signals")


# ---- user -------------------------------------------------------------------------------------------
@test
def process_user_has_uid_and_gid(box):
    box.process["user"] = {"uid": 1000, "gid": 1001}
    fields = status_fields(box.run("/bin/cat", "/proc/self/status").out)
    same(fields["Uid"].split(), ["1000"] * 4, "uid")
    same(fields["Gid"].split(), ["1001"] * 4, "gid")
    same(fields["Groups"].split(), [], "groups")


@test
def process_user_has_no_groups_of_the_caller(box):
    os.setgroups([0, 7, 8])
    fields = status_fields(box.run("/bin/cat", "/proc/self/status").out)
    same([g for g in fields["Groups"].split() if g != "0"], [], "groups")


@test
def process_user_has_additional_gids(box):
    box.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 1001, 70000]}
    fields = status_fields(box.run("/bin/cat", "/proc/self/status").out)
    same(sorted(int(g) for g in fields["Groups"].split()), [5, 1001, 70000], "groups")


@test
def process_user_umask(box):
    box.process["user"]["umask"] = 0o77
    same(box.run("/bin/probe", "umask").out, "0077\n", "umask")


@test
def process_user_umask_is_22_when_not_given(box):
    old = os.umask(0o7)
    out = box.run("/bin/probe", "umask").out
    os.umask(old)
    same(out, "0022\n", "umask")


@test(crun="leaves HOME empty")
def process_user_without_name_in_passwd_has_home_of_root_folder(box):
    box.process["user"] = {"uid": 4242, "gid": 4242}
    same(box.sh("echo $HOME"), "/\n", "HOME")


@test
def process_user_can_open_the_standard_streams_by_name(box):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.process["capabilities"] = {}
    source, target = os.pipe()
    box.script("echo again >/dev/stdout").save()
    words = [box.runtime, "--root", box.root, "run", "--bundle", box.bundle, box.id]
    child = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=target, stderr=subprocess.PIPE)
    os.close(target)
    same(os.read(source, 100), b"again\n", f"what came through the pipe; {child.stderr}")


# ---- limits -----------------------------------------------------------------------------------------
@test
def process_rlimits_are_set(box):
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100},
                              {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                              {"type": "RLIMIT_CPU", "soft": 50, "hard": 60}]
    lines = {line[:26].strip(): line[26:].split()[:2]
             for line in box.run("/bin/cat", "/proc/self/limits").out.splitlines()}
    same(lines["Max open files"], ["100", "100"], "nofile")
    same(lines["Max core file size"], ["0", "0"], "core")
    same(lines["Max cpu time"], ["50", "60"], "cpu")


@test
def process_rlimits_of_every_kind(box):
    names = "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK"
    limits = []
    for name in names.split():
        soft, hard = resource.prlimit(0, getattr(resource, "RLIMIT_" + name, {
            "LOCKS": 10}.get(name, 0)))
        top = (1 << 64) - 1
        limits.append({"type": "RLIMIT_" + name, "soft": top if soft < 0 else soft,
                       "hard": top if hard < 0 else hard})
    box.process["rlimits"] = limits
    box.run("/bin/true")


@test
def process_rlimits_not_given_are_the_callers(box):
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, 400))
    out = box.sh("ulimit -Sn; ulimit -Hn").split()
    check(out in (["300", "400"], ["400", "400"]), f"nofile {out}")


@test
def process_rlimits_of_unknown_kind_fail(box):
    box.process["rlimits"] = [{"type": "RLIMIT_WISHES", "soft": 1, "hard": 1}]
    done = box.create(status="fails")
    has(done.err, "RLIMIT_WISHES", "the message")
    box.leaves_nothing()


@test(runc="the last one wins", crun="the last one wins")
def process_rlimits_twice_fail(box):
    box.process["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2
    done = box.create(status="fails")
    has(done.err, "rlimits", "the message")
    box.leaves_nothing()


@test
def process_rlimits_soft_above_hard_fail(box):
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 200, "hard": 100}]
    box.run("/bin/true", status="fails")
    box.leaves_nothing()


# ---- capabilities -----------------------------------------------------------------------------------
SETS = {"bounding": "CapBnd", "effective": "CapEff", "permitted": "CapPrm", "inheritable": "CapInh",
        "ambient": "CapAmb"}


def capabilities_seen(box):
    fields = status_fields(box.run("/bin/cat", "/proc/self/status").out)
    return {kind: int(fields[name], 16) for kind, name in SETS.items()}


@test
def capabilities_five_sets_are_as_given(box):
    given = {"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_NET_RAW"],
             "effective": ["CAP_CHOWN", "CAP_KILL"],
             "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
             "inheritable": ["CAP_CHOWN", "CAP_KILL"],
             "ambient": ["CAP_CHOWN"]}
    box.process["capabilities"] = given
    box.process["user"] = {"uid": 1000, "gid": 1000}
    seen = capabilities_seen(box)
    # through execve, a user keeps what is ambient; the bounding and inheritable sets stay
    same(seen["bounding"], cap_mask(given["bounding"]), "bounding")
    same(seen["inheritable"], cap_mask(given["inheritable"]), "inheritable")
    same(seen["ambient"], cap_mask(given["ambient"]), "ambient")
    same(seen["permitted"], cap_mask(given["ambient"]), "permitted")
    same(seen["effective"], cap_mask(given["ambient"]), "effective")


@test
def capabilities_of_root_are_the_bounding_set(box):
    caps = ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"]
    box.process["capabilities"] = {kind: caps for kind in ("bounding", "permitted", "effective")}
    seen = capabilities_seen(box)
    for kind in ("bounding", "permitted", "effective"):
        same(seen[kind], cap_mask(caps), kind)
    for kind in ("inheritable", "ambient"):
        same(seen[kind], 0, kind)


@test
def capabilities_empty_sets_give_none(box):
    box.process["capabilities"] = {kind: [] for kind in SETS}
    seen = capabilities_seen(box)
    same(set(seen.values()), {0}, "the sets")


@test(runc="gives all", crun="gives none but keeps the bounding set")
def capabilities_not_given_give_none(box):
    del box.process["capabilities"]
    same(capabilities_seen(box)["effective"], 0, "effective")


@test
def capabilities_all_that_the_machine_gives(box):
    box.capable()
    seen = capabilities_seen(box)
    same(seen["effective"], cap_mask(available_capabilities()), "effective")


@test
def capabilities_unknown_ones_are_warned_of(box):
    box.process["capabilities"]["bounding"].append("CAP_TO_DO_WONDERS")
    done = box.script("echo well").run()
    same(done.out, "well\n", "out")
    if box.kind != "crun":
        has(done.err, "CAP_TO_DO_WONDERS", "the warning")


@test
def capabilities_the_caller_lacks_are_not_given(box):
    lacking = ["CAP_" + n for n in ALL_CAPABILITIES if "CAP_" + n not in available_capabilities()]
    if not lacking:
        skip("root has all capabilities here")
    for kind in ("bounding", "effective", "permitted"):
        box.process["capabilities"][kind] = ["CAP_KILL"] + lacking
    done = box.run("/bin/cat", "/proc/self/status", status=None)
    if done.status != 0:
        check(box.kind != "gantry-oci", f"a capability the caller lacks is a warning: {done.err}")
    else:
        same(int(status_fields(done.out)["CapEff"], 16), cap_mask(["CAP_KILL"]), "effective")


@test
def no_new_privileges_is_set(box):
    box.process["noNewPrivileges"] = True
    fields = status_fields(box.run("/bin/cat", "/proc/self/status").out)
    same(fields["NoNewPrivs"], "1", "NoNewPrivs")


@test
def no_new_privileges_is_not_set(box):
    fields = status_fields(box.run("/bin/cat", "/proc/self/status").out)
    same(fields["NoNewPrivs"], "0", "NoNewPrivs")


@test
def no_new_privileges_with_a_user_and_seccomp(box):
    box.process["noNewPrivileges"] = True
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.process["capabilities"] = {}
    box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["getcpu"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}
    same(box.run("/bin/probe", "call", "getcpu", "0", "0", "0").out, "-1 E2BIG\n", "out")


@test
def oom_score_adj_is_set(box):
    box.process["oomScoreAdj"] = 567
    same(box.run("/bin/cat", "/proc/self/oom_score_adj").out, "567\n", "oom_score_adj")


@test
def oom_score_adj_is_left_alone(box):
    own = read("/proc/self/oom_score_adj")
    same(box.run("/bin/cat", "/proc/self/oom_score_adj").out, own, "oom_score_adj")


@test
def oom_score_adj_may_be_lowered(box):
    needs_capability("CAP_SYS_RESOURCE", 24)
    box.process["oomScoreAdj"] = -100
    same(box.run("/bin/cat", "/proc/self/oom_score_adj").out, "-100\n", "oom_score_adj")


@test
def oom_score_adj_out_of_range_fails(box):
    box.process["oomScoreAdj"] = 1001
    box.create(status="fails")
    box.leaves_nothing()


# ---- labels -----------------------------------------------------------------------------------------
@test(crun="takes it silently")
def apparmor_profile_where_there_is_none_is_an_error(box):
    if os.path.exists("/sys/module/apparmor") and "Y" in read("/sys/module/apparmor/parameters/enabled"):
        skip("AppArmor is here")
    box.process["apparmorProfile"] = "some-profile"
    done = box.create(status="fails")
    has(done.err.lower(), "apparmor", "the message")
    box.leaves_nothing()


@test
def selinux_label_where_there_is_none_is_an_error(box):
    if os.path.exists("/sys/fs/selinux/enforce"):
        skip("SELinux is here")
    box.process["selinuxLabel"] = "system_u:system_r:container_t:s0"
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


# ---- scheduling -------------------------------------------------------------------------------------
@test(**ours)
def scheduler_batch_with_nice(box):
    box.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 5}
    has(box.run("/bin/probe", "sched").out, "policy=3 nice=5", "sched")


@test(**ours)
def scheduler_idle(box):
    box.process["scheduler"] = {"policy": "SCHED_IDLE"}
    has(box.run("/bin/probe", "sched").out, "policy=5", "sched")


@test(**ours)
def scheduler_other_with_a_lower_nice(box):
    needs_capability("CAP_SYS_NICE", 23)
    box.capable()
    box.process["scheduler"] = {"policy": "SCHED_OTHER", "nice": -7}
    has(box.run("/bin/probe", "sched").out, "policy=0 nice=-7", "sched")


@test(**ours)
def scheduler_fifo_with_flags(box):
    needs_capability("CAP_SYS_NICE", 23)
    box.capable()
    box.process["scheduler"] = {"policy": "SCHED_FIFO", "priority": 3,
                                "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    done = box.run("/bin/probe", "sched", status=None)
    if done.status != 0 and "not permitted" in done.err:
        skip("this control group has no real-time share")
    has(done.out, "policy=1 nice=0 priority=3 flags=1", f"sched; {done.err}")


@test(**ours)
def scheduler_applies_to_exec(box):
    box.sleeper()
    spec = {**box.process, "args": ["/bin/probe", "sched"],
            "scheduler": {"policy": "SCHED_BATCH", "nice": 3}}
    has(exec_spec(box, spec).out, "policy=3 nice=3", "sched")


def exec_spec(box, spec, **more):
    path = box.outside("process.json", json.dumps(spec))
    return box.call("exec", "--process", path, box.id, **more)


@test(**ours)
def scheduler_unknown_policy_fails(box):
    box.process["scheduler"] = {"policy": "SCHED_WHEN_IT_SUITS"}
    done = box.create(status="fails")
    has(done.err, "scheduler", "the message")
    box.leaves_nothing()


@test(**ours)
def io_priority_is_set(box):
    box.process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    same(box.run("/bin/probe", "ioprio").out, "class=2 level=6\n", "ioprio")


@test(**ours)
def io_priority_idle(box):
    box.process["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
    has(box.run("/bin/probe", "ioprio").out, "class=3", "ioprio")


@test(**ours)
def io_priority_applies_to_exec(box):
    box.sleeper()
    spec = {**box.process, "args": ["/bin/probe", "ioprio"],
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1}}
    same(exec_spec(box, spec).out, "class=2 level=1\n", "ioprio")


@test(**ours)
def exec_cpu_affinity_applies_to_exec(box):
    if os.cpu_count() < 2:
        skip("one processor")
    box.process["execCPUAffinity"] = {"initial": "0", "final": "1"}
    box.sleeper()
    same(box.exec("/bin/probe", "affinity").out.split(), ["1"], "of exec")


@test(**ours)
def exec_cpu_affinity_does_not_apply_to_the_container(box):
    if os.cpu_count() < 2:
        skip("one processor")
    box.process["execCPUAffinity"] = {"final": "1"}
    same(len(box.run("/bin/probe", "affinity").out.split()), len(os.sched_getaffinity(0)), "of run")


@test(**ours)
def exec_cpu_affinity_of_an_own_process(box):
    box.sleeper()
    spec = {**box.process, "args": ["/bin/probe", "affinity"], "execCPUAffinity": {"final": "0"}}
    same(exec_spec(box, spec).out.split(), ["0"], "of exec")


@test
def cpu_affinity_of_the_caller_is_not_changed_by_a_container(box):
    os.sched_setaffinity(0, {0})
    out = box.run("/bin/probe", "affinity").out.split()
    check("0" in out, f"affinity {out}")


# ---- the rest ---------------------------------------------------------------------------------------
@test(runc=OLD)
def personality_of_32_bits(box):
    box.linux["personality"] = {"domain": "LINUX32"}
    has(box.run("/bin/probe", "personality").out, "0x8", "personality")


@test(runc=OLD)
def personality_unknown_domain_fails(box):
    box.linux["personality"] = {"domain": "LINUX33"}
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test(**ours)
def memory_policy_is_set(box):
    box.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    done = box.run("/bin/probe", "mempolicy", status=None)
    if done.status != 0 and "not implemented" in done.err.lower():
        skip("this kernel has no memory policies")
    if done.out.startswith("-1 ENOSYS"):
        skip("this kernel has no memory policies")
    has(done.out, "mode=2 flags=0 nodes=1", f"mempolicy; {done.err}")


@test(**ours)
def memory_policy_unknown_mode_fails(box):
    box.linux["memoryPolicy"] = {"mode": "MPOL_WHEREVER", "nodes": "0"}
    done = box.create(status="fails")
    has(done.err, "memoryPolicy", "the message")
    box.leaves_nothing()


@test(**ours)
def memory_policy_bad_nodes_fail(box):
    box.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "zero"}
    done = box.create(status="fails")
    has(done.err, "memoryPolicy", "the message")
    box.leaves_nothing()


@test(crun="ignores it")
def intel_rdt_where_there_is_none_is_refused(box):
    if os.path.exists("/sys/fs/resctrl/schemata"):
        skip("resctrl is here")
    box.linux["intelRdt"] = {"closID": "guaranteed", "l3CacheSchema": "L3:0=f"}
    done = box.create(status="fails")
    check("intelRdt" in done.err or "RDT" in done.err, f"the message: {done.err}")
    box.leaves_nothing()


@test(crun=OLD)
def intel_rdt_where_there_is_none_is_refused_to_a_running_container(box):
    if os.path.exists("/sys/fs/resctrl/schemata"):
        skip("resctrl is here")
    box.sleeper()
    for flag, schema in (("--l3-cache-schema", "L3:0=f"), ("--mem-bw-schema", "MB:0=50")):
        done = box.fails("update", flag, schema, box.id)
        check("intelRdt" in done.err or "RDT" in done.err, f"the message: {done.err}")
    same(box.exec("/bin/echo", "well").out, "well\n", "exec")


@test
def session_keyring_is_the_containers(box):
    out = box.run("/bin/probe", "keyring").out
    if out.startswith("-1 ENOSYS"):
        skip("this kernel has no keyrings")
    has(out, box.id, "the session keyring")


@test
def session_keyring_can_be_kept(box):
    out = box.run("/bin/probe", "keyring", flags=["--no-new-keyring"]).out
    lacks(out, box.id, "the session keyring")


@test
def hostname_is_set(box):
    box.config["hostname"] = "inside.example"
    same(box.sh("hostname; cat /proc/sys/kernel/hostname"), "inside.example\n" * 2, "hostname")


@test
def hostname_needs_a_uts_namespace(box):
    box.without_namespace("uts")
    before = os.uname().nodename
    box.config["hostname"] = "inside"
    done = box.create(status="fails")
    has(done.err.lower(), "uts", "the message")
    same(os.uname().nodename, before, "the host's name")
    box.leaves_nothing()


@test(runc=OLD)
def domainname_is_set(box):
    box.config["domainname"] = "example.org"
    same(box.sh("cat /proc/sys/kernel/domainname"), "example.org\n", "domainname")


@test(runc=OLD)
def domainname_needs_a_uts_namespace(box):
    box.without_namespace("uts")
    box.config["domainname"] = "inside"
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()
