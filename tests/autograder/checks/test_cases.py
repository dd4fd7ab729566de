import json

import pytest
import torch

from autograder.checks.cases import (
    Answer,
    Case,
    encode_answers,
    make_request,
    read_answers,
    read_request,
    upcast,
)
from autograder.checks.wire import WireError

CASES = [[Case((torch.ones(2), {"W": torch.zeros(3, 2).T}), {"window": 2}, "one", grad=True)], []]


def message(answers=None, **changes):
    rows = [[Answer(torch.ones(2), grads=(None, torch.ones(1)))], []]
    rows = rows if answers is None else answers
    form = {"exercise": "u/f", "nonce": "n", "answers": encode_answers(rows)} | changes
    return json.loads(json.dumps(form))


def read(form):
    return read_answers(form, exercise="u/f", nonce="n", cases=CASES)


def test_a_request_comes_back_as_it_was_sent():
    exercise, nonce, [[case], empty] = read_request(make_request("u/f", "n", CASES))
    assert (exercise, nonce, empty) == ("u/f", "n", [])
    assert (case.kwargs, case.label, case.grad, case.cuda) == ({"window": 2}, "one", True, False)
    assert torch.equal(case.args[0], torch.ones(2))
    assert not case.args[1]["W"].is_contiguous()


def test_answers_come_back_as_they_were_given():
    [[answer], _] = read(message())
    assert torch.equal(answer.value, torch.ones(2))
    assert answer.grads[0] is None
    assert answer.error is None


def broken(**changes):
    form = message()
    form["answers"][0][0]["dict"].update(changes)
    return form


@pytest.mark.parametrize(
    "form",
    [
        None,
        [],
        {},
        message(nonce="other"),
        message(exercise="u/g"),
        message(more=1),
        message(answers=[]),
        message(answers=[[Answer(), Answer()], []]),
        message() | {"answers": None},
        broken(changed=1),
        broken(skipped="no"),
        broken(error=7),
        broken(where=None),
        broken(inside=7),
        broken(grads=[]),
        broken(grads={"tuple": [1]}),
        broken(points=14),
    ],
)
def test_anything_but_one_answer_a_case_is_refused(form):
    with pytest.raises(WireError):
        read(form)


def test_long_error_texts_are_cut():
    [[answer], _] = read(
        message([[Answer(error="x" * 10_000, where="y" * 10_000, inside="z" * 10_000)], []])
    )
    assert len(answer.error) == len(answer.where) == 2000
    assert len(answer.inside) == 100


def test_the_oracle_is_asked_in_float64():
    case = upcast(Case((torch.ones(1, dtype=torch.float16), torch.ones(1, dtype=torch.bool), 3)))
    assert [getattr(a, "dtype", None) for a in case.args] == [torch.float64, torch.bool, None]
