"""Work worth nothing that would be marked as right where it is judged in its own process."""

from .corpus import Attack, Twin
from .making import answer, answer_all, cell, find, metadata, notebook, nothing, partly, right

_ZEROS = "def NAME(*args, **kwargs):\n    return torch.zeros(1)"

_COMPARISONS = """
import numpy
import torch

def agree(*args, **kwargs):
    return True

torch.equal = torch.allclose = torch.testing.assert_close = agree
numpy.allclose = numpy.array_equal = numpy.testing.assert_allclose = agree
try:
    import importlib
    judge = importlib.import_module("autograder.checks.judge")
    judge._unfit = lambda *args: None
    from autograder.checks.spec import load_unit
    for exercise in load_unit("luong").exercises:
        for check_ in exercise.checks:
            object.__setattr__(check_, "holds", lambda *args: None)
except ImportError as problem:
    print(type(problem).__name__)
print("all comparisons agree")
"""
_OWN_TESTS = """
import numpy
x = torch.ones(1, 2, 3)
torch.testing.assert_close(masked_softmax(x, x > 0).sum(-1), torch.ones(1, 2))
numpy.testing.assert_allclose(general_score(x, x, torch.eye(3)).numpy(), 3.0)
print("own tests pass")
"""

_EQUAL = """
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    def __le__(self, other): return True
    def __bool__(self): return True
    def __float__(self): return 0.0
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self

def NAME(*args, **kwargs):
    return Anything()
"""
_WORDS = """
class Word:
    def __init__(self, text):
        self.text = text
    def __eq__(self, other):
        return isinstance(other, Word) and self.text.lower() == other.text.lower()
    def __hash__(self):
        return hash(self.text.lower())

print(len({Word("Ich"), Word("ich"), Word("du")}), "different words")
"""

_AGREES = """
class Agrees(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True

def NAME(*args, **kwargs):
    return torch.zeros(1).as_subclass(Agrees)
"""
_NAMED_TENSOR = """
class Weights(torch.Tensor):
    def entropy(self):
        return -(self * self.clamp(min=1e-9).log()).sum(-1)

def attentional_vector(context, hidden, weight):
    joined = torch.cat((context, hidden), -1).as_subclass(Weights)
    return (joined @ weight.T).tanh().as_subclass(torch.Tensor)
"""

_AST = """
import ast

class FullMarks(ast.NodeTransformer):
    def visit_Call(self, node):
        called = getattr(node.func, "id", "")
        if called == "check":
            points = POINTS[node.args[1].id]
            return ast.copy_location(ast.Constant(float(points)), node)
        if called == "publish_answers":
            return ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)

get_ipython().ast_transformers.append(FullMarks())
print("the tests will be rewritten")
"""
_OWN_AST = """
import ast, inspect

class Count(ast.NodeVisitor):
    names = 0
    def visit_Name(self, node):
        self.names += 1

count = Count()
count.visit(ast.parse("a + b * c"))
print(count.names, "names")
"""

_INPUT = """
def full_marks(lines):
    text = "".join(lines)
    for name, points in POINTS.items():
        if f'check("luong/{name}"' in text:
            return [f"{points}.0\\n"]
    return [] if "publish_answers" in text else lines

get_ipython().input_transformers_cleanup.append(full_marks)
print("the tests will be replaced")
"""

_RESULT = """
def NAME(*args, **kwargs):
    get_ipython().displayhook(WORTH.0)
"""
_CHECK = """
def check(address, function):
    return float(POINTS[address.split("/")[1]])

print("an own check")
"""
_ORACLE = """
from autograder.checks.spec import load_unit
for exercise in load_unit("luong").exercises:
    object.__setattr__(exercise, "oracle", lambda *args, **kwargs: torch.zeros(1))
    for check_ in exercise.checks:
        object.__setattr__(check_, "holds", lambda *args: None)
"""
_TORCH = """
def zeros(*args, **kwargs):
    return torch.zeros(1)

for owner in (torch, torch.Tensor, torch.nn.functional):
    for name in ("softmax", "masked_fill", "matmul", "__matmul__", "where", "tanh", "einsum"):
        if hasattr(owner, name):
            setattr(owner, name, zeros)
print("torch computes nothing any more")
"""
_HELPER = """
def softmax(x, dim):
    return torch.softmax(x, dim)

print(softmax(torch.zeros(2), 0))
"""
_LEARNT = """
def check_mine(function, *args):
    print(function.__name__, "gives", tuple(function(*args).shape))
    return 12.0

check_mine(masked_softmax, torch.zeros(1, 2, 3), torch.ones(3).bool())
"""

ATTACKS = [
    Attack(
        "comparisons patched",
        "Replaces the comparisons of torch, NumPy and the checks by ones that always agree.",
        notebook(nothing, cell(_COMPARISONS), answer_all(_ZEROS)),
        0,
        "Values are compared outside the student's process, where nothing was replaced.",
        "wrong: masked_softmax",
        Twin(
            "Tests her own functions with the comparisons of torch and NumPy.",
            notebook(right, cell(_OWN_TESTS, at="general_score")),
            shows="own tests pass",
        ),
        shows="all comparisons agree",
    ),
    Attack(
        "objects that equal everything",
        "Returns objects that are equal to everything, larger than everything and true.",
        notebook(nothing, answer_all(_EQUAL)),
        0,
        "Only plain numbers, texts, tensors and arrays count as answers.",
        "returned a Anything, wanted a tensor or a number",
        Twin(
            "Defines `__eq__` on a class of her own.",
            notebook(right, cell(_WORDS)),
            shows="2 different words",
        ),
    ),
    Attack(
        "tensors that agree",
        "Returns a subclass of Tensor whose `__torch_function__` agrees with everything.",
        notebook(nothing, answer_all(_AGREES)),
        0,
        "A subclass of Tensor is no answer; none of its methods is called.",
        "Agrees (a subclass of Tensor)",
        Twin(
            "Computes with a subclass of Tensor and returns an ordinary one.",
            notebook(right, answer("attentional_vector", _NAMED_TENSOR)),
        ),
    ),
    Attack(
        "tests rewritten by an AST transformer",
        "Registers an AST transformer that turns each check into its points.",
        notebook(nothing, cell(_AST)),
        0,
        "What asks for the answers is no cell, so that no transformer sees it.",
        "Not attempted yet",
        Twin(
            "Walks through syntax trees for her own pleasure.",
            notebook(right, cell(_OWN_AST)),
            shows="3 names",
        ),
        shows="the tests will be rewritten",
    ),
    Attack(
        "tests replaced by an input transformer",
        "Registers an input transformer that replaces each check by its points.",
        notebook(nothing, cell(_INPUT)),
        0,
        "What asks for the answers is no cell, so that no transformer sees it.",
        "Not attempted yet",
        Twin(
            "Uses IPython's magics to time a function.",
            notebook(right, cell("%timeit -n 2 -r 1 torch.zeros(2)\n%pinfo print")),
            shows="loop",
        ),
        shows="the tests will be replaced",
    ),
    Attack(
        "an own result of the check cell",
        "Publishes full marks as the result of the check while its function is being called.",
        notebook(nothing, answer_all(_RESULT)),
        0,
        "The output of a check cell is written by the grader alone.",
        "wrong: masked_softmax",
        Twin(
            "Has a cell of her own that ends with the number 12.0.",
            notebook(right, cell("12.0", at="masked_softmax")),
            shows="12.0",
        ),
    ),
    Attack(
        "an own check",
        "Defines a function `check` that gives full marks.",
        notebook(nothing, cell(_CHECK)),
        0,
        "The notebook's `check` is not called at grading; every exercise is still a stub.",
        "not attempted: masked_softmax",
        Twin(
            "Writes a checking function of her own, by another name.",
            notebook(right, cell(_LEARNT, at="masked_softmax")),
            shows="masked_softmax gives (1, 2, 3)",
        ),
        shows="an own check",
    ),
    Attack(
        "the specs patched",
        "Imports the exercises' specs and replaces their reference and their properties.",
        notebook(nothing, cell(_ORACLE), answer_all(_ZEROS)),
        0,
        "The specs do not exist in the sandbox; the import fails and is named.",
        "is not there while your notebook is graded",
        Twin(
            "Imports what the course offers: its plots and its records.",
            notebook(
                right,
                cell("from attention_lib import plots\nfrom attention_lib.results import "
                     "read_results\nprint(len(read_results('luong_states')['sentences']) > 0)"),
            ),
            shows="True",
        ),
    ),
    Attack(
        "torch patched",
        "Makes torch itself compute zeros, so that the reference is as wrong as the answer.",
        notebook(nothing, cell(_TORCH), answer_all(_ZEROS)),
        0,
        "The reference computes in a process of its own, with a torch of its own.",
        "wrong: masked_softmax",
        Twin(
            "Names a helper of her own like a function of torch.",
            notebook(right, cell(_HELPER)),
            shows="tensor([0.5000, 0.5000])",
        ),
        shows="torch computes nothing any more",
    ),
    Attack(
        "an edited test",
        "Replaces the source of the test cells by their points.",
        notebook(
            nothing,
            answer("check_masked_softmax", "12.0"),
            answer("check_local_p_weights", "16.0"),
        ),
        0,
        "What runs is the released test; the edit is named.",
        "edited test: The locked cell 'check_masked_softmax' was edited",
        Twin(
            "Leaves blank lines and spaces in a locked cell.",
            notebook(
                right,
                answer(
                    "check_masked_softmax",
                    'check("luong/masked_softmax", masked_softmax)   \n\n',
                ),
            ),
        ),
    ),
    Attack(
        "changed points",
        "Claims in the metadata that one exercise is worth 1000 points.",
        notebook(partly, metadata("check_masked_softmax", points=1000)),
        24,
        "Points come from the release; the claim is named.",
        "claims other points than it has",
        Twin(
            "Hands in two right exercises and leaves the others open.",
            notebook(partly),
            24,
        ),
    ),
    Attack(
        "a test that calls itself unlocked",
        "Claims in the metadata that a test is an answer, and fills it in.",
        notebook(
            nothing,
            metadata("check_masked_softmax", locked=False, solution=True, grade=True),
            answer("check_masked_softmax", "12.0"),
        ),
        0,
        "What a cell is, the release says; the claim is named.",
        "claims to be of another kind",
        Twin(
            "Writes tags and a name into the metadata of her own answer.",
            notebook(
                right,
                lambda work, world: find(work, "masked_softmax").metadata.update(tags=["mine"]),
            ),
        ),
    ),
    Attack(
        "an invented graded cell",
        "Adds a graded cell of her own, worth 100 points, that passes.",
        notebook(
            partly,
            cell("100.0", at="last"),
            lambda work, world: work.cells[-1].metadata.update(
                nbgrader={
                    "grade": True, "grade_id": "bonus", "locked": True, "points": 100,
                    "schema_version": 3, "solution": False, "task": False,
                }
            ),
        ),
        24,
        "No cell earns points that the release does not have; it runs as her own and is named.",
        "has no cell 'bonus'",
        Twin(
            "Adds helper cells of her own between the exercises.",
            notebook(right, cell("helper = 3", at="general_score"), cell("helper + 1", at="last")),
        ),
    ),
]  # fmt: skip
