"""test_wire - the golden messages, read with a msgpack that is not ours.

A client in another language sees exactly what protocol/wire/*.json says: keys in the order of the
schema, times as integers of nanoseconds, bytes as bin, paths as str where they are UTF-8.
"""
import base64
import datetime
import json
import pathlib
import re
import sys

try:
    import msgpack
except ImportError:
    print("skipped: this Python has no msgpack")
    sys.exit(77)

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def nanoseconds(text):
    seconds = datetime.datetime.strptime(text[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z") - EPOCH
    return (seconds.days * 86400 + seconds.seconds) * 10**9 + int(text[20:29])


def same(wire, shown):
    if isinstance(wire, dict):
        # a list is shown even when it is empty and not sent
        present = {key: value for key, value in shown.items() if value != [] or key in wire}
        return list(wire) == list(present) and all(same(wire[key], present[key]) for key in wire)
    if isinstance(wire, list):
        return len(wire) == len(shown) and all(map(same, wire, shown))
    if isinstance(wire, bytes):
        return shown in (base64.b64encode(wire).decode(), wire.decode(errors="replace"))
    if isinstance(wire, int) and isinstance(shown, str):
        return TIME.fullmatch(shown) is not None and wire == nanoseconds(shown)
    return type(wire) is type(shown) and wire == shown


def main():
    folder = pathlib.Path(__file__).parents[2] / "protocol" / "wire"
    files = sorted(folder.glob("*.hex"))
    failed = 0
    for file in files:
        wire = bytes.fromhex(file.read_text())
        message = msgpack.unpackb(wire, raw=False, strict_map_key=True)
        if not same(message, json.loads(file.with_suffix(".json").read_text())):
            print(f"{file.stem}: the JSON says something else: {message}")
            failed += 1
        if msgpack.packb(message, use_bin_type=True) != wire:
            print(f"{file.stem}: is not packed in the shortest form")
            failed += 1
    print(f"{len(files)} golden messages, {failed} wrong")
    sys.exit(1 if failed or len(files) < 15 else 0)


main()
