"""commands - RUN-7 and the rest of the command line: features, spec, list, logs, versions."""
import json
import os
import re

from kit import OLD, check, has, lacks, ours, read, same, test


@test(crun=OLD)
def run_7_features_is_json_of_the_specification(box):
    found = json.loads(box.call("features").out)
    check(found["ociVersionMin"].startswith("1."), f"ociVersionMin {found['ociVersionMin']}")
    check(found["ociVersionMax"].startswith("1."), f"ociVersionMax {found['ociVersionMax']}")
    for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"):
        has(found["hooks"], kind, "hooks")
    for word in ("bind", "rbind", "ro", "rro", "nosuid", "rnosuid", "rshared", "tmpcopyup", "noatime"):
        has(found["mountOptions"], word, "mountOptions")
    linux = found["linux"]
    for kind in ("pid", "network", "mount", "ipc", "uts", "user", "cgroup"):
        has(linux["namespaces"], kind, "linux.namespaces")
    for name in ("CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"):
        has(linux["capabilities"], name, "linux.capabilities")
    for key in ("v1", "v2", "systemd"):
        check(isinstance(linux["cgroup"][key], bool), f"linux.cgroup.{key}")
    seccomp = linux["seccomp"]
    check(seccomp["enabled"], "linux.seccomp.enabled")
    for word in ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_NOTIFY", "SCMP_ACT_LOG"):
        has(seccomp["actions"], word, "linux.seccomp.actions")
    for word in ("SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"):
        has(seccomp["operators"], word, "linux.seccomp.operators")
    has(seccomp["archs"], "SCMP_ARCH_X86_64", "linux.seccomp.archs")
    check("enabled" in linux["apparmor"], "linux.apparmor.enabled")
    check("enabled" in linux["selinux"], "linux.selinux.enabled")


@test(**ours)
def run_7_features_of_specification_1_3(box):
    found = json.loads(box.call("features").out)
    linux = found["linux"]
    has(linux["namespaces"], "time", "linux.namespaces")
    check("rdma" in linux["cgroup"], "linux.cgroup.rdma")
    check("knownFlags" in linux["seccomp"] and "supportedFlags" in linux["seccomp"], "linux.seccomp flags")
    check("enabled" in linux["intelRdt"], "linux.intelRdt.enabled")
    same(linux["mountExtensions"]["idmap"]["enabled"], True, "linux.mountExtensions.idmap.enabled")
    same(linux["netDevices"]["enabled"], True, "linux.netDevices.enabled")
    check("memoryPolicy" in linux, "linux.memoryPolicy")
    check(isinstance(found["potentiallyUnsafeConfigAnnotations"], list), "potentiallyUnsafeConfigAnnotations")
    for word in ("idmap", "ridmap"):
        has(found["mountOptions"], word, "mountOptions")


@test(**ours)
def run_7_features_tells_the_truth_about_mount_options(box):
    found = json.loads(box.call("features").out)
    check(len(found["mountOptions"]) == len(set(found["mountOptions"])), "options stand twice")
    for word in found["mountOptions"]:
        if re.search(r"idmap|bind|shared|slave|private|unbindable|remount|copyup|symfollow|mand|iversion|acl", word):
            continue
        box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] != "/mnt"]
        box.add_mount("/mnt", "tmpfs", "tmpfs", [word])
        box.run("/bin/true")


@test
def spec_makes_a_config_that_runs(box):
    folder = box.outside("spec")
    os.rename(box.rootfs, os.path.join(folder, "rootfs"))
    box.call("spec", "--bundle", folder) if box.kind != "crun" else box.call("spec", "-b", folder)
    path = os.path.join(folder, "config.json")
    config = json.loads(read(path))
    same(config["process"]["args"], ["sh"], "process.args")
    same(config["process"]["terminal"], True, "process.terminal")
    same(config["root"]["path"], "rootfs", "root.path")
    config["process"]["terminal"] = False
    config["process"]["args"] = ["sh", "-c", "echo well"]
    config["linux"]["cgroupsPath"] = box.cgroups_path()
    config["process"]["env"] = ["PATH=/bin"]
    limits = config["process"].get("rlimits", [])
    config["process"]["rlimits"] = [l for l in limits if l["hard"] <= 1024]
    box.save(config, folder)
    same(box.call("run", "--bundle", folder, box.id).out, "well\n", "out")


@test
def spec_goes_into_the_working_directory(box):
    folder = box.outside("spec")
    box.call("spec", cwd=folder)
    check(json.loads(read(os.path.join(folder, "config.json")))["ociVersion"].startswith("1."), "ociVersion")


@test
def spec_does_not_overwrite(box):
    folder = box.outside("spec")
    box.call("spec", cwd=folder)
    box.fails("spec", cwd=folder)


@test(crun=OLD)
def spec_rootless_has_a_user_namespace(box):
    folder = box.outside("spec")
    box.call("spec", "--rootless", cwd=folder)
    config = json.loads(read(os.path.join(folder, "config.json")))
    has([n["type"] for n in config["linux"]["namespaces"]], "user", "the namespaces")
    same(len(config["linux"]["uidMappings"]), 1, "linux.uidMappings")
    lacks([n["type"] for n in config["linux"]["namespaces"]], "network", "the namespaces")


@test
def list_as_a_table(box):
    pid = box.sleeper()
    lines = box.call("list").lines
    head = lines[0].split()
    same(head[:3], ["ID", "PID", "STATUS"] if box.kind != "crun" else head[:3], "the head")
    row = next(line.split() for line in lines if line.startswith(box.id))
    has(row, str(pid), "the row")
    has(row, "running", "the row")
    has(row, box.bundle, "the row")


@test
def list_as_json(box):
    pid = box.sleeper()
    found = json.loads(box.call("list", "--format", "json").out)
    same(len(found), 1, "the entries")
    same(found[0]["id"], box.id, "id")
    same(found[0]["pid"], pid, "pid")
    same(found[0]["status"], "running", "status")
    same(found[0]["bundle"], box.bundle, "bundle")
    check(found[0]["created"].startswith("20"), "created")
    check("owner" in found[0], "owner")
    if box.kind != "crun":
        check("rootfs" in found[0] and "ociVersion" in found[0], "rootfs, ociVersion")


@test
def list_of_ids_alone(box):
    box.sleeper()
    same(box.call("list", "--quiet").out, box.id + "\n", "out")
    same(box.call("list", "-q").out, box.id + "\n", "out")


@test
def list_of_nothing(box):
    same(box.call("list", "-q").out, "", "out")
    if box.kind != "crun":
        has(["null", "[]"], box.call("list", "-f", "json").out.strip(), "as json")


@test
def list_shows_all_states(box):
    box.args("/bin/sleep", "1000").create()
    second = box.other("b")
    box.linux["cgroupsPath"] = box.cgroups_path(second)
    box.create(second)
    box.start(second)
    found = {entry["id"]: entry["status"] for entry in json.loads(box.call("list", "-f", "json").out)}
    same(found, {box.id: "created", second: "running"}, "the states")


@test
def list_with_an_unknown_format_fails(box):
    box.fails("list", "--format", "picture")


@test(crun="from 1.9 on it lists nothing then")
def list_outlives_a_broken_folder(box):
    box.sleeper()
    os.makedirs(os.path.join(box.root, "broken"))
    open(os.path.join(box.root, "stray-file"), "w").close()
    done = box.call("list", "-q", status=None)
    has(done.out.split(), box.id, "the ids")


@test
def log_goes_to_a_file(box):
    path = os.path.join(box.folder, "log")
    box.fails("state", "no-such-container", options=["--log", path])
    text = read(path)
    check(text.strip(), "the log is empty")
    if box.kind != "crun":
        has(text, "level=error", "the log")


@test
def log_format_json(box):
    path = os.path.join(box.folder, "log")
    done = box.fails("state", "no-such-container", options=["--log", path, "--log-format", "json"])
    entry = json.loads(read(path).splitlines()[-1])
    same(entry["level"], "error", "level")
    check(entry["msg"], "msg")
    check(re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", entry["time"]), f"time {entry['time']}")
    check(done.err.strip() or box.kind == "crun", "stderr has the message as well")


@test
def log_format_json_is_json_whatever_the_message(box):
    path = os.path.join(box.folder, "log")
    box.args('/bin/no"such\\program\n').save()
    box.fails("run", "--bundle", box.bundle, box.id, options=["--log", path, "--log-format", "json"])
    for line in read(path).splitlines():
        json.loads(line)


@test
def log_format_unknown_fails(box):
    box.fails("list", options=["--log-format", "picture"])


@test
def log_is_appended(box):
    path = box.outside("log", "before\n")
    box.fails("state", "no-such-container", options=["--log", path])
    check(read(path).startswith("before\n"), "what was there is gone")


@test
def log_of_a_failed_create_is_in_the_file(box):
    path = os.path.join(box.folder, "log")
    box.args("no-such-program").save()
    box.fails("run", "--bundle", box.bundle, box.id, options=["--log", path, "--log-format", "json"])
    has(read(path), "no-such-program", "the log")


@test
def log_of_debug(box):
    path = os.path.join(box.folder, "log")
    box.save()
    box.call("run", "--bundle", box.bundle, box.id, options=["--debug", "--log", path])
    if box.kind == "runc":
        check(read(path).strip(), "nothing is said")


@test
def version_is_said(box):
    done = box.call("--version")
    check(re.search(r"version \d+\.\d+|spec: 1\.", done.out), f"out {done.out}")
    has(done.out, "spec: 1.", "the specification")
    if box.kind != "crun":
        same(box.call("-v").out, done.out, "of -v")


@test
def help_is_given(box):
    out = box.call("--help").out
    for word in ("create", "start", "state", "kill", "delete", "exec", "list", "pause", "resume", "ps", "run", "spec", "update"):
        has(out, word, "the help")


@test(crun="ends with 0 as well, but has another form")
def help_of_every_command(box):
    for word in ("create", "start", "state", "kill", "delete", "exec", "list", "pause", "resume", "ps", "run", "spec", "update",
                 "events"):
        has(box.call(word, "--help").out, "USAGE", f"the help of {word}")


@test
def root_folder_is_private(box):
    box.sleeper()
    mode = os.stat(os.path.join(box.root, box.id)).st_mode & 0o777
    check(mode & 0o066 == 0, f"mode {mode:o}")


@test
def root_folder_of_the_environment_is_not_needed(box):
    box.save()
    box.call("run", "--bundle", box.bundle, box.id, env={})


@test
def commands_at_the_same_time(box):
    """Many at once on one container: every one ends, and at the end it is as the last word said."""
    pid = box.sleeper()
    calls = [box.start_call("state", box.id) for _ in range(6)] + [box.start_call("ps", box.id) for _ in range(2)]
    for child in calls:
        box.end_call(child)
    deletes = [box.start_call("delete", "--force", box.id) for _ in range(4)]
    for child in deletes:
        box.end_call(child, status=None)
    box.wait_end(pid)
    box.leaves_nothing()


@test(runc="who comes second may remove the first one's folder")
def creates_of_one_id_at_the_same_time(box):
    box.args("/bin/sleep", "1000").save()
    calls = [box.start_call("create", "--bundle", box.bundle, box.id) for _ in range(4)]
    for child in calls:
        box.end_call(child, status=None)
    same(sum(child.returncode == 0 for child in calls), 1, "how many succeed")
    same(box.status(), "created", "status")
    box.delete(force=True)
    box.leaves_nothing()


@test(crun="lets the program run before it has written down that it does")
def a_killed_runtime_leaves_a_container_that_can_be_deleted(box):
    fd = box.fifo("ready")
    box.script("echo >/ready; sleep 1000").save()
    child = box.start_call("run", "--bundle", box.bundle, box.id)
    box.heard(fd)
    child.kill()
    child.wait()
    pid = box.pid()
    box.delete(force=True)
    box.wait_end(pid)
    box.leaves_nothing()


@test(runc="leaves its control groups", crun="leaves its control groups")
def a_create_that_is_killed_can_be_cleaned_up(box):
    """At whatever moment: delete --force takes what there is away."""
    fd = box.fifo("hook")
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"echo $$ >{box.rootfs}/hook; exec sleep 1000"]}]}
    box.save()
    child = box.start_call("create", "--bundle", box.bundle, box.id)
    hook = int(box.heard(fd))
    child.kill()
    child.wait()
    os.kill(hook, 9)
    box.delete(force=True, status=None)
    box.leaves_nothing()
