"""namespaces - new, joined, inherited; user mappings; time; sysctl; the network."""
import os
import signal
import subprocess

from kit import (LIBC, OLD, check, has, lacks, message, namespace, ours, read, same, skip, status_of, test, umount)

CLONE = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
         "pid": 0x20000000, "network": 0x40000000, "time": 0x80}
FILES = {"mount": "mnt", "network": "net", "cgroup": "cgroup", "uts": "uts", "ipc": "ipc", "user": "user",
         "pid": "pid", "time": "time"}


def own(kind, pid="self"):
    return os.readlink(f"/proc/{pid}/ns/{FILES[kind]}")


def needs_kind(kind):
    if not os.path.exists(f"/proc/self/ns/{FILES[kind]}"):
        skip(f"this kernel has no {kind} namespaces")


def inner(box, kind):
    return box.run("/bin/readlink", f"/proc/self/ns/{FILES[kind]}").out.strip()


def new(kind):
    @test(**(ours if kind == "time" else {}))
    def body(box):
        needs_kind(kind)
        box.add_namespace(kind)
        if kind == "user":
            box.user_namespace()
        check(inner(box, kind) != own(kind), "it is the runtime's")
    body.__name__ = f"namespaces_{kind}_is_new"


def inherited(kind):
    @test
    def body(box):
        needs_kind(kind)
        box.without_namespace(kind)
        same(inner(box, kind), own(kind), "the namespace")
    body.__name__ = f"namespaces_{kind}_is_inherited"


for kind in FILES:
    new(kind)
for kind in ("network", "cgroup", "uts", "ipc", "user", "time"):
    inherited(kind)


@test
def namespaces_pid_is_inherited(box):
    box.without_namespace("pid")
    same(inner(box, "pid"), own("pid"), "the namespace")


@test
def namespaces_mount_is_inherited_or_refused(box):
    # what is mounted then is mounted in the runtime's namespace, and goes with this test's
    box.without_namespace("mount")
    done = box.script("readlink /proc/self/ns/mnt; ls /").run(status=None)
    if done.status == 0:
        same(done.lines[0], own("mount"), "the namespace")
        lacks(done.lines, "lib64", "the host's root is seen")
    for line in reversed(read("/proc/self/mountinfo").splitlines()):
        if line.split()[4].startswith(box.rootfs):
            umount(line.split()[4])


class Holder:
    """A process in a new namespace of a kind."""

    def __init__(self, *kinds):
        sides = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(sides[0])
            for kind in kinds:
                LIBC.unshare(CLONE[kind])
            if "pid" in kinds and os.fork() != 0:
                signal.pause()
            os.write(sides[1], str(os.getpid()).encode())
            os.close(sides[1])
            signal.pause()
        os.close(sides[1])
        check(os.read(sides[0], 20), "the holder died")
        os.close(sides[0])

    def path(self, kind):
        name = {"pid": "pid_for_children", "time": "time_for_children"}.get(kind, FILES[kind])
        return f"/proc/{self.pid}/ns/{name}"

    def link(self, kind):
        return os.readlink(self.path(kind)).replace("_for_children", "")

    def end(self):
        found = read(f"/proc/{self.pid}/task/{self.pid}/children").split()
        for pid in found + [self.pid]:
            os.kill(int(pid), signal.SIGKILL)
        os.waitpid(self.pid, 0)


def joined(kind):
    @test(**(ours if kind == "time" else {}))
    def body(box):
        needs_kind(kind)
        holder = Holder(kind)
        try:
            box.add_namespace(kind, holder.path(kind))
            expected = holder.link(kind)
            same(inner(box, kind), expected, "the namespace")
            check(expected != own(kind), "the holder is in the runtime's namespace")
        finally:
            holder.end()
    body.__name__ = f"namespaces_{kind}_is_joined"


for kind in ("network", "uts", "ipc", "cgroup", "pid", "time"):
    joined(kind)


@test
def namespaces_joined_ones_together(box):
    holder = Holder("network", "uts", "ipc")
    try:
        for kind in ("network", "uts", "ipc"):
            box.add_namespace(kind, holder.path(kind))
        out = box.sh("for n in net uts ipc; do readlink /proc/self/ns/$n; done").split()
        same(out, [holder.link(kind) for kind in ("network", "uts", "ipc")], "the namespaces")
    finally:
        holder.end()


@test
def namespaces_of_another_container_are_joined(box):
    """As the containers of a pod do."""
    pid = box.sleeper()
    for kind in ("uts", "ipc"):
        box.add_namespace(kind, f"/proc/{pid}/ns/{FILES[kind]}")
    other = box.other("b")
    box.linux["cgroupsPath"] = box.cgroups_path(other)
    box.script("readlink /proc/self/ns/uts; readlink /proc/self/ns/ipc").save()
    out = box.call("run", "--bundle", box.bundle, other).out.split()
    same(out, [own("uts", pid), own("ipc", pid)], "the namespaces")


@test
def namespaces_pid_of_another_container_is_joined(box):
    pid = box.sleeper()
    box.add_namespace("pid", f"/proc/{pid}/ns/pid")
    other = box.other("b")
    box.linux["cgroupsPath"] = box.cgroups_path(other)
    box.script("readlink /proc/self/ns/pid; cat /proc/1/cmdline").save()
    out = box.call("run", "--bundle", box.bundle, other).out
    has(out, own("pid", pid), "the namespace")
    has(out, "sleep", "its first process")
    same(box.status(), "running", "the first container")


@test(crun="joins what there is")
def namespaces_of_the_wrong_type_fail(box):
    holder = Holder("uts")
    try:
        box.add_namespace("ipc", holder.path("uts"))
        done = box.create(status="fails")
        check(done.err.strip(), "no message")
        if box.kind == "gantry-oci":
            has(done.err, "linux.namespaces[", "the message")
    finally:
        holder.end()
    box.leaves_nothing()


@test
def namespaces_of_no_file_fail(box):
    box.add_namespace("ipc", os.path.join(box.folder, "no-such-file"))
    done = box.create(status="fails")
    has(done.err, "no-such-file", "the message")
    box.leaves_nothing()


@test
def namespaces_that_are_plain_files_fail(box):
    box.add_namespace("ipc", box.outside("file", ""))
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test(crun="takes them")
def namespaces_twice_fail(box):
    box.linux["namespaces"].append(namespace("uts"))
    done = box.create(status="fails")
    has(done.err, "uts", "the message")
    box.leaves_nothing()


@test
def namespaces_of_unknown_type_fail(box):
    box.linux["namespaces"].append(namespace("colour"))
    done = box.create(status="fails")
    has(done.err, "colour", "the message")
    box.leaves_nothing()


@test
def namespaces_pid_ends_with_its_first_process(box):
    fd = box.fifo("ready")
    box.script("sleep 1000 & echo $! >/ready; sleep 1000")
    pid = box.detach()
    box.heard(fd)
    inside = [int(p) for p in read(box.cgroup("pids") + "/cgroup.procs").split()]
    box.kill("KILL")
    for process in inside:
        box.wait_end(process)
    box.delete()


# ---- time -------------------------------------------------------------------------------------------------
@test(**ours)
def time_offsets_are_seen(box):
    needs_kind("time")
    box.add_namespace("time")
    box.linux["timeOffsets"] = {"monotonic": {"secs": 100000, "nanosecs": 0}, "boottime": {"secs": 200000, "nanosecs": 5}}
    before = [int(word) for word in subprocess.run([box.suite.probe, "clock"], capture_output=True).stdout.split()]
    inside = [int(word) for word in box.run("/bin/probe", "clock").out.split()]
    for ahead, offset in zip([i - b for i, b in zip(inside, before)], (100000, 200000)):
        check(offset <= ahead < offset + 60, f"ahead by {ahead}, not {offset}")


@test(**ours)
def time_offsets_need_a_time_namespace(box):
    needs_kind("time")
    box.linux["timeOffsets"] = {"monotonic": {"secs": 1, "nanosecs": 0}}
    done = box.create(status="fails")
    has(done.err, "timeOffsets", "the message")
    box.leaves_nothing()


@test(**ours)
def time_offsets_of_an_unknown_clock_fail(box):
    needs_kind("time")
    box.add_namespace("time")
    box.linux["timeOffsets"] = {"realtime": {"secs": 1, "nanosecs": 0}}
    done = box.create(status="fails")
    has(done.err, "timeOffsets", "the message")
    box.leaves_nothing()


# ---- user namespaces --------------------------------------------------------------------------------------
@test
def user_mappings_are_written(box):
    box.user_namespace()
    out = box.sh("cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /new")
    same([line.split() for line in out.splitlines()[:2]], [["0", "100000", "65536"]] * 2, "the maps")
    same(out.splitlines()[2], "0", "id")
    same(os.stat(os.path.join(box.rootfs, "new")).st_uid, 100000, "the owner outside")


@test
def user_mappings_may_have_many_ranges(box):
    ranges = ((0, 100000, 1000), (1000, 5000, 1), (1001, 101001, 60000), (70000, 300000, 10))
    box.user_namespace(ranges)
    out = box.sh("cat /proc/self/uid_map")
    same([tuple(int(w) for w in line.split()) for line in out.splitlines()], list(ranges), "the map")


@test
def user_mappings_of_the_process_user(box):
    box.user_namespace()
    box.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    fd = box.fifo("ready")
    box.script("id -u; id -g; echo >/ready; sleep 1000")
    pid = box.detach()
    box.heard(fd)
    same(status_of(pid)["Uid"].split(), ["101000"] * 4, "uid outside")
    same(status_of(pid)["Gid"].split(), ["101000"] * 4, "gid outside")
    same(status_of(pid)["Groups"].split(), ["100005"], "groups outside")


@test
def user_that_is_not_mapped_fails(box):
    box.user_namespace(((0, 100000, 10),))
    box.process["user"] = {"uid": 5000, "gid": 0}
    done = box.run("/bin/true", status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def user_namespace_owns_the_others(box):
    box.user_namespace().add_namespace("network")
    box.capable()
    same(box.sh("hostname changed && hostname; mount -t tmpfs none /tmp && echo mounted; ip link set lo down && echo down"),
         "changed\nmounted\ndown\n", "what root may do inside")


@test
def user_namespace_with_all_file_systems(box):
    box.user_namespace().add_namespace("network").add_namespace("cgroup")
    box.add_mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"])
    box.add_mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"])
    same(box.sh("test -d /sys/class && test -d /proc/1 && test -c /dev/null && echo well"), "well\n", "out")


@test
def user_namespace_bind_source_below_a_closed_folder(box):
    # the source is reachable for the caller only, not for the container's root
    closed = box.outside("closed")
    open(closed + "/file", "w").write("content")
    os.chmod(closed + "/file", 0o644)
    os.chmod(closed, 0o700)
    box.user_namespace()
    box.bind(closed + "/file", "/file", "ro")
    same(box.run("/bin/cat", "/file").out, "content", "the file")


@test
def user_namespace_exec(box):
    box.user_namespace()
    box.sleeper()
    same(box.exec("/bin/sh", "-c", "id -u; readlink /proc/self/ns/user").out.split(),
         ["0", os.readlink(f"/proc/{box.pid()}/ns/user")], "of exec")


@test
def user_namespace_joined(box):
    pid = box.user_namespace().sleeper()
    other = box.other("b")
    box.add_namespace("user", f"/proc/{pid}/ns/user")
    del box.linux["uidMappings"], box.linux["gidMappings"]
    box.linux["cgroupsPath"] = box.cgroups_path(other)
    box.script("readlink /proc/self/ns/user; id -u").save()
    done = box.call("run", "--bundle", box.bundle, other, status=None)
    if done.status != 0 and box.kind == "runc":
        skip("runc 1.1 wants mappings as well")
    same(done.out.split(), [own("user", pid), "0"], f"the namespace; {done.err}")


@test
def user_mappings_that_overlap_fail(box):
    box.user_namespace(((0, 100000, 10), (5, 200000, 10)))
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


# ---- sysctl -------------------------------------------------------------------------------------------------
@test
def sysctl_of_the_containers_namespaces_are_set(box):
    box.add_namespace("network")
    box.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096", "kernel.shm_rmid_forced": "1",
                           "fs.mqueue.msg_max": "7"}
    if not os.path.exists("/proc/sys/fs/mqueue"):
        del box.linux["sysctl"]["fs.mqueue.msg_max"]
    out = box.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/kernel/shm_rmid_forced")
    same(out.split(), ["1", "4096", "1"], "the values")


@test
def sysctl_with_readonly_proc_sys(box):
    box.linux["sysctl"] = {"kernel.msgmax": "4096"}
    box.linux["readonlyPaths"] = ["/proc/sys"]
    same(box.sh("cat /proc/sys/kernel/msgmax"), "4096\n", "the value")


@test(crun="takes only the form with dots")
def sysctl_names_may_have_slashes(box):
    box.add_namespace("network")
    box.linux["sysctl"] = {"net/ipv4/ip_forward": "1"}
    done = box.script("cat /proc/sys/net/ipv4/ip_forward").run(status=None)
    if box.kind == "runc" and done.status != 0:
        skip("runc 1.1 takes only the form with dots")
    same(done.out, "1\n", f"the value {done.err}")


def refused_sysctl(name, key, value, setup=lambda box: None, **unlike):
    @test(**unlike)
    def body(box):
        setup(box)
        path = "/proc/sys/" + key.replace(".", "/")
        before = read(path) if os.path.exists(path) else None
        box.linux["sysctl"] = {key: value}
        done = box.create(status="fails")
        check(done.err.strip(), "no message")
        if box.kind != "crun":
            has(done.err, key, "the message")
        if before is not None:
            same(read(path), before, "the host's value")
        box.leaves_nothing()
    body.__name__ = f"sysctl_{name}_is_refused"


refused_sysctl("of_the_host", "vm.swappiness", "11")
refused_sysctl("of_the_kernel", "kernel.pid_max", "40000")
refused_sysctl("unknown", "no.such.value", "1")
refused_sysctl("with_dots", "net.../../kernel/pid_max", "40000", lambda box: box.add_namespace("network"),
               runc="its message has no key", crun="refuses it otherwise")
refused_sysctl("net_without_a_namespace", "net.ipv4.ip_forward", "1")
refused_sysctl("ipc_without_a_namespace", "kernel.msgmax", "4096", lambda box: box.without_namespace("ipc"))
refused_sysctl("hostname_beside_hostname", "kernel.hostname", "a", lambda box: box.config.update(hostname="b"),
               crun="sets both")


@test
def sysctl_of_a_joined_network_of_the_host_is_refused(box):
    box.add_namespace("network", "/proc/self/ns/net")
    box.linux["namespaces"][-1]["path"] = f"/proc/{os.getpid()}/ns/net"
    box.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    before = read("/proc/sys/net/ipv4/ip_forward")
    box.run("/bin/true", status=None)
    after = read("/proc/sys/net/ipv4/ip_forward")
    if box.kind == "crun" and after != before:
        open("/proc/sys/net/ipv4/ip_forward", "w").write(before)
        skip("crun sets it")
    same(after, before, "the host's value")


# ---- network --------------------------------------------------------------------------------------------------
@test(crun="leaves it down")
def network_lo_is_up(box):
    box.add_namespace("network")
    has(box.sh("ip addr show lo; ping -c 1 127.0.0.1 2>/dev/null; true"), "127.0.0.1", "lo")


@test
def network_has_only_lo(box):
    box.add_namespace("network")
    same(box.sh("ls /proc/sys/net/ipv4/conf | grep -vE '^(all|default|lo)$' | grep -vE 'tunl|sit|ip6|gre|erspan|ip_vti'; true"),
         "", "further devices")


def host_device(box, name):
    """A device of an own network namespace, so that nothing is touched on the host."""
    LIBC.unshare(CLONE["network"])
    made = subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name + "p"], capture_output=True)
    if made.returncode != 0:
        made = subprocess.run(["ip", "tuntap", "add", "dev", name, "mode", "tap"], capture_output=True)
    if made.returncode != 0:
        skip(f"no network device can be made here: {made.stderr.decode().strip()}")
    return name


@test(**ours)
def net_devices_are_moved(box):
    name = host_device(box, "cdev0")
    box.add_namespace("network")
    box.linux["netDevices"] = {name: {}}
    out = box.sh("ip link show")
    has(out, name, "the devices inside")
    lacks(subprocess.run(["ip", "link", "show"], capture_output=True).stdout.decode(), f" {name}@", "the devices outside")


@test(**ours)
def net_devices_are_renamed_and_keep_their_addresses(box):
    name = host_device(box, "cdev0")
    subprocess.run(["ip", "addr", "add", "10.77.0.5/24", "dev", name], check=True)
    box.add_namespace("network")
    box.linux["netDevices"] = {name: {"name": "eth7"}}
    out = box.sh("ip addr show eth7")
    has(out, "10.77.0.5/24", "the addresses")
    has(out, "UP", "it is up")


@test(**ours)
def net_devices_that_are_not_there_fail(box):
    box.add_namespace("network")
    box.linux["netDevices"] = {"nosuchdev": {}}
    done = box.create(status="fails")
    has(done.err, "nosuchdev", "the message")
    box.leaves_nothing()


@test(**ours)
def net_devices_need_a_network_namespace(box):
    box.linux["netDevices"] = {"lo": {}}
    done = box.create(status="fails")
    has(done.err, "netDevices", "the message")
    box.leaves_nothing()


@test(**ours)
def net_devices_with_a_bad_name_fail(box):
    box.add_namespace("network")
    for name in ("a/b", "..", "x" * 16, "a b"):
        box.linux["netDevices"] = {"lo": {"name": name}}
        done = box.create(status="fails")
        has(done.err, "netDevices", f"the message for {name!r}")
    box.leaves_nothing()
