"""hardship - odd names, closed streams, many and large things, and what was broken before."""
import json
import os
import resource
import subprocess
import sys

from kit import MS_BIND, check, has, lacks, mount, read, same, skip, test, umount, write
from mounts import needs_overlay


def closing(*fds):
    """Words that run what follows without these descriptors."""
    return [sys.executable, "-c", "import os, sys\n"
            f"for fd in {fds!r}: os.close(fd)\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"]


def closed_streams(name, *fds):
    @test(crun="dies of it") if 2 in fds else test
    def body(box):
        # a descriptor of the runtime's own may not slip into the place of a closed stream
        box.script("probe fds >/seen; exit 7").save()
        done = box.call("run", "--bundle", box.bundle, box.id, wrap=closing(*fds), status=None)
        if box.kind == "gantry-oci":
            same(done.status, 7, f"status; {done.err}")
        path = os.path.join(box.rootfs, "seen")
        seen = read(path) if os.path.exists(path) else ""
        for word in (box.root, box.bundle, "cgroup", "socket:", "anon_inode"):
            lacks(seen, word, "the descriptors of the program")
    body.__name__ = f"run_6_closed_{name}_lets_nothing_in"


closed_streams("stdin", 0)
closed_streams("stdout", 1)
closed_streams("streams", 0, 1, 2)


@test
def a_bundle_with_a_name_of_blanks_and_quotes(box):
    path = os.path.join(box.folder, 'b "u\\n d\u00e4\'l $e')
    os.rename(box.bundle, path)
    box.bundle, box.rootfs = path, os.path.join(path, "rootfs")
    box.bind(os.path.join(path, "config.json"), "/file", "ro")
    box.args("/bin/sleep", "1000").create()
    same(box.state()["bundle"], path, "the bundle in the state")
    same([entry["bundle"] for entry in json.loads(box.call("list", "-f", "json").out)], [path], "the bundle in the list")
    box.delete(force=True)


@test
def a_mount_with_a_name_of_blanks_and_quotes(box):
    source = box.outside('s "o\\u r:c,e')
    write(source + "/file", "content")
    box.bind(source, '/m "n\\t : p', "ro")
    same(box.run("/bin/cat", '/m "n\\t : p/file').out, "content", "the file")


@test
def a_destination_with_slashes_at_the_end_and_twice(box):
    box.add_mount("//mnt///deep//", "tmpfs", "tmpfs")
    has(box.sh("cat /proc/mounts"), " /mnt/deep ", "the mounts")


@test
def two_hundred_mounts(box):
    source = box.outside("source")
    for number in range(200):
        box.bind(source, f"/many/{number}", "rw", "nosuid")
    same(box.sh("grep -c ' /many/' /proc/mounts"), "200\n", "the mounts")


@test
def a_large_environment_and_many_arguments(box):
    box.process["env"] += [f"VARIABLE_{number}={'x' * 1000}" for number in range(200)]
    same(box.run("/bin/sh", "-c", "echo $#; env | grep -c VARIABLE_", "sh", *(["argument"] * 5000)).out, "5000\n200\n", "out")


@test
def a_document_of_a_mebibyte(box):
    box.config["annotations"] = {f"org.example.key{number}": "v" * 1000 for number in range(1000)}
    box.create()
    same(len(box.state()["annotations"]), 1000, "the annotations")
    box.delete(force=True)


@test
def a_rootfs_on_overlayfs(box):
    needs_overlay()
    for name in ("upper", "work"):
        box.outside(name)
    merged = box.outside("merged")
    mount("overlay", merged, "overlay", 0,
          f"lowerdir={box.rootfs},upperdir={box.folder}/upper,workdir={box.folder}/work")
    try:
        box.config["root"] = {"path": merged, "readonly": True}
        box.file("/etc/secret", "secret")
        box.linux["maskedPaths"] = ["/etc/secret", "/proc/kcore"]
        box.linux["readonlyPaths"] = ["/proc/sys"]
        same(box.sh("cat /etc/secret; touch /x || echo refused"), "refused\n", "out")
    finally:
        umount(merged)


@test(crun="makes it writable")
def a_rootfs_that_is_read_only_on_the_host(box):
    os.makedirs(os.path.join(box.rootfs, "mnt"))
    mount(box.rootfs, box.rootfs, None, MS_BIND)
    mount("none", box.rootfs, None, 32 | 1 | MS_BIND)
    try:
        box.add_mount("/mnt", "tmpfs", "tmpfs")
        same(box.sh("touch /x || echo refused; touch /mnt/x && echo taken"), "refused\ntaken\n", "out")
    finally:
        umount(box.rootfs)


@test
def a_rootfs_with_little_in_it(box):
    """Only the program: what the container needs is made."""
    empty = box.outside("bundle/empty")
    os.link(box.suite.probe, os.path.join(empty, "probe"))
    box.config["root"]["path"] = "empty"
    same(box.run("/probe", "call", "getpid").out, "1\n", "out")


@test
def thirty_containers_at_the_same_time(box):
    box.args("/bin/sh", "-c", "exit 5")
    children = []
    for number in range(30):
        name = box.other(f"n{number}")
        config = json.loads(json.dumps(box.config))
        config["linux"]["cgroupsPath"] = box.cgroups_path(name)
        bundle = box.outside(f"bundle{number}")
        config["root"]["path"] = box.rootfs
        box.save(config, bundle)
        children.append(box.start_call("run", "--bundle", bundle, name))
    for child in children:
        box.end_call(child, status=5, timeout=40)
    for name in box.ids:
        same(box.left(name), "", "what is left")


@test
def many_lives_of_one_id(box):
    box.args("/bin/true").save()
    for _ in range(25):
        box.call("run", "--bundle", box.bundle, box.id)
    box.leaves_nothing()


@test
def a_first_process_that_leaves_orphans(box):
    box.script("for i in 1 2 3 4 5; do (sleep 1000 &) ; done; exit 3").run(status=3)
    box.leaves_nothing()


@test
def output_of_many_bytes_is_complete(box):
    done = box.run("/bin/dd", "if=/dev/zero", "bs=65536", "count=200")
    same(os.path.getsize(done.out_path), 200 * 65536, "the bytes")


@test
def a_reader_that_is_gone_ends_the_program(box):
    source, target = os.pipe()
    box.run("/bin/true")
    box.args("/bin/yes").save()
    child = subprocess.Popen([box.runtime, "--root", box.root, "run", "--bundle", box.bundle, box.id],
                             stdin=subprocess.DEVNULL, stdout=target, stderr=subprocess.DEVNULL)
    os.close(target)
    os.read(source, 100)
    os.close(source)
    status = child.wait(15)
    check(status != 0, f"status {status}")
    box.leaves_nothing()


def broken_state(name, text):
    @test(crun="has another form")
    def body(box):
        pid = box.sleeper()
        path = os.path.join(box.root, box.id, "state.json")
        if not os.path.exists(path):
            skip("its state is elsewhere")
        good = read(path)
        write(path, text)
        for words in (["state"], ["kill"], ["exec"]):
            more = {"kill": ["KILL"], "exec": ["/bin/true"]}.get(words[0], [])
            done = box.call(*words, box.id, *more, status="fails")
            check(done.err.strip(), f"{words[0]}: no message")
        check(os.path.exists(f"/proc/{pid}"), "the container is alive")
        same(box.call("list", "-q", status=None).status in (0, 1), True, "list does not die")
        write(path, good)
        same(box.status(), "running", "status")
    body.__name__ = f"a_state_file_{name}_is_an_error"


broken_state("cut_off", '{"id": "x", ')
broken_state("empty", "")
broken_state("of_another_kind", "[1, 2, 3]")


@test(runc="believes it", crun="has another form")
def a_state_file_with_the_pid_of_another_process_kills_nobody(box):
    pid = box.sleeper()
    path = os.path.join(box.root, box.id, "state.json")
    good = read(path)
    write(path, good.replace(str(pid), str(os.getpid())))
    box.kill("KILL", status=None)
    box.delete(force=True, status=None)
    check(os.path.exists(f"/proc/{os.getpid()}"), "this process is dead")
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
    box.wait_end(pid)


@test
def a_control_group_that_is_there_already(box):
    """Engines make parents beforehand; a group of an old life is used again."""
    for place in (box.cgroup(name) for name in ("pids", "memory", "cpu", "freezer", "devices")):
        if os.path.isdir(os.path.dirname(os.path.dirname(place))):
            os.makedirs(place, exist_ok=True)
    same(box.sh("echo well"), "well\n", "out")
    box.leaves_nothing()


@test
def a_program_that_changes_its_name_and_leaves_is_the_container_still(box):
    fd = box.fifo("ready")
    box.script("exec 9>/ready; echo up >&9; exec sleep 1000")
    pid = box.detach()
    box.heard(fd)
    same(box.pid(), pid, "pid")
    same(box.status(), "running", "status")


@test
def global_flags_of_callers_are_taken(box):
    box.save()
    options = ["--log-format", "text", "--debug"]
    if box.kind != "runc":
        options += ["--rootless", "false"]
    box.call("run", "--bundle", box.bundle, box.id, options=options)


@test
def flags_with_an_equals_sign_and_after_the_bundle(box):
    box.save()
    box.call("create", f"--bundle={box.bundle}", "--no-new-keyring", box.id)
    box.call("delete", "-f", box.id)


@test
def commands_from_a_folder_that_is_gone(box):
    gone = box.outside("gone")
    box.args("/bin/sleep", "1000").save()
    inside = ["sh", "-c", f"cd {gone} && rmdir {gone} && exec \"$@\"", "sh"]
    box.call("create", "--bundle", box.bundle, box.id, wrap=inside)
    os.mkdir(gone)
    box.call("start", box.id, wrap=inside)
    os.mkdir(gone)
    same(json.loads(box.call("state", box.id, wrap=inside).out)["status"], "running", "status")


@test
def a_low_limit_of_descriptors(box):
    box.save()
    box.call("run", "--bundle", box.bundle, box.id,
             preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)))


@test
def a_strict_umask_of_the_caller(box):
    old = os.umask(0o777)
    try:
        done = box.script("echo >/tmp/x; stat -c %a /tmp/x /dev/null /made").add_mount("/made", "tmpfs", "tmpfs").run(status=None)
    finally:
        os.umask(old)
    if box.kind == "crun" and done.status != 0:
        skip("crun uses it")
    if box.kind == "runc" and done.status != 0:
        skip("runc uses it for some folders")
    same(done.out.split()[:2], ["644", "666"], f"the modes; {done.err}")
