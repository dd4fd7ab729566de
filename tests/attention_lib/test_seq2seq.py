"""The encoder–decoder in every configuration: padding, causality, and the papers written out."""

import numpy as np
import pytest
import torch

from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig, luong_step

LUONG = [
    {"score": score, "locality": locality, "input_feeding": feeding}
    for score in ("dot", "scaled_dot", "general", "concat", "location")
    for locality in ("global", "local-m", "local-p")
    for feeding in (True, False)
]
ALL = [{"attention": "none"}, {"attention": "bahdanau", "score": "concat"}, *LUONG]
SRC = torch.tensor([[4, 5, 6, 7, 8, 9, 10], [9, 4, 10, 1, 1, 1, 1], [5, 5, 8, 6, 2, 2, 2]])
LENGTHS = torch.tensor([7, 3, 4])
TGT = torch.tensor([[1, 4, 5, 6, 7], [1, 9, 4, 0, 0], [1, 8, 8, 9, 0]])


def name(options):
    return "-".join(str(value) for value in options.values())


def build(options, device="cpu", **more):
    torch.manual_seed(0)
    sizes = {"src_size": 11, "tgt_size": 13, "d_embed": 3, "d_hidden": 6, "window": 2}
    return Seq2Seq(Seq2SeqConfig(**{**sizes, **options, **more})).double().eval().to(device)


@pytest.mark.parametrize("options", ALL, ids=name)
def test_a_sentence_is_translated_alike_alone_and_padded_in_a_batch(device, options):
    model, src, tgt = build(options, device), SRC.to(device), TGT.to(device)
    logits, weights = model(src, LENGTHS, tgt)
    for i, length in enumerate(LENGTHS.tolist()):
        alone, weights_alone = model(src[i : i + 1, :length], LENGTHS[i : i + 1], tgt[i : i + 1])
        torch.testing.assert_close(logits[i : i + 1], alone)
        if weights is not None:
            torch.testing.assert_close(weights[i : i + 1, :, :length], weights_alone)
            assert (weights[i, :, length:] == 0).all()


@pytest.mark.parametrize("options", ALL, ids=name)
def test_teacher_forcing_equals_one_step_after_the_other(device, options):
    model, src, tgt = build(options, device), SRC.to(device), TGT.to(device)
    logits, weights = model(src, LENGTHS, tgt)
    state = model.start(src, LENGTHS)
    for t in range(TGT.shape[1]):
        step_logits, state, step_weights = model.step(tgt[:, t], state)
        torch.testing.assert_close(step_logits, logits[:, t])
        if weights is not None:
            torch.testing.assert_close(step_weights, weights[:, t])


@pytest.mark.parametrize("options", ALL, ids=name)
def test_a_prediction_depends_on_the_words_before_it_only(device, options):
    model, src, tgt = build(options, device), SRC.to(device), TGT.to(device)
    logits, _ = model(src, LENGTHS, tgt)
    for t in range(TGT.shape[1]):
        other = tgt.clone()
        other[:, t] = 12
        changed, _ = model(src, LENGTHS, other)
        torch.testing.assert_close(changed[:, :t], logits[:, :t])
        assert (changed[:, t] - logits[:, t]).abs().amax(-1).min() > 1e-6


@pytest.mark.parametrize("options", LUONG, ids=name)
def test_weights_sum_to_one_unless_local_p_damps_them(options):
    _, weights = build(options)(SRC, LENGTHS, TGT)
    sums = weights.sum(-1)
    if options["locality"] == "local-p":
        assert (sums <= 1 + 1e-12).all()
        assert (sums < 0.999).any()
    else:
        torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("options", ALL, ids=name)
def test_every_parameter_gets_a_gradient(options):
    model = build(options, cell="gru", bidirectional=True, num_layers=2)
    logits, _ = model(SRC, LENGTHS, TGT)
    logits.square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def softmax(scores):
    exps = np.exp(scores - scores.max())
    return exps / exps.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class WrittenOut:
    """One sentence through the papers' equations, in NumPy float64, from a model's weights."""

    def __init__(self, model):
        self.config = model.config
        self.p = {k: v.detach().cpu().numpy() for k, v in model.named_parameters()}

    def lstm(self, prefix, x, h, c):
        p = self.p
        gates = p[prefix + "weight_ih_l0"] @ x + p[prefix + "bias_ih_l0"]
        gates = gates + p[prefix + "weight_hh_l0"] @ h + p[prefix + "bias_hh_l0"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    def encode(self, words):
        h = c = np.zeros(self.config.d_hidden)
        memory = []
        for word in words:
            h, c = self.lstm("encoder.rnn.", self.p["encoder.embedding.weight"][word], h, c)
            memory.append(h)
        return np.stack(memory), h, c

    def score(self, h, memory):
        p, kind = self.p, self.config.score
        match kind:
            case "dot":
                return [h @ m for m in memory]
            case "scaled_dot":
                return [h @ m / np.sqrt(len(m)) for m in memory]
            case "general":
                return [h @ p["attention.weight"] @ m for m in memory]
            case "location":
                return (p["attention.weight"] @ h)[: len(memory)]
        joined = np.concatenate([p["attention.w_query"], p["attention.w_key"]], axis=1)
        return [p["attention.v"] @ np.tanh(joined @ np.concatenate([h, m])) for m in memory]

    def weigh(self, h, memory, t):
        scores, size = np.array(self.score(h, memory)), len(memory)
        places, window = np.arange(size), self.config.window
        if self.config.locality == "global":
            return softmax(scores)
        centre = min(t, size - 1)
        if self.config.locality == "local-p":
            centre = size * sigmoid(self.p["attention.v_p"] @ np.tanh(self.p["attention.w_p"] @ h))
        inside = np.abs(places - centre) <= window
        weights = np.zeros(size)
        weights[inside] = softmax(scores[inside])
        if self.config.locality == "local-p":
            weights *= np.exp(-((places - centre) ** 2) / (2 * (window / 2) ** 2))
        return weights

    def translate(self, src, tgt):
        p, config = self.p, self.config
        memory, h, c = self.encode(src)
        attentional, logits, rows = np.zeros(config.d_hidden), [], []
        for t, word in enumerate(tgt):
            x = p["embedding.weight"][word]
            if config.attention == "bahdanau":
                weights = self.weigh(h, memory, t)
                x = np.concatenate([x, weights @ memory])
            elif config.attention == "luong" and config.input_feeding:
                x = np.concatenate([x, attentional])
            h, c = self.lstm("rnn.", x, h, c)
            if config.attention == "luong":
                weights = self.weigh(h, memory, t)
            if config.attention == "none":
                attentional = h
            else:
                attentional = np.tanh(p["w_c"] @ np.concatenate([weights @ memory, h]))
                rows.append(weights)
            logits.append(p["output.weight"] @ attentional + p["output.bias"])
        return np.stack(logits), rows


@pytest.mark.parametrize("options", ALL, ids=name)
def test_the_model_equals_the_papers_equations_written_out_in_numpy(device, options):
    model = build(options, device)
    logits, weights = model(SRC.to(device), LENGTHS, TGT.to(device))
    for i, length in enumerate(LENGTHS.tolist()):
        wanted, rows = WrittenOut(model).translate(SRC[i, :length].tolist(), TGT[i].tolist())
        np.testing.assert_allclose(logits[i].detach().cpu().numpy(), wanted, rtol=1e-9, atol=1e-10)
        if weights is not None:
            got = weights[i, :, :length].detach().cpu().numpy()
            np.testing.assert_allclose(got, rows, rtol=1e-9, atol=1e-10)


def luong_step_inputs():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    params = {"W_ih": draw(5, 9), "W_hh": draw(5, 5), "b": draw(5)}
    params |= {"W_a": draw(5, 3), "W_c": draw(7, 8)}
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    return draw(2, 2), draw(2, 7), draw(2, 5), draw(2, 4, 3), mask, params


def test_luong_step_equals_its_equations_written_out_in_numpy():
    *inputs, mask, params = luong_step_inputs()
    got = [part.detach().numpy() for part in luong_step(*inputs, mask, params)]
    y, fed, h, memory = (part.detach().numpy() for part in inputs)
    p = {k: v.detach().numpy() for k, v in params.items()}
    for b, length in enumerate([3, 2]):
        state = np.tanh(p["W_ih"] @ np.concatenate([y[b], fed[b]]) + p["W_hh"] @ h[b] + p["b"])
        weights = softmax(np.array([state @ p["W_a"] @ m for m in memory[b, :length]]))
        context = weights @ memory[b, :length]
        np.testing.assert_allclose(got[1][b], state)
        np.testing.assert_allclose(got[2][b, :length], weights)
        assert (got[2][b, length:] == 0).all()
        wanted = np.tanh(p["W_c"] @ np.concatenate([context, state]))
        np.testing.assert_allclose(got[0][b], wanted)


def test_luong_step_gradients_pass_gradcheck():
    *inputs, mask, params = luong_step_inputs()
    names = list(params)

    def run(y, fed, h, memory, *values):
        return luong_step(y, fed, h, memory, mask, dict(zip(names, values, strict=True)))

    assert torch.autograd.gradcheck(run, (*inputs, *params.values()))


def test_gradients_of_a_whole_translation_pass_gradcheck():
    for options in ({"locality": "local-p"}, {"attention": "bahdanau", "score": "concat"}):
        model = build(options)
        parameters = dict(model.named_parameters())
        chosen = [k for k in parameters if k.startswith(("attention", "w_c"))]

        def run(*values, model=model, chosen=chosen):
            swapped = dict(zip(chosen, values, strict=True))
            return torch.func.functional_call(model, swapped, (SRC, LENGTHS, TGT))[0]

        inputs = [parameters[k].detach().clone().requires_grad_() for k in chosen]
        assert torch.autograd.gradcheck(run, inputs)


def test_a_saved_model_translates_as_before(tmp_path):
    model = build({"locality": "local-p"})
    torch.save(model.state_dict(), tmp_path / "model.pt")
    torch.manual_seed(99)
    again = Seq2Seq(model.config).double().eval()
    again.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(again(SRC, LENGTHS, TGT)[0], model(SRC, LENGTHS, TGT)[0])


def test_configurations_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="score is 'bilinear'; wanted one of dot"):
        build({"score": "bilinear"})
    with pytest.raises(ValueError, match="Pass score='concat', locality='global'"):
        build({"attention": "bahdanau"})


def test_a_source_longer_than_the_location_score_knows_is_refused():
    model = build({"score": "location", "max_length": 5})
    with pytest.raises(ValueError, match="7 positions, the location score knows 5"):
        model(SRC, LENGTHS, TGT)


def test_an_id_outside_the_vocabulary_is_named():
    model = build({"attention": "luong"})
    src, lengths, tgt_in = torch.tensor([[4, 99]]), torch.tensor([2]), torch.tensor([[1]])
    with pytest.raises(IndexError, match="ids run from 4 to 99; the vocabulary has ids 0 … "):
        model(src, lengths, tgt_in)
    with pytest.raises(IndexError, match="ids run from -1 to -1"):
        model(torch.tensor([[4, 5]]), lengths, torch.tensor([[-1]]))
