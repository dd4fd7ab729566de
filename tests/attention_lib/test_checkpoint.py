import itertools
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from attention_lib.data.batching import batches
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import Loss, fit, mean_loss, translation_loss

PAIRS = [
    SimpleNamespace(src=list(word), tgt=list(reversed(word)))
    for word in ("abc", "cab", "ba", "acbd", "dd", "cadb", "dab", "bbacd")
]
VOCAB = Vocabulary(pair.src for pair in PAIRS)


def build(d_hidden=11, seed=0):
    torch.manual_seed(seed)
    return Seq2Seq(Seq2SeqConfig(len(VOCAB), len(VOCAB), d_embed=7, d_hidden=d_hidden, dropout=0.3))


def stream():
    """Batches that come with random numbers of every kind, as masked words would."""
    for batch in batches(PAIRS, VOCAB, VOCAB, batch_size=3, seed=0):
        random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
        yield batch


class Interrupted(Exception):
    pass


def interrupted(steps):
    yield from itertools.islice(stream(), steps)
    raise Interrupted


def ingredients(model, averaging):
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9)) if averaging else None
    return {
        "optimizer": torch.optim.AdamW(model.parameters(), lr=0.01, fused=True),
        "schedule": lambda done: 1 / (done + 1),
        "validate": lambda m: mean_loss(m, itertools.islice(stream(), 2)),
        "averaged": average,
        "accumulate": 2,
        "every": 4,
        "steps": 13,
    }


def large(model, batch):
    """A loss whose gradient overflows in float16 until its scale has been halved some times."""
    part = translation_loss(model, batch)
    return Loss(1000 * part.total, part.count)


def draws(device="cpu"):
    numbers = random.random(), np.random.rand(), float(torch.rand(1))  # noqa: NPY002
    return *numbers, float(torch.rand(1, device=device))


@pytest.mark.parametrize(
    ("averaging", "precision"),
    [(False, torch.float32), (True, torch.float32), (False, torch.float16)],
)
def test_training_goes_on_to_the_same_numbers_bit_for_bit(tmp_path, device, averaging, precision):
    """On the CPU; a GPU adds up gradients in an order of its own each time."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    whole, plan = build().to(device), {"loss": large, "precision": precision}
    wanted = fit(whole, stream(), **plan, **ingredients(whole, averaging))
    after = draws(device)

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    path = tmp_path / "new" / "run.pt"
    model = build().to(device)
    with pytest.raises(Interrupted):
        fit(model, interrupted(20), checkpoint=path, **plan, **ingredients(model, averaging))
    draws(device)
    other = build(seed=5).to(device)
    history = fit(other, stream(), checkpoint=path, **plan, **ingredients(other, averaging))
    assert history.counts == wanted.counts
    assert draws(device) == after
    near = {"rtol": 0, "atol": 0} if device == "cpu" else {"rtol": 1e-2, "atol": 1e-2}
    torch.testing.assert_close(history.losses, wanted.losses, **near)
    torch.testing.assert_close(history.validations, wanted.validations, **near)
    torch.testing.assert_close(dict(other.state_dict()), dict(whole.state_dict()), **near)


def test_a_finished_run_is_read_back_without_a_step(tmp_path, device):
    model, path = build().to(device), tmp_path / "run.pt"
    wanted = fit(model, stream(), steps=5, checkpoint=path)
    again = build(seed=5).to(device)
    assert fit(again, stream(), steps=5, checkpoint=path) == wanted
    assert torch.equal(again.output.weight, model.output.weight)


def test_saving_leaves_one_whole_file_and_changes_no_number(tmp_path):
    with_file = fit(build(), stream(), steps=5, checkpoint=tmp_path / "run.pt", every=1)
    assert with_file.losses == fit(build(), stream(), steps=5).losses
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_a_checkpoint_of_another_model_is_refused_by_the_first_difference(tmp_path):
    path = tmp_path / "run.pt"
    fit(build(), stream(), steps=1, checkpoint=path)
    other = build(d_hidden=13)
    before = [p.clone() for p in other.parameters()]
    message = r"run.pt is a checkpoint of another model: .* is \(.*11.*\) there and \(.*13.*\) here"
    with pytest.raises(ValueError, match=message):
        fit(other, stream(), steps=2, checkpoint=path)
    assert all(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))
    with pytest.raises(ValueError, match=r"weight is missing there and \(3, 2\) here"):
        fit(nn.Linear(2, 3), stream(), steps=2, checkpoint=path)


def test_a_checkpoint_of_another_optimizer_or_average_is_refused(tmp_path):
    path, model = tmp_path / "run.pt", build()
    fit(model, stream(), steps=1, checkpoint=path)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="optimizer is Adam there and SGD here"):
        fit(model, stream(), steps=2, checkpoint=path, optimizer=sgd)
    with pytest.raises(ValueError, match="averaged is False there and True here"):
        fit(model, stream(), steps=2, checkpoint=path, averaged=AveragedModel(model))


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign"])
def test_a_damaged_checkpoint_says_so(tmp_path, damage):
    path = tmp_path / "run.pt"
    fit(build(), stream(), steps=1, checkpoint=path)
    whole = path.read_bytes()
    if damage == "foreign":
        torch.save(build().state_dict(), path)
    else:
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    with pytest.raises(ValueError, match=r"run.pt is no whole checkpoint of fit\(\); delete it"):
        fit(build(), stream(), steps=2, checkpoint=path)


def test_fewer_batches_than_were_taken_are_an_error(tmp_path):
    path = tmp_path / "run.pt"
    fit(build(), stream(), steps=5, checkpoint=path)
    with pytest.raises(ValueError, match="had taken 5 batches, but there are only 3"):
        fit(build(), itertools.islice(stream(), 3), steps=9, checkpoint=path)


def test_a_checkpoint_that_went_further_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    fit(build(), stream(), steps=5, checkpoint=path)
    with pytest.raises(ValueError, match="has taken 5 steps, more than steps=3; ask for more"):
        fit(build(), stream(), steps=3, checkpoint=path)


def test_training_goes_on_at_the_rate_and_by_the_schedule_that_it_is_given(tmp_path):
    path, seen = tmp_path / "run.pt", []
    fit(build(), stream(), steps=4, learning_rate=0.5, checkpoint=path)
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    optimizer.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))
    plan = {"optimizer": optimizer, "schedule": lambda done: 1 / (done + 1), "steps": 7}
    fit(model, stream(), checkpoint=path, **plan)
    assert seen == pytest.approx([0.001 / 5, 0.001 / 6, 0.001 / 7])


def test_a_checkpoint_of_an_optimizer_with_other_groups_is_refused(tmp_path):
    path, model = tmp_path / "run.pt", build()
    fit(model, stream(), steps=1, checkpoint=path)
    first, *others = model.parameters()
    groups = torch.optim.Adam([{"params": [first]}, {"params": others}])
    message = r"in each group of the optimizer is \[\d+\] there and \[1, "
    with pytest.raises(ValueError, match=message):
        fit(model, stream(), steps=2, checkpoint=path, optimizer=groups)


def test_a_gradient_that_is_not_finite_spares_the_weights_and_the_checkpoint(tmp_path):
    path, model = tmp_path / "run.pt", build()
    calls = itertools.count(1)

    def breaks_at_the_fourth(model, batch):
        part = translation_loss(model, batch)
        if next(calls) == 4:  # sqrt has no slope at 0: the loss stays what it is
            return Loss(part.total + (model.output.bias * 0).sum().sqrt(), part.count)
        return part

    with pytest.raises(FloatingPointError, match="the norm of the gradient is nan at step 4"):
        fit(model, stream(), breaks_at_the_fourth, steps=9, every=2, checkpoint=path)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    history = fit(build(), stream(), steps=9, checkpoint=path)
    assert np.isfinite(history.losses).all()


def test_a_validation_that_is_nan_hides_no_lower_figure_after_it():
    figures = iter([np.nan, 3.0, 2.0, np.nan, 5.0])
    model, at_lowest = build(), []

    def validate(model):
        figure = next(figures)
        if figure == 2.0:
            at_lowest.extend(parameter.detach().clone() for parameter in model.parameters())
        return figure

    history = fit(model, stream(), steps=5, every=1, validate=validate, patience=4)
    assert len(history.validations) == 5
    assert all(map(torch.equal, model.parameters(), at_lowest))
