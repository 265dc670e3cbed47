"""kit - what the tests of an OCI runtime are written with.

A test is a function with the decorator @test that takes a Box: a bundle of its own, whose config
it changes, and the runtime's command line.  What it makes is called after the run (Box.id, and
the control group /PREFIX/ID), so that suite.py can see whether the runtime left something.
"""
import copy
import ctypes
import json
import os
import platform
import select
import signal
import socket
import stat
import struct
import subprocess
import time

TESTS = []
LIBC = ctypes.CDLL(None, use_errno=True)
APPLETS = """ash awk basename cat chmod chown chroot cp cut date dd df dirname echo env expr false
fgrep find free grep head hostname id ifconfig ip kill link ln ls md5sum mkdir mkfifo mknod mktemp
mount mountpoint mv nice nohup od pidof printf ps pwd readlink realpath rm rmdir route sed seq
setsid sh sleep sort stat stty sync tail tee test time timeout touch tr true tty ulimit umount
uname uniq usleep wc which xargs yes""".split()


class Skip(Exception):
    """The test cannot run here; the text says why."""


class Fail(Exception):
    """The runtime does not do what it should."""


def test(function=None, **unlike):
    """@test, or @test(runc="what it does instead", crun=..., gantry=...): skipped there."""
    def register(body):
        body.unlike = {name.replace("gantry", "gantry-oci"): why for name, why in unlike.items()}
        body.area = body.__module__
        TESTS.append(body)
        return body
    return register(function) if function else register


OLD = "newer than this version"
ours = {"runc": OLD, "crun": OLD}  # @test(**ours): neither of Debian's runtimes has it


def skip(why):
    raise Skip(why)


def check(true, what):
    if not true:
        raise Fail(what)


def same(actual, expected, what):
    check(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")


def has(text, part, what):
    check(part in text, f"{what}: expected {part!r} somewhere in {text!r}")


def message(box, done, part):
    """What runc says and callers look for; crun has its own words."""
    if box.kind != "crun":
        has(done.err, part, "the message")
    check(done.err.strip(), "there is no message")


def lacks(text, part, what):
    check(part not in text, f"{what}: {part!r} should not be in {text!r}")


def until(what, condition, seconds=5):
    """For what the kernel does not tell of; everything else is waited for by its event."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.005)


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


def write(path, text, mode=0o644):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def needs_capability(name, bit):
    have = int(status_of("self")["CapBnd"], 16)
    if not have >> bit & 1:
        skip(f"root lacks {name} here")


def needs_file(path, why):
    if not os.path.exists(path):
        skip(f"{why} ({path} is missing)")


def status_of(pid):
    """/proc/PID/status as a dict."""
    lines = read(f"/proc/{pid}/status").splitlines()
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}


def status_fields(text):
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in text.splitlines()}


def cgroup_version():
    return 2 if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else 1


def mount(source, target, kind=None, flags=0, data=None):
    code = LIBC.mount(source.encode(), target.encode(), kind.encode() if kind else None, flags,
                      data.encode() if data else None)
    if code < 0:
        raise OSError(ctypes.get_errno(), f"mount {target}: {os.strerror(ctypes.get_errno())}")


def umount(target, flags=2):
    LIBC.umount2(target.encode(), flags)


MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_MOVE, MS_REC = 4096, 8192, 16384
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20

ALL_CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE
SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()


def cap_mask(names):
    return sum(1 << ALL_CAPABILITIES.index(name.replace("CAP_", "")) for name in names)


def available_capabilities():
    have = int(status_of("self")["CapBnd"], 16)
    return ["CAP_" + name for bit, name in enumerate(ALL_CAPABILITIES) if have >> bit & 1]


def namespace(kind, path=None):
    return {"type": kind, "path": path} if path else {"type": kind}


def base_config(cgroups_path):
    caps = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_SETUID",
            "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]
    return {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {kind: list(caps) for kind in ("bounding", "effective", "permitted")},
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        ],
        "linux": {
            "cgroupsPath": cgroups_path,
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [namespace(kind) for kind in ("pid", "ipc", "uts", "mount")],
        },
    }


class Done:
    """What a call of the runtime ended with.  `out` of a container that goes on grows."""

    def __init__(self, status, out_path, err_path):
        self.status, self.out_path, self.err_path = status, out_path, err_path

    @property
    def out(self):
        return read(self.out_path)

    @property
    def err(self):
        return read(self.err_path)

    @property
    def lines(self):
        return self.out.splitlines()


class Box:
    """One test's bundle, containers and folder."""

    def __init__(self, suite, name, number):
        self.suite, self.name = suite, name
        self.runtime, self.kind = suite.runtime, suite.kind
        self.folder = os.path.join(suite.folder, f"{number}")
        self.root = os.path.join(self.folder, "state")
        self.bundle = os.path.join(self.folder, "bundle")
        self.rootfs = os.path.join(self.bundle, "rootfs")
        self.id = f"{suite.prefix}-{number}"
        self.ids = [self.id]
        self.calls = 0
        self.ends = []
        os.makedirs(self.rootfs)
        os.chmod(self.folder, 0o755)
        make_rootfs(self.rootfs, suite)
        self.config = base_config(self.cgroups_path())

    # -- the config ---------------------------------------------------------------------------
    def cgroups_path(self, container=None):
        return f"/{self.suite.prefix}/{container or self.id}"

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    def args(self, *args):
        self.process["args"] = list(args)
        return self

    def script(self, text):
        return self.args("/bin/sh", "-c", text)

    def capable(self, *names):
        """All capabilities this machine gives, or these."""
        names = ["CAP_" + name for name in names] if names else available_capabilities()
        self.process["capabilities"] = {
            kind: list(names) for kind in ("bounding", "effective", "permitted")}
        return self

    def add_mount(self, destination, kind=None, source=None, options=None, **more):
        entry = {"destination": destination, **more}
        for key, value in (("type", kind), ("source", source), ("options", options)):
            if value is not None:
                entry[key] = value
        self.config["mounts"].append(entry)
        return self

    def bind(self, source, destination, *options):
        return self.add_mount(destination, "bind", source, ["bind", *options])

    def without_mount(self, destination):
        mounts = self.config["mounts"]
        mounts[:] = [m for m in mounts if not m["destination"].startswith(destination)]
        return self

    def namespaces(self, *kinds):
        self.linux["namespaces"] = [
            kind if isinstance(kind, dict) else namespace(kind) for kind in kinds]
        return self

    def add_namespace(self, kind, path=None):
        self.without_namespace(kind)
        self.linux["namespaces"].append(namespace(kind, path))
        return self

    def without_namespace(self, kind):
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] != kind]
        return self

    def user_namespace(self, maps=((0, 100000, 65536),)):
        """A user namespace whose root owns the rootfs."""
        self.add_namespace("user")
        self.linux["uidMappings"] = self.linux["gidMappings"] = [
            {"containerID": inside, "hostID": outside, "size": size}
            for inside, outside, size in maps]
        root = next(outside for inside, outside, _ in maps if inside == 0)
        for folder, folders, files in os.walk(self.rootfs):
            for name in [folder] + [os.path.join(folder, f) for f in folders + files]:
                if not name.endswith(("/busybox", "/probe")):
                    os.chown(name, root, root, follow_symlinks=False)
        for folder in (self.suite.folder, self.folder, self.bundle):
            os.chmod(folder, 0o755)
        return self

    def save(self, config=None, bundle=None):
        config = self.config if config is None else config
        text = config if isinstance(config, str) else json.dumps(config)
        write(os.path.join(bundle or self.bundle, "config.json"), text)

    def file(self, name, text, mode=0o644):
        """A file in the rootfs."""
        path = os.path.join(self.rootfs, name.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return write(path, text, mode)

    def outside(self, name, text=None, mode=0o644):
        """A file (or, without text, a folder) beside the bundle."""
        path = os.path.join(self.folder, name)
        if text is None:
            os.makedirs(path, exist_ok=True)
            return path
        return write(path, text, mode)

    # -- the command line ---------------------------------------------------------------------
    def start_call(self, *args, options=(), stdin=None, env=None, pass_fds=(), cwd=None,
                   wrap=(), preexec=None):
        self.calls += 1
        out_path = os.path.join(self.folder, f"out.{self.calls}")
        err_path = os.path.join(self.folder, f"err.{self.calls}")
        command = [*wrap, self.runtime, "--root", self.root, *options, *args]
        with open(out_path, "wb") as out, open(err_path, "wb") as err:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=out, stderr=err, env=env, pass_fds=pass_fds, cwd=cwd, preexec_fn=preexec)
        if stdin is not None:
            child.stdin.write(stdin.encode())
            child.stdin.close()
        child.done = Done(None, out_path, err_path)
        return child

    def end_call(self, child, status=0, timeout=15):
        try:
            child.done.status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise Fail(f"{' '.join(child.args[3:])}: does not end; {child.done.err[-300:]!r}")
        done = child.done
        if status == "fails":
            check(done.status != 0, f"{' '.join(child.args[3:])}: should fail; {done.out!r}")
            check(done.status > 0, f"{' '.join(child.args[3:])}: died of a signal {done.status}")
        elif status is not None:
            check(done.status == status, f"{' '.join(child.args[3:])}: status {done.status} instead "
                  f"of {status}; {done.err.strip()[-400:]!r} {done.out.strip()[-200:]!r}")
        return done

    def call(self, *args, status=0, timeout=15, **more):
        return self.end_call(self.start_call(*args, **more), status, timeout)

    def fails(self, *args, **more):
        return self.call(*args, status="fails", **more)

    def other(self, suffix):
        """The id of a further container of this test."""
        name = f"{self.id}.{suffix}"
        if name not in self.ids:
            self.ids.append(name)
        return name

    def run(self, *args, status=0, flags=(), **more):
        if args:
            self.args(*args)
        self.save()
        return self.call("run", *flags, "--bundle", self.bundle, self.id, status=status, **more)

    def sh(self, text, status=0, **more):
        """What a shell in a new container prints."""
        return self.script(text).run(status=status, **more).out

    def create(self, container=None, status=0, flags=(), **more):
        self.save()
        return self.call("create", *flags, "--bundle", self.bundle, container or self.id,
                         status=status, **more)

    def detach(self, *args, flags=(), **more):
        """A running container; its pid."""
        if args:
            self.args(*args)
        self.save()
        self.last = self.call("run", "--detach", *flags, "--bundle", self.bundle, self.id, **more)
        return self.pid()

    def sleeper(self, **more):
        return self.detach("/bin/sleep", "1000", **more)

    def start(self, container=None, **more):
        return self.call("start", container or self.id, **more)

    def state(self, container=None):
        return json.loads(self.call("state", container or self.id).out)

    def status(self, container=None):
        return self.state(container)["status"]

    def pid(self, container=None):
        return self.state(container)["pid"]

    def kill(self, *args, container=None, **more):
        return self.call("kill", container or self.id, *args, **more)

    def delete(self, container=None, force=False, **more):
        flags = ["--force"] if force else []
        return self.call("delete", *flags, container or self.id, **more)

    def exec(self, *args, flags=(), **more):
        return self.call("exec", *flags, self.id, *args, **more)

    def wait_end(self, pid, seconds=10):
        """Until the process has ended, whoever's child it is."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        ended = poll.poll(seconds * 1000)
        os.close(fd)
        check(ended, f"process {pid} does not end within {seconds} s")

    def end(self):
        """Kills the container, waits for its end, deletes it."""
        pid = self.pid()
        self.kill("KILL")
        self.wait_end(pid)
        self.delete()

    def enter(self, pid, path):
        """A path of the host that is PATH of the container."""
        return f"/proc/{pid}/root/{path.lstrip('/')}"

    # -- events from inside -------------------------------------------------------------------
    def fifo(self, name="fifo"):
        path = os.path.join(self.rootfs, name)
        os.mkfifo(path)
        os.chmod(path, 0o666)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.ends.append(fd)
        return fd

    def heard(self, fd, seconds=10):
        """The next thing that is written to a fifo (or pipe)."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            check(left > 0, f"nothing is heard from the container within {seconds} s")
            for _, event in poll.poll(left * 1000):
                if event & select.POLLIN:
                    return os.read(fd, 65536).decode(errors="replace")
            # POLLHUP: nobody has opened it yet, or he who had is gone
            time.sleep(0.002)

    # -- control groups -----------------------------------------------------------------------
    def cgroup(self, controller, container=None):
        path = self.cgroups_path(container)
        if cgroup_version() == 2:
            return f"/sys/fs/cgroup{path}"
        return f"/sys/fs/cgroup/{controller}{path}"

    def cgroup_value(self, v1, v2, container=None):
        """The text of the file "controller/file" of v1, or of v2's file."""
        controller, _, name = v1.partition("/")
        if cgroup_version() == 2:
            name = v2
        elif not os.path.isdir(f"/sys/fs/cgroup/{controller}"):
            skip(f"no {controller} controller here")
        path = os.path.join(self.cgroup(controller, container), name)
        if not os.path.exists(path) and os.path.isdir(os.path.dirname(path)):
            skip(f"this kernel has no {name}")
        return read(path).strip()

    def cgroups_left(self, container=None):
        path = self.cgroups_path(container)
        places = ["/sys/fs/cgroup"] + [os.path.join("/sys/fs/cgroup", name)
                                       for name in os.listdir("/sys/fs/cgroup")]
        return [place + path for place in places
                if os.path.exists(place + path) and os.path.ismount(place)]

    # -- what is left ---------------------------------------------------------------------------
    def left(self, container=None):
        """What is still there of a container, in words."""
        container = container or self.id
        found = []
        if os.path.exists(os.path.join(self.root, container)):
            found.append("state folder")
        if self.cgroups_left(container):
            found.append("control groups " + " ".join(self.cgroups_left(container)))
        mounts = [line for line in read("/proc/self/mountinfo").splitlines()
                  if f" {self.folder}/bundle/" in line or f" {self.root}" in line]
        if mounts:
            found.append(f"mounts {mounts}")
        return ", ".join(found)

    def leaves_nothing(self, container=None):
        found = self.left(container)
        check(not found, f"something is left: {found}")
        alive = until_quiet()
        check(not alive, f"processes are left: {alive}")


def children():
    """Living processes below this one (orphans come to suite.py, our parent)."""
    mine = []
    waiting = [os.getppid()]
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = read(f"/proc/{name}/stat").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                parents.setdefault(int(fields[1]), []).append(int(name))
    while waiting:
        for pid in parents.get(waiting.pop(), []):
            waiting.append(pid)
            if pid != os.getpid():
                mine.append(pid)
    return mine


def until_quiet(seconds=2):
    """Processes of this test that are still there after so long: who was killed needs a moment."""
    end = time.monotonic() + seconds
    while True:
        found = []
        for pid in children():
            try:
                found.append(f"{pid} {read(f'/proc/{pid}/cmdline')!r}")
            except OSError:
                pass
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.005)


def make_rootfs(root, suite):
    """Debian's static busybox, and probe: what a shell cannot ask."""
    for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"):
        os.mkdir(os.path.join(root, name), 0o755)
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    os.link(suite.busybox, os.path.join(root, "bin/busybox"))
    os.link(suite.probe, os.path.join(root, "bin/probe"))
    for name in APPLETS:
        os.symlink("busybox", os.path.join(root, "bin", name))
    write(os.path.join(root, "etc/passwd"),
          "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n")
    write(os.path.join(root, "etc/group"), "root:x:0:\nuser:x:1000:\n")


class Console:
    """The other end of --console-socket: takes the master of the terminal."""

    def __init__(self, box, name="console.sock"):
        self.path = os.path.join(box.folder, name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(1)
        self.socket.settimeout(10)
        self.master = None

    def accept(self):
        connection, _ = self.socket.accept()
        connection.settimeout(10)
        _, fds, _, _ = socket.recv_fds(connection, 4096, 4)
        check(len(fds) == 1, f"the console socket got {len(fds)} descriptors")
        self.master = fds[0]
        connection.close()
        return self.master

    def read_until(self, text, seconds=10):
        """What the terminal shows, to the first TEXT (or to its end with None)."""
        shown = ""
        end = time.monotonic() + seconds
        while text is None or text not in shown:
            ready = select.select([self.master], [], [], max(0, end - time.monotonic()))[0]
            check(ready, f"the terminal shows {shown!r}, not {text!r}")
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: nobody has the other side any more
                data = b""
            if not data:
                check(text is None, f"the terminal ends with {shown!r}, without {text!r}")
                break
            shown += data.decode(errors="replace")
        return shown
