import pytest

from autograder.checks.forbidden import forbidden_calls

FUSED = "torch.nn.functional.fused"
SCORES = "attention_lib.scores"


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ndef f(q): return torch.nn.functional.fused(q, q, q)",
        "import torch.nn.functional as F\ndef f(q): return F.fused(q, q, q)",
        "from torch.nn import functional as F\ndef f(q): return F.fused(q)",
        "from torch.nn.functional import fused as g\ndef f(q): return g(q)",
        "import torch as t\ng = t.nn.functional.fused\ndef f(q): return g(q)",
        "import torch as t\nn = t.nn\nF = n.functional\ndef f(q): return F.fused",
        "import torch.nn.functional as F\nf = getattr(F, 'fused')",
        "def f(q):\n    import torch.nn.functional as F\n    return F.fused(q)",
        "import importlib as i\nF = i.import_module('torch.nn.functional')\ng = F.fused",
        "F = __import__('torch.nn.functional')\ndef f(q): return F.fused(q)",
        "def f(q): return F.fused(q)\nimport torch.nn.functional as F",
        "%%time\nimport torch.nn.functional as F\ndef f(q): return F.fused(q)",
        "def f(q: return torch.nn.functional.fused",
    ],
)
def test_a_call_is_found_however_it_is_written(source):
    assert forbidden_calls(source, [FUSED]) == [FUSED]


@pytest.mark.parametrize(
    "source",
    [
        "from attention_lib.scores import general_score",
        "from attention_lib.scores import *",
        "from attention_lib import scores\ngeneral_score = scores.general_score",
        "import attention_lib.scores as s\ndef general_score(*a): return s.general_score(*a)",
        "def general_score(q): return 0\nfrom attention_lib.scores import general_score",
    ],
)
def test_a_module_forbids_what_is_in_it(source):
    assert forbidden_calls(source, [SCORES], "general_score") == [SCORES]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import torch.nn.functional as F\ndef f(x): return F.softmax(x, -1)",
        "from attention_lib.plots import heat_map\ndef f(x): return heat_map(x)",
        "from attention_lib.scores import general_score  # to compare with",
        "from attention_lib.scores import f\ndef f(x): return x",
        "def f(scores): return scores.softmax(-1)",
        "# fused would do\ndef f(x): return 'attention_lib.scores.dot'",
        "class attention_lib_scores: pass",
        "!pip install x\n%matplotlib inline\ndef f(x):\n    %time y = x\n    return y",
    ],
)
def test_what_only_looks_like_it_is_let_through(source):
    assert forbidden_calls(source, [FUSED, SCORES], "f") == []


def test_nothing_in_the_source_is_run_and_nothing_breaks_the_search():
    assert forbidden_calls("raise SystemExit\n1/0", [FUSED]) == []
    assert forbidden_calls("(" * 5000, [FUSED]) == []
    assert forbidden_calls("\x00", [FUSED]) == []
