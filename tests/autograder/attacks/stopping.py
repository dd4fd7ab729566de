"""Work that never ends, ends too much, or says too much: the grader must go on without it."""

from .corpus import Attack, Twin
from .making import answer, before, cell, notebook, partly, right

_SLOW = "it keeps stock nbgrader busy for as long as its limit of time lets it"

_IGNORES = """
import signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    try:
        pass
    except BaseException:
        pass
"""
_SWALLOWS = """
def local_m_mask(steps, src_mask, window):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""
_SEGFAULT = "import ctypes\nctypes.string_at(0)"
_THREADS = """
import threading

def busy():
    while True:
        pass

for _ in range(2):
    threading.Thread(target=busy).start()
print("left running")
"""
_THREADS_JOINED = """
import threading
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(found))
"""
_LEFT_PRINTING = """
import threading, time

def talk():
    while True:
        print("still here " * 1000)
        time.sleep(0.01)

threading.Thread(target=talk, daemon=True).start()
"""
_DESCRIPTORS = """
import os
os.closerange(3, 1024)
"""
_BUILTINS = """
import builtins, sys
for name in ("len", "isinstance", "print", "type", "getattr", "__import__"):
    setattr(builtins, name, None)
"""
_MODULES = """
import sys
print("modules gone")
for name in list(sys.modules):
    if name.split(".")[0] in ("IPython", "ipykernel", "zmq", "json", "autograder"):
        del sys.modules[name]
"""
_STOPS = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"
_ALARM = """
import signal

def wake(number, frame):
    print("woken")

signal.signal(signal.SIGALRM, wake)
signal.setitimer(signal.ITIMER_REAL, 0.05)
signal.pause()
"""
_TRICKS = """
import os, signal

def raise_again(number, frame):
    if number == signal.SIGALRM:
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, raise_again)
signal.signal(signal.SIGALRM, raise_again)
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
print("signals without end")
while True:
    signal.pause()
"""
_CLOCK = """
import time
time.time = time.monotonic = time.perf_counter = lambda: 0.0
import ctypes, os
now = (ctypes.c_long * 2)(0, 0)
libc = ctypes.CDLL(None, use_errno=True)
# With its clock at rest, the kernel would not send this by itself before the cell ends.
print(libc.clock_settime(0, now), os.strerror(ctypes.get_errno()), flush=True)
while True:
    pass
"""
_TIMED = """
import time
began = time.perf_counter()
torch.zeros(10) + 1
print(time.perf_counter() - began < 5)
"""
_TRACE = """
import sys, time

def slow(frame, event, argument):
    time.sleep(0.05)
    return slow

sys.settrace(slow)
"""

ATTACKS = [
    Attack(
        "an endless loop",
        "One function never returns.",
        notebook(
            right,
            answer("local_m_mask", "def local_m_mask(*args):\n    while True:\n        pass"),
        ),
        86,
        "Its cell is stopped when its time is over; the other exercises count.",
        "time limit: The test cell 'check_local_m_mask' ran longer",
        Twin(
            "Sleeps for half a second.",
            notebook(right, cell("import time\ntime.sleep(0.5)\nprint('awake')")),
            shows="awake",
        ),
    ),
    Attack(
        "a loop that ignores every signal",
        "Ignores all signals that can be ignored and loops for ever.",
        notebook(right, cell(_IGNORES)),
        100,
        "The kernel is killed with all that it started; the other cells run in a fresh one.",
        "time limit: The student's own cell",
        Twin("Sets an alarm for itself and waits for it.", notebook(right, cell(_ALARM)),
             shows="woken"),
    ),
    Attack(
        "a function that swallows its interrupt",
        "Catches the interrupt in an endless loop.",
        notebook(right, answer("local_m_mask", _SWALLOWS)),
        86,
        "After a moment of grace the kernel is killed; the other exercises count.",
        "Calling local_m_mask took too long",
        Twin(
            "Catches KeyboardInterrupt, which never comes.",
            notebook(
                right,
                cell("try:\n    x = 1\nexcept KeyboardInterrupt:\n    x = 2\nprint('x', x)"),
            ),
            shows="x 1",
        ),
        not_by_stock=_SLOW,
    ),
    Attack(
        "signals without end",
        "Sends itself an interrupt again and again, and swallows each, the grader's too.",
        notebook(right, cell(_TRICKS, at="check_alignment_error_rate")),
        100,
        "After a moment of grace the kernel is killed; what was answered before counts.",
        "time limit: The student's own cell",
        Twin(
            "Reads which signals there are.",
            notebook(right, cell("import signal\nprint(signal.SIGINT.name)")),
            shows="SIGINT",
        ),
        not_by_stock=_SLOW,
    ),
    Attack(
        "a clock that stands still",
        "Stops the clocks of its process, tries to set the machine's, and loops for ever.",
        notebook(right, cell(_CLOCK)),
        100,
        "Time is taken outside; the machine's clock cannot be set.",
        "time limit: The student's own cell",
        Twin("Takes the time of a call.", notebook(right, cell(_TIMED)), shows="True"),
        shows="-1 Operation not permitted",
        not_by_stock="run as root it would set the machine's clock",
    ),
    Attack(
        "os._exit",
        "Ends its process at once in a function and in a cell.",
        notebook(
            right,
            cell("import os\nos._exit(0)"),
            answer("general_score", "import os\n\ndef general_score(*args):\n    os._exit(1)"),
        ),
        74,
        "The cells run again in a fresh kernel, without those that ended one.",
        "kernel died",
        Twin(
            "Starts a process of its own that ends with `os._exit`.",
            notebook(
                right,
                cell("import os\npid = os.fork()\nif pid == 0:\n    os._exit(3)\n"
                     "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"),
            ),
            shows="3",
        ),
    ),
    Attack(
        "a segmentation fault",
        "Reads where no memory is.",
        notebook(right, cell(_SEGFAULT)),
        100,
        "The process dies alone; the other cells run in a fresh kernel.",
        "kernel died: The student's own cell",
        Twin(
            "Calls a function of the C library.",
            notebook(right, cell("import ctypes\nprint(ctypes.CDLL(None).abs(-3))")),
            shows="3",
        ),
    ),
    Attack(
        "a kernel that stops itself",
        "Sends itself the signal to stop and waits.",
        notebook(right, cell(_STOPS)),
        100,
        "A stopped kernel is killed when the time of its cell is over.",
        "time limit: The student's own cell",
        Twin(
            "Starts a process that sleeps, and ends it.",
            notebook(
                right,
                cell("import subprocess\np = subprocess.Popen(['sleep', '60'])\np.kill()\n"
                     "print(p.wait())"),
            ),
            shows="-9",
        ),
        not_by_stock=_SLOW,
    ),
    Attack(
        "all descriptors closed",
        "Closes all files and sockets of its process, those of its kernel too.",
        notebook(right, cell(_DESCRIPTORS)),
        100,
        "That kernel is lost; the other cells run in a fresh one.",
        "own cell",
        Twin(
            "Closes its own file twice.",
            notebook(right, cell("f = open('a.txt', 'w')\nf.close()\nf.close()\nprint('closed')")),
            shows="closed",
        ),
        not_by_stock=_SLOW,
    ),
    Attack(
        "no built-in functions left",
        "Replaces Python's built-in functions by nothing.",
        notebook(partly, cell(_BUILTINS, at="check_general_score")),
        24,
        "It spoils its own process from there on; what was answered before counts.",
        "of 8 exercises correct",
        Twin(
            "Calls a variable `list` and uses it.",
            notebook(right, cell("list = [1, 2]\nprint(list)\ndel list")),
            shows="[1, 2]",
        ),
    ),
    Attack(
        "no modules left",
        "Forgets the modules of which its kernel is made.",
        notebook(partly, cell(_MODULES, at="check_general_score")),
        24,
        "It spoils its own process; what was answered before counts.",
        "of 8 exercises correct",
        Twin(
            "Reloads a module.",
            notebook(right, cell("import importlib, json\nprint(importlib.reload(json).__name__)")),
            shows="json",
        ),
        shows="modules gone",
    ),
    Attack(
        "threads that never end",
        "Leaves two busy threads running.",
        notebook(partly, cell(_THREADS, at="check_general_score")),
        24,
        "They end with their kernel; it is the student's own time that they take.",
        "2 of 8 exercises correct",
        Twin("Starts threads and waits for them.", notebook(right, cell(_THREADS_JOINED)),
             shows="[0, 1, 2, 3]"),
        shows="left running",
    ),
    Attack(
        "a thread that talks into other cells",
        "Leaves a thread that prints for ever.",
        notebook(partly, cell(_LEFT_PRINTING)),
        24,
        "It cannot touch a verdict; what it prints is cut.",
        "2 of 8 exercises correct",
        Twin(
            "Prints from a thread that ends.",
            notebook(right, cell("import threading\nt = threading.Thread(target=print, "
                                 "args=('from a thread',))\nt.start()\nt.join()")),
            shows="from a thread",
        ),
        not_by_stock=_SLOW,
    ),
    Attack(
        "endless output",
        "Prints for ever.",
        notebook(right, cell("while True:\n    print('again and again ' * 100)")),
        100,
        "The cell is stopped after 16 MB, of which 1 MB is kept.",
        "output limit: The student's own cell",
        Twin(
            "Prints two thousand lines.",
            notebook(right, cell("for n in range(2000):\n    print('line', n)")),
            shows="line 1999",
        ),
        not_by_stock="it fills the memory of the machine",
    ),
    Attack(
        "200 MB of output at once",
        "Prints a text of 200 MB.",
        notebook(right, cell("print('x' * (200 * 2**20))")),
        100,
        "A message of that size is not accepted; nothing of it is kept.",
        "All 8 exercises correct",
        Twin(
            "Prints one long line.",
            notebook(right, cell("print('y' * 50_000)")),
            shows="y" * 50_000,
        ),
        not_by_stock="it takes more than a gigabyte of memory",
    ),
    Attack(
        "waiting for input",
        "Asks for input that nobody gives.",
        notebook(right, cell("name = input('Who are you? ')")),
        100,
        "Nobody is asked: the cell fails at once, and the others run.",
        "StdinNotImplementedError",
        Twin(
            "Reads a line from a text that acts as a file.",
            notebook(right, cell("import io\nprint(io.StringIO('one\\ntwo').readline())")),
            shows="one",
        ),
    ),
    Attack(
        "a trace function that sleeps",
        "Slows down every line that is run after it.",
        notebook(partly, before("concat_score", "pass"), cell(_TRACE, at="check_general_score")),
        24,
        "Its own cells become slow, or are stopped; what was answered before counts.",
        "of 8 exercises correct",
        Twin(
            "Profiles a call.",
            notebook(right, cell("import cProfile\np = cProfile.Profile()\np.enable()\n"
                                 "sum(range(10))\np.disable()\nprint('profiled')")),
            shows="profiled",
        ),
        not_by_stock=_SLOW,
    ),
]  # fmt: skip
