"""Returned values that are made to break, stall or deceive whoever looks at them."""

from .corpus import Attack, Twin
from .making import answer, answer_all, cell, notebook, nothing, partly, right

_SOFTMAX = "def masked_softmax(scores, mask):\n"
_SCORE = "def general_score(query, key, weight):\n"
_AER = "def alignment_error_rate(predicted, sure, possible):\n"
_HITS = """\
    links = int(predicted.sum()) + int(sure.sum())
    hits = int((predicted & sure).sum()) + int((predicted & (sure | possible)).sum())
    rate = 1.0 - hits / links if links else 0.0
"""

_NESTED = (
    _SCORE
    + """\
    value = []
    for _ in range(100_000):
        value = [value]
    return value
"""
)
_CYCLE = (
    _SCORE
    + """\
    value = [query]
    value.append(value)
    return value
"""
)
_ENDLESS_LIST = """
class Endless(list):
    def __len__(self):
        return 2
    def __iter__(self):
        while True:
            yield 1.0

def general_score(query, key, weight):
    return Endless()
"""
_LIAR = """
class Liar:
    @property
    def __class__(self):
        return torch.Tensor
    shape = (1, 2, 3)
    dtype = torch.float64
    def numel(self):
        return 6

def NAME(*args, **kwargs):
    return Liar()
"""
_REDUCE = """
import os

class Bomb:
    def __reduce__(self):
        return os.system, ("touch " + CANARY + ".pickled; rm -f " + CANARY,)

def NAME(*args, **kwargs):
    return Bomb()
"""
_OBJECT_ARRAY = """
import numpy

class Element(float):
    def __eq__(self, other):
        return True

def NAME(*args, **kwargs):
    return numpy.array([Element(1.0)], dtype=object)
"""
_EXPANDED = _SOFTMAX + "    return torch.zeros(1).expand(10**5, 10**5)"
_SPARSE = """
def masked_softmax(scores, mask):
    return scores.to_sparse()

def general_score(query, key, weight):
    return (query @ weight @ key.mT).to("meta")
"""
_KEYS = """
class Key(str):
    def __str__(self):
        raise SystemExit("a key")
    def __hash__(self):
        return 1

def general_score(query, key, weight):
    return {Key("a"): 1.0}
"""
_MESSAGE = """
class Loud(Exception):
    def __str__(self):
        return "<script>hacked</script>\\x1b[31m" + "x" * 10**6

def NAME(*args, **kwargs):
    raise Loud
"""
_MUTE = """
class Mute(BaseException):
    def __str__(self):
        raise RuntimeError("no words")

def NAME(*args, **kwargs):
    raise Mute
"""
_EXIT = """
import sys

def NAME(*args, **kwargs):
    sys.exit(0)
"""
_INTERRUPT = """
def NAME(*args, **kwargs):
    raise KeyboardInterrupt
"""
_RECURSION = """
def NAME(*args, **kwargs):
    return NAME(*args, **kwargs)
"""

ATTACKS = [
    Attack(
        "a deeply nested list",
        "Returns a list in a list in a list, 100,000 deep.",
        notebook(partly, answer("general_score", _NESTED)),
        12,
        "Depth, number and size of what comes back are bounded; it is an error of this exercise.",
        "general_score: error",
        Twin(
            "Returns a list of three results where three are asked for.",
            notebook(
                right,
                cell(
                    "step = luong_step\n"
                    "def luong_step(*args):\n"
                    "    return list(step(*args))",
                    at="luong_step",
                ),
            ),
        ),
    ),
    Attack(
        "a list that holds itself",
        "Returns a list that is its own element.",
        notebook(partly, answer("general_score", _CYCLE)),
        12,
        "The circle ends at the bound for depth; it is an error of this exercise.",
        "general_score: error",
        Twin(
            "Uses a recursive function of her own.",
            notebook(right, cell("def f(n): return n * f(n - 1) if n else 1\nprint(f(20))")),
            shows="2432902008176640000",
        ),
    ),
    Attack(
        "a list that never ends",
        "Returns a list whose iterator goes on for ever.",
        notebook(partly, answer("general_score", _ENDLESS_LIST)),
        12,
        "The time of the cell runs out; it is an error of this exercise.",
        "Calling general_score took too long",
        Twin(
            "Takes the first elements of an endless generator.",
            notebook(
                right,
                cell("import itertools\nprint(list(itertools.islice(itertools.count(), 3)))"),
            ),
            shows="[0, 1, 2]",
        ),
        not_by_stock="stock nbgrader is left waiting, as the endless loop shows",
    ),
    Attack(
        "a generator",
        "Returns a generator in place of a tensor.",
        notebook(partly, answer("general_score", _SCORE + "    yield query @ weight @ key.mT")),
        12,
        "A generator is no answer; nobody asks it for its elements.",
        "returned a generator, wanted a tensor or a number",
        Twin(
            "Uses a generator inside a function.",
            notebook(
                right,
                answer(
                    "general_score",
                    _SCORE + "    return torch.stack([q @ weight @ k.T for q, k in "
                    "zip(query, key)])",
                ),
            ),
        ),
    ),
    Attack(
        "an object that calls itself a tensor",
        "Returns an object whose `__class__` says that it is a tensor.",
        notebook(nothing, answer_all(_LIAR)),
        0,
        "The true type is asked for, not what the object says.",
        "returned a Liar, wanted a tensor or a number",
        Twin(
            "Returns a view of a larger tensor.",
            notebook(
                right,
                answer(
                    "general_score",
                    _SCORE + "    scores = query @ weight @ key.mT\n"
                    "    return torch.stack([scores, scores], -1)[..., 0]",
                ),
            ),
        ),
    ),
    Attack(
        "an object that acts when it is unpickled",
        "Returns an object whose unpickling deletes a file of the grader's machine.",
        notebook(nothing, answer_all(_REDUCE)),
        0,
        "Nothing is ever unpickled; it is no answer.",
        "returned a Bomb, wanted a tensor or a number",
        Twin(
            "Saves a tensor with torch and loads it again.",
            notebook(
                right,
                cell("torch.save(torch.ones(2), 'x.pt')\nprint(torch.load('x.pt').sum())"),
            ),
            shows="tensor(2.)",
        ),
    ),
    Attack(
        "an array of objects",
        "Returns a NumPy array whose elements are objects that equal everything.",
        notebook(nothing, answer_all(_OBJECT_ARRAY)),
        0,
        "Only arrays of numbers and truth values are answers.",
        "returned a ndarray, wanted a tensor or a number",
        Twin(
            "Returns a NumPy number for a number.",
            notebook(
                right,
                answer(
                    "alignment_error_rate",
                    "import numpy\n\n" + _AER + _HITS + "    return numpy.float64(rate)",
                ),
            ),
        ),
    ),
    Attack(
        "a tensor of ten thousand million numbers",
        "Returns a tensor that is small in memory and huge in what it says.",
        notebook(partly, answer("masked_softmax", _EXPANDED)),
        12,
        "What is larger than was asked for is not even copied.",
        "10000000000 numbers, far more than were asked for",
        Twin(
            "Expands a mask to the shape of the scores.",
            notebook(
                right,
                answer(
                    "masked_softmax",
                    _SOFTMAX + "    mask = mask.expand(scores.shape)\n"
                    "    low = torch.finfo(scores.dtype).min\n"
                    "    return scores.masked_fill(~mask, low).softmax(-1) * mask",
                ),
            ),
        ),
    ),
    Attack(
        "tensors of unusual kinds",
        "Returns a sparse tensor, and one without numbers.",
        notebook(nothing, answer("masked_softmax", _SPARSE), answer("general_score", "pass")),
        0,
        "Neither is an ordinary tensor; it is said so.",
        "a tensor of an unusual kind",
        Twin(
            "Looks at a matrix as a sparse one.",
            notebook(right, cell("print(torch.eye(2).to_sparse().indices().tolist())")),
            shows="[[0, 1], [0, 1]]",
        ),
    ),
    Attack(
        "not a number",
        "Returns NaN everywhere, so that no comparison is true.",
        notebook(
            nothing,
            answer("masked_softmax", _SOFTMAX + "    return scores * float('nan')"),
            answer("alignment_error_rate", _AER + "    return float('nan')"),
        ),
        0,
        "NaN equals nothing that was asked for; it is named where it is found.",
        "masked_softmax: wrong",
        Twin(
            "Makes NaN on the way and replaces it.",
            notebook(
                right,
                answer(
                    "masked_softmax",
                    _SOFTMAX + "    filled = scores.masked_fill(~mask, -torch.inf)\n"
                    "    return torch.nan_to_num(filled.softmax(-1))",
                ),
            ),
        ),
    ),
    Attack(
        "wrong types",
        "Returns texts, nothing, a class and a function.",
        notebook(
            nothing,
            answer("masked_softmax", _SOFTMAX + "    return 'all right'"),
            answer("general_score", _SCORE + "    return None"),
            answer("local_m_mask", "def local_m_mask(*args):\n    return torch.Tensor"),
            answer("alignment_error_rate", "def alignment_error_rate(*args):\n    return print"),
        ),
        0,
        "Each is named as what it is.",
        "wanted a torch.Tensor",
        Twin(
            "Returns a whole number where the rate is 0.",
            notebook(
                right,
                answer("alignment_error_rate", _AER + _HITS + "    return rate or 0"),
            ),
        ),
    ),
    Attack(
        "keys with a will of their own",
        "Returns a dictionary whose keys end the process when they are looked at.",
        notebook(partly, answer("general_score", _KEYS)),
        12,
        "That happens in the student's own process, and is an error of this exercise.",
        "general_score: error",
        Twin(
            "Keeps words as keys of a dictionary.",
            notebook(right, cell("print({'学生': 'student'}['学生'])")),
            shows="student",
        ),
    ),
    Attack(
        "an exception of a megabyte",
        "Raises an exception with an endless message, a script and control characters in it.",
        notebook(nothing, answer_all(_MESSAGE)),
        0,
        "The message is cut to a line, and is text wherever it is shown.",
        "Loud",
        Twin(
            "Catches an exception of her own and prints it.",
            notebook(
                right,
                cell("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    print('caught', e)"),
            ),
            shows="caught division by zero",
        ),
        never=("x" * 20_000,),
    ),
    Attack(
        "an exception without words",
        "Raises an exception that cannot be turned into text and is no ordinary one.",
        notebook(nothing, answer_all(_MUTE)),
        0,
        "Its name is told; the next exercise is asked as before.",
        "Mute",
        Twin(
            "Defines an exception of her own and never raises it.",
            notebook(right, cell("class TooLong(ValueError):\n    pass")),
        ),
    ),
    Attack(
        "sys.exit in every function",
        "Calls `sys.exit` when its functions are called.",
        notebook(nothing, answer_all(_EXIT)),
        0,
        "It is an exception like any other, and named.",
        "SystemExit",
        Twin(
            "Has `sys.exit` in a branch that is never taken.",
            notebook(right, cell("import sys\nif not torch.ones(1):\n    sys.exit(1)")),
        ),
    ),
    Attack(
        "KeyboardInterrupt in every function",
        "Raises in its functions what otherwise interrupts a cell.",
        notebook(nothing, answer_all(_INTERRUPT)),
        0,
        "The cell ends without an answer; the next one is asked.",
        "KeyboardInterrupt",
        Twin(
            "Cleans up in a `finally`.",
            notebook(right, cell("try:\n    x = 1\nfinally:\n    print('cleaned')")),
            shows="cleaned",
        ),
    ),
    Attack(
        "recursion without end",
        "Calls itself for ever.",
        notebook(nothing, answer_all(_RECURSION)),
        0,
        "Python's own limit ends it, and it is named.",
        "exception: The locked cell 'map' raised RecursionError",
        Twin(
            "Sets a higher recursion limit and goes 2000 deep.",
            notebook(
                right,
                cell(
                    "import sys\nsys.setrecursionlimit(5000)\n"
                    "def depth(n): return 0 if n == 0 else 1 + depth(n - 1)\nprint(depth(2000))"
                ),
            ),
            shows="2000",
        ),
    ),
]  # fmt: skip
