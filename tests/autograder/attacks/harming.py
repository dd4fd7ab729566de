"""Work that reaches for others: the gradebook, other submissions, the machine, the network."""

from .corpus import Attack, Twin
from .making import TRIED, cell, notebook, partly, right

_GRADEBOOK = (
    TRIED
    + """
import glob, sqlite3

def full_marks(path):
    os.stat(path)
    with sqlite3.connect(path, timeout=3) as book:
        book.execute("update grade set auto_score = 16, manual_score = 16")

places = [COURSE, "..", "../..", "../../..", "/course", "/tmp", "/"]
for place in places:
    tried(full_marks, os.path.join(place, "gradebook.db"))
"""
)
_OTHERS = (
    TRIED
    + """
def overwrite(path):
    with open(path, "w") as file:
        file.write("{}")

tried(overwrite, VICTIM)
tried(os.remove, VICTIM)
tried(os.rename, os.path.dirname(VICTIM), os.path.dirname(VICTIM) + MARK)
tried(os.listdir, os.path.join(COURSE, "submitted"))
"""
)
_CANARY = (
    TRIED
    + """
import shutil

def overwrite(path):
    with open(path, "w") as file:
        file.write(MARK)

tried(overwrite, CANARY)
tried(os.remove, CANARY)
tried(shutil.rmtree, os.path.dirname(CANARY))
tried(overwrite, os.path.join(os.path.dirname(CANARY), "new-" + MARK))
tried(os.symlink, CANARY, "link")
tried(overwrite, "link")
"""
)
_PARENT = (
    TRIED
    + """
parent = os.getppid()
command = open(f"/proc/{parent}/cmdline").read()
if "nbgrader" in command or "forkserver" in command:
    tried(os.kill, parent, 9)
"""
)
_EVERYONE = (
    TRIED
    + """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for pid in (name for name in os.listdir("/proc") if name.isdigit()):
    if int(pid) != os.getpid():
        tried(os.kill, int(pid), signal.SIGTERM)
print("processes:", len([name for name in os.listdir("/proc") if name.isdigit()]))
"""
)
_DAEMON = """
import os

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 1024)
        os.execvp("sh", ["sh", "-c", "sleep 5; echo " + MARK + " >> " + CANARY + "; sleep 600 " ])
    os._exit(0)
os.wait()
print("left behind")
"""
_MEMORY = """
held = []
while True:
    held.append(bytearray(b"x") * (64 * 2**20))
"""
_SHARED_MEMORY = """
import mmap
held = mmap.mmap(-1, 3 * 2**30)
for _ in range(3 * 2**10):
    held.write(b"x" * 2**20)
"""
_FORKS = """
import os, signal

started = 0
try:
    while True:
        if os.fork() == 0:
            signal.pause()
        started += 1
except OSError as problem:
    print("refused:", type(problem).__name__, started < 128)
"""
_THREADS = """
import threading

hold = threading.Event()
started = []
try:
    for _ in range(5000):
        started.append(threading.Thread(target=hold.wait))
        started[-1].start()
except RuntimeError as problem:
    print("refused:", problem)
hold.set()
"""
_NETWORK = (
    TRIED
    + """
import socket, urllib.request

tried(socket.create_connection, ("127.0.0.1", PORT), 2)
tried(urllib.request.urlopen, f"http://127.0.0.1:{PORT}/{MARK}", None, 2)
tried(socket.getaddrinfo, "example.org", 80)
tried(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
tried(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)
"""
)
_LARGE = """
with open("large", "wb") as file:
    for _ in range(300):
        file.write(bytes(2**20))
"""
_MANY = """
import os
for number in range(200_000):
    os.close(os.open(f"file-{number}", os.O_CREAT))
"""
_NEXT = (
    TRIED
    + """
import site, sys

def plant(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("raise SystemExit('planted')")

for folder in [*sys.path, site.getusersitepackages(), "/tmp", "/dev/shm", os.getcwd()]:
    for name in ("torch.py", "sitecustomize.py", "nbformat.py"):
        tried(plant, os.path.join(folder or ".", name))
tried(plant, os.path.expanduser("~/.ipython/profile_default/startup/00.py"))
tried(plant, os.path.join(os.path.dirname(torch.__file__), "planted.py"))
"""
)
_SQLITE = """
import sqlite3
with sqlite3.connect(":memory:") as book:
    book.execute("create table word (text)")
    book.execute("insert into word values ('学生')")
    print(book.execute("select * from word").fetchall())
"""
_SMALL_FILE = """
import os
with open("notes.txt", "w", encoding="utf-8") as file:
    file.write("我是一个学生。")
print(os.path.getsize("notes.txt"))
"""
_OVERWRITTEN = """
import os, shutil
os.makedirs("own/folder")
open("own/folder/a.txt", "w").close()
shutil.rmtree("own")
print(os.path.exists("own"))
"""
_POOL = """
import multiprocessing

def square(x):
    return x * x

with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(square, range(4)))
"""
_LOADER = """
data = torch.utils.data.DataLoader(torch.arange(8), batch_size=2, num_workers=2)
print(sum(batch.sum().item() for batch in data))
"""

ATTACKS = [
    Attack(
        "the gradebook written",
        "Looks for the gradebook and sets everybody's marks to the most.",
        notebook(partly, cell(_GRADEBOOK)),
        24,
        "The gradebook does not exist in the sandbox; nobody's marks change.",
        "2 of 8 exercises correct",
        Twin("Keeps words in a database of her own.", notebook(partly, cell(_SQLITE)),
             shows="学生", score=24),
        shows="refused: full_marks FileNotFoundError",
        never=("done:",),
    ),
    Attack(
        "another's submission overwritten",
        "Overwrites, removes and renames what another student handed in.",
        notebook(partly, cell(_OTHERS)),
        24,
        "No other submission exists in the sandbox.",
        "2 of 8 exercises correct",
        Twin("Writes a small file and asks for its size.", notebook(partly, cell(_SMALL_FILE)),
             shows="21", score=24),
        shows="refused: overwrite FileNotFoundError",
        never=("done:",),
    ),
    Attack(
        "a file of the machine overwritten",
        "Overwrites and removes a file of the machine that anybody may write, through a link too.",
        notebook(partly, cell(_CANARY)),
        24,
        "No file of the machine is there but the system's programs, and those cannot be written.",
        "2 of 8 exercises correct",
        Twin("Makes a folder of her own and removes it.", notebook(partly, cell(_OVERWRITTEN)),
             shows="False", score=24),
        shows="refused: rmtree FileNotFoundError",
        never=("done: overwrite", "done: remove", "done: rmtree"),
    ),
    Attack(
        "files planted for the next one",
        "Plants modules and start-up files that the next student's kernel would load.",
        notebook(partly, cell(_NEXT)),
        24,
        "What can be written is gone before the next kernel starts.",
        "of 8 exercises correct",
        Twin(
            "Writes a module of her own and imports it.",
            notebook(
                partly,
                cell("open('mine_only.py', 'w').write('x = 7')\nimport sys\n"
                     "sys.path.insert(0, '.')\nimport mine_only\nprint(mine_only.x)"),
            ),
            shows="7", score=24),
        shows="refused: plant",
        not_by_stock="it would change the environment of this machine",
    ),
    Attack(
        "the parent killed",
        "Kills the process that started its kernel.",
        notebook(partly, cell(_PARENT)),
        24,
        "A kernel may signal nobody but itself and what it started.",
        "2 of 8 exercises correct",
        Twin("Starts a program and reads what it says.",
             notebook(partly, cell("import subprocess\n"
                                  "print(subprocess.check_output(['echo', 'hello'], text=True))")),
             shows="hello", score=24),
        shows="refused: kill PermissionError",
    ),
    Attack(
        "all processes ended",
        "Sends every process that it can see the signal to end.",
        notebook(partly, cell(_EVERYONE)),
        24,
        "It sees itself and its server, and may signal only itself.",
        "2 of 8 exercises correct",
        Twin("Uses two processes of a pool, and closes it.", notebook(partly, cell(_POOL)),
             shows="[0, 1, 4, 9]", score=24),
        shows="processes: 2",
        never=("done:",),
        not_by_stock="it would end processes of this machine",
    ),
    Attack(
        "a process left behind",
        "Leaves a process that waits until the kernel is gone and writes a file then.",
        notebook(partly, cell(_DAEMON)),
        24,
        "Whatever a kernel started ends with it.",
        "2 of 8 exercises correct",
        Twin("Lets two workers load her data.", notebook(partly, cell(_LOADER)), shows="28",
             score=24),
        shows="left behind",
    ),
    Attack(
        "all memory taken",
        "Takes memory until there is no more.",
        notebook(right, cell(_MEMORY)),
        100,
        "Its own cell ends with a MemoryError, or with its kernel; the others run.",
        "The student's own cell",
        Twin("Takes 100 MB.", notebook(partly, cell("x = bytearray(100 * 2**20)\nprint(len(x))")),
             shows="104857600", score=24),
        not_by_stock="it takes all memory of the machine",
    ),
    Attack(
        "shared memory",
        "Takes three gigabytes of shared memory, which counts for no process.",
        notebook(right, cell(_SHARED_MEMORY)),
        100,
        "Shared memory is counted, too; the kernel is ended, and the other cells run without it.",
        "memory limit: The student's own cell",
        Twin("Shares a small tensor between processes.",
             notebook(partly, cell("print(torch.zeros(3).share_memory_().is_shared())")),
             shows="True", score=24),
        not_by_stock="it takes all memory of the machine",
    ),
    Attack(
        "a fork bomb",
        "Starts processes until no more can be started.",
        notebook(partly, cell(_FORKS)),
        24,
        "The number of processes is limited; they end with their kernel.",
        "2 of 8 exercises correct",
        Twin("Starts ten processes, one after the other.",
             notebook(partly, cell("import os\nfor _ in range(10):\n    pid = os.fork()\n"
                                  "    if pid == 0:\n        os._exit(0)\n"
                                  "    os.waitpid(pid, 0)\nprint('ten')")),
             shows="ten", score=24),
        shows="refused: BlockingIOError True",
        not_by_stock="run as root it takes the whole machine",
    ),
    Attack(
        "five thousand threads",
        "Starts threads until no more can be started.",
        notebook(partly, cell(_THREADS)),
        24,
        "Threads count as processes do.",
        "2 of 8 exercises correct",
        Twin("Uses a pool of four threads.",
             notebook(partly, cell("from concurrent.futures import ThreadPoolExecutor\n"
                                  "with ThreadPoolExecutor(4) as pool:\n"
                                  "    print(list(pool.map(abs, [-1, -2])))")),
             shows="[1, 2]", score=24),
        shows="refused: can't start new thread",
        not_by_stock="it disturbs the machine",
    ),
    Attack(
        "network",
        "Connects to servers, asks for names and opens raw sockets.",
        notebook(partly, cell(_NETWORK)),
        24,
        "There is no network, not even to this machine.",
        "2 of 8 exercises correct",
        Twin("Talks to itself through a pair of sockets.",
             notebook(partly, cell("import socket\na, b = socket.socketpair()\na.send(b'hello')\n"
                                  "print(b.recv(9))")),
             shows="hello", score=24),
        shows="refused: create_connection OSError",
        never=("done:",),
    ),
    Attack(
        "a large file",
        "Writes a file of 300 MB.",
        notebook(right, cell(_LARGE)),
        100,
        "The size of files is limited: an error of its own cell.",
        "OSError",
        Twin("Writes a file of one megabyte.",
             notebook(partly, cell("open('m', 'wb').write(bytes(2**20))")), shows="1048576",
             score=24),
    ),
    Attack(
        "200,000 files",
        "Writes files until there is no room for another name.",
        notebook(right, cell(_MANY)),
        100,
        "The number of files is limited; the other cells run without it.",
        "own cell",
        Twin("Writes a hundred files.",
             notebook(partly, cell("for n in range(100):\n    open(f'f{n}', 'w').close()\n"
                                  "print('written')")), shows="written", score=24),
        not_by_stock="it fills the disk with names",
    ),
]  # fmt: skip
