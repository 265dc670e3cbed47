"""mounts - root and mounts: order, options, propagation, and never out of the rootfs."""
import os

from kit import (MS_BIND, MS_PRIVATE, MS_REC, MS_SHARED, OLD, cgroup_version, check, has, lacks, message, mount, read,
                 same, skip, test, umount, write)


def mount_line(text, where):
    """(options, optional fields, type) of a mount in a /proc/self/mountinfo."""
    for line in reversed(text.splitlines()):
        fields, _, rest = line.partition(" - ")
        words = fields.split()
        if len(words) > 5 and words[4] == where:
            return words[5].split(","), words[6:], rest.split()[0], rest.split()[2].split(",")
    check(False, f"nothing is mounted on {where}: {text}")


def mountinfo(box):
    return box.run("/bin/cat", "/proc/self/mountinfo").out


def needs_overlay():
    if "overlay\n" not in read("/proc/filesystems"):
        skip("this kernel has no overlayfs")


def needs_mapped_tmpfs():
    version = tuple(int(word) for word in os.uname().release.split("-")[0].split(".")[:2])
    if version < (6, 3):
        skip("this kernel cannot map the owners of a tmpfs")


# ---- root -------------------------------------------------------------------------------------------
@test
def root_path_relative_to_the_bundle(box):
    box.file("/mark", "here")
    same(box.run("/bin/cat", "/mark").out, "here", "out")


@test
def root_path_absolute(box):
    box.file("/mark", "here")
    box.config["root"]["path"] = box.rootfs
    same(box.run("/bin/cat", "/mark").out, "here", "out")


@test
def root_readonly_refuses_writes(box):
    box.config["root"]["readonly"] = True
    out = box.sh("touch /x || echo refused; touch /dev/shm/y && echo taken")
    same(out, "refused\ntaken\n", "out")


@test
def root_writable_takes_writes(box):
    box.sh("echo written >/x")
    same(read(os.path.join(box.rootfs, "x")), "written\n", "the file")


@test
def root_that_is_not_there_fails(box):
    box.config["root"]["path"] = "no-such-folder"
    done = box.create(status="fails")
    has(done.err, "no-such-folder", "the message")
    box.leaves_nothing()


@test
def root_that_is_a_file_fails(box):
    box.outside("bundle/file", "")
    box.config["root"]["path"] = "file"
    box.create(status="fails")
    box.leaves_nothing()


@test
def root_may_be_a_mount_point(box):
    mount(box.rootfs, box.rootfs, None, MS_BIND)
    try:
        same(box.sh("echo well"), "well\n", "out")
    finally:
        umount(box.rootfs)


@test
def root_may_lie_below_a_symbolic_link(box):
    os.rename(box.rootfs, box.rootfs + ".real")
    os.symlink("rootfs.real", box.rootfs)
    done = box.script("echo well").run(status=None)
    os.unlink(box.rootfs)
    os.rename(box.rootfs + ".real", box.rootfs)
    check(done.out == "well\n" or done.status != 0, f"out {done.out}")


@test
def root_hides_the_hosts_root(box):
    out = box.sh(f"ls {box.folder} 2>/dev/null; ls /; cat /proc/self/mountinfo")
    lacks(out, box.folder + "/bundle ", "the mounts")
    lacks(out, "busybox", "the host's files")


@test
def root_with_no_pivot(box):
    # callers on a ramdisk ask for it
    same(box.run("/bin/ls", "/", flags=["--no-pivot"]).out.split()[0], "bin", "out")


# ---- mounts -----------------------------------------------------------------------------------------
@test
def mounts_come_in_order(box):
    box.add_mount("/mnt", "tmpfs", "first")
    box.add_mount("/mnt/below", "tmpfs", "second")
    box.add_mount("/mnt", "tmpfs", "third")
    out = box.sh("grep ' /mnt' /proc/self/mountinfo; ls /mnt")
    same([line.split(" - ")[1].split()[1] for line in out.splitlines()], ["first", "second", "third"],
         "the sources")


@test
def mounts_destination_is_made(box):
    box.add_mount("/made/for/this", "tmpfs", "tmpfs")
    has(box.sh("cat /proc/mounts"), "/made/for/this", "the mounts")


@test
def mounts_file_destination_is_made(box):
    path = box.outside("file", "content")
    box.bind(path, "/made/for/file", "ro")
    same(box.run("/bin/cat", "/made/for/file").out, "content", "the file")


@test(crun="takes it from /")
def mounts_relative_destination_is_from_the_root(box):
    # runtime-spec 1.3: absolute; older documents have relative ones, taken from /
    box.add_mount("relative", "tmpfs", "tmpfs")
    done = box.script("cat /proc/mounts").run(status=None)
    if done.status == 0:
        has(done.out, " /relative ", "the mounts")


@test
def mounts_bind_of_a_folder(box):
    write(os.path.join(box.outside("source"), "file"), "content")
    box.bind(os.path.join(box.folder, "source"), "/mnt", "rw")
    box.sh("cat /mnt/file >/mnt/copy")
    same(read(os.path.join(box.folder, "source/copy")), "content", "what was written")


@test
def mounts_bind_by_option_alone(box):
    path = box.outside("file", "content")
    box.add_mount("/file", None, path, ["bind"])
    same(box.run("/bin/cat", "/file").out, "content", "the file")


@test
def mounts_bind_by_type_none(box):
    path = box.outside("file", "content")
    box.add_mount("/file", "none", path, ["bind"])
    same(box.run("/bin/cat", "/file").out, "content", "the file")


@test
def mounts_bind_source_relative_to_the_bundle(box):
    box.outside("bundle/file", "content")
    box.add_mount("/file", "bind", "file", ["bind"])
    done = box.run("/bin/cat", "/file", status=None)
    check(done.out == "content", f"the file: {done.out} {done.err}")


@test
def mounts_bind_of_nothing_fails(box):
    box.bind(os.path.join(box.folder, "no-such-file"), "/mnt")
    done = box.create(status="fails")
    has(done.err, "no-such-file", "the message")
    box.leaves_nothing()


@test
def mounts_bind_readonly(box):
    box.bind(box.outside("source"), "/mnt", "ro")
    same(box.sh("touch /mnt/x || echo refused"), "refused\n", "out")


@test(crun="does not")
def mounts_bind_keeps_the_flags_of_its_source(box):
    source = box.outside("source")
    mount("tmpfs", source, "tmpfs", 2 | 4 | 8)
    try:
        box.bind(source, "/mnt")
        options, _, _, _ = mount_line(mountinfo(box), "/mnt")
        for word in ("nosuid", "nodev", "noexec"):
            has(options, word, "the options")
    finally:
        umount(source)


@test
def mounts_rbind_takes_what_is_below(box):
    source = box.outside("source")
    os.mkdir(source + "/below")
    mount("tmpfs", source + "/below", "tmpfs")
    write(source + "/below/file", "deep")
    try:
        box.add_mount("/deep", "bind", source, ["rbind"])
        box.add_mount("/flat", "bind", source, ["bind"])
        same(box.sh("cat /deep/below/file; ls /flat/below"), "deep", "out")
    finally:
        umount(source + "/below")


@test
def mounts_options_are_flags(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["nosuid", "nodev", "noexec", "noatime", "nodiratime", "ro"])
    options, _, _, _ = mount_line(mountinfo(box), "/mnt")
    for word in ("nosuid", "nodev", "noexec", "noatime", "nodiratime", "ro"):
        has(options, word, "the options")


@test(crun="lets the flag win")
def mounts_the_last_of_contrary_options_wins(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["nosuid", "nodev", "noexec", "ro", "suid", "dev", "exec", "rw",
                                             "noatime", "atime"])
    options, _, _, _ = mount_line(mountinfo(box), "/mnt")
    for word in ("nosuid", "nodev", "noexec", "ro", "noatime"):
        lacks(options, word, "the options")


@test(crun="hands one of them to the file system")
def mounts_options_strictatime_sync_dirsync_and_others_are_known(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["async", "strictatime", "norelatime", "diratime",
                                             "sync", "dirsync", "nomand", "loud", "size=64k"])
    _, _, kind, data = mount_line(mountinfo(box), "/mnt")
    same(kind, "tmpfs", "type")
    for word in ("sync", "dirsync", "size=64k"):
        has(data, word, "the options")


@test(runc=OLD, crun="hands it to the file system")
def mounts_defaults_is_no_option_of_a_file_system(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["defaults", "size=64k"])
    has(mount_line(mountinfo(box), "/mnt")[3], "size=64k", "the options")


@test
def mounts_unknown_options_are_data(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["mode=0710", "size=128k", "uid=7", "nr_inodes=50"])
    out = box.sh("stat -c '%a %u' /mnt; cat /proc/self/mountinfo")
    same(out.splitlines()[0], "710 7", "mode and owner")
    has(mount_line(out, "/mnt")[3], "size=128k", "the options")


@test
def mounts_bad_data_fails(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["no-such-option-of-tmpfs=1"])
    done = box.create(status="fails")
    message(box, done, "/mnt")
    box.leaves_nothing()


@test
def mounts_unknown_type_fails(box):
    box.add_mount("/mnt", "no-such-type", "none")
    done = box.create(status="fails")
    message(box, done, "/mnt")
    box.leaves_nothing()


@test
def mounts_proc_options(box):
    box.config["mounts"][0]["options"] = ["nosuid", "noexec", "nodev"]
    options, _, kind, _ = mount_line(mountinfo(box), "/proc")
    same(kind, "proc", "type")
    for word in ("nosuid", "noexec", "nodev"):
        has(options, word, "the options")


@test
def mounts_sysfs(box):
    box.add_namespace("network")
    box.add_mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"])
    has(box.sh("ls /sys; touch /sys/x 2>/dev/null || echo refused"), "refused", "out")


@test
def mounts_mqueue(box):
    box.add_mount("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"])
    done = box.script("grep /dev/mqueue /proc/mounts").run(status=None)
    if "no such device" in done.err.lower():
        skip("this kernel has no mqueue")
    has(done.out, "mqueue", "the mounts")


@test
def mounts_devpts_is_a_new_instance(box):
    same(box.sh("ls /dev/pts"), "ptmx\n", "out")


@test
def mounts_overlay(box):
    needs_overlay()
    for name in ("lower", "upper", "work"):
        box.outside(name)
    write(os.path.join(box.folder, "lower/file"), "low")
    box.add_mount("/mnt", "overlay", "overlay", [f"lowerdir={box.folder}/lower", f"upperdir={box.folder}/upper",
                                                 f"workdir={box.folder}/work"])
    same(box.sh("cat /mnt/file; echo high >/mnt/new"), "low", "out")
    same(read(os.path.join(box.folder, "upper/new")), "high\n", "the upper folder")


@test
def mounts_cgroup(box):
    box.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"])
    box.config["mounts"].insert(0, {"destination": "/sys", "type": "tmpfs", "source": "tmpfs"})
    out = box.sh("ls /sys/fs/cgroup; cd /sys/fs/cgroup; test -d pids && cd pids; mkdir x 2>/dev/null || echo refused; grep cgroup /proc/mounts")
    has(out, "refused", "out")
    check("memory" in out or "cgroup.procs" in out, f"what is there: {out}")


@test
def mounts_cgroup_shows_the_containers_own_group(box):
    if cgroup_version() == 2:
        box.add_namespace("cgroup")  # by which alone v2 shows a part of the hierarchy
    box.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"])
    box.config["mounts"].insert(0, {"destination": "/sys", "type": "tmpfs", "source": "tmpfs"})
    out = box.sh("cat /sys/fs/cgroup/pids/cgroup.procs 2>/dev/null || cat /sys/fs/cgroup/cgroup.procs")
    has(out.split(), "1", "the processes of the group")


# ---- recursive attributes -----------------------------------------------------------------------------
def tree(box):
    """A folder with a tmpfs below."""
    source = box.outside("tree")
    mount("tmpfs", source, "tmpfs")
    mount("none", source, None, MS_REC | MS_PRIVATE)
    os.mkdir(source + "/below")
    mount("tmpfs", source + "/below", "tmpfs")
    return source


def recursive(word, shown):
    @test(**({"crun": "the kernel refuses what it asks for"} if "atime" in word else {}))
    def body(box):
        source = tree(box)
        try:
            box.add_mount("/mnt", "bind", source, ["rbind", word])
            info = mountinfo(box)
            for where in ("/mnt", "/mnt/below"):
                has(mount_line(info, where)[0], shown, f"the options of {where}")
        finally:
            umount(source + "/below")
            umount(source)
    body.__name__ = f"mounts_recursive_{word}_reaches_submounts"


for word, shown in (("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"),
                    ("rnoatime", "noatime"), ("rnodiratime", "nodiratime")):
    recursive(word, shown)


@test
def mounts_ro_does_not_reach_submounts(box):
    source = tree(box)
    try:
        box.add_mount("/mnt", "bind", source, ["rbind", "ro"])
        same(box.sh("touch /mnt/x || echo refused; touch /mnt/below/x && echo taken"), "refused\ntaken\n", "out")
    finally:
        umount(source + "/below")
        umount(source)


@test
def mounts_recursive_attributes_can_be_cleared(box):
    source = tree(box)
    mount("none", source + "/below", None, 32 | MS_BIND | 2)  # nosuid
    try:
        box.add_mount("/mnt", "bind", source, ["rbind", "rsuid"])
        lacks(mount_line(mountinfo(box), "/mnt/below")[0], "nosuid", "the options")
    finally:
        umount(source + "/below")
        umount(source)


# ---- propagation --------------------------------------------------------------------------------------
def propagation(word, field):
    @test
    def body(box):
        source = box.outside("source")
        mount("tmpfs", source, "tmpfs")
        mount("none", source, None, MS_SHARED)
        try:
            box.linux["rootfsPropagation"] = "rshared" if "shared" in word else "rslave"
            box.add_mount("/mnt", "bind", source, ["rbind", word])
            _, fields, _, _ = mount_line(mountinfo(box), "/mnt")
            kinds = [f.split(":")[0] for f in fields]
            same(kinds, [field] if field else [], "the propagation")
        finally:
            umount(source)
    body.__name__ = f"mounts_{word}_sets_the_propagation"


for word, field in (("private", ""), ("rprivate", ""), ("slave", "master"), ("rslave", "master"),
                    ("shared", "shared"), ("rshared", "shared"), ("unbindable", "unbindable"),
                    ("runbindable", "unbindable")):
    propagation(word, field)


@test
def mounts_rslave_sees_later_mounts_of_the_host(box):
    source = box.outside("source")
    mount("tmpfs", source, "tmpfs")
    mount("none", source, None, MS_SHARED)
    os.mkdir(source + "/later")
    try:
        box.linux["rootfsPropagation"] = "rslave"
        box.add_mount("/mnt", "bind", source, ["rbind", "rslave"])
        box.sleeper()
        mount("tmpfs", source + "/later", "tmpfs")
        write(source + "/later/file", "came")
        same(box.exec("/bin/cat", "/mnt/later/file").out, "came", "what came")
        umount(source + "/later")
        box.fails("exec", box.id, "/bin/cat", "/mnt/later/file")
    finally:
        umount(source + "/later")
        umount(source)


@test
def mounts_rshared_shows_the_host_what_the_container_mounts(box):
    source = box.outside("source")
    mount("tmpfs", source, "tmpfs")
    mount("none", source, None, MS_SHARED)
    os.mkdir(source + "/later")
    try:
        box.linux["rootfsPropagation"] = "rshared"
        box.add_mount("/mnt", "bind", source, ["rbind", "rshared"])
        box.capable()
        box.sleeper()
        box.exec("/bin/mount", "-t", "tmpfs", "from-inside", "/mnt/later")
        has(read("/proc/self/mountinfo"), "from-inside", "the host's mounts")
    finally:
        umount(source + "/later")
        umount(source)


@test
def mounts_private_does_not_see_later_mounts(box):
    source = box.outside("source")
    mount("tmpfs", source, "tmpfs")
    mount("none", source, None, MS_SHARED)
    os.mkdir(source + "/later")
    try:
        box.add_mount("/mnt", "bind", source, ["rbind", "rprivate"])
        box.sleeper()
        mount("tmpfs", source + "/later", "tmpfs")
        write(source + "/later/file", "came")
        box.fails("exec", box.id, "/bin/cat", "/mnt/later/file")
    finally:
        umount(source + "/later")
        umount(source)


@test
def mounts_of_the_container_do_not_reach_the_host(box):
    mount(box.rootfs, box.rootfs, None, MS_BIND)
    mount("none", box.rootfs, None, MS_SHARED)
    try:
        before = read("/proc/self/mountinfo")
        box.add_mount("/mnt", "tmpfs", "tmpfs")
        box.sleeper()
        same(read("/proc/self/mountinfo"), before, "the host's mounts")
    finally:
        umount(box.rootfs)


def rootfs_propagation(word, fields, **unlike):
    @test(**unlike)
    def body(box):
        mount(box.rootfs, box.rootfs, None, MS_BIND)
        mount("none", box.rootfs, None, MS_SHARED)
        try:
            box.linux["rootfsPropagation"] = word
            _, found, _, _ = mount_line(mountinfo(box), "/")
            has(fields, " ".join(f.split(":")[0] for f in found), "the propagation")
        finally:
            umount(box.rootfs)
    body.__name__ = f"rootfs_propagation_{word}"


rootfs_propagation("private", [""])
rootfs_propagation("rprivate", [""])
rootfs_propagation("slave", ["", "master"])  # a root that never was shared has no master
rootfs_propagation("rslave", ["master"], crun="makes it private")
rootfs_propagation("shared", ["shared", "shared master"], runc=OLD)
rootfs_propagation("rshared", ["shared", "shared master"], runc=OLD)
rootfs_propagation("unbindable", ["unbindable"], runc=OLD)


@test(crun="takes it silently")
def rootfs_propagation_unknown_word_fails(box):
    box.linux["rootfsPropagation"] = "everywhere"
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


# ---- extensions ---------------------------------------------------------------------------------------
@test
def mounts_tmpcopyup_copies_what_lies_below(box):
    box.file("/data/file", "from the image")
    os.makedirs(os.path.join(box.rootfs, "data/folder/deep"))
    os.symlink("file", os.path.join(box.rootfs, "data/link"))
    os.chmod(os.path.join(box.rootfs, "data/file"), 0o640)
    os.chown(os.path.join(box.rootfs, "data/file"), 5, 6)
    box.add_mount("/data", "tmpfs", "tmpfs", ["tmpcopyup"])
    out = box.sh("cat /data/file; echo; stat -c '%a %u %g' /data/file; readlink /data/link; ls -d /data/folder/deep; "
                 "echo new >/data/file; grep ' /data ' /proc/mounts")
    lines = out.splitlines()
    same(lines[:4], ["from the image", "640 5 6", "file", "/data/folder/deep"], "the copies")
    has(lines[4], "tmpfs", "the mount")
    same(read(os.path.join(box.rootfs, "data/file")), "from the image", "the image's file")


def tmpfs_mode(name, options, mode, made=None, **unlike):
    @test(**unlike)
    def body(box):
        if made is not None:
            os.mkdir(os.path.join(box.rootfs, "scratch"))
            os.chmod(os.path.join(box.rootfs, "scratch"), made)
        box.add_mount("/scratch", "tmpfs", "tmpfs", options)
        same(box.sh("stat -c %a /scratch"), mode + "\n", "the mode")
    body.__name__ = f"mounts_tmpfs_{name}"


tmpfs_mode("on_a_new_folder_is_open_for_all", ["rw", "size=64k"], "1777")
tmpfs_mode("tmpcopyup_on_a_new_folder_is_open_for_all", ["rw", "size=64k", "tmpcopyup"], "1777")
tmpfs_mode("has_the_mode_of_the_folder_below", ["size=64k"], "710", 0o710, crun="takes 1777")
tmpfs_mode("tmpcopyup_has_the_mode_of_the_folder_below", ["size=64k", "tmpcopyup"], "710", 0o710, crun="takes 1777")
tmpfs_mode("has_its_own_mode", ["size=64k", "mode=0700"], "700", 0o755, runc="the folder wins")


@test(runc=OLD)
def mounts_idmap_with_its_own_mappings(box):
    needs_mapped_tmpfs()
    source = box.outside("source")
    write(source + "/file", "content")
    os.chown(source + "/file", 5, 6)
    box.add_mount("/mnt", "bind", source, ["bind", "idmap"],
                  uidMappings=[{"containerID": 0, "hostID": 1000, "size": 100}],
                  gidMappings=[{"containerID": 0, "hostID": 2000, "size": 100}])
    done = box.script("stat -c '%u %g' /mnt/file").run(status=None)
    if "user namespace" in done.err and box.kind == "crun":
        skip("crun needs a user namespace for it")
    same(done.out, "1005 2006\n", f"the owner; {done.err}")


@test(runc=OLD, crun="has its own form")
def mounts_ridmap_reaches_submounts(box):
    needs_mapped_tmpfs()
    source = tree(box)
    write(source + "/below/file", "content")
    os.chown(source + "/below/file", 5, 6)
    try:
        box.add_mount("/mnt", "bind", source, ["rbind", "ridmap"],
                      uidMappings=[{"containerID": 0, "hostID": 1000, "size": 100}],
                      gidMappings=[{"containerID": 0, "hostID": 2000, "size": 100}])
        same(box.sh("stat -c '%u %g' /mnt/below/file"), "1005 2006\n", "the owner")
    finally:
        umount(source + "/below")
        umount(source)


@test(runc=OLD)
def mounts_idmap_with_the_containers_mappings(box):
    needs_mapped_tmpfs()
    source = box.outside("source")
    write(source + "/file", "content")
    os.chown(source + "/file", 5, 6)
    box.user_namespace()
    box.bind(source, "/mnt", "idmap")
    same(box.sh("stat -c '%u %g' /mnt/file; echo new >/mnt/new"), "5 6\n", "the owner")
    found = os.stat(source + "/new")
    same((found.st_uid, found.st_gid), (0, 0), "the owner outside")


@test(runc=OLD, crun="has its own form")
def mounts_idmap_of_what_is_no_bind_mount_works_or_fails(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["idmap"], uidMappings=[{"containerID": 0, "hostID": 1000, "size": 1}],
                  gidMappings=[{"containerID": 0, "hostID": 1000, "size": 1}])
    done = box.script("stat -c '%u %g' /mnt").run(status=None)
    if done.status == 0:
        same(done.out, "1000 1000\n", "the owner")
    else:
        has(done.err, "mounts[4]", "the message")
    box.leaves_nothing()


# ---- never out of the rootfs ----------------------------------------------------------------------------
@test(crun="fails when a link leads to nothing")
def mounts_symbolic_link_destination_stays_inside(box):
    target = box.outside("target")
    os.symlink(target, os.path.join(box.rootfs, "link"))
    box.add_mount("/link", "tmpfs", "tmpfs")
    box.sh("echo here >/link/file")
    same(os.listdir(target), [], "the folder outside")
    check(os.path.isdir(os.path.join(box.rootfs, target.lstrip("/"))), "made below the rootfs")


@test(crun="fails when a link leads to nothing")
def mounts_symbolic_link_with_dots_stays_inside(box):
    box.outside("escape")
    os.symlink("../../escape", os.path.join(box.rootfs, "link"))
    box.add_mount("/link/sub", "tmpfs", "tmpfs")
    box.sh("echo here >/link/sub/file")
    same(os.listdir(os.path.join(box.folder, "escape")), [], "the folder outside")


@test
def mounts_symbolic_link_to_a_folder_inside_is_followed(box):
    os.mkdir(os.path.join(box.rootfs, "real"))
    os.symlink("/real", os.path.join(box.rootfs, "link"))
    box.add_mount("/link", "tmpfs", "tmpfs")
    has(box.sh("cat /proc/mounts"), " /real ", "the mounts")


@test
def mounts_destination_with_dots_stays_inside(box):
    box.outside("escape")
    box.add_mount("/../../escape", "tmpfs", "tmpfs")
    box.run("/bin/true", status=None)
    same(os.listdir(box.folder + "/escape"), [], "the folder outside")
    lacks(read("/proc/self/mountinfo"), box.folder + "/escape", "the host's mounts")


@test
def mounts_dangling_symbolic_link_destination_of_a_file(box):
    path = box.outside("file", "content")
    os.symlink("/nowhere/yet", os.path.join(box.rootfs, "link"))
    box.bind(path, "/link", "ro")
    done = box.run("/bin/cat", "/link", status=None)
    check(done.status != 0 or done.out == "content", f"out {done.out}")
    check(not os.path.exists("/nowhere"), "made on the host")


@test
def mounts_source_may_be_a_symbolic_link(box):
    box.outside("real", "content")
    os.symlink("real", os.path.join(box.folder, "link"))
    box.bind(os.path.join(box.folder, "link"), "/file")
    same(box.run("/bin/cat", "/file").out, "content", "the file")


@test
def mounts_over_the_root_fail_or_hold(box):
    box.add_mount("/", "tmpfs", "tmpfs")
    done = box.script("echo well").run(status=None)
    check(done.status != 0 or done.out == "well\n", f"out {done.out}")
