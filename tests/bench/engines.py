"""engines - the candidates of tests/bench/run behind one shape: gantry, and Debian's containerd.

Each is started on a root and a state folder of its own, in a mount namespace of its own without the
nearly empty v2 hierarchy of hybrid hosts (crun refuses those), and spoken to by its command line.
What differs between them stands here and nowhere else.
"""
import os
import pathlib
import resource
import shutil
import subprocess
import time

import measure


class Ended(Exception):
    """A command or daemon failed; the text says which and what it said."""


def run(command, env=None, check=True, **more):
    """Runs to the end; seconds, cpu seconds of the command itself, output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **more)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if check and done.returncode != 0:
        raise Ended(f"{' '.join(map(str, command))}: {done.stderr.decode(errors='replace').strip()[-400:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, done.stdout


class Engine:
    name = ""
    snapshots = []  # words that choose the driver

    def __init__(self, work, runtime="runc"):
        self.work = pathlib.Path(work)
        self.runtime = runtime
        self.process = None
        self.state = self.work / f"{self.name}.s"
        self.serial = 0

    def launch(self, command, env=None):
        """Starts the daemon; `self.command` is what tells that it answers."""
        self.state.mkdir(parents=True, exist_ok=True)
        log = open(self.work / f"{self.name}.log", "ab")
        script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
        start = time.perf_counter()
        self.process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script, "-", *command],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        while subprocess.run(self.command("version"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            if self.process.poll() is not None or time.perf_counter() - start > 60:
                text = (self.work / f"{self.name}.log").read_text(errors="replace")[-600:]
                raise Ended(f"{self.name} does not start: {text}")
            time.sleep(0.002)
        return time.perf_counter() - start

    def stop(self, kill=False):
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(60)
            self.process = None

    @property
    def pid(self):
        return self.process.pid

    def new_id(self):
        self.serial += 1
        return f"b{os.getpid()}-{self.serial}"

    def do(self, *words, **more):
        return run(self.command(*words), **more)

    def pull(self, image):
        return run(self.pull_command(image))

    def create(self, image, id, *argv):
        return run(self.create_command(image, id, *argv))

    def kill(self, id):
        return self.signal(id, "KILL")


class Gantry(Engine):
    name = "gantry"
    snapshots = ["--snapshotter", "overlay"]

    def __init__(self, work, programs, runtime="runc"):
        super().__init__(work, runtime)
        self.programs = pathlib.Path(programs)
        self.endpoint = f"ipc://{self.state}/gantry.sock"

    def versions(self):
        return [f"{self.programs}/gantryd: " + run([self.programs / "gantryd", "--version"])[2].decode().strip()]

    def start(self, root, config=""):
        self.work.joinpath("gantry.toml").write_text(config + "\n")
        return self.launch([str(self.programs / "gantryd"), "--config", str(self.work / "gantry.toml"), "--root", str(root), "--state", str(self.state),
                            "--listen", self.endpoint])

    def command(self, *words):
        return [str(self.programs / "gantry"), "--host", self.endpoint, *words]

    def pull_command(self, image):
        return self.command("pull", *self.snapshots, image)

    def save(self, image, path):
        return self.do("save", "-o", path, image)

    def load(self, path):
        return self.do("load", "-q", "-i", path)

    def forget(self, image):
        return self.do("rmi", image)

    def push_command(self, image, reference):
        return self.command("push", image, reference)

    def run_command(self, image, *argv, id=None):
        return self.command("run", "--rm", "--name", id or self.new_id(), "--runtime", self.runtime, image, *argv)

    def create_command(self, image, id, *argv):
        return self.command("create", "--name", id, "--runtime", self.runtime, image, *argv)

    def task_start(self, id):
        return self.do("start", id)

    def run_detached(self, image, id, *argv):
        return self.command("run", "-d", "--name", id, "--runtime", self.runtime, image, *argv)

    def wait(self, id):
        return self.do("wait", id)

    def signal(self, id, name):
        return self.do("kill", "--signal", name, id)

    def delete(self, id):
        return self.do("rm", id)

    def list(self):
        return self.do("ps", "-a")

    def shim_pids(self):
        return pids_of("gantry-shim")


class Containerd(Engine):
    name = "containerd"
    snapshots = ["--snapshotter", "overlayfs"]

    def versions(self):
        return [f"{shutil.which('containerd')}: " + run(["containerd", "--version"])[2].decode().strip()]

    def start(self, root):
        self.state.mkdir(parents=True, exist_ok=True)
        config = self.work / "containerd.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                          f'root = "{root}"\nstate = "{self.state}"\n[grpc]\naddress = "{self.state}/c.sock"\n')
        # igzip and pigz would be the system's, not containerd's; the shim takes `runc` from PATH
        names = self.work / "names"
        names.mkdir(exist_ok=True)
        (names / "runc").unlink(missing_ok=True)
        (names / "runc").symlink_to(shutil.which(self.runtime, path="/usr/sbin:/usr/bin:/sbin:/bin"))
        env = dict(os.environ, PATH=f"{names}:/usr/sbin:/usr/bin:/sbin:/bin", CONTAINERD_DISABLE_IGZIP="1",
                   CONTAINERD_DISABLE_PIGZ="1")
        return self.launch(["containerd", "--config", str(config), "--log-level", "error"], env)

    def command(self, *words):
        return ["ctr", "-a", f"{self.state}/c.sock", "-n", "bench", *words]

    def pull_command(self, image):
        return self.command("images", "pull", "--plain-http", *self.snapshots, image)

    def save(self, image, path):
        return self.do("images", "export", path, image)

    def load(self, path):
        return self.do("images", "import", *self.snapshots, path)

    def forget(self, image):
        return self.do("images", "rm", "--sync", image)

    def push_command(self, image, reference):
        return self.command("images", "push", "--plain-http", reference, image)

    def run_command(self, image, *argv, id=None):
        return self.command("run", "--rm", *self.snapshots, image, id or self.new_id(), *argv)

    def create_command(self, image, id, *argv):
        return self.command("containers", "create", *self.snapshots, image, id, *argv)

    def task_start(self, id):
        return self.do("tasks", "start", "--detach", id)

    def run_detached(self, image, id, *argv):
        return self.command("run", "-d", "--null-io", *self.snapshots, image, id, *argv)

    def wait(self, id):
        """`ctr` has no wait of its own for a detached task: its state is asked until it has ended."""
        start = time.perf_counter()
        while b"STOPPED" not in self.do("tasks", "list")[2]:
            pass
        return time.perf_counter() - start, 0, b""

    def signal(self, id, name):
        return self.do("tasks", "kill", "--signal", f"SIG{name}", id)

    def delete(self, id):
        seconds, cpu, out = self.do("tasks", "delete", id, check=False)
        more = self.do("containers", "delete", id)
        return seconds + more[0], cpu + more[1], out

    def list(self):
        return self.do("containers", "list")

    def shim_pids(self):
        return pids_of("containerd-shim-runc-v2")


def pids_of(program):
    """All processes whose command is this program, of whoever started them."""
    return [pid for pid, command in measure.processes() if os.path.basename(command[0]) == program]
