"""turns ROUNDS {NAME: COMMAND...} - runs the commands in turn; prints {NAME: [milliseconds...]}."""
import json
import subprocess
import sys
import time

rounds, commands = int(sys.argv[1]), json.loads(sys.argv[2])
times = {name: [] for name in commands}
for turn in range(rounds + 1):
    for name, command in commands.items():
        start = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        if turn > 0:  # the first is not counted
            times[name].append(1000 * (time.perf_counter() - start))
print(json.dumps(times))
