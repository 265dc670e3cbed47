"""security - what was found in other runtimes must not be found here; each test names its finding."""
import hashlib
import os
import shutil
import signal
import stat

from kit import LIBC, Console, check, has, lacks, read, same, skip, test, until, write


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def own_runtime(box):
    """A copy of the runtime's program, for an attack that may succeed."""
    path = os.path.join(box.folder, os.path.basename(box.runtime))
    shutil.copy(box.runtime, path)
    box.runtime = path
    return path, digest(path)


ATTACK = """
while :; do
    for p in /proc/[0-9]*; do
        case $p in /proc/1 | /proc/$$) continue ;; esac
        case $(readlink $p/exe) in /bin/*) continue ;; esac
        { echo hacked >$p/exe; } 2>/dev/null && echo direct >>/hit
        { { usleep 20000; echo hacked >/proc/self/fd/9; } 2>/dev/null 9<$p/exe && echo late >>/hit; } 2>/dev/null &
        readlink $p/exe >>/seen
        ls -l $p/fd 2>/dev/null >>/fds
    done
done
"""


@test
def cve_2019_5736_the_runtimes_program_cannot_be_overwritten_from_exec(box):
    path, before = own_runtime(box)
    box.capable()
    fd = box.fifo("ready")
    box.file("/bin/evil", "#!/proc/self/exe\n", 0o755)
    box.script("echo up >/ready;" + ATTACK)
    box.detach()
    box.heard(fd)
    for _ in range(4):
        box.exec("/bin/evil", status=None, timeout=20)
        box.exec("/proc/self/exe", "--version", status=None, timeout=20)
        box.exec("/bin/true", status=None)
    box.delete(force=True)
    same(digest(path), before, "the program's bytes")


@test
def cve_2019_5736_the_runtimes_program_cannot_be_overwritten_from_run(box):
    path, before = own_runtime(box)
    box.capable()
    box.file("/bin/evil", "#!/proc/self/exe\n", 0o755)
    for words in (["/proc/self/exe"], ["/bin/evil"]):
        box.args(*words).run(status=None)
    box.args("/bin/sh", "-c", "echo hacked >/proc/self/exe; echo hacked >/proc/1/exe").run(status=None)
    same(digest(path), before, "the program's bytes")


def out_of_reach(path):
    """A program file that nobody can open for writing: behind a read-only mount, or a sealed copy."""
    return "memfd:" in os.readlink(path) or os.statvfs(path).f_flag & os.ST_RDONLY


@test(runc="needs no such thing: it is never the first process", crun="has another way")
def cve_2019_5736_the_runtime_as_a_containers_program_is_out_of_reach(box):
    path, before = own_runtime(box)
    with open(path, "rb") as file:
        if b"/ld-linux" in file.read(4096):
            skip("this build needs libraries, which no container has")
    os.makedirs(os.path.join(box.rootfs, "bundle"))
    os.mkfifo(os.path.join(box.rootfs, "bundle/config.json"))  # it stays where it reads this
    for capable in (False, True):
        if capable:
            box.capable()
        pid = box.detach("/proc/self/exe", "run", "--bundle", "/bundle", "inner")
        until("it is out of reach", lambda: out_of_reach(f"/proc/{pid}/exe"))
        box.delete(force=True)
    same(digest(path), before, "the program's bytes")


@test
def cve_2019_5736_the_runtimes_program_cannot_be_overwritten_from_a_hook_inside(box):
    """The hook keeps the program of process 1 open until the runtime has ended, and nobody executes it any more."""
    path, before = own_runtime(box)
    box.capable()
    attack = ("cat >/dev/null; { exec 9</proc/1/exe; } 2>/dev/null || { : >/done; exit 0; }; {"
              " until [ -e /ended ]; do usleep 1000; done; echo hacked >/proc/self/fd/9; : >/done; } >/dev/null 2>&1 </dev/null &")
    box.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", attack]}]}
    box.sleeper()
    write(os.path.join(box.rootfs, "ended"), "")
    until("the attack is over", lambda: os.path.exists(os.path.join(box.rootfs, "done")))
    box.delete(force=True)
    same(digest(path), before, "the program's bytes")


@test
def cve_2016_9962_who_enters_cannot_be_looked_into(box):
    """Descriptors of a process that exec is about to make the container's are not seen from inside."""
    own_runtime(box)
    fd = box.fifo("ready")
    box.script("echo up >/ready;" + ATTACK)
    box.detach()
    box.heard(fd)
    for _ in range(4):
        box.exec("/bin/true", status=None)
    box.delete(force=True)
    path = os.path.join(box.rootfs, "fds")
    seen = read(path) if os.path.exists(path) else ""
    for path in (box.root, box.bundle, box.runtime):
        lacks(seen, path, "descriptors seen from inside")


def escape_words(box):
    return (f"for up in ../../../.. ../../../../../../.. ; do test -e $up{box.folder}/secret && echo escaped; done; "
            "ls -a . >/dev/null; true")


@test(crun="fixed in a later one")
def cve_2024_21626_the_working_directory_is_inside(box):
    box.outside("secret", "secret")
    leaked = os.open(box.folder, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(leaked, True)
    for fd in (3, 5, 6, 7, 8, 9, leaked):
        box.process["cwd"] = f"/proc/self/fd/{fd}"
        done = box.script(escape_words(box)).run(status=None, pass_fds=(leaked,))
        lacks(done.out, "escaped", f"cwd /proc/self/fd/{fd}")


@test(crun="fixed in a later one")
def cve_2024_21626_the_working_directory_of_exec_is_inside(box):
    box.outside("secret", "secret")
    os.symlink("/proc/self/fd/8", os.path.join(box.rootfs, "link"))
    box.sleeper()
    leaked = os.open(box.folder, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(leaked, True)
    for path in ("/proc/self/fd/6", "/proc/self/fd/7", "/link", f"/proc/self/fd/{leaked}"):
        done = box.exec("/bin/sh", "-c", escape_words(box), flags=["--cwd", path], status=None, pass_fds=(leaked,))
        lacks(done.out, "escaped", f"cwd {path}")


@test
def cve_2023_27561_proc_may_not_be_a_symbolic_link(box):
    os.rmdir(os.path.join(box.rootfs, "proc"))
    os.makedirs(os.path.join(box.rootfs, "tmp/evil"))
    os.symlink("/tmp/evil", os.path.join(box.rootfs, "proc"))
    box.linux["maskedPaths"] = ["/proc/cpuinfo"]
    done = box.script("stat -f -c %T /proc/; wc -c </proc/cpuinfo").run(status=None)
    if done.status == 0:
        same(done.out.split(), ["proc", "0"], "what is on /proc, and its mask")


@test
def cve_2023_27561_sys_may_not_be_a_symbolic_link(box):
    os.rmdir(os.path.join(box.rootfs, "sys"))
    os.makedirs(os.path.join(box.rootfs, "tmp/evil/firmware"))
    write(os.path.join(box.rootfs, "tmp/evil/firmware/x"), "x")
    os.symlink("/tmp/evil", os.path.join(box.rootfs, "sys"))
    box.add_namespace("network").add_mount("/sys", "sysfs", "sysfs", ["ro", "nosuid", "noexec", "nodev"])
    box.linux["maskedPaths"] = ["/sys/firmware"]
    done = box.script("ls /sys/firmware").run(status=None)
    if done.status == 0:
        same(done.out, "", "the masked folder")


@test(crun="takes it")
def cve_2019_16884_a_false_proc_is_refused(box):
    """What is written below /proc (labels, sysctl) must reach a real procfs."""
    fake = box.outside("fake")
    os.makedirs(fake + "/self/attr")
    os.makedirs(fake + "/sys/kernel")
    write(fake + "/sys/kernel/msgmax", "no")
    box.without_mount("/proc")
    box.bind(fake, "/proc", "rw")
    box.linux["sysctl"] = {"kernel.msgmax": "4096"}
    done = box.run("/bin/true", status="fails")
    check(done.err.strip(), "no message")
    same(read(fake + "/sys/kernel/msgmax"), "no", "the false file")


def false_dev(box, name, target):
    """A /dev from a folder, in which NAME is a symbolic link to TARGET."""
    dev = box.outside("dev")
    for node, (major, minor) in (("null", (1, 3)), ("zero", (1, 5)), ("full", (1, 7)), ("random", (1, 8)),
                                 ("urandom", (1, 9)), ("tty", (5, 0))):
        if node != name:
            os.mknod(os.path.join(dev, node), 0o666 | stat.S_IFCHR, os.makedev(major, minor))
    for folder in ("pts", "shm"):
        os.mkdir(os.path.join(dev, folder))
    os.symlink(target, os.path.join(dev, name))
    box.config["mounts"][1] = {"destination": "/dev", "type": "bind", "source": dev, "options": ["bind"]}
    return dev


@test(runc="fixed in 1.2.8", crun="fixed in 1.24")
def cve_2025_31133_a_mask_is_the_real_null_device(box):
    box.file("/target", "the link's target")
    box.file("/etc/secret", "secret")
    false_dev(box, "null", "/target")
    box.linux["maskedPaths"] = ["/etc/secret"]
    done = box.script("cat /etc/secret; echo hacked >/etc/secret").run(status=None)
    if done.status == 0:
        same(done.out, "", "what the mask reads as")
    same(read(os.path.join(box.rootfs, "target")), "the link's target", "the link's target")


@test(runc="fixed in 1.2.8", crun="fixed in 1.24")
def cve_2025_31133_a_mask_is_no_other_device(box):
    box.file("/etc/secret", "secret")
    dev = false_dev(box, "other", "zero")
    os.unlink(dev + "/null")
    os.mknod(dev + "/null", 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # zero
    box.linux["maskedPaths"] = ["/etc/secret"]
    done = box.script("head -c 2 /etc/secret | wc -c").run(status=None)
    if done.status == 0:
        same(done.out, "0\n", "what the mask gives")


@test(runc="fixed in 1.2.8", crun="fixed in 1.24")
def cve_2025_52565_the_console_is_no_symbolic_link(box):
    box.file("/target", "plain")
    false_dev(box, "console", "/target")
    box.process["terminal"] = True
    console = Console(box)
    box.script("test -c /target && echo replaced; echo end").save()
    done = box.call("create", "--console-socket", console.path, "--bundle", box.bundle, box.id, status=None)
    if done.status == 0:
        console.accept()
        box.start()
        lacks(console.read_until("end"), "replaced", "the link's target")


RENAME_EXCHANGE, AT_FDCWD = 2, -100


def swapping(first, second):
    """A process that exchanges two names as fast as it can."""
    pid = os.fork()
    if pid == 0:
        one, two = first.encode(), second.encode()
        while True:
            LIBC.renameat2(AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE)
    return pid


@test(runc="CVE-2024-45310, fixed in 1.1.14: makes folders outside")
def cve_2021_30465_a_destination_that_is_exchanged_stays_inside(box):
    volume = box.outside("volume")
    target = box.outside("target")
    os.mkdir(volume + "/a")
    os.symlink("../" * 10 + target.lstrip("/"), volume + "/b")
    box.bind(volume, "/vol", "rw")
    box.add_mount("/vol/a/made", "tmpfs", "tmpfs")
    swapper = swapping(volume + "/a", volume + "/b")
    try:
        for _ in range(12):
            box.run("/bin/true", status=None)
            same(os.listdir(target), [], "the folder outside")
    finally:
        os.kill(swapper, signal.SIGKILL)
        os.waitpid(swapper, 0)
    lacks(read("/proc/self/mountinfo"), target, "the host's mounts")


@test
def cve_2025_31133_a_masked_name_that_is_exchanged_stays_inside(box):
    secret = box.outside("file", "outside")
    volume = box.outside("volume")
    write(volume + "/a", "inside")
    os.symlink("../" * 10 + secret.lstrip("/"), volume + "/b")
    box.bind(volume, "/vol", "rw")
    box.linux["maskedPaths"] = ["/vol/a"]
    box.linux["readonlyPaths"] = ["/vol/b"]
    swapper = swapping(volume + "/a", volume + "/b")
    try:
        for _ in range(8):
            box.run("/bin/true", status=None)
    finally:
        os.kill(swapper, signal.SIGKILL)
        os.waitpid(swapper, 0)
    same(read(secret), "outside", "the file outside")


@test
def cve_2022_29162_inheritable_capabilities_are_empty_when_not_given(box):
    out = box.run("/bin/grep", "CapInh", "/proc/self/status").out
    same(out.split()[1].strip("0"), "", "CapInh")


@test
def cve_2023_25809_the_hosts_control_groups_cannot_be_changed(box):
    box.add_namespace("cgroup")
    box.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]})
    box.config["mounts"].insert(0, {"destination": "/sys", "type": "tmpfs", "source": "tmpfs"})
    out = box.sh("cd /sys/fs/cgroup; for f in . pids memory; do mkdir $f/made 2>/dev/null && echo made $f; done; "
                 "echo 1 >memory/release_agent 2>/dev/null && echo agent; true")
    lacks(out, "made pids", "what could be made")
    lacks(out, "made memory", "what could be made")
    lacks(out, "agent", "the release agent")


@test
def the_old_root_cannot_be_reached(box):
    box.capable()
    out = box.sh("cat /proc/self/mountinfo; ls -d /.pivot* /oldroot* /.old* 2>/dev/null; readlink /proc/1/root; readlink /proc/1/cwd")
    for line in out.splitlines():
        if " - " in line:
            lacks(line.split()[4], box.folder, "a mount point")
    has(out.splitlines()[-2:], "/", "root")


@test
def the_hosts_tree_is_not_mounted_anywhere(box):
    out = box.run("/bin/cat", "/proc/self/mountinfo").out
    sources = [line.split(" - ")[1].split()[0] for line in out.splitlines()]
    check(len(sources) <= 16, f"{len(sources)} mounts: {out}")


@test
def the_environment_of_the_runtime_is_not_seen(box):
    os.environ["CONTRACT_SECRET"] = "here"
    out = box.sh("cat /proc/1/environ /proc/self/environ | tr '\\0' '\\n'")
    lacks(out, "CONTRACT_SECRET", "the environment")
    lacks(out, "LIBCONTAINER", "the environment")


@test
def the_first_process_is_not_the_runtimes_program(box):
    pid = box.sleeper()
    same(os.readlink(f"/proc/{pid}/exe").endswith("/bin/busybox"), True, "its program")
    maps = read(f"/proc/{pid}/maps")
    lacks(maps, os.path.basename(box.runtime), "its memory")


@test
def a_state_folder_that_is_a_link_is_not_followed(box):
    target = box.outside("target")
    write(target + "/state.json", "{}")
    os.makedirs(box.root, exist_ok=True)
    os.symlink(target, os.path.join(box.root, box.id))
    box.create(status=None)
    box.delete(force=True, status=None)
    if box.kind == "gantry-oci":
        same(os.listdir(target), ["state.json"], "the folder outside")
    if os.path.islink(os.path.join(box.root, box.id)):
        os.unlink(os.path.join(box.root, box.id))
