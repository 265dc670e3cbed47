#!/usr/bin/python3
"""A snapshot plugin as others write it: containerd's Snapshots service over a unix socket, by Debian's grpcio.

    snapshot_plugin.py SOCKET ROOT [--kind overlay|copy] [--remote DIR] [--rebase] [--boxed]

What it serves is written down here once more (MESSAGES), from the protocol's description, so that it is an oracle
for the daemon's own.  Snapshots lie in ROOT and survive a restart.  overlay: a folder for what each changes, mounted on
those below; copy: each is a whole copy of its parent, bound.  --remote: DIR/<hex of a chain id> holds what a layer
with that chain id changes: Prepare for such a target answers AlreadyExists, as plugins that load lazily do.
--rebase: a commit may say what the snapshot stands on (overlay only); --boxed: an overlay is mounted also where there
is nothing under it.

ROOT/log gets a line of JSON for each call.  ROOT/control, when it is there, says how to misbehave, a line each:

    METHOD hang SECONDS           answers late
    METHOD die                    the process is gone before the call does anything
    METHOD die-after              ... and after it has done it
    METHOD fail STATUS WHERE TEXT a status; WHERE: first (in the first headers) or trailers
    METHOD mount TYPE SOURCE TARGET OPTION...   these mounts instead; - is empty, %00 is a NUL, %20 a blank
    METHOD pad BYTES              so many bytes of a field nobody knows before the answer's own
    METHOD raw HEX                these bytes are the message
    METHOD once ...               as above, and only the next time
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:
    print("skipped: python3-grpcio and python3-protobuf are not installed")
    sys.exit(77)

SERVICE = "containerd.services.snapshots.v1.Snapshots"
REF = "containerd.io/snapshot.ref"

# name: fields as (name, number, type); * repeated, map: string to string
MESSAGES = {
    "Empty": [],
    "Timestamp": [("seconds", 1, "int64"), ("nanos", 2, "int32")],
    "FieldMask": [("paths", 1, "*string")],
    "Label": [("key", 1, "string"), ("value", 2, "string")],
    "Mount": [("type", 1, "string"), ("source", 2, "string"), ("target", 3, "string"), ("options", 4, "*string")],
    "Info": [("name", 1, "string"), ("parent", 2, "string"), ("kind", 3, "int32"), ("created_at", 4, "Timestamp"),
             ("updated_at", 5, "Timestamp"), ("labels", 6, "*Label"), ("unheard_of", 77, "string")],
    "PrepareSnapshotRequest": [("snapshotter", 1, "string"), ("key", 2, "string"), ("parent", 3, "string"),
                               ("labels", 4, "*Label")],
    "MountsResponse": [("mounts", 1, "*Mount")],
    "KeyRequest": [("snapshotter", 1, "string"), ("key", 2, "string")],
    "CommitSnapshotRequest": [("snapshotter", 1, "string"), ("name", 2, "string"), ("key", 3, "string"),
                              ("labels", 4, "*Label"), ("parent", 5, "string")],
    "InfoResponse": [("info", 1, "Info")],
    "UpdateSnapshotRequest": [("snapshotter", 1, "string"), ("info", 2, "Info"), ("update_mask", 3, "FieldMask")],
    "ListSnapshotsRequest": [("snapshotter", 1, "string"), ("filters", 2, "*string")],
    "ListSnapshotsResponse": [("info", 1, "*Info")],
    "UsageResponse": [("size", 1, "int64"), ("inodes", 2, "int64")],
    "CleanupRequest": [("snapshotter", 1, "string")],
}
KINDS = {"view": 1, "active": 2, "committed": 3}


def messages_make():
    file = descriptor_pb2.FileDescriptorProto(name="oracle.proto", package="oracle", syntax="proto3")
    field_type = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            made = message.field.add(name=field, number=number)
            made.label = field_type.LABEL_REPEATED if kind[0] == "*" else field_type.LABEL_OPTIONAL
            kind = kind.lstrip("*")
            if kind in MESSAGES:
                made.type, made.type_name = field_type.TYPE_MESSAGE, ".oracle." + kind
            else:
                made.type = getattr(field_type, "TYPE_" + kind.upper())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("oracle." + name)) for name in MESSAGES}


M = messages_make()


class Refused(Exception):
    def __init__(self, code, text):
        self.code, self.text = code, text


def refuse(code, text):
    raise Refused(getattr(grpc.StatusCode, code), text)


def labels_of(field):
    return {label.key: label.value for label in field}


class Store:
    """Snapshots by key, and their folders."""

    def __init__(self, options):
        self.options = options
        self.root = options.root
        self.file = os.path.join(self.root, "snapshots.json")
        self.lock = threading.RLock()
        self.next, self.all = 1, {}
        os.makedirs(os.path.join(self.root, "s"), exist_ok=True)
        if os.path.exists(self.file):
            with open(self.file) as file:
                self.next, self.all = json.load(file)

    def save(self):
        with open(self.file + ".new", "w") as file:
            json.dump([self.next, self.all], file)
        os.rename(self.file + ".new", self.file)

    def get(self, key):
        if key not in self.all:
            refuse("NOT_FOUND", f"snapshot {key}: not found")
        return self.all[key]

    def place(self, one, below):
        return os.path.join(self.root, "s", str(one["id"]), below)

    def chain(self, one):
        """The folders of a snapshot's parents, nearest first."""
        found = []
        while one["parent"]:
            one = self.all[one["parent"]]
            found.append(self.place(one, "fs"))
        return found

    def mounts(self, one):
        if one["kind"] == "committed":
            refuse("FAILED_PRECONDITION", "committed: failed precondition")
        below = self.chain(one)
        if self.options.boxed and not below:
            below = [self.place(one, "none")]
            os.makedirs(below[0], exist_ok=True)
        if self.options.kind == "copy" or not below:
            how = "ro" if one["kind"] == "view" else "rw"
            return [M["Mount"](type="bind", source=self.place(one, "fs"), options=[how, "rbind"])]
        options = ["index=off"]
        if one["kind"] == "active":
            options += ["workdir=" + self.place(one, "work"), "upperdir=" + self.place(one, "fs")]
        elif len(below) == 1:
            return [M["Mount"](type="bind", source=below[0], options=["ro", "rbind"])]
        return [M["Mount"](type="overlay", source="overlay", options=options + ["lowerdir=" + ":".join(below)])]

    def make(self, key, parent, labels, kind):
        if key in self.all:
            refuse("ALREADY_EXISTS", f"snapshot {key}: already exists")
        if parent and self.get(parent)["kind"] != "committed":
            refuse("INVALID_ARGUMENT", f"parent {parent} is not committed: invalid argument")
        one = {"id": self.next, "parent": parent, "kind": kind, "labels": labels, "made": time.time()}
        self.next += 1
        os.makedirs(self.place(one, "work"))
        if parent and self.options.kind == "copy":
            subprocess.run(["cp", "-a", self.place(self.all[parent], "fs"), self.place(one, "fs")], check=True)
        else:
            os.mkdir(self.place(one, "fs"), 0o755)
            if parent:  # what is seen at the top is this folder
                below = os.stat(self.place(self.all[parent], "fs"))
                os.chown(self.place(one, "fs"), below.st_uid, below.st_gid)
                os.chmod(self.place(one, "fs"), below.st_mode & 0o7777)
                os.utime(self.place(one, "fs"), ns=(below.st_mtime_ns, below.st_mtime_ns))
        self.all[key] = one
        return one

    def remote(self, key, parent, labels):
        """Is the target one that can be had without unpacking?"""
        target = labels.get(REF, "").replace("sha256:", "")
        source = os.path.join(self.options.remote or "", target)
        if not self.options.remote or not target or not os.path.isdir(source):
            return
        found = [one for one in self.all.values() if one["labels"].get(REF) == labels[REF] and one["parent"] == parent
                 and one["kind"] == "committed"]
        if not found:
            one = self.make(f"remote/{self.next}/{key}", parent, labels, "committed")
            subprocess.run(["cp", "-a", source + "/.", self.place(one, "fs")], check=True)
        self.save()
        refuse("ALREADY_EXISTS", f"target snapshot {labels[REF]}: already exists")

    def info(self, key, one):
        info = M["Info"](name=key, parent=one["parent"], kind=KINDS[one["kind"]], unheard_of="of something newer")
        info.created_at.seconds = info.updated_at.seconds = int(one["made"])
        for label, value in sorted(one["labels"].items()):
            info.labels.add(key=label, value=value)
        return info

    # ---- the methods -------------------------------------------------------------------------------------

    def Prepare(self, request):
        labels = labels_of(request.labels)
        self.remote(request.key, request.parent, labels)
        return M["MountsResponse"](mounts=self.mounts(self.make(request.key, request.parent, labels, "active")))

    def View(self, request):
        one = self.make(request.key, request.parent, labels_of(request.labels), "view")
        return M["MountsResponse"](mounts=self.mounts(one))

    def Mounts(self, request):
        return M["MountsResponse"](mounts=self.mounts(self.get(request.key)))

    def Commit(self, request):
        one = self.get(request.key)
        if one["kind"] != "active":
            refuse("FAILED_PRECONDITION", f"snapshot {request.key} is not active: failed precondition")
        if request.name in self.all:
            refuse("ALREADY_EXISTS", f"snapshot {request.name}: already exists")
        if request.parent and request.parent != one["parent"]:
            if not self.options.rebase or one["parent"]:
                refuse("INVALID_ARGUMENT", "parent cannot change: invalid argument")
            one["parent"] = request.parent
        one.update(kind="committed", labels=labels_of(request.labels))
        self.all[request.name] = self.all.pop(request.key)
        return M["Empty"]()

    def Remove(self, request):
        one = self.get(request.key)
        if any(other["parent"] == request.key for other in self.all.values()):
            refuse("FAILED_PRECONDITION", f"snapshot {request.key} has children: failed precondition")
        shutil.rmtree(os.path.join(self.root, "s", str(one["id"])))
        del self.all[request.key]
        return M["Empty"]()

    def Stat(self, request):
        return M["InfoResponse"](info=self.info(request.key, self.get(request.key)))

    def Update(self, request):
        one = self.get(request.info.name)
        labels, new = dict(one["labels"]), labels_of(request.info.labels)
        for path in request.update_mask.paths or ["labels"]:
            if path == "labels":
                labels = new
            elif path.startswith("labels."):
                labels[path[7:]] = new.get(path[7:], "")
            else:
                refuse("INVALID_ARGUMENT", "only labels can be changed: invalid argument")
        one["labels"] = {key: value for key, value in labels.items() if value}
        return M["InfoResponse"](info=self.info(request.info.name, one))

    def List(self, request):
        for at in range(0, len(self.all), 100):  # filters are ignored, as they may be
            keys = sorted(self.all)[at:at + 100]
            yield M["ListSnapshotsResponse"](info=[self.info(key, self.all[key]) for key in keys])

    def Usage(self, request):
        one, size, inodes = self.get(request.key), 0, 0
        top = self.place(one, "fs")
        below = self.place(self.all[one["parent"]], "fs") if one["parent"] and self.options.kind == "copy" else None
        for folder, folders, files in os.walk(top):
            for name in folders + files:
                path = os.path.join(folder, name)
                copied = os.path.join(below, os.path.relpath(path, top)) if below else None
                if copied and os.path.lexists(copied) and os.lstat(copied).st_mtime_ns == os.lstat(path).st_mtime_ns:
                    continue
                inodes += 1
                size += os.lstat(path).st_blocks * 512 if name in files else 0
        return M["UsageResponse"](size=size, inodes=inodes)


REQUESTS = {"Prepare": "PrepareSnapshotRequest", "View": "PrepareSnapshotRequest", "Mounts": "KeyRequest",
            "Commit": "CommitSnapshotRequest", "Remove": "KeyRequest", "Stat": "KeyRequest", "Usage": "KeyRequest",
            "Update": "UpdateSnapshotRequest", "List": "ListSnapshotsRequest", "Cleanup": "CleanupRequest"}


class Service(grpc.GenericRpcHandler):
    def __init__(self, store):
        self.store = store
        self.control = os.path.join(store.root, "control")
        self.log = open(os.path.join(store.root, "log"), "a", buffering=1)

    def misbehaviour(self, method):
        """The words of a line of the control file."""
        if not os.path.exists(self.control):
            return []
        with open(self.control) as file:
            lines = file.read().splitlines()
        for line in lines:
            words = line.split()
            if not words or words[0] != method:
                continue
            if words[1] == "once":
                with open(self.control, "w") as file:
                    file.write("".join(other + "\n" for other in lines if other != line))
                return words[2:]
            return words[1:]
        return []

    def note(self, method, request, context):
        line = {"method": method, "left": context.time_remaining()}
        line.update({key: value for key, value in context.invocation_metadata()})
        for field, value in request.ListFields():
            line[field.name] = labels_of(value) if field.name == "labels" else value if isinstance(value, str) else str(value)
        self.log.write(json.dumps(line) + "\n")

    def answer(self, method, request, context):
        with self.store.lock:
            self.note(method, request, context)
            how = self.misbehaviour(method) or ["well"]
            if how[0] == "die":
                os._exit(9)
            if how[0] == "hang":
                self.store.lock.release()
                try:
                    time.sleep(float(how[1]))
                finally:
                    self.store.lock.acquire()
            if how[0] == "fail":
                if how[2] == "trailers":
                    context.send_initial_metadata(())
                code = [one for one in grpc.StatusCode if one.value[0] == int(how[1])][0]
                context.abort(code, " ".join(how[3:]))
            try:
                made = getattr(self.store, method)(request)
                made = list(made) if method == "List" else [made]
            except Refused as refused:
                self.store.save()
                context.abort(refused.code, refused.text)
            self.store.save()
            if how[0] == "die-after":
                os._exit(9)
            return [self.spoil(one, how) for one in made]

    def spoil(self, message, how):
        if how[0] == "mount":
            words = [urllib.parse.unquote(word) if word != "-" else "" for word in how[1:]]
            message = M["MountsResponse"](mounts=[M["Mount"](type=words[0], source=words[1], target=words[2],
                                                            options=words[3:])])
        if how[0] == "raw":
            return bytes.fromhex("".join(how[1:]))
        padding = b""
        if how[0] == "pad":
            size = int(how[1])
            padding = bytes([0xba, 0x3e])  # field 999, length-delimited
            while size > 0x7f:
                padding += bytes([size & 0x7f | 0x80])
                size >>= 7
            padding += bytes([size]) + bytes(int(how[1]))
        return padding + message.SerializeToString()

    def service(self, details):
        method = details.method.rsplit("/", 1)[-1]
        if details.method != f"/{SERVICE}/{method}" or not hasattr(self.store, method):
            return None  # Unimplemented; Cleanup, too
        read = M[REQUESTS[method]].FromString
        if method == "List":
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: iter(self.answer(method, request, context)), read, bytes)
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self.answer(method, request, context)[0], read, bytes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("root")
    parser.add_argument("--kind", choices=("overlay", "copy"), default="overlay")
    parser.add_argument("--remote")
    parser.add_argument("--rebase", action="store_true")
    parser.add_argument("--boxed", action="store_true")
    options = parser.parse_args()
    if options.rebase and options.kind == "copy":
        parser.error("--rebase: a copy holds its parent's files from the beginning")
    os.makedirs(options.root, exist_ok=True)
    os.umask(0)
    if os.path.exists(options.socket):
        os.unlink(options.socket)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8),
                         options=[("grpc.max_receive_message_length", 16 << 20),
                                  ("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((Service(Store(options)),))
    if server.add_insecure_port("unix:" + options.socket) == 0:
        sys.exit(f"{options.socket}: cannot be listened at")
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
