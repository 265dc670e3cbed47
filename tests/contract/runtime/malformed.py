"""malformed - documents that are not what they must be: an error that names the field, and nothing left.

A row is a name, a change of the good document, and a word the message must have.  The oracles take
many of them or have their own words; of them it is only asked that they leave nothing when they fail.
"""
import os

from kit import check, has, skip, test

ROWS = []


def row(name, part, change):
    ROWS.append((name, part, change))


def sets(path, value):
    """A change that sets `a.b.0.c` of the document."""
    def change(config):
        place = config
        keys = path.split(".")
        for key in keys[:-1]:
            if key.isdigit():
                place = place[int(key)]
            else:
                place = place.setdefault(key, {})
        if keys[-1].isdigit():
            place[int(keys[-1])] = value
        else:
            place[keys[-1]] = value
    return change


def removes(path):
    def change(config):
        place = config
        keys = path.split(".")
        for key in keys[:-1]:
            place = place[int(key)] if key.isdigit() else place[key]
        del place[keys[-1]]
    return change


# -- the document itself
for name, text in (("empty", ""), ("cut_off", '{"ociVersion": "1.0.2", "process": {'), ("of_words", "hello"), ("an_array", "[]"),
                   ("a_number", "17"), ("null", "null"), ("with_a_comma_too_many", '{"ociVersion": "1.0.2",}'),
                   ("with_rubbish_behind", '{"ociVersion": "1.0.2"} {}'), ("nested_too_deep", "[" * 100000),
                   ("of_zero_bytes", "\x00" * 100), ("with_two_roots", '{"ociVersion":"1.0.2"}{"ociVersion":"1.0.2"}')):
    row(f"document_{name}", "config.json", text)

# -- the top
row("version_missing", "ociVersion", removes("ociVersion"))
row("version_of_a_number", "ociVersion", sets("ociVersion", 1))
row("version_of_the_future", "ociVersion", sets("ociVersion", "2.0.0"))
row("version_of_no_form", "ociVersion", sets("ociVersion", "latest"))
row("hostname_of_a_number", "hostname", sets("hostname", 5))
row("hostname_too_long", "hostname", sets("hostname", "x" * 100))
row("annotations_of_a_list", "annotations", sets("annotations", ["a"]))
row("annotations_with_a_number", "annotations", sets("annotations", {"a": 5}))
# -- root
row("root_missing", "root", removes("root"))
row("root_of_words", "root", sets("root", "rootfs"))
row("root_path_missing", "root", sets("root", {}))
row("root_path_of_a_number", "root", sets("root.path", 5))
row("root_path_empty", "root", sets("root.path", ""))
row("root_readonly_of_words", "root.readonly", sets("root.readonly", "yes"))
# -- process
row("process_missing", "process", removes("process"))
row("process_of_words", "process", sets("process", "sh"))
row("args_missing", "args", removes("process.args"))
row("args_of_words", "process.args", sets("process.args", "sh -c true"))
row("args_with_a_number", "process.args", sets("process.args", ["sh", 5]))
row("args_with_a_null", "process.args", sets("process.args", ["sh", None]))
row("args_with_a_zero_byte", "config.json", sets("process.args", ["/bin/true", "a\x00b"]))
row("cwd_missing", "cwd", removes("process.cwd"))
row("cwd_of_a_number", "process.cwd", sets("process.cwd", 5))
row("cwd_relative", "cwd", sets("process.cwd", "tmp"))
row("cwd_empty", "cwd", sets("process.cwd", ""))
row("env_of_a_map", "process.env", sets("process.env", {"A": "1"}))
row("env_with_a_number", "process.env", sets("process.env", ["PATH=/bin", 1]))
row("terminal_of_words", "process.terminal", sets("process.terminal", "yes"))
row("console_size_negative", "consoleSize", sets("process.consoleSize", {"height": -1, "width": 1}))
row("user_of_words", "process.user", sets("process.user", "root"))
row("uid_of_words", "process.user.uid", sets("process.user.uid", "root"))
row("uid_negative", "process.user.uid", sets("process.user.uid", -1))
row("uid_of_2_to_32", "process.user.uid", sets("process.user.uid", 1 << 32))
row("gid_of_2_to_40", "process.user.gid", sets("process.user.gid", 1 << 40))
row("uid_with_a_fraction", "process.user.uid", sets("process.user.uid", 0.5))
row("groups_of_words", "additionalGids", sets("process.user.additionalGids", "5"))
row("groups_with_a_negative", "additionalGids", sets("process.user.additionalGids", [-5]))
row("umask_of_words", "umask", sets("process.user.umask", "022"))
row("capabilities_of_a_list", "capabilities", sets("process.capabilities", ["CAP_KILL"]))
row("capabilities_bounding_of_words", "capabilities.bounding", sets("process.capabilities.bounding", "CAP_KILL"))
row("rlimits_of_a_map", "rlimits", sets("process.rlimits", {}))
row("rlimits_without_type", "rlimits", sets("process.rlimits", [{"soft": 1, "hard": 1}]))
row("rlimits_unknown", "rlimits", sets("process.rlimits", [{"type": "NOFILE", "soft": 1, "hard": 1}]))
row("rlimits_of_words", "rlimits", sets("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": "many", "hard": 1}]))
row("rlimits_negative", "rlimits", sets("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": -1, "hard": -1}]))
row("no_new_privileges_of_words", "noNewPrivileges", sets("process.noNewPrivileges", "true"))
row("oom_score_adj_of_words", "oomScoreAdj", sets("process.oomScoreAdj", "high"))
row("oom_score_adj_too_high", "oomScoreAdj", sets("process.oomScoreAdj", 1001))
row("oom_score_adj_too_low", "oomScoreAdj", sets("process.oomScoreAdj", -1001))
row("scheduler_of_words", "scheduler", sets("process.scheduler", "batch"))
row("io_priority_unknown", "ioPriority", sets("process.ioPriority", {"class": "IOPRIO_CLASS_FIRST", "priority": 0}))
row("io_priority_too_high", "ioPriority", sets("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 9}))
row("exec_affinity_of_words", "execCPUAffinity", sets("process.execCPUAffinity", {"initial": "all"}))
# -- mounts
row("mounts_of_a_map", "mounts", sets("mounts", {}))
row("mounts_with_words", "mounts[0]", sets("mounts", ["/proc"]))
row("mounts_without_destination", "mounts[4]", lambda c: c["mounts"].append({"type": "tmpfs", "source": "x"}))
row("mounts_destination_of_a_number", "mounts[0].destination", sets("mounts.0.destination", 5))
row("mounts_destination_empty", "mounts[0].destination", sets("mounts.0.destination", ""))
row("mounts_options_of_words", "mounts[0].options", sets("mounts.0.options", "ro"))
row("mounts_options_with_a_number", "mounts[0].options", sets("mounts.0.options", [1]))
row("mounts_type_of_a_number", "mounts[0].type", sets("mounts.0.type", 1))
# -- hooks
row("hooks_of_a_list", "hooks", sets("hooks", []))
row("hooks_kind_of_a_map", "hooks.createRuntime", sets("hooks", {"createRuntime": {"path": "/bin/true"}}))
row("hooks_without_path", "hooks.createRuntime[0]", sets("hooks", {"createRuntime": [{}]}))
row("hooks_path_relative", "hooks.poststop[0].path", sets("hooks", {"poststop": [{"path": "bin/true"}]}))
row("hooks_timeout_of_words", "hooks.createRuntime[0].timeout", sets("hooks", {"createRuntime": [{"path": "/bin/true", "timeout": "1s"}]}))
row("hooks_timeout_negative", "hooks.createRuntime[0].timeout", sets("hooks", {"createRuntime": [{"path": "/bin/true", "timeout": -1}]}))
row("hooks_env_of_a_map", "hooks.createRuntime[0].env", sets("hooks", {"createRuntime": [{"path": "/bin/true", "env": {}}]}))
# -- linux
row("linux_of_a_list", "linux", sets("linux", []))
row("namespaces_of_a_map", "linux.namespaces", sets("linux.namespaces", {}))
row("namespaces_with_words", "linux.namespaces[0]", sets("linux.namespaces", ["pid"]))
row("namespaces_without_type", "linux.namespaces[0]", sets("linux.namespaces", [{}]))
row("namespaces_unknown", "linux.namespaces[0].type", sets("linux.namespaces.0.type", "colour"))
row("namespaces_path_relative", "linux.namespaces[0].path", sets("linux.namespaces.0.path", "self/ns/pid"))
row("uid_mappings_of_words", "linux.uidMappings", lambda c: (c["linux"]["namespaces"].append({"type": "user"}),
    c["linux"].update(uidMappings="0 0 1", gidMappings=[])))
row("uid_mappings_of_no_size", "linux.uidMappings[0]", lambda c: (c["linux"]["namespaces"].append({"type": "user"}),
    c["linux"].update(uidMappings=[{"containerID": 0, "hostID": 0, "size": 0}], gidMappings=[{"containerID": 0, "hostID": 0, "size": 1}])))
row("uid_mappings_missing", "linux.uidMappings", lambda c: c["linux"]["namespaces"].append({"type": "user"}))
row("devices_without_path", "linux.devices[0]", sets("linux.devices", [{"type": "c", "major": 1, "minor": 3}]))
row("devices_path_relative", "linux.devices[0].path", sets("linux.devices", [{"path": "dev/x", "type": "c", "major": 1, "minor": 3}]))
row("devices_unknown_type", "linux.devices[0].type", sets("linux.devices", [{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}]))
row("devices_negative_major", "linux.devices[0].major", sets("linux.devices", [{"path": "/dev/x", "type": "c", "major": -7, "minor": 3}]))
row("devices_mode_of_words", "linux.devices[0].fileMode", sets("linux.devices", [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": "0666"}]))
row("cgroups_path_of_a_number", "linux.cgroupsPath", sets("linux.cgroupsPath", 5))
row("resources_of_a_list", "linux.resources", sets("linux.resources", []))
row("resources_devices_without_allow_word", "linux.resources.devices[0]", sets("linux.resources.devices", [{"allow": "yes"}]))
row("resources_devices_access", "linux.resources.devices[0].access", sets("linux.resources.devices", [{"allow": True, "access": "rwx"}]))
row("resources_devices_type", "linux.resources.devices[0].type", sets("linux.resources.devices", [{"allow": True, "type": "z", "access": "r"}]))
row("memory_limit_of_words", "linux.resources.memory.limit", sets("linux.resources.memory", {"limit": "64M"}))
row("memory_limit_beyond_64_bits", "integer", '{"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"args":["/bin/true"],"cwd":"/","user":{"uid":0,"gid":0}},'
    '"linux":{"namespaces":[{"type":"mount"},{"type":"pid"}],"resources":{"memory":{"limit":99999999999999999999999}}}}')
row("memory_swappiness_too_high", "swappiness", sets("linux.resources.memory", {"swappiness": 101}))
row("cpu_shares_negative", "linux.resources.cpu.shares", sets("linux.resources.cpu", {"shares": -5}))
row("cpu_cpus_of_a_number", "linux.resources.cpu.cpus", sets("linux.resources.cpu", {"cpus": 0}))
row("pids_limit_of_words", "linux.resources.pids.limit", sets("linux.resources.pids", {"limit": "all"}))
row("block_io_weight_too_high", "blockIO.weight", sets("linux.resources.blockIO", {"weight": 70000}))
row("hugepage_size_unknown", "hugepageLimits", sets("linux.resources.hugepageLimits", [{"pageSize": "two", "limit": 1}]))
row("unified_of_numbers", "unified", sets("linux.resources.unified", {"pids.max": 5}))
row("sysctl_of_a_list", "linux.sysctl", sets("linux.sysctl", []))
row("sysctl_with_a_number", "linux.sysctl", sets("linux.sysctl", {"kernel.msgmax": 4096}))
row("masked_paths_of_words", "linux.maskedPaths", sets("linux.maskedPaths", "/proc/kcore"))
row("masked_paths_relative", "linux.maskedPaths", sets("linux.maskedPaths", ["proc/kcore"]))
row("readonly_paths_with_a_number", "linux.readonlyPaths", sets("linux.readonlyPaths", [5]))
row("propagation_unknown", "rootfsPropagation", sets("linux.rootfsPropagation", "wide"))
row("personality_unknown", "personality", sets("linux.personality", {"domain": "AMIGA"}))
row("seccomp_of_a_list", "linux.seccomp", sets("linux.seccomp", []))
row("seccomp_without_default", "defaultAction", sets("linux.seccomp", {"syscalls": []}))
row("seccomp_names_missing", "names", sets("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]}))
row("seccomp_names_of_words", "names", sets("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": "getcpu", "action": "SCMP_ACT_ERRNO"}]}))
row("seccomp_index_too_high", "index", sets("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["dup"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]}))
row("time_offsets_of_words", "timeOffsets", lambda c: (c["linux"]["namespaces"].append({"type": "time"}),
    c["linux"].update(timeOffsets={"monotonic": "1 day"})))
row("net_devices_of_a_list", "netDevices", sets("linux.netDevices", ["lo"]))
row("intel_rdt_of_words", "intelRdt", sets("linux.intelRdt", "all"))
row("memory_policy_of_words", "memoryPolicy", sets("linux.memoryPolicy", "local"))
row("mount_label_of_a_number", "mountLabel", sets("linux.mountLabel", 5))


def malformed(name, part, change):
    def body(box):
        if isinstance(change, str):
            box.save(change)
        else:
            change(box.config)
            box.save()
        strict = box.kind == "gantry-oci"
        done = box.call("create", "--bundle", box.bundle, box.id, status="fails" if strict else None)
        if done.status == 0:
            box.delete(force=True)
            skip("takes it")
        check(done.status > 0, f"died of a signal {done.status}")
        check(done.err.strip() or box.kind == "crun", "there is no message")
        if strict:
            has(done.err, part, "the message")
            lines = done.err.strip().splitlines()
            check(len(done.err) < 2000, f"a message of {len(done.err)} bytes, {len(lines)} lines")
        if box.kind == "crun":  # which leaves control groups
            box.ids.clear()
        else:
            box.leaves_nothing()
    body.__name__ = f"malformed_{name}"
    return body


for entry in ROWS:
    test(malformed(*entry))


@test
def malformed_documents_are_at_least_sixty(box):
    check(len(ROWS) >= 60, f"{len(ROWS)}")


@test
def malformed_document_of_64_mib_is_refused_before_it_is_read(box):
    if box.kind != "gantry-oci":
        skip("reads it")
    path = os.path.join(box.bundle, "config.json")
    with open(path, "wb") as file:
        file.truncate(64 << 20)
    done = box.fails("create", "--bundle", box.bundle, box.id, timeout=5)
    has(done.err, "config.json", "the message")
    box.leaves_nothing()
