#!/usr/bin/env python3
"""in_user_namespace.py COMMAND...: as root of a user namespace, whose ids 0 to 65535 are 100000 to 165535 outside.

A test that passes here needs nothing of the initial user namespace.  Exit status: the command's; 77 with a
reason where no such namespace can be made.
"""
import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def enter(ready, go):
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) < 0:
        skip("no user namespace: " + os.strerror(ctypes.get_errno()))
    os.write(ready, b"1")
    os.read(go, 1)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.execvp(sys.argv[1], sys.argv[1:])


def main():
    if os.geteuid() != 0:
        skip("needs root: ids are mapped that are not one's own")
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go[1])
        enter(ready[1], go[0])
    os.close(ready[1])
    if os.read(ready[0], 1):
        for kind in "uid", "gid":
            with open(f"/proc/{child}/{kind}_map", "w") as file:
                file.write("0 100000 65536")
    os.write(go[1], b"1")
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


main()
