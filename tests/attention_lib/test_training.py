import itertools
import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from attention_lib.data.batching import batches, make_batch, ordered_batches
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.decoding import greedy_decode
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import (
    Loss,
    accumulate_gradients,
    fit,
    mean_loss,
    sequence_loss,
    translation_loss,
)

PAIRS = [
    SimpleNamespace(src=list(word), tgt=list(reversed(word)))
    for word in ("abc", "cab", "ba", "acbd", "dd", "cadb")
]
VOCAB = Vocabulary(pair.src for pair in PAIRS)


def build(seed=0, **settings):
    torch.manual_seed(seed)
    settings = {"d_embed": 8, "d_hidden": 16, "dropout": 0.0, **settings}
    return Seq2Seq(Seq2SeqConfig(len(VOCAB), len(VOCAB), **settings))


def stream(seed=0):
    return batches(PAIRS, VOCAB, VOCAB, batch_size=6, seed=seed)


def test_training_learns_to_reverse_words_and_repeats_to_the_digit():
    runs = []
    for _ in range(2):
        model = build()
        history = fit(model, stream(), steps=120, learning_rate=0.02)
        runs.append(history.losses)
        batch = make_batch(PAIRS, VOCAB, VOCAB)
        decoded = greedy_decode(
            model, batch.src, batch.src_lengths, bos=VOCAB.bos, eos=VOCAB.eos, max_length=9
        )
        assert [VOCAB.decode(d.words) for d in decoded] == [pair.tgt for pair in PAIRS]
    assert runs[0] == runs[1]
    assert runs[0][-1] < 0.1 < runs[0][0]


def test_more_padding_changes_no_loss():
    logits, targets = torch.randn(2, 3, 5), torch.tensor([[4, 1, 0], [2, 0, 0]])
    padded = torch.cat([logits, torch.randn(2, 2, 5)], dim=1)
    longer = torch.cat([targets, torch.zeros(2, 2, dtype=torch.long)], dim=1)
    torch.testing.assert_close(sequence_loss(padded, longer, 0), sequence_loss(logits, targets, 0))


def test_the_mean_loss_counts_tokens_whatever_the_batches():
    model = build()
    by_size = [
        mean_loss(model, ordered_batches(PAIRS, VOCAB, VOCAB, batch_size=size))
        for size in (1, 4, 6)
    ]
    assert by_size[1:] == pytest.approx([by_size[0]] * 2, rel=1e-5)


def test_the_mean_loss_is_taken_without_dropout():
    model, batch = build(dropout=0.5).train(), make_batch(PAIRS, VOCAB, VOCAB)
    first = mean_loss(model, [batch])
    assert not model.training
    total, count = model.loss(batch)
    assert first == pytest.approx(total.item() / count, rel=1e-6)
    assert mean_loss(model.train(), [batch]) == first


def test_running_out_of_batches_is_an_error_that_says_when():
    with pytest.raises(ValueError, match="ran out after 3 of 5 steps"):
        fit(build(), itertools.islice(stream(), 3), steps=5)


def test_a_loss_that_is_not_a_number_stops_training_at_its_step():
    model = build()
    model.output.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 1, .* try a lower"):
        fit(model, stream(), steps=5)


def test_weights_are_left_as_they_were_before_the_loss_went_wrong():
    model = build()

    def breaks(model, batch):
        part = translation_loss(model, batch)
        return Loss(part.total * float("inf"), part.count)

    before = [p.clone() for p in model.parameters()]
    with pytest.raises(FloatingPointError, match="the loss is inf at step 1"):
        fit(model, stream(), breaks, steps=5)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def uneven():
    """Eleven pairs of very different lengths as one batch, and as three of 2, 3 and 6."""
    words = ["a" * n + "bcd"[n % 3] for n in (1, 13, 2, 7, 1, 3, 11, 2, 1, 5, 2)]
    pairs = [SimpleNamespace(src=list(word), tgt=[*word[:-1], "d"]) for word in words]
    parts = (pairs[:2], pairs[2:5], pairs[5:])
    return make_batch(pairs, VOCAB, VOCAB), [make_batch(part, VOCAB, VOCAB) for part in parts]


def test_accumulated_batches_weigh_their_tokens_as_one_big_batch_would():
    whole, parts = uneven()
    models = [build().double(), build().double()]
    sgd = [torch.optim.SGD(model.parameters(), lr=0.7) for model in models]
    one = fit(models[0], itertools.repeat(whole), steps=3, optimizer=sgd[0])
    settings = {"steps": 3, "optimizer": sgd[1], "accumulate": 3}
    three = fit(models[1], itertools.cycle(parts), **settings)
    torch.testing.assert_close(three.losses, one.losses, atol=1e-10, rtol=0)
    assert three.counts == one.counts
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=0)


def test_an_accumulated_gradient_is_that_of_one_big_batch_and_not_the_mean_of_means():
    whole, parts = uneven()
    model = build().double()

    def gradient(batches):
        mean, count = accumulate_gradients(model, batches)
        return mean, count, nn.utils.parameters_to_vector([p.grad for p in model.parameters()])

    mean, count, wanted = gradient([whole])
    got = gradient(parts)
    assert (got[0], got[1]) == (pytest.approx(mean, abs=1e-12), count)
    torch.testing.assert_close(got[2], wanted, atol=1e-10, rtol=0)
    means = torch.stack([gradient([part])[2] for part in parts]).mean(0)
    assert (means - wanted).abs().max() > 1e-3
    with pytest.raises(ValueError, match="no batches to take a gradient of"):
        gradient([])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_gradients_are_clipped_to_the_norm(precision):
    """To that of the loss as it is: in float16 it is scaled by 65,536 for the backward pass."""
    model = build(cell="gru")
    before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    plan = {"optimizer": sgd, "schedule": lambda done: 1.0, "precision": precision}
    fit(model, stream(), steps=1, clip_norm=0.01, **plan)
    moved = nn.utils.parameters_to_vector(model.parameters()) - before
    assert float(moved.detach().norm()) == pytest.approx(0.01, rel=1e-3)


def test_the_schedule_multiplies_the_optimizers_rate_from_its_first_step_on():
    model = build()
    before = model.output.bias.detach().clone()
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    fit(model, stream(), steps=4, optimizer=sgd, schedule=lambda done: float(done >= 4))
    assert torch.equal(model.output.bias, before)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision_learns_and_keeps_single_precision_weights(device, precision):
    model = build(cell="gru").to(device)  # torch has no float16 LSTM on the CPU
    history = fit(model, stream(), steps=60, learning_rate=0.02, precision=precision)
    assert history.losses[-1] < 0.7 * history.losses[0]
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_training_stops_early_and_keeps_the_weights_of_the_best_validation():
    model, figures, kept = build(), iter([3.0, 1.0, 2.0, 1.0, 5.0, 0.0]), []

    def validate(candidate):
        assert candidate is model
        model.eval()  # what evaluation does must not stay
        kept.append(candidate.output.weight.detach().clone())
        return next(figures)

    history = fit(model, stream(), steps=60, every=5, validate=validate, patience=3)
    assert history.validations == [(5, 3.0), (10, 1.0), (15, 2.0), (20, 1.0), (25, 5.0)]
    assert len(history.losses) == 25
    assert torch.equal(model.output.weight, kept[1])
    assert not model.training


def test_patience_without_validation_is_refused():
    with pytest.raises(ValueError, match="patience=3 counts validations; pass validate too"):
        fit(build(), stream(), steps=5, patience=3)


def test_validating_changes_nothing_about_training():
    settings = {"steps": 20, "every": 7}
    assert (
        fit(build(), stream(), validate=lambda model: 0.0, **settings).losses
        == fit(build(), stream(), **settings).losses
    )


def test_the_model_gets_its_averaged_weights_in_the_end():
    model, kept = build(), []
    averaged = AveragedModel(model)
    fit(
        model,
        stream(),
        steps=3,
        every=1,
        averaged=averaged,
        validate=lambda product: kept.append(product.output.weight.clone()) or -len(kept),
    )
    assert torch.equal(model.output.weight, averaged.module.output.weight)
    assert torch.equal(model.output.weight, kept[-1])
    assert not torch.equal(kept[0], kept[-1])


def test_the_average_is_of_the_weights_after_every_step():
    model, after = build(), []
    averaged = AveragedModel(model)
    sgd = torch.optim.SGD(model.parameters(), lr=0.7)
    sgd.register_step_post_hook(lambda *_: after.append(model.output.weight.detach().clone()))
    fit(model, stream(), steps=5, optimizer=sgd, averaged=averaged)
    assert len(after) == 5
    torch.testing.assert_close(model.output.weight, torch.stack(after).mean(0))
    assert not torch.allclose(torch.stack(after[::2]).mean(0), torch.stack(after).mean(0))


def test_any_loss_that_says_what_it_counts_can_be_trained(device):
    torch.manual_seed(0)
    model = nn.Linear(3, 1).to(device)
    inputs = torch.randn(17, 3)

    def squares(model, batch):
        return Loss((model(batch) - batch.sum(1, keepdim=True)).square().sum(), len(batch))

    fit(model, itertools.repeat(inputs), squares, steps=300, learning_rate=0.1)
    assert mean_loss(model, [inputs[:5], inputs[5:]], squares) < 1e-3
    torch.testing.assert_close(model.weight, torch.ones(1, 3, device=device), atol=0.05, rtol=0)


def test_history_counts_tokens_and_time():
    history = fit(build(), stream(), steps=7)
    tokens = sum(len(pair.tgt) + 1 for pair in PAIRS)
    assert history.counts == [tokens] * 7
    assert all(a < b for a, b in itertools.pairwise(history.seconds))
    assert history.speed() == pytest.approx(7 * tokens / history.seconds[-1])


def test_a_progress_bar_shows_loss_and_speed(capsys):
    fit(build(), stream(), steps=2, progress=True)
    shown = capsys.readouterr().err
    assert re.search(r"2/2 .*loss \d\.\d{3}, [\d,]+ tokens/s", shown)


def test_nothing_to_predict_is_an_error_that_says_where():
    def nothing(model, batch):
        return Loss(torch.zeros((), requires_grad=True), 0)

    with pytest.raises(ValueError, match="a batch has nothing to predict; leave"):
        fit(build(), stream(), nothing, steps=5)
    with pytest.raises(ValueError, match="no batches"):
        mean_loss(build(), [])
