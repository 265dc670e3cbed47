"""diffs - what a snapshot of the image `debian` has changed, as a layer: a thousand files touched.

gantry by `snapshot diff` and `commit`; containerd by `ctr snapshots diff`, which has no commit.  Both write
gzip to a file.  The page cache is warm: the files have just been written.
"""
import os
import subprocess

import engines

FILES = 1000


class Made:
    """A snapshot on the image's top, made and changed by the engine's own means."""

    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder
        folder.mkdir(exist_ok=True)

    def command(self, *words):
        if self.engine.name == "gantry":
            return self.engine.command("snapshot", *words)
        return self.engine.command("snapshots", "--snapshotter", "overlayfs", *words)

    def top(self):
        lines = engines.run(self.command("ls"))[2].decode().splitlines()
        return next(line.split()[0] for line in lines if line.split()[0].startswith("sha256:"))

    def prepare(self):
        label = ["-l", "containerd.io/gc.root=yes"] if self.engine.name == "gantry" else []
        engines.run(self.command("prepare", *label, "touched", self.top()))

    def mounts(self):
        words = ["touched", self.folder] if self.engine.name == "gantry" else [self.folder, "touched"]
        return engines.run(self.command("mounts", *words))[2].decode()

    def diff(self, path):
        if self.engine.name == "gantry":
            return engines.run(self.command("diff", "-o", path, "touched"))[0]
        script = 'exec "$@" >"$0"'
        return engines.run(["sh", "-c", script, path, *self.command("diff", "touched")])[0]


def touch(mounts, folder, count):
    """A byte more at the end of so many files."""
    script = (f"set -e; {mounts}\ncd {folder}; find usr/share usr/lib usr/bin -type f -size -64k | sort | head -n {count} |"
              " while read -r file; do printf x >>\"$file\"; done; cd /; umount " + str(folder))
    subprocess.run(["unshare", "-m", "--propagation", "private", "bash", "-c", script], check=True)


def layers(bench):
    sizes = {}
    count = 20 if bench.options.quick else FILES
    with bench.both("native", "debian") as running:
        made = {engine.name: Made(engine, engine.root.parent / "mnt") for engine in running}
        for one in made.values():
            one.prepare()
            touch(one.mounts(), one.folder, count)

        def body(engine):
            path = engine.root.parent / "layer.tar.gz"
            seconds = made[engine.name].diff(path)
            sizes.setdefault(engine.name, []).append(os.stat(path).st_size / 1e6)
            return 1000 * seconds
        bench.table(f"snapshot diff, {count} files of debian touched", "ms", bench.turns(running, body), "<= 1")
        bench.table("... the layer", "MB", sizes)
        commit(bench, running, count)


def commit(bench, running, count):
    """Layer, config, manifest, unpacked and named."""
    for engine in running:
        if engine.name != "gantry":
            continue
        script = (f"find /usr/share /usr/lib /usr/bin -type f -size -64k | sort | head -n {count} |"
                  " while read -r file; do printf x >>\"$file\"; done")
        engines.run(engine.command("run", "--name", "touched", bench.image("debian"), "sh", "-c", script))
        times = [1000 * engines.run(engine.command("commit", "touched", f"committed:{i}"))[0]
                 for i in range(bench.rounds)]
        bench.row(f"commit, {count} files touched", "ms", times)
        listed = [1000 * engines.run(engine.command("diff", "touched"))[0] for _ in range(bench.rounds)]
        bench.row("diff of that container, as a list", "ms", listed)
