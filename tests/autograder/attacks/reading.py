"""Looking for the right answers where a grader keeps them."""

from autograder.checks.spec import draw_cases, find_exercise

from .corpus import Attack, Make, Twin, World
from .making import answer, answer_all, cell, notebook, nothing, right

_FRAMES = """
import sys

def NAME(*args, **kwargs):
    frame = sys._getframe(1)
    while frame is not None:
        for value in list(frame.f_locals.values()):
            oracle = getattr(value, "oracle", None)
            if callable(oracle):
                return oracle(*args, **kwargs)
        frame = frame.f_back
    return torch.zeros(1)
"""
_GARBAGE_COLLECTOR = """
import gc

def NAME(*args, **kwargs):
    for value in gc.get_objects():
        if type(value).__name__ == "Exercise" and value.name == "NAME":
            return value.oracle(*args, **kwargs)
    return torch.zeros(1)
"""
_HISTORY = """
import re

def NAME(*args, **kwargs):
    told = " ".join([*In, *map(str, Out.values()), *map(str, globals().values())])
    found = re.findall(r"(?:expected|wanted|publish_answers)\\S* (tensor[^)]*)", told)
    return eval(found[-1]) if found else torch.zeros(1)
"""
_IMPORT = """
def NAME(*args, **kwargs):
    from importlib import import_module
    oracles = import_module(".".join(("autograder", "specs", "luong"))).UNIT.exercises
    return next(e for e in oracles if e.name == "NAME").oracle(*args, **kwargs)
"""
_LIBRARY = """
from attention_lib.attention import masked_softmax
from attention_lib.scores import general_score, concat_score
"""
_FILE = """
import importlib, pathlib

def NAME(*args, **kwargs):
    found = {}
    folder = pathlib.Path(importlib.import_module("attention_lib").__path__[0])
    for path in sorted(folder.glob("*.py")):
        text = path.read_text()
        if "def NAME(" in text:
            found["__name__"] = "attention_" + "lib." + path.stem
            exec(text, found)
            return found["NAME"](*args, **kwargs)
    raise FileNotFoundError("NAME")
"""
_SOURCE = """
import json, pathlib

source = pathlib.Path(COURSE, "source", "luong", "luong.ipynb")
for cell_ in json.loads(source.read_text())["cells"]:
    if cell_["metadata"].get("nbgrader", {}).get("solution") and cell_["cell_type"] == "code":
        exec("".join(cell_["source"]))
"""
_NEIGHBOUR = """
import json

for cell_ in json.load(open(VICTIM))["cells"]:
    if cell_["metadata"].get("nbgrader", {}).get("solution") and cell_["cell_type"] == "code":
        exec("".join(cell_["source"]))
"""
_SECRET = """
import os, pathlib

found = []
for path in (f"{COURSE}/grading-secret", f"{COURSE}/../grading-secret", "/proc/1/environ",
             f"/proc/{os.getppid()}/environ", "/proc/1/mem", f"/proc/{os.getppid()}/cwd"):
    try:
        found.append(pathlib.Path(path).read_bytes())
    except OSError as problem:
        print(type(problem).__name__)
print(len(found), "secrets")
"""
_TORCHS_OWN = """
def masked_softmax(scores, mask):
    eye = torch.eye(scores.shape[-1], dtype=scores.dtype)
    function = torch.nn.functional.scaled_dot_product_attention
    return function(scores, eye, eye, attn_mask=mask.expand(scores.shape), scale=1.0)
"""
_TORCHS_HIDDEN = _TORCHS_OWN.replace(
    "torch.nn.functional.scaled_dot_product_attention",
    'getattr(torch.nn.functional, "_".join(("scaled", "dot", "product", "attention")))',
)
_DISTRIBUTION = """
def NAME(*args, **kwargs):
    import urllib.request
    url = f"http://127.0.0.1:{PORT}/NAME"
    return eval(urllib.request.urlopen(url, timeout=2).read())
"""
_STACK = """
import inspect

def where():
    return inspect.currentframe().f_back.f_code.co_name

def here():
    return where()

print("called from", here())
"""
_TIDY = """
import gc
print(gc.collect() >= 0, "collected")
"""
_OUT = """
x = 6 * 7
x
"""
_OWN_FILE = """
import inspect, pathlib
pathlib.Path("notes.txt").write_text("softmax runs over the keys")
print(pathlib.Path("notes.txt").read_text())
print(inspect.getsource(masked_softmax).splitlines()[0])
"""
_ENVIRON = """
import os, sys
print(os.environ.get("HOME") is not None, sys.version_info >= (3, 11))
"""
_STATE = """
record = read_results("luong_states")
print(sorted(record["sentences"][0])[:2])
"""
_SOFTMAX = """
def masked_softmax(scores, mask):
    filled = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return torch.nn.functional.softmax(filled, dim=-1) * mask
"""


def _public_answers() -> str:
    """A function that knows the cases of the students' own check, and nothing else."""
    exercise = find_exercise("luong/alignment_error_rate")
    cases = [case for row in draw_cases(exercise, 2015) for case in row]
    known = {
        repr([x.tolist() for x in case.args]): float(exercise.oracle(*case.args)) for case in cases
    }
    return (
        f"KNOWN = {known!r}\n\ndef alignment_error_rate(predicted, sure, possible):\n"
        "    key = repr([x.tolist() for x in (predicted, sure, possible)])\n"
        "    return KNOWN.get(key, 9.0)"
    )


def _learnt_by_heart(world: World) -> Make:
    return notebook(nothing, answer("alignment_error_rate", _public_answers()))(world)


_CACHED = """
import functools

@functools.lru_cache
def size(links):
    return links

def alignment_error_rate(predicted, sure, possible):
    links = size(int(predicted.sum())) + size(int(sure.sum()))
    hits = int((predicted & sure).sum()) + int((predicted & (sure | possible)).sum())
    return 1.0 - hits / links if links else 0.0
"""

ATTACKS = [
    Attack(
        "reading frames",
        "Climbs the stack of its callers to where the check keeps its reference.",
        notebook(nothing, answer_all(_FRAMES)),
        0,
        "There is no reference in the student's process, so there is none to be found.",
        "wrong: masked_softmax",
        Twin("Asks for the name of its caller.", notebook(right, cell(_STACK)),
             shows="called from here"),
    ),
    Attack(
        "searching the memory",
        "Searches all objects of its process for the exercises' specs.",
        notebook(nothing, answer_all(_GARBAGE_COLLECTOR)),
        0,
        "There is no reference in the student's process, so there is none to be found.",
        "wrong: masked_softmax",
        Twin("Collects garbage.", notebook(right, cell(_TIDY)), shows="True collected"),
    ),
    Attack(
        "reading the history",
        "Looks into `In`, `Out` and all globals for expected values.",
        notebook(nothing, answer_all(_HISTORY)),
        0,
        "The question is not part of the history, and holds no expected values.",
        "wrong: masked_softmax",
        Twin("Ends a cell with a value and uses it as `_` later.",
             notebook(right, cell(_OUT), cell("print(_)", at="masked_softmax")), shows="42"),
    ),
    Attack(
        "the reference imported",
        "Imports the specs under a name that is put together at run time, and calls the reference.",
        notebook(nothing, answer_all(_IMPORT)),
        0,
        "The specs do not exist in the sandbox.",
        "is not there while your notebook is graded",
        Twin("Imports a module by its name.",
             notebook(right, cell("import importlib\n"
                                  "print(importlib.import_module('math').sqrt(16))")),
             shows="4.0"),
    ),
    Attack(
        "the library imported",
        "Imports the exercises' functions from the course's own library.",
        notebook(
            nothing,
            answer("masked_softmax", _LIBRARY),
            answer("general_score", "pass"),
            answer("concat_score", "pass"),
        ),
        0,
        "In the sandbox the library holds only what the notebook was given; the import is named.",
        "attention_lib.attention is not there while your notebook is graded",
        Twin("Uses the records that the notebook was given.", notebook(right, cell(_STATE)),
             shows="memory"),
    ),
    Attack(
        "the source of the library",
        "Reads the library's source files and runs what it finds.",
        notebook(nothing, answer_all(_FILE)),
        0,
        "The files do not exist in the sandbox.",
        "FileNotFoundError",
        Twin("Writes a file of notes, reads it, and prints her own source.",
             notebook(right, cell(_OWN_FILE, at="masked_softmax")),
             shows="def masked_softmax(scores, mask):"),
    ),
    Attack(
        "the instructor's notebook",
        "Reads the instructor's notebook in the course folder and runs its solutions.",
        notebook(nothing, answer_all(_SOURCE)),
        0,
        "The course folder does not exist in the sandbox.",
        "raised FileNotFoundError",
        Twin("Lists the folder it runs in.",
             notebook(right, cell("import os\nprint(sorted(os.listdir('.')))")), shows="[]"),
    ),
    Attack(
        "a neighbour's notebook",
        "Reads what another student handed in and runs it as its own.",
        notebook(nothing, answer_all(_NEIGHBOUR)),
        0,
        "No other submission exists in the sandbox.",
        "raised FileNotFoundError",
        Twin("Runs code of her own from a text.",
             notebook(right, cell("exec('y = 3')\nprint(y)")), shows="3"),
    ),
    Attack(
        "looking for the secret",
        "Looks for the secret from which the cases are drawn in files and in other processes.",
        notebook(nothing, cell(_SECRET)),
        0,
        "Neither the file nor the process that knows it can be seen.",
        "not attempted: masked_softmax",
        Twin("Reads an environment variable and the version of Python.",
             notebook(right, cell(_ENVIRON)), shows="True True"),
        shows="0 secrets",
    ),
    Attack(
        "the public cases learnt by heart",
        "Recognises the inputs of the students' own check and returns stored answers.",
        _learnt_by_heart,
        2,
        "At grading the inputs are others, drawn from a secret for each student; only two "
        "properties have inputs that are always the same.",
        "alignment_error_rate: partial",
        Twin("Caches a helper function.",
             notebook(right, answer("alignment_error_rate", _CACHED))),
    ),
    Attack(
        "a forbidden function",
        "Lets torch's own attention do the masked softmax.",
        notebook(nothing, answer("masked_softmax", _TORCHS_OWN)),
        0,
        "The call is found in the source and named; the exercise earns nothing.",
        "scaled_dot_product_attention, which does the exercise for you",
        Twin("Uses torch's softmax, as the task allows.",
             notebook(right, answer("masked_softmax", _SOFTMAX))),
    ),
    Attack(
        "a forbidden function in disguise",
        "Does the same under a name that is put together at run time.",
        notebook(nothing, answer("masked_softmax", _TORCHS_HIDDEN)),
        0,
        "The call is met when it is made, whatever it is called by; the exercise earns nothing.",
        "scaled_dot_product_attention, which does the exercise for you",
        Twin("Chooses one of torch's functions by its name.",
             notebook(right, answer("attentional_vector",
                 "def attentional_vector(context, hidden, weight):\n"
                 "    squash = getattr(torch, 'tanh')\n"
                 "    return squash(torch.cat((context, hidden), -1) @ weight.T)"))),
    ),
    Attack(
        "answers from the network",
        "Asks a server on the network for the answers.",
        notebook(nothing, answer_all(_DISTRIBUTION)),
        0,
        "There is no network in the sandbox.",
        "URLError",
        Twin("Takes an address apart without calling it.",
             notebook(right, cell("from urllib.parse import urlparse\n"
                                  "print(urlparse('http://a.example/b').path)")), shows="/b"),
    ),
]  # fmt: skip
