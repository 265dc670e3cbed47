"""wire-document - docs/wire.md is right: its bytes say what stands beside them, its program runs as printed.

usage: wire-document.py DOCUMENT [ENDPOINT]; without ENDPOINT only the bytes are looked at.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import msgpack

document = pathlib.Path(sys.argv[1]).read_text()
blocks = re.findall(r"^```hex \w+ (\{[^\n]*\})\n(.*?)^```$", document, re.M | re.S)
assert len(blocks) == 5, f"{len(blocks)} hex blocks found"
for said, digits in blocks:
    data = bytes.fromhex(digits)
    assert msgpack.unpackb(data) == json.loads(said), f"{said} is not what {digits} says"
    assert msgpack.packb(json.loads(said)) == data, f"{said} is not packed as {digits}"

programs = re.findall(r"^```python\n(.*?)^```$", document, re.M | re.S)
assert len(programs) == 1, f"{len(programs)} programs found"
if len(sys.argv) > 2:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(programs[0])
        file.flush()
        sys.exit(subprocess.run([sys.executable, file.name, sys.argv[2]], timeout=60).returncode)
