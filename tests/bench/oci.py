"""oci - OCI runtimes alone: one bundle, run by each in turn.

The bundle is `true` from a static busybox in its own pid, network, mount, ipc and uts namespaces, with the
mounts that every engine gives a container and no system call filter.  Beside the runtimes stands
bench-floor, which makes the same namespaces and nothing that is not needed.  All run in a mount
namespace without the nearly empty v2 hierarchy of hybrid hosts, which crun refuses; and once more with
that hierarchy alone, as hosts of today have it (whatever controllers it has here).  The runtimes keep
their states in memory, as in /run.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

NAMESPACES = ("pid", "network", "mount", "ipc", "uts")


def mount(destination, kind, *options):
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def spec(group, **linux):
    return {
        "ociVersion": "1.0.2",
        "process": {"args": ["true"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}},
        "root": {"path": "rootfs"},
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", "nosuid", "noexec", "nodev"),
            mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
            mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        ],
        "linux": {"namespaces": [{"type": name} for name in NAMESPACES], "cgroupsPath": group,
                  "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
                  "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"], **linux},
    }


class Bundle:
    def __init__(self, work, programs, rounds):
        self.folder = work / "bundle"
        self.states = pathlib.Path("/dev/shm") / work.name
        self.rounds = 2 * rounds
        self.group = f"/bench/{work.name}"
        self.floor = programs.parent / "bench" / "bench-floor"
        self.runtimes = {"gantry-oci": programs / "gantry-oci"}
        for name in ("crun", "runc"):
            if shutil.which(name):
                self.runtimes[name] = pathlib.Path(shutil.which(name))
        root = self.folder / "rootfs"
        for name in ("bin", "proc", "dev", "sys", "mnt"):
            (root / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        for name in ("true", "sleep"):
            (root / "bin" / name).symlink_to("busybox")

    def write(self, **linux):
        (self.folder / "config.json").write_text(json.dumps(spec(self.group, **linux)))

    def in_namespace(self, *command, v2=False):
        """A command that stays in the prepared mount namespace: the time of entering it is not counted."""
        prepare = ("umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || exit" if v2 else
                   "umount /sys/fs/cgroup/unified 2>/dev/null")
        return ["unshare", "-m", "--propagation", "private", "sh", "-c",
                f'{prepare}; exec "$@"', "-", *map(str, command)]

    def command(self, name):
        if name == "floor":
            return [str(self.floor), str(self.folder / "rootfs"), "/bin/true"]
        return [str(self.runtimes[name]), "--root", str(self.states / name), "run", "--bundle",
                str(self.folder), "bench"]

    def times(self, names, v2=False, **linux):
        """Milliseconds per name, interleaved, by a child that is in the namespace already."""
        self.write(**linux)
        script = pathlib.Path(__file__).with_name("turns.py")
        out = subprocess.run(self.in_namespace("python3", script, self.rounds,
                                               json.dumps({name: self.command(name) for name in names}),
                                               v2=v2),
                             stdout=subprocess.PIPE, check=True).stdout
        return json.loads(out)

    def latency(self):
        names = [*self.runtimes, "floor"]
        times = self.times(names)
        for name, target in (("crun", "<= 0.8"), ("runc", ""), ("floor", "<= 1.5")):
            if name in times:
                yield f"run of a bundle, gantry-oci beside {name}", times["gantry-oci"], times[name], target
        times = self.times([name for name in names if name != "runc"], v2=True)
        for name, target in (("crun", ""), ("floor", "")):
            if name in times:
                yield f"... with control groups of version 2, beside {name}", times["gantry-oci"], times[name], target
        without = [{"type": name} for name in NAMESPACES if name != "network"]
        times = self.times([*self.runtimes], namespaces=without)
        for name in ("crun", "runc"):
            if name in times:
                yield f"... without a network namespace, beside {name}", times["gantry-oci"], times[name], ""

    def memory(self):
        """The most that a create holds: what its own memory group was charged, files read the first time included."""
        self.write()
        groups = pathlib.Path("/sys/fs/cgroup/memory")
        if not (groups / "memory.limit_in_bytes").exists():
            return
        peaks = {}
        for name in self.runtimes:
            values = []
            for turn in range(5):
                group = groups / f"{self.folder.parent.name}-{name}"
                group.mkdir()
                command = self.command(name)
                command[command.index("run")] = "create"
                subprocess.run(self.in_namespace("sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "-", *command),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
                peak = int((group / "memory.max_usage_in_bytes").read_text()) / 1024
                subprocess.run(self.in_namespace(*command[:3], "delete", "--force", "bench"), check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(200):
                    try:
                        group.rmdir()
                        break
                    except OSError:
                        time.sleep(0.01)
                if turn > 0:
                    values.append(peak)
            peaks[name] = values
        for name in ("crun", "runc"):
            if name in peaks:
                yield f"peak memory of create, gantry-oci beside {name}", peaks["gantry-oci"], peaks[name], ""
