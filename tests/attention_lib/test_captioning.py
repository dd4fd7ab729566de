"""Show, Attend and Tell: its equations written out, its loss and its decoding."""

from itertools import product

import numpy as np
import pytest
import torch

from attention_lib.captioning import Captioner, CaptionerConfig, captioning_loss
from attention_lib.data.shapes import CaptionBatch
from attention_lib.decoding import beam_search, greedy_decode
from attention_lib.training import fit, mean_loss
from attention_lib.visual_attention import (
    doubly_stochastic_penalty,
    gated_context,
    soft_attention,
)

KINDS = ["none", "soft", "hard"]
TGT = torch.tensor([[1, 4, 5, 6, 7], [1, 9, 4, 0, 0], [1, 8, 8, 9, 0]])
TGT_OUT = torch.tensor([[4, 5, 6, 7, 2], [9, 4, 2, 0, 0], [8, 8, 9, 2, 0]])


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


PICTURES = draw(3, 3, 10, 14).sigmoid()  # a grid of 3 × 4


def build(attention="soft", seed=0, **options):
    torch.manual_seed(seed)
    sizes = {"channels": 5, "d_features": 7, "d_embed": 3, "d_hidden": 11, "d_attention": 2}
    model = Captioner(CaptionerConfig(13, attention, **{**sizes, **options})).double().eval()
    for parameter in model.parameters():
        parameter.data.mul_(2)
    return model


def batch():
    return CaptionBatch(PICTURES, TGT, TGT_OUT, pad=0)


def softmax(scores):
    exps = np.exp(scores - scores.max())
    return exps / exps.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def written_out(model, picture, words):
    """One caption through the paper's equations, in NumPy float64, from a model's weights."""
    p = {name: value.detach().numpy() for name, value in model.named_parameters()}
    features = model.encoder(picture[None])[0].detach().numpy()
    mean = features.mean(0)
    h = np.tanh(p["first_hidden.weight"] @ mean + p["first_hidden.bias"])
    c = np.tanh(p["first_cell.weight"] @ mean + p["first_cell.bias"])
    logits, rows = [], []
    for word in words:
        if model.config.attention == "none":
            context = mean
        else:
            query = p["to_query.weight"] @ h
            scores = [p["v"] @ np.tanh(query + p["to_key.weight"] @ a) for a in features]
            weights = softmax(np.array(scores))
            rows.append(weights)
            hard = model.config.attention == "hard"
            context = features[weights.argmax()] if hard else weights @ features
        beta = sigmoid(p["gate.weight"][0] @ h + p["gate.bias"][0])
        y = p["embedding.weight"][word]
        x = np.concatenate([y, beta * context])
        gates = p["lstm.weight_ih"] @ x + p["lstm.bias_ih"]
        i, f, g, o = np.split(gates + p["lstm.weight_hh"] @ h + p["lstm.bias_hh"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        read = y + p["from_hidden.weight"] @ h + p["from_context.weight"] @ (beta * context)
        logits.append(p["output.weight"] @ read + p["output.bias"])
    return np.stack(logits), rows


@pytest.mark.parametrize("attention", KINDS)
def test_the_model_equals_the_papers_equations_written_out_in_numpy(attention):
    model = build(attention)
    logits, weights, _ = model(PICTURES, TGT)
    for i in range(3):
        wanted, rows = written_out(model, PICTURES[i], TGT[i].tolist())
        np.testing.assert_allclose(logits[i].detach().numpy(), wanted, rtol=1e-9, atol=1e-10)
        if attention == "none":
            assert weights is None
        else:
            np.testing.assert_allclose(weights[i].detach().numpy(), rows, rtol=1e-9, atol=1e-10)


def test_the_model_looks_and_gates_as_the_written_functions_do():
    model = build()
    state = model.start(PICTURES)
    w_query, w_key = model.to_query.weight, model.to_key.weight
    context, weights = soft_attention(state.hidden, state.features, w_query, w_key, model.v)
    look = model._look(state)
    torch.testing.assert_close(look.weights, weights)
    torch.testing.assert_close(look.context, context)
    gated = gated_context(context, state.hidden, model.gate.weight[0], model.gate.bias[0])
    _, look = model._step(model.embedding(TGT[:, 0]), state)
    torch.testing.assert_close(look.context, gated)


@pytest.mark.parametrize("attention", KINDS)
def test_a_picture_is_described_alike_alone_and_in_a_batch_and_padding_changes_nothing(attention):
    model = build(attention)
    logits, weights, _ = model(PICTURES, TGT)
    for i, length in enumerate([5, 3, 4]):
        alone, weights_alone, _ = model(PICTURES[i : i + 1], TGT[i : i + 1, :length])
        torch.testing.assert_close(logits[i : i + 1, :length], alone)
        if weights is not None:
            torch.testing.assert_close(weights[i : i + 1, :length], weights_alone)


@pytest.mark.parametrize("attention", KINDS)
def test_a_prediction_depends_on_the_words_before_it_only(attention):
    model = build(attention)
    logits, _, _ = model(PICTURES, TGT)
    for t in range(TGT.shape[1]):
        other = TGT.clone()
        other[:, t] = 12
        changed, _, _ = model(PICTURES, other)
        torch.testing.assert_close(changed[:, :t], logits[:, :t])
        assert (changed[:, t] - logits[:, t]).abs().amax(-1).min() > 1e-6


@pytest.mark.parametrize("attention", KINDS)
def test_teacher_forcing_equals_one_step_after_the_other(attention):
    model = build(attention)
    logits, weights, _ = model(PICTURES, TGT)
    state = model.start(PICTURES, None)
    for t in range(TGT.shape[1]):
        step_logits, state, step_weights = model.step(TGT[:, t], state)
        torch.testing.assert_close(step_logits, logits[:, t])
        if weights is not None:
            torch.testing.assert_close(step_weights, weights[:, t])


@pytest.mark.parametrize("attention", KINDS)
def test_every_parameter_gets_a_gradient_in_training(attention):
    model = build(attention).train()
    torch.manual_seed(0)
    captioning_loss(model, batch()).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_rows_of_the_grid_follow_the_picture():
    pictures, encoder = draw(1, 3, 22, 30).sigmoid(), build().encoder
    assert encoder.grid(pictures) == (6, 8)
    features = encoder(pictures).unflatten(1, (6, 8))
    changed = pictures.clone()
    changed[..., :2, 28:] = 0
    moved = (encoder(changed).unflatten(1, (6, 8)) - features).abs().amax((0, -1)) > 1e-9
    assert moved[0, 7]
    assert not moved[3:].any()
    assert not moved[:, :5].any()


# The loss.


def words_log_prob(model):
    logits, _, _ = model(PICTURES, TGT)
    steps = logits.log_softmax(-1).gather(-1, TGT_OUT[..., None])[..., 0]
    return steps.masked_fill(TGT_OUT == 0, 0.0)


@pytest.mark.parametrize("attention", KINDS)
def test_in_evaluation_the_loss_is_the_negative_log_likelihood_of_the_words(attention):
    model = build(attention)
    loss = captioning_loss(model, batch())
    assert loss.count == 12
    torch.testing.assert_close(loss.total, -words_log_prob(model).sum())


def test_soft_attention_pays_the_penalty_in_training():
    model = build(spread=0.7).train()
    # Batch normalisation moves its averages at every pass, but uses them only in evaluation.
    _, weights, _ = model(PICTURES, TGT)
    penalty = doubly_stochastic_penalty(weights, TGT_OUT != 0).sum()
    wanted = 0.7 * penalty - words_log_prob(model).sum()
    torch.testing.assert_close(captioning_loss(model, batch()).total, wanted)


@pytest.mark.parametrize("attention", KINDS)
def test_padding_costs_nothing_in_training(attention):
    model = build(attention, spread=0.7, expected=1.0).train()
    longer = CaptionBatch(
        PICTURES,
        torch.cat([TGT, torch.zeros(3, 2, dtype=torch.long)], 1),
        torch.cat([TGT_OUT, torch.zeros(3, 2, dtype=torch.long)], 1),
        pad=0,
    )
    losses = []
    for given_batch in (batch(), longer):
        model.baseline.fill_(-3.0)
        losses.append(captioning_loss(model, given_batch))
    assert losses[0].count == losses[1].count
    torch.testing.assert_close(losses[0].total, losses[1].total)


def test_the_baseline_follows_the_mean_log_probability_of_words():
    model = build("hard", expected=1.0).train()
    captioning_loss(model, batch())
    mean = float(words_log_prob(model).detach().sum() / 12)
    assert float(model.baseline) == pytest.approx(mean)
    model.baseline.fill_(1.0)
    captioning_loss(model, batch())
    assert float(model.baseline) == pytest.approx(0.9 + 0.1 * mean)
    model.eval()
    captioning_loss(model, batch())
    assert float(model.baseline) == pytest.approx(0.9 + 0.1 * mean)


def test_hard_training_pays_the_estimator_with_a_baseline_that_grows_with_the_caption():
    model = build("hard", expected=0.0, reward=0.7, entropy=0.2).train()
    model.baseline.fill_(-1.5)
    torch.manual_seed(7)
    got = captioning_loss(model, batch()).total
    torch.manual_seed(7)
    logits, weights, locations = model(PICTURES, TGT)
    wanted = 0.0
    for i, length in enumerate([5, 3, 4]):
        steps = logits[i].log_softmax(-1)
        words = sum(steps[t, TGT_OUT[i, t]] for t in range(length))
        entropy = -(weights[i, :length] * weights[i, :length].log()).sum()
        advantage = (words + 1.5 * length).detach()
        wanted -= words + 0.7 * advantage * locations[i, :length].sum() + 0.2 * entropy
    torch.testing.assert_close(got, wanted)


def test_hard_attention_sees_one_location_in_training_and_the_likeliest_in_evaluation():
    model = build("hard", expected=0.0).train()
    state = model.start(PICTURES)
    look = model._look(state)
    assert (look.log_prob < 0).all()
    for context, features in zip(look.context, state.features, strict=True):
        assert (context - features).abs().amax(-1).min() < 1e-12
    model.eval()
    state = model.start(PICTURES)
    look = model._look(state)
    best = state.features[torch.arange(3), look.weights.argmax(-1)]
    torch.testing.assert_close(look.context, best)


# Decoding.


@pytest.mark.parametrize("attention", KINDS)
def test_greedy_decoding_follows_teacher_forcing_and_keeps_whole_maps(attention):
    for seed in range(5):
        model = build(attention, seed)
        decoded = greedy_decode(model, PICTURES, None, bos=1, eos=2, max_length=6)
        for i, sentence in enumerate(decoded):
            tgt_in = torch.tensor([[1, *sentence.words]])
            logits, weights, _ = model(PICTURES[i : i + 1], tgt_in)
            wanted = logits[0].argmax(-1).tolist()
            assert [*sentence.words, 2][:6] == wanted[: min(len(sentence.words) + 1, 6)]
            if attention == "none":
                assert sentence.weights is None
            else:
                assert sentence.weights.shape == (len(sentence.words), 12)
                torch.testing.assert_close(sentence.weights, weights[0, : len(sentence.words)])


@pytest.mark.parametrize("attention", KINDS)
def test_a_beam_of_one_is_greedy_decoding(attention):
    ends = {"bos": 1, "eos": 2, "max_length": 6}
    for seed in range(5):
        model = build(attention, seed)
        greedy = greedy_decode(model, PICTURES, None, **ends)
        beam = beam_search(model, PICTURES, None, beam_size=1, **ends)
        assert [one.words for one in beam] == [one.words for one in greedy]


@torch.no_grad()
def test_a_wide_beam_finds_the_best_of_all_short_captions():
    model = build(seed=1)
    decoded = beam_search(model, PICTURES[:1], None, bos=1, eos=2, max_length=2, beam_size=170)[0]
    totals = {}
    for words in product(range(13), repeat=2):
        ended = [2, 2] if words[0] == 2 else list(words)
        logits, _, _ = model(PICTURES[:1], torch.tensor([[1, ended[0]]]))
        steps = logits.log_softmax(-1)[0]
        real = 1 if ended[0] == 2 else 2
        totals[tuple(ended)] = float(sum(steps[t, ended[t]] for t in range(real)))
    assert decoded.log_prob == pytest.approx(max(totals.values()))


# The rest.


@pytest.mark.parametrize("attention", KINDS)
def test_a_saved_model_describes_as_before(attention, tmp_path):
    model = build(attention).train()
    captioning_loss(model, batch())
    model.eval()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    again = Captioner(model.config).double().eval()
    again.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(again(PICTURES, TGT).logits, model(PICTURES, TGT).logits)
    torch.testing.assert_close(again.baseline, model.baseline, equal_nan=True)


@pytest.mark.parametrize("attention", KINDS)
def test_the_one_loop_trains_every_kind(attention, device):
    torch.manual_seed(0)
    model = build(attention).float().to(device)
    small = CaptionBatch(PICTURES.float(), TGT, TGT_OUT, pad=0)
    before = mean_loss(model, [small], captioning_loss)
    fit(model, [small] * 40, captioning_loss, steps=40, learning_rate=1e-2)
    assert mean_loss(model, [small], captioning_loss) < 0.8 * before


def test_the_inputs_stay_as_they_were():
    pictures, tgt = PICTURES.clone(), TGT.clone()
    captioning_loss(build("hard").train(), CaptionBatch(pictures, tgt, TGT_OUT, pad=0))
    assert torch.equal(pictures, PICTURES)
    assert torch.equal(tgt, TGT)


def test_what_cannot_be_built_or_looked_at_is_refused():
    with pytest.raises(ValueError, match="attention is 'both'; wanted one of none, soft, hard"):
        CaptionerConfig(13, "both")
    with pytest.raises(ValueError, match=r"expected is 1.5; wanted a share from 0 to 1"):
        CaptionerConfig(13, expected=1.5)
    with pytest.raises(ValueError, match=r"pictures have shape \(3, 10, 14\); .* picture\[None\]"):
        build()(PICTURES[0], TGT[:1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_hard_attention_that_is_sure_trains_in_mixed_precision(dtype):
    model = build("hard", entropy=0.1).float().train()
    for parameter in model.parameters():
        parameter.data.mul_(8)
    pictures = CaptionBatch(PICTURES.float(), TGT, TGT_OUT, pad=0)
    with torch.autocast("cpu", dtype):
        loss = captioning_loss(model, pictures).total
        weights = model(pictures.pictures, TGT)[1]
    assert (weights == 0).any() or dtype == torch.bfloat16
    loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
