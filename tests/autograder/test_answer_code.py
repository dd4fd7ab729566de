import pytest

from autograder.answer_code import code_of_exercise

F = "def f(x): return helper(x)"


def test_a_helper_is_followed_wherever_it_stands():
    code = code_of_exercise("f", ["def helper(x): return deep(x)", F, "deep = lambda x: hidden(x)"])
    assert "hidden" in code


def test_an_experiment_is_left_out():
    assert "torch" not in code_of_exercise("f", [F, "print(torch.softmax(y, -1))"])


def test_only_the_imports_that_are_used_come_along():
    imports = "from torch import softmax, exp as helper\nimport numpy as np"
    assert "softmax" not in code_of_exercise("f", [imports, F])
    assert "from torch import exp as helper" in code_of_exercise("f", [imports, F])


def test_another_exercise_is_not_followed():
    sources = ["def g(x): return torch.softmax(x, -1)", "def f(x): return g(x)"]
    assert "softmax" not in code_of_exercise("f", sources, others={"g"})
    assert "softmax" in code_of_exercise("f", sources)


@pytest.mark.parametrize(
    "source",
    [
        "if True:\n    def helper(x): return hidden(x)",
        "helper = hidden",
        "try:\n    from library import hidden as helper\nexcept ImportError:\n    pass",
        "for helper in [hidden]: pass",
        "class helper:\n    run = hidden",
        "helper.run = hidden",
        "%matplotlib inline\nhelper = hidden",
    ],
)
def test_no_form_of_definition_hides_a_name(source):
    assert "hidden" in code_of_exercise("f", [source, F])


def test_broken_code_is_left_out_without_spoiling_the_rest():
    assert code_of_exercise("f", ["def (", F]) == "def f(x):\n    return helper(x)"
