"""control - the wish that a test shares with the hook of a dev build (platform/linux/hook.c)."""
import errno
import mmap
import struct

NAME_SIZE = 24
NAMES_MAX = 8192
HEAD = struct.Struct("=qqqq")  # wish, at, os, calls
SIZE = HEAD.size + NAME_SIZE * NAMES_MAX
NONE, COUNT, FAIL, EXIT = range(4)
EXITS_WITH = 86


class Control:
    """A file that a daemon is started with; calls are numbered while there is a wish."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(SIZE)
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), SIZE)

    def _wish(self, wish, at=0, os=errno.EIO):
        # the wish goes last: with it the numbering starts
        struct.pack_into("=q", self.shared, 0, NONE)
        struct.pack_into("=qqq", self.shared, 8, at, os, 0)
        struct.pack_into("=q", self.shared, 0, wish)

    def count(self):
        self._wish(COUNT)

    def fail(self, at, os=errno.EIO):
        self._wish(FAIL, at, os)

    def exit(self, at):
        self._wish(EXIT, at)

    def calls(self):
        """How many there were since the wish."""
        return HEAD.unpack_from(self.shared)[3]

    def off(self):
        """Ends the wish; the number of calls there were.  They are read after that: none of them is missed
        that still heard the wish."""
        struct.pack_into("=q", self.shared, 0, NONE)
        return self.calls()

    def name(self, number):
        """What the call was."""
        if not 0 < number <= NAMES_MAX:
            return "?"
        at = HEAD.size + (number - 1) * NAME_SIZE
        return self.shared[at:at + NAME_SIZE].split(b"\0")[0].decode()
