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
from attention_lib.training import fit, mean_loss

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


def draws():
    return random.random(), np.random.rand(), float(torch.rand(1))  # noqa: NPY002


@pytest.mark.parametrize("averaging", [False, True])
def test_training_goes_on_to_the_same_numbers_bit_for_bit(tmp_path, averaging):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    whole = build()
    wanted = fit(whole, stream(), **ingredients(whole, averaging))
    after = draws()

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    path = tmp_path / "new" / "run.pt"
    model = build()
    with pytest.raises(Interrupted):
        fit(model, interrupted(20), checkpoint=path, **ingredients(model, averaging))
    draws()
    other = build(seed=5)
    history = fit(other, stream(), checkpoint=path, **ingredients(other, averaging))
    assert history.losses == wanted.losses
    assert history.counts == wanted.counts
    assert history.validations == wanted.validations
    assert draws() == after
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_a_finished_run_is_read_back_without_a_step(tmp_path):
    model, path = build(), tmp_path / "run.pt"
    wanted = fit(model, stream(), steps=5, checkpoint=path)
    again = build(seed=5)
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
