import re
import sys
import warnings

import numpy as np
import pytest
import torch

from autograder.checks.cases import Case, make_request, read_answers
from autograder.checks.drive import _MAX_NUMBERS, MIME, drive, publish_answers


def answer(value, case: Case | None = None):
    return drive(lambda *args: value, [case or Case(())])[0]


class Liar:
    """Equal to everything, and whatever one asks for."""

    __class__ = torch.Tensor
    shape = (2, 2)

    def __eq__(self, other):
        return True

    __hash__ = None

    def __array__(self, *args, **kwargs):
        raise AssertionError("asked for an array")

    @classmethod
    def __torch_function__(cls, *args, **kwargs):
        return True


class Sub(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Liar(), "Liar"),
        (torch.zeros(2).as_subclass(Sub), "subclass of Tensor"),
        (np.zeros(2).view(np.matrix), "matrix"),
        ((i for i in range(3)), "generator"),
        ({1, 2}, "set"),
        (torch.zeros(2, 2).to_sparse(), "sparse"),
        (torch.zeros(2, dtype=torch.complex64), "complex"),
        (torch.zeros(2, device="meta"), "meta"),
        (torch.zeros(1).expand(10**6, 10**6), "far more"),
        (2**100, "int"),
        ([[[[[[1]]]]]], "list"),
        (len, "builtin_function"),
        (np.array(["a"]), "ndarray"),
    ],
)
def test_a_strange_value_is_named_not_passed_on(value, words):
    result = answer(value)
    assert result.value is None
    assert result.error.startswith("returned ")
    assert words in result.error


def test_plain_values_pass_as_what_they_are():
    for value in (None, True, 3, 2.5, "text", [1.0, 2], (1, [2])):
        assert answer(value).value == value
    assert type(answer(np.float32(0.5)).value) is float
    assert type(answer(np.bool_(True)).value) is bool
    assert isinstance(answer(np.zeros(2)).value, np.ndarray)


def test_a_returned_tensor_is_a_detached_copy_of_exact_type():
    weight = torch.nn.Parameter(torch.ones(2, 3))
    value = answer(weight.T).value
    assert type(value) is torch.Tensor
    assert not value.requires_grad
    assert value.is_contiguous()
    assert type(answer(weight).value) is torch.Tensor


def fails(x):
    y = x + 1
    return y @ torch.ones(3, 3)


def test_an_exception_brings_its_type_message_and_line():
    result = drive(fails, [Case((torch.ones(2, 2),))])[0]
    assert result.error.startswith("RuntimeError: mat1 and mat2")
    assert result.where.endswith("return y @ torch.ones(3, 3)")
    assert result.where.startswith("line ")


def test_exits_are_answers_but_an_interrupt_passes():
    assert drive(lambda: sys.exit(1), [Case(())])[0].error == "SystemExit: 1"

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(interrupted, [Case(())])


def test_each_call_gets_fresh_inputs_and_a_change_is_noticed():
    case = Case((torch.ones(2),))

    def in_place(x):
        return x.mul_(2)

    first, second = drive(in_place, [case, case])
    assert first.changed
    assert torch.equal(second.value, torch.full((2,), 2.0))
    assert torch.equal(case.args[0], torch.ones(2))
    assert not drive(lambda x: x * 2, [case])[0].changed


def test_a_change_inside_a_dict_is_noticed():
    case = Case(({"W": torch.ones(2)},))
    assert drive(lambda p: p.pop("W"), [case])[0].changed
    assert drive(lambda p: p["W"].zero_(), [case])[0].changed
    assert not drive(lambda p: p["W"] + 1, [case])[0].changed


def test_gradients_come_back_for_every_floating_argument():
    a, b = torch.tensor([2.0]), torch.tensor([3.0])
    case = Case((a, torch.tensor([True]), {"b": b}), grad=True)
    grads = drive(lambda x, m, p: x * x, [case])[0].grads
    assert torch.allclose(grads[0], 4 * torch.cos(torch.tensor([1.0])))
    assert grads[1] is None
    assert drive(lambda x, m, p: x.detach(), [case])[0].grads == (None, None)


def test_strided_inputs_stay_strided():
    case = Case((torch.arange(6.0).reshape(2, 3).T,))
    assert drive(lambda x: x.is_contiguous(), [case])[0].value is False


def test_prints_and_warnings_leave_no_trace(capfd):
    def noisy():
        print("out")
        print("err", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        return 1

    assert drive(noisy, [Case(())])[0].value == 1
    assert capfd.readouterr() == ("", "")


def calls_another(x):
    y = x + 1
    return fails(y)


def comprehends(x):
    return [fails(row) for row in (x,)]


def test_an_exception_in_another_function_names_both_lines_and_that_function():
    for function in (calls_another, comprehends):
        [result] = drive(function, [Case((torch.ones(2, 2),))])
        name = function.__name__
        assert re.match(rf"line \d+ of {name}: return .*, inside fails at line", result.where)
        assert result.where.endswith(": return y @ torch.ones(3, 3)")
        assert result.inside == "fails"
    assert drive(fails, [Case((torch.ones(2, 2),))])[0].inside == ""


def test_a_line_is_said_to_be_of_its_own_function():
    where = drive(fails, [Case((torch.ones(2, 2),))])[0].where
    number = fails.__code__.co_firstlineno + 2
    assert where == f"line {number} of fails: return y @ torch.ones(3, 3)"


without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@without_gpu
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x,
        lambda x: x + torch.arange(2, device=x.device),
        lambda x: torch.tensor(x.tolist()),
        lambda x: x.nonzero(),
        lambda x: x.cpu().numpy() and x,
        lambda x: 1.0,
    ],
)
def test_without_a_gpu_a_cuda_case_tells_nothing_about_numbers(function):
    assert drive(function, [Case((torch.ones(2),), cuda=True)])[0].skipped


@without_gpu
def test_without_a_gpu_tensors_made_on_the_cpu_are_still_found():
    def mixed(x):
        return x + torch.arange(2)

    case = Case((torch.ones(2),), cuda=True)
    mixing, returning = (drive(f, [case])[0] for f in (mixed, lambda x: torch.ones(2)))
    assert "made on the CPU meets one on the device of the inputs" in mixing.error
    assert mixing.where.endswith("of mixed: return x + torch.arange(2)")
    assert returning.error.startswith("returned a tensor on cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_case_wants_its_result_on_the_gpu():
    case = Case((torch.ones(1),), cuda=True)
    kept, moved = (drive(f, [case])[0] for f in (lambda x: x * 2, lambda x: x.cpu()))
    assert torch.equal(kept.value, torch.full((1,), 2.0))
    assert not kept.changed
    assert "cpu" in moved.error


def published(monkeypatch, namespace, cases):
    sent = []
    monkeypatch.setattr("IPython.display.publish_display_data", sent.append)
    publish_answers(namespace, make_request("u/f", "n", cases))
    assert [list(bundle) for bundle in sent] == [[MIME]]
    return read_answers(sent[0][MIME], exercise="u/f", nonce="n", cases=cases)


def test_answers_are_published_once_and_can_be_read(monkeypatch):
    cases = [[Case((torch.ones(2),)), Case((torch.zeros(1),))]]
    [[one, two]] = published(monkeypatch, {"f": lambda x: x + 1}, cases)
    assert torch.equal(one.value, torch.full((2,), 2.0))
    assert torch.equal(two.value, torch.ones(1))


def test_a_missing_function_is_an_answer(monkeypatch):
    [[one]] = published(monkeypatch, {}, [[Case(())]])
    assert one.error == "NameError: there is no function called f"


def test_largest_answers_still_fit_into_one_message(monkeypatch):
    biggest = torch.zeros(_MAX_NUMBERS)
    cases = [[Case(())] * 50, [Case(())] * 49]
    rows = published(monkeypatch, {"f": lambda: biggest}, cases)
    assert [len(row) for row in rows] == [50, 49]
