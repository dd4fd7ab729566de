"""What the grader and the warm server tell each other: JSON, a message a packet."""

from dataclasses import dataclass

# The largest message, in bytes.
MESSAGE = 2**16
# A kernel's sockets, in the order in which they are handed over.
CHANNELS = ("shell", "iopub", "stdin", "hb", "control")


class SandboxError(Exception):
    """The sandbox does not work on this machine; the message says why, and what to do."""


@dataclass(frozen=True)
class Allowance:
    """What one notebook may use: memory, one file and all files in bytes, CPU time in seconds.

    ``processes`` counts threads, too, of which a kernel has about ten.
    """

    memory: int = 2 * 2**30
    processes: int = 128
    file_size: int = 64 * 2**20
    disk: int = 256 * 2**20
    cpu: int = 600


@dataclass(frozen=True)
class Confinement:
    """What is left to one kernel: an allowance, paths, and the user to become.

    A ``uid`` of None stays the ordinary user that one is.
    """

    allowance: Allowance
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    devices: tuple[str, ...]
    uid: int | None
