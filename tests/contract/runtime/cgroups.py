"""cgroups - cgroupsPath and resources, in v1's files and in v2's."""
import json
import os

from kit import OLD, cgroup_version, check, has, message, ours, read, same, skip, test, until

MIB = 1 << 20


def v1_only():
    if cgroup_version() == 2:
        skip("only v1 has this")


def v2_only():
    if cgroup_version() == 1:
        skip("only v2 has this")


def resources(box, **sections):
    box.linux["resources"].update(sections)


# ---- cgroupsPath --------------------------------------------------------------------------------------------
@test
def cgroups_path_absolute_is_below_the_mount_point(box):
    pid = box.sleeper()
    has(read(os.path.join(box.cgroup("pids"), "cgroup.procs")).split(), str(pid), "the processes there")
    for line in read(f"/proc/{pid}/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if controllers in ("pids", "memory", "cpu", "freezer", "devices"):
            same(path, box.cgroups_path(), controllers)


@test
def cgroups_path_of_several_levels(box):
    box.linux["cgroupsPath"] = box.cgroups_path() + "/a/b"
    pid = box.sleeper()
    has(read(f"/proc/{pid}/cgroup"), box.cgroups_path() + "/a/b", "its groups")
    box.end()
    for place in box.cgroups_left():
        for folder, _, _ in os.walk(place, topdown=False):
            os.rmdir(folder)


@test
def cgroups_path_not_given_is_the_runtimes_choice(box):
    del box.linux["cgroupsPath"]
    pid = box.sleeper()
    paths = {line.split(":")[1]: line.split(":", 2)[2] for line in read(f"/proc/{pid}/cgroup").splitlines()}
    has(paths["pids" if cgroup_version() == 1 else ""], box.id, "its group")
    box.end()
    for line in paths.items():
        name = "unified" if not line[0] else line[0].replace("name=", "")
        path = f"/sys/fs/cgroup/{name}{line[1]}" if cgroup_version() == 1 else f"/sys/fs/cgroup{line[1]}"
        check(box.id not in path or not os.path.exists(path), f"{path} is left")


@test
def cgroups_path_with_dots_stays_below(box):
    box.linux["cgroupsPath"] = "/../../.." + box.cgroups_path()
    done = box.run("/bin/true", status=None)
    if done.status == 0:
        same(box.cgroups_left(), [], "control groups")


@test
def cgroups_same_path_same_place(box):
    """Two containers may share one; deleting one does not end the other."""
    box.sleeper()
    if box.kind == "runc":
        skip("runc refuses a group that is not empty")
    other = box.other("b")
    box.args("/bin/sleep", "1000").save()
    done = box.call("run", "--detach", "--bundle", box.bundle, other, status=None)
    if done.status != 0:
        check("cgroup" in done.err, f"the message: {done.err}")
        return
    procs = read(os.path.join(box.cgroup("pids"), "cgroup.procs")).split()
    has(procs, str(box.pid(other)), "the processes there")


@test
def cgroups_all_processes_are_in_it(box):
    fd = box.fifo("ready")
    box.script("sleep 1000 & echo >/ready; wait")
    box.detach()
    box.heard(fd)
    box.exec("/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & true")
    check(len(read(os.path.join(box.cgroup("pids"), "cgroup.procs")).split()) >= 3, "the processes there")


@test
def cgroups_namespace_root_is_the_containers_group(box):
    box.add_namespace("cgroup")
    out = box.run("/bin/cat", "/proc/self/cgroup").out
    lines = {line.split(":")[1]: line.split(":", 2)[2] for line in out.splitlines()}
    same(lines["pids" if cgroup_version() == 1 else ""], "/", "its root")


@test(**ours)
def cgroups_path_of_the_systemd_form_needs_its_driver(box):
    box.linux["cgroupsPath"] = "system.slice:gantry-contract:" + box.id
    if os.path.isdir("/run/systemd/system"):
        skip("systemd runs here")
    done = box.create(status=None, options=["--systemd-cgroup"])
    check(done.status != 0, "it works without systemd")
    has(done.err.lower(), "systemd", "the message")
    box.leaves_nothing()


@test(crun="has its own form")
def exec_cgroup_is_a_group_below(box):
    box.sleeper()
    below = os.path.join(box.cgroup("pids"), "below")
    os.mkdir(below)
    flag = "below" if cgroup_version() == 2 else "pids:below"
    out = box.exec("/bin/cat", "/proc/self/cgroup", flags=["--cgroup", flag]).out
    has(out, box.cgroups_path() + "/below", "its groups")
    box.fails("exec", "--cgroup", "none" if cgroup_version() == 2 else "pids:none", box.id, "/bin/true")
    box.fails("exec", "--cgroup", "../.." if cgroup_version() == 2 else "pids:../..", box.id, "/bin/true")
    box.end()


@test
def cgroups_below_the_containers_own_are_removed(box):
    box.sleeper()
    for name in ("pids", "memory"):
        os.makedirs(os.path.join(box.cgroup(name), "made/by/the-container"), exist_ok=True)
    box.end()
    same(box.cgroups_left(), [], "control groups after delete")


@test(runc=OLD, crun=OLD)
def cgroups_of_v2_belong_to_the_user_namespace(box):
    v2_only()
    box.user_namespace().add_namespace("cgroup").add_namespace("network")
    box.config["mounts"].append({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]})
    box.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]})
    out = box.sh("cd /sys/fs/cgroup; stat -c '%n %u' . cgroup.procs cgroup.subtree_control memory.max; mkdir made && echo made")
    same(out.split(), [".", "0", "cgroup.procs", "0", "cgroup.subtree_control", "0", "memory.max", "65534", "made"],
         "the owners")


# ---- memory ---------------------------------------------------------------------------------------------------
@test
def memory_limit(box):
    resources(box, memory={"limit": 64 * MIB})
    box.create()
    same(box.cgroup_value("memory/memory.limit_in_bytes", "memory.max"), str(64 * MIB), "limit")


@test
def memory_limit_holds(box):
    resources(box, memory={"limit": 16 * MIB})
    done = box.run("/bin/probe", "eat", str(64 * MIB), status=None)
    same(done.status, 137, "the status of who is killed")


@test
def memory_limit_unlimited(box):
    resources(box, memory={"limit": -1})
    box.create()
    value = box.cgroup_value("memory/memory.limit_in_bytes", "memory.max")
    check(value == "max" or int(value) > 1 << 60, f"limit {value}")


@test
def memory_reservation(box):
    resources(box, memory={"limit": 64 * MIB, "reservation": 32 * MIB})
    box.create()
    same(box.cgroup_value("memory/memory.soft_limit_in_bytes", "memory.low"), str(32 * MIB), "reservation")


def has_swap(box):
    if cgroup_version() == 1 and not os.path.exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"):
        skip("this kernel does not count swap")


@test
def memory_swap_is_the_sum(box):
    has_swap(box)
    resources(box, memory={"limit": 64 * MIB, "swap": 96 * MIB})
    box.create()
    expected = 96 * MIB if cgroup_version() == 1 else 32 * MIB
    same(box.cgroup_value("memory/memory.memsw.limit_in_bytes", "memory.swap.max"), str(expected), "swap")


@test
def memory_swap_unlimited(box):
    has_swap(box)
    resources(box, memory={"limit": 64 * MIB, "swap": -1})
    box.create()
    value = box.cgroup_value("memory/memory.memsw.limit_in_bytes", "memory.swap.max")
    check(value == "max" or int(value) > 1 << 60, f"swap {value}")


@test(crun="leaves its control groups")
def memory_swap_below_the_limit_fails(box):
    has_swap(box)
    resources(box, memory={"limit": 64 * MIB, "swap": 32 * MIB})
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def memory_swappiness(box):
    v1_only()
    resources(box, memory={"swappiness": 33})
    box.create()
    same(box.cgroup_value("memory/memory.swappiness", ""), "33", "swappiness")


@test(crun="takes it")
def memory_swappiness_of_more_than_100_fails(box):
    v1_only()
    resources(box, memory={"swappiness": 101})
    box.create(status="fails")
    box.leaves_nothing()


@test
def memory_oom_killer_may_be_off(box):
    v1_only()
    resources(box, memory={"limit": 64 * MIB, "disableOOMKiller": True})
    box.create()
    has(box.cgroup_value("memory/memory.oom_control", ""), "oom_kill_disable 1", "oom_control")


@test(runc="needs more", crun="needs more")
def memory_limit_of_1_mib_works(box):
    resources(box, memory={"limit": MIB})
    same(box.run("/bin/sh", "-c", "echo well").out, "well\n", "out")


@test(**ours)
def memory_check_before_update(box):
    box.sleeper()
    box.exec("/bin/probe", "eat", "4096")
    resources(box, memory={"limit": 64 * MIB})
    path = box.outside("resources", json.dumps({"memory": {"limit": 64 * MIB, "checkBeforeUpdate": True}}))
    box.call("update", "-r", path, box.id)
    path = box.outside("resources", json.dumps({"memory": {"limit": 4096, "checkBeforeUpdate": True}}))
    box.fails("update", "-r", path, box.id)
    same(box.cgroup_value("memory/memory.limit_in_bytes", "memory.max"), str(64 * MIB), "limit")


# ---- cpu ------------------------------------------------------------------------------------------------------
@test
def cpu_shares(box):
    resources(box, cpu={"shares": 1024})
    box.create()
    value = box.cgroup_value("cpu/cpu.shares", "cpu.weight")
    has(["1024"] if cgroup_version() == 1 else ["39", "100"], value, "shares, or weight by the old or new formula")


def weight(shares, values):
    @test
    def body(box):
        v2_only()
        resources(box, cpu={"shares": shares})
        box.create()
        has(values, box.cgroup_value("cpu/cpu.shares", "cpu.weight"), f"the weight of {shares} shares")
    body.__name__ = f"cpu_shares_{shares}_as_a_weight_of_v2"


# linear 1 + (shares - 2) * 9999 / 262142, or the later curve through 1024 -> 100
for shares, values in ((2, ["1"]), (512, ["20", "59"]), (2048, ["79", "174", "170"]), (262144, ["10000"])):
    weight(shares, values)


@test
def cpu_quota_and_period(box):
    resources(box, cpu={"quota": 20000, "period": 50000})
    box.create()
    if cgroup_version() == 2:
        same(box.cgroup_value("cpu/x", "cpu.max"), "20000 50000", "cpu.max")
    else:
        same(box.cgroup_value("cpu/cpu.cfs_quota_us", ""), "20000", "quota")
        same(box.cgroup_value("cpu/cpu.cfs_period_us", ""), "50000", "period")


@test(crun="writes the number as unsigned")
def cpu_quota_unlimited(box):
    resources(box, cpu={"quota": -1, "period": 100000})
    box.create()
    has(["-1", "max 100000"], box.cgroup_value("cpu/cpu.cfs_quota_us", "cpu.max"), "quota")


@test(**ours)
def cpu_burst(box):
    resources(box, cpu={"quota": 20000, "period": 50000, "burst": 10000})
    box.create()
    same(box.cgroup_value("cpu/cpu.cfs_burst_us", "cpu.max.burst"), "10000", "burst")


@test(crun=OLD, runc=OLD)
def cpu_idle(box):
    resources(box, cpu={"idle": 1})
    box.create()
    same(box.cgroup_value("cpu/cpu.idle", "cpu.idle"), "1", "idle")


@test
def cpu_cpuset(box):
    resources(box, cpu={"cpus": "0", "mems": "0"})
    same(box.run("/bin/probe", "affinity").out.split(), ["0"], "affinity")


@test(crun="leaves its control groups")
def cpu_cpuset_of_no_processor_fails(box):
    resources(box, cpu={"cpus": "4000"})
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test(crun="leaves its control groups")
def cpu_cpuset_that_is_no_list_fails(box):
    resources(box, cpu={"cpus": "zero"})
    box.create(status="fails")
    box.leaves_nothing()


@test(crun="leaves its control groups")
def cpu_realtime_where_there_is_none(box):
    resources(box, cpu={"realtimeRuntime": 1000, "realtimePeriod": 1000000})
    done = box.create(status=None)
    if os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"):
        skip("this kernel has real-time groups")
    if box.kind != "crun":
        check(done.status != 0 or cgroup_version() == 2, "it is refused or said")
    if done.status != 0:
        box.leaves_nothing()


# ---- the others -------------------------------------------------------------------------------------------------
@test
def pids_limit(box):
    resources(box, pids={"limit": 20})
    box.create()
    same(box.cgroup_value("pids/pids.max", "pids.max"), "20", "limit")


@test
def pids_limit_holds(box):
    resources(box, pids={"limit": 10})
    had = int(box.run("/bin/probe", "fork", "50").out)
    check(5 <= had <= 9, f"{had} children could be had")


@test(crun="writes the number")
def pids_limit_of_minus_1_is_none(box):
    resources(box, pids={"limit": -1})
    box.create()
    same(box.cgroup_value("pids/pids.max", "pids.max"), "max", "limit")


@test
def pids_limit_of_0(box):
    # documents of old Docker have 0 for none; the specification says no process may be made
    resources(box, pids={"limit": 0})
    box.create()
    has(["max", "0", "1"], box.cgroup_value("pids/pids.max", "pids.max"), "limit")


def a_disk():
    for name in sorted(os.listdir("/sys/block")):
        if name.startswith(("vd", "sd", "nvme", "xvd")):
            major, minor = read(f"/sys/block/{name}/dev").strip().split(":")
            return int(major), int(minor)
    skip("no disk here")


@test
def block_io_throttles(box):
    major, minor = a_disk()
    entry = [{"major": major, "minor": minor, "rate": 1048576}]
    iops = [{"major": major, "minor": minor, "rate": 500}]
    resources(box, blockIO={"throttleReadBpsDevice": entry, "throttleWriteBpsDevice": entry,
                            "throttleReadIOPSDevice": iops, "throttleWriteIOPSDevice": iops})
    box.create()
    if cgroup_version() == 2:
        has(box.cgroup_value("blkio/x", "io.max"),
            f"{major}:{minor} rbps=1048576 wbps=1048576 riops=500 wiops=500", "io.max")
    else:
        for name, value in (("read_bps", 1048576), ("write_bps", 1048576), ("read_iops", 500), ("write_iops", 500)):
            same(box.cgroup_value(f"blkio/blkio.throttle.{name}_device", ""), f"{major}:{minor} {value}", name)


@test
def block_io_weight(box):
    resources(box, blockIO={"weight": 200})
    done = box.create(status=None)
    files = ("/sys/fs/cgroup/blkio/blkio.weight", "/sys/fs/cgroup/blkio/blkio.bfq.weight")
    if cgroup_version() == 1 and not any(os.path.exists(f) for f in files):
        check(done.status == 0 or "weight" in done.err, f"the message: {done.err}")
        skip("this kernel has no weights")
    if cgroup_version() == 2 and done.status != 0:
        skip("this kernel has no weights")
    value = box.cgroup_value("blkio/blkio.bfq.weight", "io.bfq.weight")
    has(value, "200", "weight")


@test
def hugepage_limits(box):
    sizes = sorted(os.listdir("/sys/kernel/mm/hugepages")) if os.path.isdir("/sys/kernel/mm/hugepages") else []
    if not sizes or (cgroup_version() == 1 and not os.path.isdir("/sys/fs/cgroup/hugetlb")):
        skip("no hugetlb controller here")
    resources(box, hugepageLimits=[{"pageSize": "2MB", "limit": 2 * MIB}])
    box.create()
    same(box.cgroup_value("hugetlb/hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max"), str(2 * MIB), "limit")


@test(crun="leaves its control groups")
def hugepage_limit_of_no_size_fails(box):
    resources(box, hugepageLimits=[{"pageSize": "3MB", "limit": MIB}])
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def network_class_and_priorities(box):
    v1_only()
    if not os.path.isdir("/sys/fs/cgroup/net_cls"):
        skip("no net_cls controller here")
    resources(box, network={"classID": 0x100001, "priorities": [{"name": "lo", "priority": 5}]})
    box.create()
    same(box.cgroup_value("net_cls/net_cls.classid", ""), str(0x100001), "class")


@test(runc=OLD, crun="writes none in v1")
def unified_map_is_written(box):
    v2_only()
    resources(box, unified={"memory.high": str(32 * MIB), "pids.max": "33"})
    box.create()
    same(box.cgroup_value("memory/x", "memory.high"), str(32 * MIB), "memory.high")
    same(box.cgroup_value("pids/x", "pids.max"), "33", "pids.max")


@test
def unified_map_of_an_unknown_key_fails(box):
    v2_only()
    resources(box, unified={"colour.max": "1"})
    done = box.create(status="fails")
    message(box, done, "colour.max")
    box.leaves_nothing()


@test
def unified_map_with_a_path_fails(box):
    v2_only()
    resources(box, unified={"../cgroup.procs": "1"})
    done = box.create(status="fails")
    message(box, done, "unified")
    box.leaves_nothing()


@test(crun="ignores it")
def unified_map_in_v1_fails(box):
    v1_only()
    resources(box, unified={"memory.high": "1000000"})
    done = box.create(status="fails")
    has(done.err.lower(), "unified", "the message")
    box.leaves_nothing()


# ---- update, pause, events ------------------------------------------------------------------------------------------
@test
def update_with_flags(box):
    box.sleeper()
    box.call("update", "--memory", str(48 * MIB), "--pids-limit", "44", "--cpu-quota", "30000", "--cpu-period", "60000",
             "--cpu-share", "512", "--cpuset-cpus", "0", box.id)
    same(box.cgroup_value("memory/memory.limit_in_bytes", "memory.max"), str(48 * MIB), "memory")
    same(box.cgroup_value("pids/pids.max", "pids.max"), "44", "pids")
    same(box.cgroup_value("cpu/cpu.cfs_quota_us", "cpu.max").split()[0], "30000", "quota")
    same(box.cgroup_value("cpuset/cpuset.cpus", "cpuset.cpus"), "0", "cpus")
    if cgroup_version() == 1:
        same(box.cgroup_value("cpu/cpu.shares", ""), "512", "shares")


@test
def update_with_a_file(box):
    box.sleeper()
    path = box.outside("resources", json.dumps({"memory": {"limit": 48 * MIB}, "cpu": {"shares": 300}, "pids": {"limit": 55}}))
    box.call("update", "-r", path, box.id)
    same(box.cgroup_value("memory/memory.limit_in_bytes", "memory.max"), str(48 * MIB), "memory")
    same(box.cgroup_value("pids/pids.max", "pids.max"), "55", "pids")


@test
def update_with_a_file_on_stdin(box):
    box.sleeper()
    box.call("update", "-r", "-", box.id, stdin=json.dumps({"pids": {"limit": 56}}))
    same(box.cgroup_value("pids/pids.max", "pids.max"), "56", "pids")


@test
def update_keeps_what_is_not_said(box):
    resources(box, memory={"limit": 64 * MIB}, pids={"limit": 20})
    box.sleeper()
    box.call("update", "--pids-limit", "30", box.id)
    same(box.cgroup_value("memory/memory.limit_in_bytes", "memory.max"), str(64 * MIB), "memory")
    same(box.cgroup_value("pids/pids.max", "pids.max"), "30", "pids")


@test
def update_keeps_the_devices(box):
    box.capable()
    box.linux["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 11, "fileMode": 438}]
    box.sleeper()
    box.call("update", "--pids-limit", "30", box.id)
    same(box.exec("/bin/probe", "open", "/dev/own", "r").out, "EPERM\n", "the device")


@test
def update_with_nonsense_fails(box):
    box.sleeper()
    box.fails("update", "--memory", "lots", box.id)
    box.fails("update", "-r", box.outside("resources", "{nonsense"), box.id)
    box.fails("update", "-r", os.path.join(box.folder, "none"), box.id)
    same(box.status(), "running", "status")


@test
def update_of_a_stopped_container_fails(box):
    pid = box.sleeper()
    box.kill("KILL")
    box.wait_end(pid)
    if box.kind == "crun":
        return
    box.fails("update", "--pids-limit", "30", box.id)


@test
def pause_and_resume(box):
    fd = box.fifo("beat")
    box.script("while :; do echo beat >/beat; done")
    box.detach()
    box.heard(fd)
    box.call("pause", box.id)
    same(box.status(), "paused", "status")
    if cgroup_version() == 2:
        has(read(box.cgroup("") + "/cgroup.events"), "frozen 1", "the group")
    else:
        same(read(box.cgroup("freezer") + "/freezer.state"), "FROZEN\n", "the group")
    box.call("resume", box.id)
    same(box.status(), "running", "status")
    box.heard(fd)


@test
def pause_of_what_does_not_run_fails(box):
    pid = box.sleeper()
    box.kill("KILL")
    box.wait_end(pid)
    box.fails("pause", box.id)
    box.fails("resume", box.id)


@test(crun="is content")
def resume_of_what_is_not_paused_fails(box):
    box.sleeper()
    box.fails("resume", box.id)
    same(box.status(), "running", "status")


@test
def delete_force_of_a_paused_container(box):
    pid = box.sleeper()
    box.call("pause", box.id)
    box.delete(force=True)
    box.wait_end(pid)
    box.leaves_nothing()


@test
def kill_of_a_paused_container(box):
    pid = box.sleeper()
    box.call("pause", box.id)
    box.kill("KILL")
    if cgroup_version() == 1:  # where a frozen process does not die before it is thawed
        box.call("resume", box.id, status=None)
    box.wait_end(pid)
    same(box.status(), "stopped", "status")


@test
def delete_of_a_paused_container_needs_force(box):
    box.sleeper()
    box.call("pause", box.id)
    box.fails("delete", box.id)
    same(box.status(), "paused", "status")


@test(crun="has no events")
def events_stats(box):
    resources(box, memory={"limit": 64 * MIB}, pids={"limit": 20})
    box.sleeper()
    event = json.loads(box.call("events", "--stats", box.id).out)
    same(event["type"], "stats", "type")
    same(event["id"], box.id, "id")
    data = event["data"]
    same(data["memory"]["usage"]["limit"], 64 * MIB, "data.memory.usage.limit")
    check(data["memory"]["usage"]["usage"] > 0, "data.memory.usage.usage")
    check("cache" in data["memory"] or "raw" in data["memory"], "data.memory")
    same(data["pids"]["current"], 1, "data.pids.current")
    same(data["pids"]["limit"], 20, "data.pids.limit")
    check(data["cpu"]["usage"]["total"] > 0, "data.cpu.usage.total")
    for name in ("kernel", "user"):
        check(name in data["cpu"]["usage"], f"data.cpu.usage.{name}")
    check("throttling" in data["cpu"], "data.cpu.throttling")
    check(isinstance(data["blkio"], dict), "data.blkio")


@test(crun="has no events")
def events_go_on_until_the_container_ends(box):
    pid = box.sleeper()
    child = box.start_call("events", "--interval", "100ms", box.id)
    until("two events are there", lambda: child.done.out.count("\n") >= 2)
    box.kill("KILL")
    box.wait_end(pid)
    box.delete()
    box.end_call(child, status=None)
    for line in child.done.lines:
        same(json.loads(line)["type"], "stats", "type")


@test(crun="has no events")
def events_tell_of_being_out_of_memory(box):
    v1_only()
    resources(box, memory={"limit": 16 * MIB})
    box.sleeper()
    child = box.start_call("events", "--interval", "1h", box.id)
    event_fds = lambda: any("eventfd" in os.readlink(f"/proc/{child.pid}/fd/{fd}")
                            for fd in os.listdir(f"/proc/{child.pid}/fd"))
    until("it listens", lambda: safe(event_fds))
    until("the listener is with the kernel", lambda: box.exec("/bin/probe", "eat", str(64 * MIB), status=None)
          and '"oom"' in child.done.out)
    child.kill()
    child.wait()
    has([json.loads(line)["type"] for line in child.done.lines], "oom", "the types")


def safe(ask):
    try:
        return ask()
    except OSError:
        return False
