"""terminal - process.terminal: the console socket, its size, and what is at the other end."""
import json
import os
import pty
import select
import time

from kit import Console, check, has, read, same, test


def with_terminal(box, *args):
    box.process["terminal"] = True
    box.process["env"].append("TERM=xterm")
    if args:
        box.args(*args)
    return Console(box)


@test
def terminal_comes_through_the_console_socket(box):
    console = with_terminal(box, "/bin/probe", "terminal")
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    shown = console.read_until("controlling=yes")
    for word in ("0=/dev/pts/0", "1=/dev/pts/0", "2=/dev/pts/0"):
        check(word in shown or word.replace("pts/0", "console") in shown, f"{word}: {shown!r}")


@test
def terminal_has_its_size(box):
    console = with_terminal(box, "/bin/probe", "terminal")
    box.process["consoleSize"] = {"height": 33, "width": 77}
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    has(console.read_until("controlling"), "rows=33 columns=77", "the size")


@test
def terminal_is_the_console(box):
    console = with_terminal(box, "/bin/sh", "-c", "test -c /dev/console && echo from console >/dev/console")
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    console.read_until("from console")


@test
def terminal_reads_what_is_typed(box):
    console = with_terminal(box, "/bin/sh", "-c", "read x; echo got $x")
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    os.write(console.master, b"words\n")
    console.read_until("got words")


@test
def terminal_sends_signals(box):
    console = with_terminal(box, "/bin/sh", "-c", "trap 'echo caught' INT; echo ready; while :; do sleep 0.05; done")
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    console.read_until("ready")
    os.write(console.master, b"\x03")
    console.read_until("caught")


@test
def terminal_belongs_to_the_user(box):
    console = with_terminal(box, "/bin/sh", "-c", "stat -c '%u %a' $(readlink /proc/self/fd/0); echo again >$(readlink /proc/self/fd/0)")
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    has(console.read_until("again"), "1000 6", "its owner and mode")


@test
def terminal_in_a_user_namespace(box):
    console = with_terminal(box, "/bin/probe", "terminal")
    box.user_namespace()
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    console.read_until("controlling=yes")


@test
def terminal_detached_needs_a_console_socket(box):
    with_terminal(box, "/bin/true")
    done = box.create(status="fails")
    has(done.err.lower(), "console", "the message")
    box.leaves_nothing()


@test(crun="ignores it")
def terminal_console_socket_without_a_terminal_fails(box):
    console = Console(box)
    done = box.create(status="fails", flags=["--console-socket", console.path])
    has(done.err.lower(), "console", "the message")
    box.leaves_nothing()


@test
def terminal_console_socket_that_is_not_there_fails(box):
    with_terminal(box, "/bin/true")
    done = box.create(status="fails", flags=["--console-socket", os.path.join(box.folder, "none")])
    check(done.err.strip(), "no message")
    box.leaves_nothing()


@test
def terminal_is_as_a_new_one(box):
    # with output processing: a program's \n arrives as \r\n, and without the runtime's own settings
    console = with_terminal(box, "/bin/sh", "-c", "echo word; stty -a")
    box.create(flags=["--console-socket", console.path])
    console.accept()
    box.start()
    shown = console.read_until("isig")
    has(shown, "word", "what is shown")


@test
def terminal_of_exec(box):
    box.sleeper()
    console = Console(box)
    pid_file = os.path.join(box.folder, "pid")
    box.call("exec", "--tty", "--detach", "--pid-file", pid_file, "--console-socket", console.path, box.id, "/bin/probe", "terminal")
    console.accept()
    console.read_until("controlling=yes")
    check(int(read(pid_file)) > 1, "the pid file")


@test(crun="from 1.9 on it leaves it to the caller")
def terminal_of_exec_has_its_size(box):
    box.sleeper()
    console = Console(box)
    spec = {**box.process, "terminal": True, "args": ["/bin/probe", "terminal"], "consoleSize": {"height": 44, "width": 99}}
    path = box.outside("process.json", json.dumps(spec))
    box.call("exec", "--process", path, "--detach", "--console-socket", console.path, box.id)
    console.accept()
    has(console.read_until("controlling"), "rows=44 columns=99", "the size")


@test
def terminal_hangs_up_with_its_program(box):
    console = with_terminal(box, "/bin/sh", "-c", "echo last words")
    box.create(flags=["--console-socket", console.path])
    console.accept()
    pid = box.pid()
    box.start()
    has(console.read_until(None), "last words", "what is shown before the end")
    box.wait_end(pid)


def foreground(box, *words):
    """Runs the runtime itself on a terminal; (status, what is shown)."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(box.runtime, [box.runtime, "--root", box.root, *words])
    shown = b""
    end = time.monotonic() + 10
    while time.monotonic() < end and select.select([master], [], [], 10)[0]:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


@test
def terminal_in_the_foreground(box):
    box.process["terminal"] = True
    box.script("probe terminal; exit 6").save()
    status, shown = foreground(box, "run", "--bundle", box.bundle, box.id)
    has(shown, "controlling=yes", "what is shown")
    same(status, 6, "status")
    box.leaves_nothing()


@test
def terminal_of_exec_in_the_foreground(box):
    box.sleeper()
    status, shown = foreground(box, "exec", "--tty", box.id, "/bin/sh", "-c", "probe terminal; exit 5")
    has(shown, "controlling=yes", "what is shown")
    same(status, 5, "status")
