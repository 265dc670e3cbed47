#!/usr/bin/python3
"""An OCI layer put on a folder by the specification alone: what our own unpacker is compared with.

    apply_layer.py LAYER.tar FOLDER
"""
import os
import shutil
import sys
import tarfile


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def hide(tar, folder):
    """Whiteouts mean what is below this layer, so they come before what is in it."""
    for member in tar:
        path, name = os.path.split(os.path.join(folder, member.name))
        if name == ".wh..wh..opq":
            for one in os.listdir(path) if os.path.isdir(path) else []:
                remove(os.path.join(path, one))
        elif name.startswith(".wh."):
            remove(os.path.join(path, name[len(".wh."):]))


def add(tar, folder):
    times = []
    for member in tar:
        path = os.path.join(folder, member.name)
        if os.path.basename(path).startswith(".wh."):
            continue
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if not (member.isdir() and is_folder):
            remove(path)
        tar.extract(member, folder, numeric_owner=True)
        attributes = {key[len("SCHILY.xattr."):]: value for key, value in member.pax_headers.items()
                      if key.startswith("SCHILY.xattr.")}
        for key, value in attributes.items():
            os.setxattr(path, key, value.encode("utf-8", "surrogateescape"), follow_symlinks=False)
        if member.isdir():
            os.chmod(path, member.mode)
        times.append((path, member.mtime))
    for path, mtime in times:
        os.utime(path, (mtime, mtime), follow_symlinks=False)


with tarfile.open(sys.argv[1]) as layer:
    hide(layer, sys.argv[2])
with tarfile.open(sys.argv[1]) as layer:
    add(layer, sys.argv[2])
