"""checkpoints - checkpoint and restore, which the runtime lets criu do.

Needs criu 4.1 or newer: GANTRY_CRIU names one, else it is looked for in PATH and where `ci/setup
criu` puts it.  Most tests watch a counter: it goes on where it was, so it was not started anew.
"""
import functools
import json
import os
import re
import select
import shutil
import signal
import subprocess

from kit import (Console, check, has, lacks, message, ours, read, same, skip, status_of, test,
                 until, write)

BUILT = os.path.join(os.path.dirname(__file__), "../../../build/criu/criu")
COUNTER = "i=0; while :; do i=$((i + 1)); echo $i >/tmp/count; sleep 0.02; done"


@functools.lru_cache
def criu_version(path):
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    except OSError:
        return (0, 0)
    found = re.search(r"Version: (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def criu():
    """The path of a criu that runs here."""
    for path in (os.environ.get("GANTRY_CRIU"), shutil.which("criu"), BUILT):
        if path and os.path.exists(path) and criu_version(path) >= (4, 1):
            return os.path.abspath(path)
    return skip("no criu of 4.1 or newer is here; `ci/setup criu` brings one, or GANTRY_CRIU=PATH")


def with_criu(box):
    """The environment in which `criu` is the one to use: the option --criu is not every
    runtime's."""
    path = criu()
    if "unknown command" in box.call("checkpoint", "--help", status=None).err:
        skip(f"this {box.kind} was built without criu")
    folder = box.outside("bin")
    write(os.path.join(folder, "criu"), f'#!/bin/sh\nexec {path} "$@"\n', 0o755)
    box.env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    box.images = os.path.join(box.folder, "images")
    return box


def detach(box):
    """Without the files that a Box's calls print to: a container that has a file of the host's open
    cannot be saved."""
    box.save()
    log = os.path.join(box.folder, "run.log")
    done = subprocess.run([box.runtime, "--root", box.root, "--log", log, "run", "--detach",
                           "--bundle", box.bundle, box.id], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=15,
                          check=False)
    same(done.returncode, 0, f"run ({read(log)})")
    return box.pid()


def counting(box):
    """A container that counts."""
    with_criu(box).script(COUNTER)
    pid = detach(box)
    until("the counter", lambda: count(box) > 3)
    return pid


def count(box):
    try:
        return int(read(os.path.join(box.rootfs, "tmp/count")) or 0)
    except FileNotFoundError:
        return 0


def checkpoint(box, *flags, status=0, images=None, **more):
    return box.call("checkpoint", "--image-path", images or box.images, *flags, box.id,
                    status=status, env=box.env, timeout=30, **more)


def restore(box, *flags, status=0, container=None, **more):
    return box.call("restore", "--detach", "--bundle", box.bundle, "--image-path", box.images, *flags,
                    container or box.id, status=status, env=box.env, timeout=30, **more)


def goes_on(box, after):
    """It counts, and did not begin anew."""
    until("the counter goes on", lambda: count(box) > after + 2)
    check(count(box) < after + 5000, "the counter does not go on where it was")


@test
def checkpoint_ends_the_container(box):
    pid = counting(box)
    checkpoint(box)
    box.wait_end(pid)
    box.fails("state", box.id)
    box.leaves_nothing()
    check(os.path.exists(os.path.join(box.images, "inventory.img")), "there are no images")
    descriptors = json.loads(read(os.path.join(box.images, "descriptors.json")))
    same(len(descriptors), 3, "descriptors.json")


@test
def restored_container_goes_on_where_it_was(box):
    counting(box)
    checkpoint(box)
    before = count(box)
    check(before > 3, "it did not count")
    restore(box)
    same(box.status(), "running", "the status")
    goes_on(box, before)
    box.end()


@test
def restored_container_is_like_any_other(box):
    counting(box)
    checkpoint(box)
    restore(box)
    state = box.state()
    same(state["id"], box.id, "the id")
    same(state["bundle"], box.bundle, "the bundle")
    has(box.call("ps", box.id).out, str(state["pid"]), "ps")
    has(read(f"/proc/{state['pid']}/cgroup"), box.cgroups_path(), "its control groups")
    box.call("pause", box.id)
    same(box.status(), "paused", "the status")
    box.call("resume", box.id)
    box.kill("KILL")
    box.wait_end(state["pid"])
    same(box.status(), "stopped", "the status")
    box.delete()
    box.leaves_nothing()


@test
def exec_works_in_a_restored_container(box):
    counting(box)
    checkpoint(box)
    restore(box)
    done = box.exec("/bin/sh", "-c", "echo inside; cat /proc/1/comm; ls /proc | grep -c '^[0-9]'")
    has(done.out, "inside\nsh\n", "what is run in it")
    same(os.readlink(f"/proc/{box.pid()}/ns/pid") != os.readlink("/proc/self/ns/pid"), True,
         "a pid namespace of its own")
    box.end()


@test
def restore_works_twice_of_the_same_images(box):
    counting(box)
    checkpoint(box)
    before = count(box)
    for _ in range(2):
        restore(box)
        goes_on(box, before)
        box.end()
    goes_on_at = count(box)
    restore(box)
    until("the counter begins again at the images'", lambda: count(box) != goes_on_at)
    box.end()


@test
def restored_container_can_be_checkpointed(box):
    counting(box)
    checkpoint(box)
    restore(box)
    first = count(box)
    goes_on(box, first)
    box.images += ".2"
    checkpoint(box)
    second = count(box)
    restore(box)
    goes_on(box, second)
    box.end()


@test
def restore_takes_another_id(box):
    counting(box)
    checkpoint(box)
    other = box.other("restored")
    box.linux["cgroupsPath"] = box.cgroups_path(other)
    box.save()
    restore(box, container=other)
    same(box.status(other), "running", "the status")
    has(read(f"/proc/{box.pid(other)}/cgroup"), box.cgroups_path(other), "its control groups")
    box.delete(other, force=True)


@test
def leave_running_lets_it_go_on(box):
    pid = counting(box)
    checkpoint(box, "--leave-running")
    same(box.state()["pid"], pid, "the process")
    same(box.status(), "running", "the status")
    goes_on(box, count(box))
    box.end()


@test
def pre_dump_lets_it_go_on_and_is_a_parent(box):
    if subprocess.run([criu(), "check", "--feature", "mem_dirty_track"], capture_output=True,
                      check=False).returncode != 0:
        skip("this kernel does not track which memory is written")
    pid = counting(box)
    os.mkdir(box.images)
    checkpoint(box, "--pre-dump", images=os.path.join(box.images, "first"))
    same(box.state()["pid"], pid, "the process")
    full = os.path.join(box.images, "full")
    checkpoint(box, "--parent-path", "../first", images=full)
    before = count(box)
    box.images = full
    restore(box)
    goes_on(box, before)
    box.end()


@test
def paused_container_can_be_checkpointed(box):
    """containerd pauses before it asks for a checkpoint."""
    counting(box)
    box.call("pause", box.id)
    before = count(box)
    checkpoint(box, "--leave-running")
    same(box.status(), "paused", "the status")
    same(count(box), before, "the counter of a paused container")
    checkpoint(box)
    restore(box)
    same(box.status(), "running", "the status")
    goes_on(box, before)
    box.end()


@test
def checkpoint_refuses_what_does_not_run(box):
    with_criu(box).script(COUNTER)
    done = checkpoint(box, status="fails")
    message(box, done, "container does not exist")
    box.create()
    done = checkpoint(box, status="fails")
    message(box, done, "Container cannot be checkpointed in created state")
    pid = box.pid()
    box.kill("KILL")
    box.wait_end(pid)
    done = checkpoint(box, status="fails")
    message(box, done, "Container cannot be checkpointed in stopped state")
    box.delete()


@test(**ours)
def checkpoint_refuses_what_is_paused_before_it_was_started(box):
    with_criu(box).script(COUNTER)
    box.create()
    box.call("pause", box.id)
    has(checkpoint(box, status="fails").err, "cannot be checkpointed in created state", "the message")
    box.delete(force=True)


@test
def restore_refuses_an_id_that_is_taken(box):
    pid = counting(box)
    checkpoint(box, "--leave-running")
    restore(box, status="fails")
    same(box.pid(), pid, "the process")
    same(box.status(), "running", "the status")
    box.end()


@test
def failed_restore_leaves_nothing(box):
    counting(box)
    checkpoint(box)
    os.unlink(os.path.join(box.images, "pstree.img"))
    check(restore(box, status="fails").err.strip(), "there is no message")
    box.leaves_nothing()


@test(runc="names no log in its error")
def failure_names_the_log_and_its_last_error(box):
    counting(box)
    checkpoint(box)
    os.unlink(os.path.join(box.images, "pstree.img"))
    done = restore(box, "--work-path", box.outside("work"), status="fails")
    has(done.err, os.path.join(box.folder, "work/restore.log"), "the message")
    has(done.err, "Error (criu/", "the message")


@test
def restore_refuses_images_that_are_not_there(box):
    with_criu(box).script(COUNTER)
    box.save()
    restore(box, status="fails")
    box.leaves_nothing()


@test(runc="needs 3.0 only", crun="has its own library")
def too_old_criu_is_refused(box):
    """One that says it is 3.17 when it is asked for its version."""
    old = write(box.outside("bin") + "/criu", "\n".join([
        "#!/usr/bin/env python3", "import os, socket",
        "s = socket.socket(fileno=3)", "s.recv(4096)",
        # type VERSION, success, version {3, 17}
        r"s.send(bytes([8, 10, 16, 1, 82, 4, 8, 3, 16, 17]))", ""]), 0o755)
    box.script(COUNTER).detach()
    done = box.call("--criu", old, "checkpoint", "--image-path", box.folder + "/images", box.id,
                    status="fails")
    has(done.err, "is version 3.17.0, criu 4.1 or newer is needed", "the message")
    same(box.status(), "running", "the status")
    box.end()


@test(runc="takes the one of PATH", crun="has its own library")
def missing_or_broken_criu_is_said(box):
    box.script(COUNTER).detach()
    images = box.folder + "/images"
    done = box.call("--criu", box.folder + "/none", "checkpoint", "--image-path", images, box.id,
                    status="fails")
    has(done.err, "criu 4.1 or newer is needed", "the message")
    broken = write(box.folder + "/broken", "#!/bin/sh\nexit 1\n", 0o755)
    done = box.call("--criu", broken, "checkpoint", "--image-path", images, box.id, status="fails")
    has(done.err, "does not run here, criu 4.1 or newer is needed", "the message")
    same(box.status(), "running", "the status")
    box.end()


@test(runc="says it in other words", crun="has its own words")
def bad_options_of_checkpoint_are_refused(box):
    counting(box)
    done = checkpoint(box, "--manage-cgroups-mode", "odd", status="fails")
    has(done.err.lower(), "invalid manage-cgroups-mode value", "the message")
    done = checkpoint(box, "--empty-ns", "uts", status="fails")
    has(done.err.replace("\\", ""), 'namespace "uts" is not supported', "the message")
    done = checkpoint(box, "--parent-path", "/tmp", status="fails")
    has(done.err, "--parent-path", "the message")
    done = checkpoint(box, "--parent-path", "../none", status="fails")
    has(done.err, "--parent-path", "the message")
    same(box.status(), "running", "the status")
    box.end()


@test(runc="has them", crun="has them")
def lazy_pages_and_page_server_are_refused(box):
    counting(box)
    for flags in (["--lazy-pages"], ["--page-server", "127.0.0.1:1234"]):
        done = checkpoint(box, *flags, status="fails")
        has(done.err, f"{flags[0]} is not supported", "the message")
    same(box.status(), "running", "the status")
    box.end()


# ---- what is outside of a container -------------------------------------------------------------
@test
def standard_descriptors_are_the_new_callers(box):
    """Pipes, as an engine has them: the next line goes to who restores it."""
    with_criu(box).script("echo first; read x; echo got $x; exec sleep 1000")
    box.save()
    sides = [os.pipe() for _ in range(3)]  # in, out, errors
    run_with(box, sides, "run", "--detach", "--bundle", box.bundle, box.id)
    same(hear(sides[1][0]), "first\n", "its output")
    checkpoint(box)
    close(sides)
    descriptors = json.loads(read(os.path.join(box.images, "descriptors.json")))
    check(all(name.startswith("pipe:[") for name in descriptors), f"descriptors {descriptors}")
    sides = [os.pipe() for _ in range(3)]
    run_with(box, sides, "restore", "--detach", "--bundle", box.bundle, "--image-path", box.images,
             box.id)
    os.write(sides[0][1], b"words\n")
    same(hear(sides[1][0]), "got words\n", "its output")
    close(sides)
    box.end()


def run_with(box, sides, *args):
    done = subprocess.run([box.runtime, "--root", box.root, *args], env=box.env, timeout=30,
                          stdin=sides[0][0], stdout=sides[1][1], stderr=sides[2][1], check=False)
    for fd in (sides[0][0], sides[1][1], sides[2][1]):
        os.close(fd)
    if done.returncode != 0:
        check(False, f"{args[0]}: {done.returncode} {os.read(sides[2][0], 4096)!r}")


def close(sides):
    for fd in (sides[0][1], sides[1][0], sides[2][0]):
        os.close(fd)


def hear(fd, seconds=10):
    check(select.select([fd], [], [], seconds)[0], f"nothing is heard within {seconds} s")
    return os.read(fd, 65536).decode()


@test
def binds_come_back_from_where_they_are_now(box):
    """Also one that lies in another, one over a link, and a file."""
    box.bind(box.outside("data"), "/data", "rw")
    box.bind(box.outside("inner"), "/data/inner", "rw")
    box.bind(box.outside("hosts", "first\n"), "/etc/hosts", "ro")
    os.symlink("../run", os.path.join(box.rootfs, "var/run"))
    box.bind(box.outside("linked"), "/var/run/linked", "rw")
    counting(box)
    checkpoint(box)
    write(os.path.join(box.folder, "hosts"), "second\n")
    shutil.rmtree(os.path.join(box.rootfs, "data"))
    shutil.rmtree(os.path.join(box.folder, "data/inner"))
    restore(box)
    box.exec("/bin/sh", "-c", "echo a >/data/a; echo b >/data/inner/b; echo c >/var/run/linked/c")
    same(box.exec("/bin/cat", "/etc/hosts").out, "second\n", "a file that is bound")
    for path, text in (("data/a", "a\n"), ("inner/b", "b\n"), ("linked/c", "c\n")):
        same(read(os.path.join(box.folder, path)), text, path)
    box.fails("exec", box.id, "/bin/sh", "-c", "echo x >/etc/hosts")
    box.end()


@test
def tmpfs_and_devices_come_back_with_what_is_in_them(box):
    box.add_mount("/scratch", "tmpfs", "tmpfs", ["nosuid"])
    counting(box)
    box.exec("/bin/sh", "-c", "echo kept >/scratch/file; mkdir /dev/shm/folder")
    checkpoint(box)
    restore(box)
    same(box.exec("/bin/cat", "/scratch/file").out, "kept\n", "a file in a tmpfs")
    box.exec("/bin/sh", "-c", "test -d /dev/shm/folder && echo x >/dev/null && test -c /dev/zero")
    box.end()


@test
def masked_and_read_only_paths_are_still_that(box):
    box.linux["maskedPaths"] = ["/proc/kcore", "/proc/keys", "/proc/acpi", "/proc/timer_list",
                                "/proc/none"]
    box.linux["readonlyPaths"] = ["/proc/sys", "/proc/irq"]
    counting(box)
    checkpoint(box)
    restore(box)
    same(box.exec("/bin/sh", "-c", "cat /proc/keys /proc/timer_list; ls /proc/acpi").out, "",
         "masked paths")
    box.fails("exec", box.id, "/bin/sh", "-c", "echo 1 >/proc/sys/kernel/domainname")
    box.end()


@test
def control_group_mounts_come_back(box):
    box.add_mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"])
    box.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "ro"])
    counting(box)
    before = box.exec("/bin/ls", "/sys/fs/cgroup").out
    checkpoint(box)
    restore(box)
    same(box.exec("/bin/ls", "/sys/fs/cgroup").out, before, "/sys/fs/cgroup")
    box.end()


@test
def limits_are_those_of_the_bundle(box):
    box.linux["resources"]["pids"] = {"limit": 77}
    counting(box)
    checkpoint(box)
    restore(box)
    same(box.cgroup_value("pids/pids.max", "pids.max"), "77", "the limit of processes")
    box.end()


@test(runc="leaves loopback down")
def network_namespace_is_new_and_loopback_is_up(box):
    box.add_namespace("network")
    counting(box)
    checkpoint(box)
    restore(box)
    has(box.exec("/bin/ifconfig", "lo").out, "UP", "the loopback device")
    box.end()


@test
def joined_network_namespace_is_joined_again(box):
    with_criu(box)
    path = os.path.join(box.folder, "netns")
    write(path, "")
    subprocess.run(["unshare", f"--net={path}", "true"], check=True)
    try:
        box.add_namespace("network", path)
        counting(box)
        same(os.stat(f"/proc/{box.pid()}/ns/net").st_ino, os.stat(path).st_ino, "the namespace")
        checkpoint(box)
        restore(box)
        same(os.stat(f"/proc/{box.pid()}/ns/net").st_ino, os.stat(path).st_ino, "the namespace")
        box.end()
    finally:
        subprocess.run(["umount", path], check=True)


@test(runc="makes a folder that the user namespace cannot enter")
def user_namespace_comes_back(box):
    box.user_namespace()
    os.chmod(os.path.join(box.rootfs, "tmp"), 0o1777)
    counting(box)
    checkpoint(box)
    before = count(box)
    restore(box)
    goes_on(box, before)
    same(status_of(box.pid())["Uid"].split()[0], "100000", "the user on the host")
    same(box.exec("/bin/id", "-u").out, "0\n", "the user inside")
    box.end()


@test
def cgroup_namespace_comes_back(box):
    box.add_namespace("cgroup")
    counting(box)
    checkpoint(box)
    restore(box)
    lacks(box.exec("/bin/cat", "/proc/self/cgroup").out, box.id, "its control groups")
    box.end()


@test
def hooks_of_the_runtime_run_at_restore(box):
    trace = os.path.join(box.folder, "trace")
    box.config["hooks"] = {
        name: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {name} >>{trace}"]}]
        for name in ("prestart", "createRuntime", "poststop")}
    box.add_namespace("network")
    counting(box)
    checkpoint(box)
    same(read(trace).split(), ["prestart", "createRuntime", "poststop"], "hooks until checkpoint")
    os.unlink(trace)
    restore(box)
    same(read(trace).split(), ["prestart", "createRuntime"], "hooks of a restore")
    box.end()


@test
def failing_hook_ends_a_restore(box):
    box.add_namespace("network")
    counting(box)
    checkpoint(box)
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}]}
    box.save()
    done = restore(box, status="fails")
    check(done.err.strip(), "there is no message")
    box.leaves_nothing()


@test
def terminal_is_sent_to_the_new_console_socket(box):
    with_criu(box).script("while read x; do echo got $x; done")
    box.process["terminal"] = True
    console = Console(box)
    box.detach(flags=["--console-socket", console.path])
    console.accept()
    os.write(console.master, b"one\n")
    console.read_until("got one")
    checkpoint(box)
    os.close(console.master)
    again = Console(box, "again.sock")
    restore(box, "--console-socket", again.path)
    again.accept()
    os.write(again.master, b"two\n")
    again.read_until("got two")
    box.end()


@test(**ours)
def relative_paths_are_the_callers(box):
    """Not the bundle's, which restore goes to."""
    path = criu()
    with_criu(box).script(COUNTER)
    detach(box)
    os.symlink(path, os.path.join(box.folder, "mine"))
    box.call("--criu", "./mine", "checkpoint", "--image-path", "images", "--work-path", "logs",
             box.id, cwd=box.folder)
    check(os.path.exists(os.path.join(box.folder, "logs/dump.log")), "no log in --work-path")
    box.call("--criu", "./mine", "restore", "--detach", "--bundle", "bundle", "--image-path", "images",
             "--work-path", "logs", box.id, cwd=box.folder)
    same(box.status(), "running", "the status")
    box.end()


@test(**ours)
def idmapped_mount_is_refused(box):
    source = box.outside("owned")
    box.user_namespace()
    box.add_mount("/owned", "bind", source, ["bind", "idmap"])
    os.chmod(os.path.join(box.rootfs, "tmp"), 0o1777)
    counting(box)
    has(checkpoint(box, status="fails").err, "an idmapped mount cannot be checkpointed", "the message")
    same(box.status(), "running", "the status")
    box.end()


@test
def pid_file_has_the_restored_process(box):
    counting(box)
    checkpoint(box)
    path = os.path.join(box.folder, "pid")
    restore(box, "--pid-file", path)
    same(int(read(path)), box.pid(), "the pid file")
    box.end()


@test
def restore_in_the_foreground_waits_and_deletes(box):
    box.fifo()
    with_criu(box).script("echo ready >/tmp/count; read x </fifo; exit 7")
    detach(box)
    until("the container", lambda: os.path.exists(os.path.join(box.rootfs, "tmp/count")))
    pid = box.pid()
    until("it waits", lambda: status_of(pid)["State"].startswith("S"))
    checkpoint(box)
    child = box.start_call("restore", "--bundle", box.bundle, "--image-path", box.images, box.id,
                           env=box.env)
    until("it is restored", lambda: '"running"' in box.call("state", box.id, status=None).out)
    os.kill(box.pid(), signal.SIGKILL)
    box.end_call(child, status=128 + signal.SIGKILL)
    box.leaves_nothing()


@test(**ours)
def restore_leaves_no_mounts_on_the_host(box):
    counting(box)
    checkpoint(box)
    restore(box)
    lacks(read("/proc/self/mountinfo"), box.id, "the host's mounts")
    lacks(" ".join(os.listdir(os.path.join(box.root, box.id))), "criu", "the state's folder")
    box.end()
