"""engine - a gantryd of the test's own, its command line, and what must hold of its folders."""
import glob
import os
import subprocess
import time

PATIENCE = 30  # seconds after which something counts as hung


class Failed(Exception):
    pass


class Result:
    def __init__(self, words, status, out, errors):
        self.words, self.status, self.out, self.errors = words, status, out, errors

    def __str__(self):
        return f"'gantry {' '.join(self.words)}' ended with {self.status}, said '{self.out}' and '{self.errors}'"


def until(what, condition, patience=PATIENCE):
    """Waits for the condition; its last value."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {patience} s")
        time.sleep(0.005)


class Engine:
    def __init__(self, work, programs, namespace):
        self.work, self.programs, self.namespace = work, programs, namespace
        self.root, self.state = f"{work}/root", f"{work}/s"
        self.endpoint = f"ipc://{self.state}/gantry.sock"
        self.environment = dict(os.environ, GANTRY_NAMESPACE=namespace, GANTRY_WAIT="0")
        self.process = None
        self.options = ()  # of gantryd
        self.of_daemon = {}  # environment of it alone
        self.log = open(f"{work}/gantryd.log", "ab", buffering=0)

    # ---- the daemon ---------------------------------------------------------------------

    def spawn(self, **environment):
        self.process = subprocess.Popen(
            [f"{self.programs}/gantryd", "--root", self.root, "--state", self.state, "--listen", self.endpoint,
             *self.options],
            env=dict(self.environment, **self.of_daemon, **environment), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def answers(self):
        return self.gantry("version").status == 0

    def has_ended(self):
        return self.process.poll() is not None

    def start(self, **environment):
        self.spawn(**environment)
        until("gantryd answers or ends", lambda: self.has_ended() or self.answers())
        if self.has_ended():
            raise Failed(f"gantryd ended with {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("gantryd does not stop")
        if status != 0:
            raise Failed(f"gantryd ended with {status}")

    # ---- the command line ----------------------------------------------------------------

    def command(self, words):
        return [f"{self.programs}/gantry", "--host", self.endpoint, *words]

    def gantry(self, *words):
        try:
            done = subprocess.run(self.command(words), capture_output=True, stdin=subprocess.DEVNULL,
                                  timeout=PATIENCE, env=self.environment)
        except subprocess.TimeoutExpired:
            raise Failed(f"'gantry {' '.join(words)}' hangs")
        return Result(words, done.returncode, done.stdout.decode(errors="replace").strip(),
                      done.stderr.decode(errors="replace").strip())

    def must(self, *words, said=None):
        result = self.gantry(*words)
        if result.status != 0 or (said is not None and result.out != said):
            raise Failed(str(result))
        return result.out

    def may_fail(self, *words):
        """It succeeds, or says clearly why not."""
        result = self.gantry(*words)
        if result.status != 0 and ("gantry: " not in result.errors or result.status > 127):
            raise Failed(f"no clear error: {result}")
        return result

    # ---- what must hold --------------------------------------------------------------------

    def check(self):
        result = self.gantry("check", "--deep")
        if result.status != 0:
            raise Failed(str(result))

    def containers(self):
        return self.must("ps", "-a", "-q").split()

    def no_containers(self, but=0):
        """What was run with --rm goes by itself, a moment after its end."""
        until("no container is left", lambda: len(self.containers()) == but, 10)

    def remove_containers(self):
        for name in self.containers():
            self.must("rm", "-f", name)

    def leftovers(self):
        """What lies where nothing may lie when everything was removed."""
        root = self.root
        places = [f"{root}/blobs/sha256/*", f"{root}/ingests/*", f"{root}/snapshots/[0-9]*", f"{root}/trash/*/*",
                  f"{root}/containers/*/*", f"{root}/volumes/*/*", f"{self.state}/t/*", f"{self.state}/oci/*"]
        return [path for place in places for path in glob.glob(place)] + self.cgroups()

    def cgroups(self):
        """Of containers of our namespace."""
        return glob.glob(f"/sys/fs/cgroup/*/{self.namespace}/*/") + glob.glob(f"/sys/fs/cgroup/{self.namespace}/*/")

    def settle(self, expected=()):
        """Nothing is left but what is expected, a moment later at the latest."""
        keep = set(expected)
        try:
            until("it is tidy", lambda: not set(self.leftovers()) - keep, 10)
        except Failed:
            raise Failed(f"left behind: {' '.join(sorted(set(self.leftovers()) - keep))}")

    def shims(self):
        """Processes of gantry-shim that work below this state folder."""
        found = []
        for folder in glob.glob("/proc/[0-9]*"):
            try:
                with open(f"{folder}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"gantry-shim") and any(w.startswith(self.state.encode()) for w in words[1:]):
                found.append(int(folder[6:]))
        return found

    def helpers(self):
        """Processes of gantry-fetch, -pack and -unpack that work for a daemon of ours, be it dead."""
        found, mark = [], f"GANTRY_NAMESPACE={self.namespace}".encode()
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(stat) as file:
                    name = file.read().partition(" (")[2]
                if not name.startswith(("gantry-fetch", "gantry-pack", "gantry-unpack")):
                    continue
                with open(stat[:-4] + "environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        found.append(int(stat.split("/")[2]))
            except OSError:
                continue
        return found

    def no_helpers(self):
        until("no helper is left", lambda: not self.helpers(), 10)

    def mounts(self):
        with open("/proc/self/mountinfo") as file:
            return [line.split()[4] for line in file if line.split()[4].startswith(self.work + "/")]
