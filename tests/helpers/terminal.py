#!/usr/bin/env python3
# terminal.py - a person at a terminal: runs a command on a pseudo terminal and plays a script with it.
#
#   terminal.py STEP... -- COMMAND...
#
# Steps: expect:TEXT waits until TEXT was shown (since the step before), send:TEXT types (escapes
# as in Python), size:COLUMNSxROWS changes the window, signal:NAME goes to the command, end waits
# for the command.  Ends with its exit status; 98 when something was not shown within 20 s, 99
# when the terminal is not left as it was found.  What was shown goes to standard output.
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

WAIT = 20


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    def __init__(self, command):
        self.master, self.slave = pty.openpty()
        set_size(self.master, 80, 24)
        self.before = termios.tcgetattr(self.slave)
        self.shown = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(self.slave, fd)
            os.closerange(3, 256)
            os.execvp(command[0], command)

    def read(self, timeout):
        if not select.select([self.master], [], [], timeout)[0]:
            return
        data = os.read(self.master, 65536)
        self.shown += data
        if b"\x1b[6n" in data:  # "where is the cursor?", asked while the window has no size yet
            os.write(self.master, b"\x1b[24;80R")
        sys.stdout.buffer.write(data)
        sys.stdout.flush()

    def expect(self, text):
        end = time.monotonic() + WAIT
        while text not in self.shown:
            if time.monotonic() > end:
                sys.stderr.write(f"\nnot shown: {text!r}\n")
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(98)
            self.read(0.1)
        self.shown = self.shown[self.shown.index(text) + len(text):]

    def end(self):
        deadline = time.monotonic() + WAIT
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.read(0 if pid else 0.05)
            if pid:
                while select.select([self.master], [], [], 0)[0]:
                    self.read(0)
                break
            if time.monotonic() > deadline:
                sys.stderr.write("\nthe command does not end\n")
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(98)
        if termios.tcgetattr(self.slave)[:4] != self.before[:4]:
            sys.stderr.write("\nthe terminal is not as before\n")
            sys.exit(99)
        sys.exit(os.waitstatus_to_exitcode(status) & 255)


def main():
    split = sys.argv.index("--")
    terminal = Terminal(sys.argv[split + 1:])
    for step in sys.argv[1:split]:
        kind, _, rest = step.partition(":")
        text = rest.encode().decode("unicode_escape").encode("latin-1")
        if kind == "expect":
            terminal.expect(text)
        elif kind == "send":
            os.write(terminal.master, text)
        elif kind == "size":
            set_size(terminal.master, *map(int, rest.split("x")))
        elif kind == "signal":
            os.kill(terminal.pid, getattr(signal, "SIG" + rest))
        else:
            sys.exit(f"unknown step {step}")
    terminal.end()


main()
