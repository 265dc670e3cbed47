"""rootless - a plain user's containers: a user namespace of one id, or of ranges by newuidmap."""
import os
import shutil

from kit import Console, check, has, read, same, skip, test

USER = 65534


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


@test
def rootless_ranges_by_newuidmap(box):
    if not shutil.which("newuidmap"):
        skip("newuidmap is not installed")
    try:
        allowed = [line for line in read("/etc/subuid").splitlines() if line.startswith(("nobody:", f"{USER}:"))]
    except OSError:
        allowed = []
    if not allowed:
        skip("nobody has no ranges in /etc/subuid")
    plain(box)
    start = int(allowed[0].split(":")[1])
    for key in ("uidMappings", "gidMappings"):
        box.linux[key] = [{"containerID": 0, "hostID": USER, "size": 1}, {"containerID": 1, "hostID": start, "size": 1000}]
    same(len(box.sh("cat /proc/self/uid_map").splitlines()), 2, "the ranges")


@test
def rootless_state_is_in_his_own_folder_when_not_told(box):
    plain(box)
    box.save()
    root, box.root = box.root, os.path.join(box.folder, "home")
    done = box.call("run", "--bundle", box.bundle, box.id)
    box.root = root
    same(done.status, 0, "status")
