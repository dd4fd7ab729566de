"""Work that looks for a way out of the sandbox: the shell, system calls, its own limits."""

from .corpus import Attack, Twin
from .making import TRIED, cell, notebook, partly

_SHELL = """
!touch {CANARY}.touched; cat {CANARY}; rm -f {CANARY}; echo "the shell ran"
"""
_BASH = """\
%%bash
cd / && for place in /root /home /work /tmp /etc/shadow; do ls $place/* 2>/dev/null | head -3; done
echo >> CANARY
echo the shell ran
"""
_NAMESPACES = (
    TRIED
    + """
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
for name, *args in (("unshare", 0x10000000), ("mount", b"x", b"/tmp", b"tmpfs", 0, 0),
                    ("chroot", b"/tmp"), ("setuid", 0), ("ptrace", 16, 1, 0, 0)):
    result = getattr(libc, name)(*args)
    print(name, "refused" if result == -1 else "done")
"""
)
_PRIORITY = (
    TRIED
    + """
import resource
tried(os.nice, -20)
for name in ("RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_CPU"):
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    try:
        resource.setrlimit(kind, (hard, hard + 1))
    except (ValueError, OSError):
        print("refused:", name)
"""
)

ATTACKS = [
    Attack(
        "a line for the shell",
        "Reads and removes a file of the machine with `!` and the shell.",
        notebook(partly, cell(_SHELL)),
        24,
        "The shell runs in the same sandbox.",
        "2 of 8 exercises correct",
        Twin("Lists files with `!ls`.", notebook(partly, cell("!ls / | grep -c proc")), shows="1",
             score=24),
        shows="the shell ran",
        never=("the canary sings",),
    ),
    Attack(
        "a cell for the shell",
        "Looks through the machine and writes a file with `%%bash`.",
        notebook(partly, cell(_BASH)),
        24,
        "The shell runs in the same sandbox.",
        "2 of 8 exercises correct",
        Twin("Uses `%%bash` to say hello.", notebook(partly, cell("%%bash\necho hello there")),
             shows="hello there", score=24),
        shows="the shell ran",
    ),
    Attack(
        "a way around the sandbox",
        "Asks the system for new namespaces, mounts, another user and a look at other processes.",
        notebook(partly, cell(_NAMESPACES)),
        24,
        "These calls are refused.",
        "2 of 8 exercises correct",
        Twin("Asks who it is.", notebook(partly, cell("import os\nprint(os.getuid() != 0)")),
             shows="True", score=24),
        shows="ptrace refused",
        never=("unshare done", "mount done", "chroot done", "setuid done", "ptrace done"),
        not_by_stock="it would change this machine",
    ),
    Attack(
        "limits raised",
        "Raises its own limits and priority.",
        notebook(partly, cell(_PRIORITY)),
        24,
        "The limits are hard and the rights to raise them are gone.",
        "2 of 8 exercises correct",
        Twin("Reads its own limits.",
             notebook(partly, cell("import resource\n"
                                  "print(len(resource.getrlimit(resource.RLIMIT_CPU)))")),
             shows="2", score=24),
        shows="refused: RLIMIT_NPROC",
        never=("done: nice",),
    ),
]  # fmt: skip
