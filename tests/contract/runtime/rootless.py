"""rootless - a plain user's containers: a user namespace of one id, or of ranges by newuidmap."""
import json
import os
import shutil
import stat

from kit import (LIBC, MS_BIND, MS_REC, MS_SLAVE, Console, cgroup_version, check, has, lacks, mount, needs_file,
                 read, same, skip, status_of, test, until)

USER = 65534
CLONE_NEWNS = 0x20000


def become_user():
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


def plain(box):
    """The box is a plain user's; every call of the runtime is his."""
    box.user_namespace(((0, USER, 1),))
    del box.linux["cgroupsPath"], box.linux["resources"]
    box.config["mounts"][2]["options"].remove("mode=0620")
    os.makedirs(box.root, exist_ok=True)
    home = box.outside("home")
    for folder, folders, files in os.walk(box.folder):
        for name in [folder] + [os.path.join(folder, f) for f in folders + files]:
            if not name.endswith(("/busybox", "/probe")):
                os.chown(name, USER, USER, follow_symlinks=False)
    as_root = box.start_call
    env = {"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": home}
    box.start_call = lambda *args, **more: as_root(
        *args, **{"preexec": become_user, "env": env, **more})
    return box


@test
def rootless_run(box):
    plain(box)
    out = box.sh("id -u; cat /proc/self/uid_map; touch /tmp/made; exit 0")
    same(out.split(), ["0", "0", str(USER), "1"], "out")
    same(os.stat(os.path.join(box.rootfs, "tmp/made")).st_uid, USER, "the owner of what is made")


@test
def rootless_exit_status(box):
    plain(box).sh("exit 9", status=9)


@test
def rootless_life_cycle(box):
    plain(box).args("/bin/sleep", "1000").create()
    same(box.status(), "created", "status")
    pid = box.pid()
    box.start()
    same(box.status(), "running", "status")
    same(box.exec("/bin/echo", "well").out, "well\n", "exec")
    box.kill("KILL")
    box.wait_end(pid)
    box.delete()
    box.leaves_nothing()


@test
def rootless_default_devices(box):
    plain(box)
    same(box.sh("for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; echo x >/dev/null; "
                "head -c 3 /dev/zero | wc -c"), "3\n", "out")


@test
def rootless_masks_and_readonly_paths(box):
    plain(box)
    box.linux["maskedPaths"] = ["/proc/kcore", "/proc/cpuinfo", "/proc/scsi"]
    box.linux["readonlyPaths"] = ["/proc/sys", "/proc/irq"]
    same(box.sh("cat /proc/cpuinfo; echo well"), "well\n", "out")


@test
def rootless_readonly_root(box):
    plain(box).config["root"]["readonly"] = True
    same(box.sh("touch /x || echo refused"), "refused\n", "out")


@test
def rootless_network_namespace_and_sysfs(box):
    plain(box).add_namespace("network")
    box.add_mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"])
    same(box.sh("test -d /sys/class/net/lo && echo well"), "well\n", "out")


@test
def rootless_bind_mount_keeps_locked_flags(box):
    plain(box)
    source = box.outside("source")
    os.chown(source, USER, USER)
    box.bind(source, "/mnt", "ro")
    same(box.sh("touch /mnt/x || echo refused"), "refused\n", "out")


@test
def rootless_terminal(box):
    plain(box).args("/bin/probe", "terminal")
    box.process["terminal"] = True
    console = Console(box)
    os.chmod(console.path, 0o666)
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    console.read_until("controlling=yes")


@test
def rootless_hooks(box):
    plain(box)
    box.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"id -u >{box.folder}/home/{kind}"]}]
                           for kind in ("createRuntime", "poststop")}
    box.run("/bin/true")
    same(read(f"{box.folder}/home/createRuntime"), f"{USER}\n", "who runs it")
    check(os.path.exists(f"{box.folder}/home/poststop"), "poststop did not run")


@test
def rootless_seccomp_and_no_new_privileges(box):
    plain(box)
    box.process["noNewPrivileges"] = True
    box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["getcpu"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}
    same(box.run("/bin/probe", "call", "getcpu", "0", "0", "0").out, "-1 E2BIG\n", "out")


@test(crun="fails in unshare")
def rootless_device_nodes_of_the_config_are_bound(box):
    plain(box)
    box.linux["devices"] = [{"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 438}]
    same(box.sh("test -c /dev/full && echo well"), "well\n", "out")


@test
def rootless_a_failed_create_leaves_nothing(box):
    plain(box).args("no-such-program")
    box.run(status="fails")
    box.leaves_nothing()


@test(crun="makes one")
def rootless_without_a_user_namespace_fails(box):
    plain(box).without_namespace("user")
    del box.linux["uidMappings"], box.linux["gidMappings"]
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def rootless_ids_that_are_not_his_fail(box):
    plain(box)
    for key in ("uidMappings", "gidMappings"):
        box.linux[key] = [{"containerID": 0, "hostID": 0, "size": 1}]
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


def ranged(box, allowed, hidden=None):
    """The plain user's ranges are these, in files that only his processes see; the machine's stay."""
    for program in ("newuidmap", "newgidmap"):
        path = shutil.which(program)
        if not path:
            skip(f"{program} is not installed")
        if not os.stat(path).st_mode & stat.S_ISUID and "security.capability" not in os.listxattr(path):
            skip(f"{path} has no rights of its own")
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            skip(f"{path} is on a file system that is mounted nosuid")
    if status_of("self")["NoNewPrivs"] != "0":
        skip("no_new_privs is set: newuidmap would have no rights")
    plain(box)
    copies = {}
    if hidden:
        copies[shutil.which(hidden)] = box.outside("no-program", "")
    for name, ranges in zip(("/etc/subuid", "/etc/subgid"), allowed):
        needs_file(name, "there is nothing that can be covered by the test's own")
        copies[name] = box.outside(os.path.basename(name), "".join(f"{USER}:{first}:{size}\n" for first, size in ranges))

    def become_user_with_ranges():
        if LIBC.unshare(CLONE_NEWNS) < 0:
            os._exit(99)
        mount("none", "/", flags=MS_REC | MS_SLAVE)
        for name, copy in copies.items():
            mount(copy, name, flags=MS_BIND)
        become_user()

    as_user = box.start_call
    box.start_call = lambda *args, **more: as_user(*args, **{"preexec": become_user_with_ranges, **more})
    return box


def map_ranges(box, uids, gids):
    for key, (first, size) in (("uidMappings", uids), ("gidMappings", gids)):
        box.linux[key] = [{"containerID": 0, "hostID": USER, "size": 1},
                          {"containerID": 1, "hostID": first, "size": size}]


@test
def rootless_ranges_by_newuidmap(box):
    ranged(box, ([(300000, 1000)], [(400000, 2000)]))
    map_ranges(box, (300000, 1000), (400000, 2000))
    box.capable("SETUID", "SETGID", "CHOWN")
    out = box.sh("cat /proc/self/uid_map /proc/self/gid_map; touch /tmp/made; chown 5:7 /tmp/made; "
                 "cat /proc/self/setgroups")
    same([line.split() for line in out.splitlines()],
         [["0", str(USER), "1"], ["1", "300000", "1000"], ["0", str(USER), "1"], ["1", "400000", "2000"], ["allow"]],
         "the maps, and whether groups may be set")
    made = os.stat(os.path.join(box.rootfs, "tmp/made"))
    same((made.st_uid, made.st_gid), (300004, 400006), "who owns what 5:7 has made")


@test(runc="sets no further groups")
def rootless_user_of_a_range(box):
    ranged(box, ([(300000, 1000)], [(400000, 1000)]))
    map_ranges(box, (300000, 1000), (400000, 1000))
    box.process["user"] = {"uid": 9, "gid": 8, "additionalGids": [7]}
    same(box.sh("id -u; id -g; id -G"), "9\n8\n8 7\n", "who it is")


@test
def rootless_ranges_that_are_not_his_fail(box):
    ranged(box, ([(300000, 1000)], [(400000, 1000)]))
    for uids, gids, part in (((300000, 1001), (400000, 1000), "uid"), ((300000, 1000), (399999, 1000), "gid")):
        map_ranges(box, uids, gids)
        done = box.run("/bin/true", status="fails")
        if box.kind == "gantry-oci":
            has(done.err, f"linux.{part}Mappings", "the message")
            has(done.err, "/etc/subuid", "the message")
        check(done.err.strip(), "no message")
        box.leaves_nothing()


@test
def rootless_ranges_without_the_helpers_fail(box):
    ranged(box, ([(300000, 1000)], [(400000, 1000)]), hidden="newgidmap")
    map_ranges(box, (300000, 1000), (400000, 1000))
    done = box.run("/bin/true", status="fails")
    if box.kind == "gantry-oci":
        has(done.err, "linux.gidMappings", "the message")
        has(done.err, "newgidmap is not installed", "the message")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def rootless_state_is_in_his_own_folder_when_not_told(box):
    plain(box)
    box.save()
    root, box.root = box.root, os.path.join(box.folder, "home")
    done = box.call("run", "--bundle", box.bundle, box.id)
    box.root = root
    same(done.status, 0, "status")


# ---- control groups -------------------------------------------------------------------------------------------------
OTHERS = {"runc": "makes none without rights over all hierarchies", "crun": "has other ways"}


def no_groups(box):
    """The plain user has no rights over any."""
    plain(box)
    if os.access("/sys/fs/cgroup", os.W_OK) and os.stat("/sys/fs/cgroup").st_uid == USER:
        skip("the plain user owns the control groups here")
    return box


@test(**OTHERS)
def rootless_without_groups_its_processes_are_known(box):
    no_groups(box)
    fd = box.fifo("ready")
    box.script("trap 'exit 3' TERM; sleep 1000 & echo >/ready; while :; do sleep 1; done")
    pid = box.detach()
    box.heard(fd)
    pids = json.loads(box.call("ps", "--format", "json", box.id).out)
    check(len(pids) >= 2 and pid in pids, f"the processes: {pids}, of which {pid} is the first")
    lacks(pids, os.getpid(), "the processes")
    has(box.call("ps", box.id).out, "sleep 1000", "what ps prints")
    box.call("kill", "--all", box.id, "KILL")
    box.wait_end(pid)
    box.call("kill", "--all", box.id, "KILL")
    box.delete()
    box.leaves_nothing()


@test(**OTHERS)
def rootless_without_groups_and_pid_namespace_the_first_process_is_killed(box):
    no_groups(box).without_namespace("pid").without_mount("/proc")
    pid = box.sleeper()
    for command in (("ps", box.id), ("kill", "--all", box.id, "TERM")):
        has(box.fails(*command).err, "neither control groups nor a pid namespace", "the message")
    box.kill("KILL")
    box.wait_end(pid)
    box.delete()
    box.leaves_nothing()


@test(**OTHERS)
def rootless_without_groups_what_needs_them_is_refused(box):
    no_groups(box).sleeper()
    for command, part in ((("pause", box.id), "cgroup"),
                          (("update", "--memory", "64m", box.id), "linux.resources.memory.limit"),
                          (("update", "--pids-limit", "9", box.id), "linux.resources.pids.limit")):
        has(box.fails(*command).err, part, "the message")
    data = json.loads(box.call("events", "--stats", box.id).out)["data"]  # as runc has it
    same(data["memory"]["usage"]["limit"], 0, "the statistics of nothing")
    box.end()
    box.linux["resources"] = {"memory": {"limit": 64 << 20}}
    has(box.run("/bin/true", status="fails").err, "linux.resources.memory.limit", "the message")
    box.leaves_nothing()


def hierarchies():
    """Where control groups are mounted."""
    if cgroup_version() == 2:
        return ["/sys/fs/cgroup"]
    return [place for place in (os.path.join("/sys/fs/cgroup", name) for name in sorted(os.listdir("/sys/fs/cgroup")))
            if os.path.ismount(place) and not os.path.islink(place)]


def group_make(place, path):
    """A group that processes can be in, with what version 2 hands down to those below."""
    at = place
    for name in path.strip("/").split("/"):
        control = os.path.join(at, "cgroup.subtree_control")
        for controller in ("memory", "pids", "cpu") if os.path.exists(control) else ():
            if controller in read(os.path.join(at, "cgroup.controllers")).split():
                with open(control, "w") as file:
                    file.write("+" + controller)
        above, at = at, os.path.join(at, name)
        os.makedirs(at, exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if os.path.exists(os.path.join(at, "tasks")) and os.path.exists(os.path.join(at, setting)):
                with open(os.path.join(at, setting), "w") as file:
                    file.write(read(os.path.join(above, setting)))
    return at


def delegated(box):
    """The plain user owns a group in every hierarchy, and is in one below it, as a login makes it."""
    plain(box)
    home = f"/{box.suite.prefix}/{box.id}.home"
    logins = []
    for place in hierarchies():
        top = group_make(place, home)
        for name in ["", *os.listdir(top)]:
            if name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "tasks"):
                os.chown(os.path.join(top, name), USER, USER)
        login = os.path.join(top, "login")
        os.mkdir(login)
        os.chown(os.path.join(login, "cgroup.procs"), USER, USER)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if os.path.exists(os.path.join(login, "tasks")) and os.path.exists(os.path.join(login, setting)):
                with open(os.path.join(login, setting), "w") as file:
                    file.write(read(os.path.join(top, setting)))
        logins.append(os.path.join(login, "cgroup.procs"))

    def log_in():
        for procs in logins:
            with open(procs, "w") as file:
                file.write("0")
        become_user()

    as_user = box.start_call
    box.start_call = lambda *args, **more: as_user(*args, **{"preexec": log_in, **more})
    box.linux["cgroupsPath"] = home + "/c"
    return lambda v1, v2: (f"/sys/fs/cgroup/{v1.partition('/')[0]}{home}/c/{v1.partition('/')[2]}" if cgroup_version() == 1
                           else f"/sys/fs/cgroup{home}/c/{v2}")


@test(crun="does not make them all")
def rootless_groups_of_his_own_limit_and_go(box):
    file = delegated(box)
    memory = file("memory/memory.limit_in_bytes", "memory.max")
    if not os.path.isdir("/sys/fs/cgroup/memory") and cgroup_version() == 1:
        skip("no memory controller here")
    box.linux["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}}
    pid = box.sleeper()
    same(read(memory).strip(), str(64 << 20), "the limit")
    same(read(file("pids/pids.max", "pids.max")).strip(), "50", "the limit")
    has(read(file("pids/cgroup.procs", "cgroup.procs")).split(), str(pid), "who is in the group")
    same(json.loads(box.call("ps", "--format", "json", box.id).out), [pid], "its processes")
    stats = json.loads(box.call("events", "--stats", box.id).out)["data"]
    same(stats["memory"]["usage"]["limit"], 64 << 20, "the limit in the statistics")
    box.call("update", "--pids-limit", "20", box.id)
    same(read(file("pids/pids.max", "pids.max")).strip(), "20", "the limit after the update")
    same(box.exec("/bin/cat", "/proc/self/cgroup").out.count(f"{box.id}.home/c"), len(
        [line for line in read(f"/proc/{pid}/cgroup").splitlines() if f"{box.id}.home/c" in line]), "groups of exec")
    box.call("pause", box.id)
    same(box.status(), "paused", "status")
    box.call("resume", box.id)
    same(box.status(), "running", "status")
    box.kill("KILL")
    box.wait_end(pid)
    box.delete()
    until("the groups are gone", lambda: not os.path.exists(os.path.dirname(memory)))
    box.leaves_nothing()
