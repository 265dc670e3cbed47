"""rootless - a plain user's containers: a user namespace of one id, or of ranges by newuidmap."""
import os
import shutil
import stat

from kit import (LIBC, MS_BIND, MS_REC, MS_SLAVE, Console, check, has, mount, needs_file, read, same, skip,
                 status_of, test)

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
