"""devices - linux.devices, the default ones, their links, and masked and read-only paths."""
import os
import stat

from kit import check, has, lacks, read, same, skip, test

DEFAULT = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


@test
def default_devices_are_there(box):
    out = box.sh("for d in null zero full random urandom tty; do stat -c '%n %t %T %a %F' /dev/$d; done")
    for line, (name, (major, minor)) in zip(out.splitlines(), DEFAULT.items()):
        words = line.split()
        same(words[:4], [f"/dev/{name}", f"{major:x}", f"{minor:x}", "666"], "the device")
    box.sh("echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; ! echo x >/dev/full")


@test
def default_links_are_there(box):
    out = box.sh("for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done")
    lines = out.splitlines()
    same(lines[:4], ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"], "the links")
    check(lines[4] in ("pts/ptmx", "/dev/pts/ptmx"), f"ptmx -> {lines[4]}")


@test
def default_console_is_only_there_with_a_terminal(box):
    same(box.sh("test -e /dev/console && echo there; true"), "", "out")


@test
def default_devices_replace_nothing_of_a_bound_dev(box):
    # a /dev that comes from the host keeps what it has
    box.without_mount("/dev")
    box.config["mounts"].append({"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]})
    before = sorted(os.listdir("/dev"))
    box.sh("test -c /dev/null")
    after = sorted(os.listdir("/dev"))
    same([n for n in after if n not in before], [], "new names in the host's /dev")


@test
def default_devices_go_into_a_dev_without_mount(box):
    box.without_mount("/dev")
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    same(box.sh("test -c /dev/null && echo well"), "well\n", "out")


@test
def devices_of_every_type(box):
    box.linux["devices"] = [
        {"path": "/dev/own-c", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 6},
        {"path": "/dev/own-u", "type": "u", "major": 1, "minor": 5, "fileMode": 0o600},
        {"path": "/dev/own-b", "type": "b", "major": 7, "minor": 200, "fileMode": 0o400},
        {"path": "/dev/own-p", "type": "p", "fileMode": 0o622},
    ]
    out = box.sh("cd /dev; stat -c '%n %F %t %T %a %u %g' own-c own-u own-b own-p")
    same(out.splitlines(), ["own-c character special file 1 3 640 5 6", "own-u character special file 1 5 600 0 0",
                            "own-b block special file 7 c8 400 0 0", "own-p fifo 0 0 622 0 0"], "the devices")


@test
def devices_in_a_folder_that_is_not_there(box):
    box.linux["devices"] = [{"path": "/dev/net/deep/own", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]
    same(box.sh("test -c /dev/net/deep/own && echo well"), "well\n", "out")


@test
def devices_outside_dev(box):
    box.linux["devices"] = [{"path": "/own", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]
    same(box.sh("test -c /own && echo well"), "well\n", "out")


@test
def devices_mode_is_not_cut_by_the_umask(box):
    old = os.umask(0o77)
    box.linux["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]
    out = box.sh("stat -c %a /dev/own")
    os.umask(old)
    same(out, "666\n", "mode")


@test(runc="leaves what is there", crun="leaves what is there")
def devices_over_another_file_fail(box):
    box.file("/own", "a plain file")
    box.linux["devices"] = [{"path": "/own", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]
    done = box.create(status="fails")
    has(done.err, "/own", "the message")
    box.leaves_nothing()


@test
def devices_that_are_there_already_are_well(box):
    os.mknod(os.path.join(box.rootfs, "own"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    box.linux["devices"] = [{"path": "/own", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]
    same(box.sh("test -c /own && echo well"), "well\n", "out")


@test
def devices_symbolic_link_stays_inside(box):
    os.symlink(box.outside("target"), os.path.join(box.rootfs, "link"))
    box.linux["devices"] = [{"path": "/link/own", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]
    box.run("/bin/true", status=None)
    same(os.listdir(os.path.join(box.folder, "target")), [], "the folder outside")


@test
def devices_are_bound_in_a_user_namespace(box):
    box.user_namespace()
    box.linux["devices"] = [{"path": "/dev/own", "type": "c", "major": 1, "minor": 3, "fileMode": 438}]
    if not os.path.exists("/dev/own"):
        box.linux["devices"][0]["path"] = "/dev/full"
        box.linux["devices"][0]["minor"] = 7
    same(box.sh("for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; "
                "echo x >/dev/null && head -c 3 /dev/zero | wc -c"), "3\n", "out")


@test(crun="takes it silently")
def devices_unknown_type_fails(box):
    box.linux["devices"] = [{"path": "/dev/own", "type": "z", "major": 1, "minor": 3}]
    done = box.create(status="fails")
    check(done.err.strip(), "no message")
    box.leaves_nothing()


# ---- the devices control group ---------------------------------------------------------------------------
def own_device(box, major, minor, kind="c"):
    box.capable()
    box.linux["devices"] = [{"path": "/dev/own", "type": kind, "major": major, "minor": minor, "fileMode": 438}]


@test
def resources_devices_are_denied_by_default(box):
    own_device(box, 1, 11)  # kmsg: not one of those that every container has
    same(box.run("/bin/probe", "open", "/dev/own", "r").out, "EPERM\n", "out")


@test
def resources_devices_are_allowed_one_by_one(box):
    own_device(box, 1, 11)
    box.linux["resources"]["devices"].append({"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"})
    same(box.sh("probe open /dev/own r; probe open /dev/own rw"), "open\nEPERM\n", "out")


@test
def resources_devices_are_allowed_by_major(box):
    own_device(box, 1, 11)
    box.linux["resources"]["devices"].append({"allow": True, "type": "c", "major": 1, "access": "rwm"})
    same(box.run("/bin/probe", "open", "/dev/own", "r").out, "open\n", "out")


@test(runc="turns the order around in some cases")
def resources_devices_later_rules_win(box):
    own_device(box, 1, 11)
    box.linux["resources"]["devices"] += [
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rwm"},
        {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rw"}]
    same(box.sh("probe open /dev/own r; mknod /tmp/x c 1 11 && echo made"), "EPERM\nmade\n", "out")


@test
def resources_devices_all_may_be_allowed(box):
    own_device(box, 1, 11)
    box.linux["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    same(box.run("/bin/probe", "open", "/dev/own", "r").out, "open\n", "out")


@test
def resources_devices_default_ones_are_always_allowed(box):
    box.capable()
    out = box.sh("for d in null zero full random urandom; do probe open /dev/$d rw; done; "
                 "mknod /tmp/x c 1 3 && echo made; probe open /dev/ptmx rw")
    same(out, "open\n" * 5 + "made\nopen\n", "out")


@test
def resources_devices_mknod_is_always_allowed(box):
    box.capable()
    done = box.script("mknod /tmp/x c 1 11 && echo made").run(status=None)
    if box.kind == "crun" and done.out != "made\n":
        skip("crun 1.8 allows only the named ones")
    same(done.out, "made\n", "out")


# ---- masked and read-only paths ----------------------------------------------------------------------------
@test
def masked_files_read_as_nothing(box):
    box.file("/etc/secret", "secret")
    box.linux["maskedPaths"] = ["/etc/secret", "/proc/cpuinfo"]
    same(box.sh("cat /etc/secret; wc -c </proc/cpuinfo; stat -c '%t %T' /etc/secret"), "0\n1 3\n", "out")


@test
def masked_folders_are_empty_and_read_only(box):
    box.file("/secret/file", "secret")
    box.linux["maskedPaths"] = ["/secret"]
    same(box.sh("ls /secret; touch /secret/x 2>/dev/null || echo refused"), "refused\n", "out")


@test
def masked_paths_that_are_not_there_are_ignored(box):
    box.linux["maskedPaths"] = ["/no/such/path", "/proc/no-such"]
    same(box.sh("echo well; ls /no 2>/dev/null; true"), "well\n", "out")


@test
def masked_paths_of_a_submount(box):
    box.add_mount("/mnt", "tmpfs", "tmpfs", ["mode=755"])
    box.file("/data/secret", "secret")
    box.add_mount("/mnt", "bind", os.path.join(box.rootfs, "data"), ["bind"])
    box.linux["maskedPaths"] = ["/mnt/secret"]
    same(box.run("/bin/cat", "/mnt/secret").out, "", "out")


@test
def masked_symbolic_links_stay_inside(box):
    # the name may lead to a link: what it leads to inside is masked, nothing outside is touched
    path = box.outside("file", "outside")
    os.symlink(path, os.path.join(box.rootfs, "link"))
    box.linux["maskedPaths"] = ["/link"]
    box.run("/bin/true", status=None)
    same(read(path), "outside", "the file outside")
    lacks(read("/proc/self/mountinfo"), path, "the host's mounts")


@test
def readonly_paths_refuse_writes(box):
    box.capable()
    box.file("/data/file", "x")
    box.linux["readonlyPaths"] = ["/data", "/proc/sys", "/no/such/path"]
    out = box.sh("echo y >/data/file || echo refused; echo h >/proc/sys/kernel/hostname || echo refused; cat /data/file")
    same(out, "refused\nrefused\nx", "out")


@test
def readonly_paths_keep_what_is_below(box):
    box.add_mount("/data", "tmpfs", "tmpfs", ["mode=755"])
    box.add_mount("/data/below", "tmpfs", "tmpfs", ["nosuid", "mode=755", "size=64k"])
    box.linux["readonlyPaths"] = ["/data"]
    has(box.sh("grep ' /data/below ' /proc/mounts"), "nosuid", "the mounts")


@test
def readonly_root_with_masks(box):
    box.config["root"]["readonly"] = True
    box.file("/etc/secret", "secret")
    box.linux["maskedPaths"] = ["/etc/secret"]
    box.linux["readonlyPaths"] = ["/proc/sys"]
    same(box.sh("cat /etc/secret; echo well"), "well\n", "out")


@test
def masks_in_a_user_namespace(box):
    box.file("/etc/secret", "secret")
    box.file("/folder/file", "secret")
    box.user_namespace()
    box.linux["maskedPaths"] = ["/etc/secret", "/folder", "/proc/kcore"]
    box.linux["readonlyPaths"] = ["/proc/sys"]
    same(box.sh("cat /etc/secret; ls /folder; echo well"), "well\n", "out")
