import math
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attention_lib.classification import (
    HAHNN,
    HAN,
    BagClassifier,
    RecurrentClassifier,
    Weights,
    accuracy,
    attention_by_word,
    classification_loss,
    keywords,
    predict,
)
from attention_lib.data.documents import Document, document_batches
from attention_lib.data.reviews import reviews
from attention_lib.data.subwords import Subwords
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.pooling import attention_pool
from attention_lib.training import fit

DOCUMENTS = reviews(7, seed=2, min_sentences=2, max_sentences=5)
VOCABULARY = Vocabulary([document.words for document in DOCUMENTS])
SIZES = {"d_embed": 5, "d_hidden": 6}
BUILDERS = {
    "bag": lambda: BagClassifier(len(VOCABULARY), 3),
    **{
        f"recurrent {pooling}": lambda pooling=pooling: RecurrentClassifier(
            len(VOCABULARY), 3, pooling=pooling, bidirectional=True, **SIZES
        )
        for pooling in ("final", "attention", "mean", "max")
    },
    "gru": lambda: RecurrentClassifier(len(VOCABULARY), 3, cell="gru", **SIZES),
    **{
        f"HAN {pooling}": lambda pooling=pooling: HAN(len(VOCABULARY), 3, pooling=pooling, **SIZES)
        for pooling in ("attention", "mean", "max")
    },
    "HAHNN": lambda: HAHNN(len(VOCABULARY), 3, **SIZES),
}
every_model = pytest.mark.parametrize("name", BUILDERS)
every_hierarchy = pytest.mark.parametrize("name", ["HAN attention", "HAN mean", "HAN max", "HAHNN"])
weighing_model = pytest.mark.parametrize("name", [n for n in BUILDERS if "final" not in n])
averaging_model = pytest.mark.parametrize(
    "name", [n for n in BUILDERS if "final" not in n and "max" not in n]
)


def build(name, dtype=torch.float64):
    torch.manual_seed(0)
    model = BUILDERS[name]().double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.to(dtype)


def batch_for(model, documents=DOCUMENTS):
    return model.collate(documents, VOCABULARY)


@every_model
def test_a_document_is_classified_alike_alone_and_in_a_batch(name):
    model = build(name)
    logits, weights = model(*batch_for(model).inputs)
    for row, document in enumerate(DOCUMENTS):
        alone, own = model(*batch_for(model, [document]).inputs)
        torch.testing.assert_close(logits[row], alone[0], rtol=0, atol=1e-10)
        if weights is not None:
            inside = tuple(slice(size) for size in own.words.shape[1:])
            torch.testing.assert_close(weights.words[row][inside], own.words[0])


@every_model
def test_what_stands_in_the_padding_has_no_effect(name):
    model = build(name)
    batch = batch_for(model)
    logits, _ = model(*batch.inputs)
    changed = batch.words.masked_fill(~batch.word_mask, VOCABULARY.unk)
    assert torch.equal(logits, model(changed, *batch.inputs[1:])[0])


@every_hierarchy
def test_appended_empty_sentences_and_words_change_nothing(name):
    model = build(name)
    words, word_mask, sentence_mask = batch_for(model).inputs
    logits, weights = model(words, word_mask, sentence_mask)
    longer, longer_weights = model(
        F.pad(words, (0, 2, 0, 3), value=VOCABULARY.unk),
        F.pad(word_mask, (0, 2, 0, 3)),
        F.pad(sentence_mask, (0, 3)),
    )
    torch.testing.assert_close(longer, logits, rtol=0, atol=1e-10)
    assert (longer_weights.words[:, -3:] == 0).all()
    assert (longer_weights.sentences[:, -3:] == 0).all()
    kept = longer_weights.words[:, :-3, :-2]
    torch.testing.assert_close(kept, weights.words, rtol=0, atol=1e-10)


@every_hierarchy
@pytest.mark.parametrize("forgotten", ["word_mask", "sentence_mask"])
def test_either_mask_alone_hides_a_sentence(name, forgotten):
    """A sentence that one mask calls padding is padding, whatever the other one says."""
    model = build(name)
    document = next(document for document in DOCUMENTS if len(document.sentences) > 2)
    shorter = Document(document.sentences[:-1], document.label)
    words, word_mask, sentence_mask = batch_for(model, [document]).inputs
    hidden = {"word_mask": sentence_mask, "sentence_mask": word_mask}[forgotten]
    hidden[0, len(document.sentences) - 1] = False
    logits, weights = model(words, word_mask, sentence_mask)
    wanted, _ = model(*batch_for(model, [shorter]).inputs)
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-10)
    assert weights.sentences[0, -1] == 0
    assert (weights.words[0, -1] == 0).all()


@weighing_model
def test_weights_sum_to_one_and_are_zero_at_the_padding(name):
    model = build(name)
    batch = batch_for(model)
    _, weights = model(*batch.inputs)
    shares = weights.shares
    assert shares.shape == batch.words.shape
    assert (shares >= 0).all()
    assert (shares[~batch.word_mask] == 0).all()
    torch.testing.assert_close(shares.flatten(1).sum(1), torch.ones(7, dtype=shares.dtype))


@averaging_model
def test_a_models_own_weights_imposed_change_nothing_and_others_do(name):
    model = build(name)
    batch = batch_for(model)
    logits, weights = model(*batch.inputs)
    again, _ = model(*batch.inputs, weights=weights)
    torch.testing.assert_close(again, logits, rtol=0, atol=1e-10)
    first = torch.zeros_like(weights.words)
    first[..., 0] = 1
    other, _ = model(*batch.inputs, weights=Weights(first, weights.sentences))
    assert (other - logits).abs().max() > 1e-3


def test_the_bag_is_logistic_regression_over_relative_counts():
    model = build("bag")
    batch = batch_for(model)
    counts = torch.stack([
        torch.bincount(row[mask], minlength=len(VOCABULARY)).double()
        for row, mask in zip(batch.words, batch.word_mask, strict=True)
    ])  # fmt: skip
    wanted = (counts / batch.lengths[:, None]) @ model.embedding.weight + model.bias
    torch.testing.assert_close(model(*batch.inputs)[0], wanted, rtol=0, atol=1e-10)


def test_the_final_state_is_the_one_after_each_documents_last_word():
    torch.manual_seed(0)
    model = RecurrentClassifier(len(VOCABULARY), 3, pooling="final", **SIZES).double().eval()
    lstm = nn.LSTM(5, 6, batch_first=True).double()
    lstm.load_state_dict(model.encoder.rnn.state_dict())
    logits, _ = model(*batch_for(model).inputs)
    for row, document in enumerate(DOCUMENTS):
        ids = torch.tensor([VOCABULARY.encode(document.words)])
        states, _ = lstm(model.embedding(ids))
        torch.testing.assert_close(logits[row], model.output(states[0, -1]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["HAN attention", "HAHNN"])
def test_hierarchical_attention_is_the_papers_equations_sentence_by_sentence(name):
    model = build(name)
    logits, weights = model(*batch_for(model).inputs)
    for row, document in enumerate(DOCUMENTS):
        vectors = []
        for i, sentence in enumerate(document.sentences):
            features = model.embedding(torch.tensor([VOCABULARY.encode(sentence)]))
            if name == "HAHNN":
                features = by_hand_convolved(model, features)
            states, _ = model.word_rnn(features)
            vector, alpha = pooled_by(model.word_pool, states[0])
            vectors.append(vector)
            torch.testing.assert_close(weights.words[row, i, : len(sentence)], alpha)
        states, _ = model.sentence_rnn(torch.stack(vectors)[None])
        vector, alpha = pooled_by(model.sentence_pool, states[0])
        torch.testing.assert_close(weights.sentences[row, : len(vectors)], alpha)
        torch.testing.assert_close(logits[row], model.output(vector), rtol=0, atol=1e-10)


def pooled_by(pool, states):
    return attention_pool(states, pool.weight, pool.bias, pool.context)


def by_hand_convolved(model, embedded):
    """Each word's features from the (k − 1) / 2 words before it and those that complete k."""
    features = []
    for size, convolution in zip((3, 4, 5), model.convolutions, strict=True):
        before = (size - 1) // 2
        padded = F.pad(embedded, (0, 0, before, size - 1 - before))
        windows = padded.unfold(1, size, 1)  # (1, length, d_embed, size)
        features.append(
            (torch.einsum("blds,ods->blo", windows, convolution.weight) + convolution.bias).relu()
        )
    return torch.cat(features, dim=-1)


@every_model
def test_gradients_reach_every_parameter_and_are_finite(name):
    model = build(name)
    batch = batch_for(model)
    classification_loss(model, batch).total.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@every_model
def test_the_loss_of_documents_is_the_sum_of_each_ones_own(name):
    model = build(name)
    loss = classification_loss(model, batch_for(model))
    assert loss.count == 7
    alone = [classification_loss(model, batch_for(model, [d])).total for d in DOCUMENTS]
    torch.testing.assert_close(loss.total, sum(alone), rtol=0, atol=1e-9)
    first = predict(model, DOCUMENTS[:1], VOCABULARY)[0, DOCUMENTS[0].label]
    torch.testing.assert_close(alone[0], -first.log())


@every_model
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_stays_near(name, dtype, device):
    exact, model = build(name), build(name, dtype).to(device)
    logits, _ = model(*batch_for(model).to(device).inputs)
    wanted, _ = exact(*batch_for(exact).inputs)
    tolerance = 1e-5 if dtype == torch.float32 else 0.2
    assert logits.dtype == dtype
    torch.testing.assert_close(logits.double().cpu(), wanted, rtol=tolerance, atol=tolerance)


@every_model
def test_inputs_stay_as_they_are(name):
    model = build(name)
    batch = batch_for(model)
    before = [tensor.clone() for tensor in batch.inputs]
    model(*batch.inputs)
    assert all(map(torch.equal, batch.inputs, before))


@every_model
def test_a_saved_model_gives_the_same_answers(name):
    model, other = build(name), BUILDERS[name]().double()
    other.load_state_dict(model.state_dict())
    assert torch.equal(predict(model, DOCUMENTS, VOCABULARY), predict(other, DOCUMENTS, VOCABULARY))


def polite_answers():
    """Documents in which "no yes" means 0 and "oh yes" means 1; every bag has all three words."""
    draw = random.Random(0)
    documents = []
    for label in [0, 1] * 32:
        before, after = ("oh", "no") if label else ("no", "oh")
        filler = [f"w{draw.randrange(4)}" for _ in range(3)]
        documents.append(Document(((filler[0], before, "yes"), (after, *filler[1:])), label))
    return documents


@pytest.mark.parametrize("kind", [BagClassifier, RecurrentClassifier, HAN, HAHNN])
def test_models_that_read_in_order_learn_what_a_bag_cannot(kind):
    documents = polite_answers()
    vocabulary = Vocabulary([document.words for document in documents])
    torch.manual_seed(0)
    model = kind(len(vocabulary), 2)
    stream = document_batches(documents, vocabulary, model.collate, batch_size=16, seed=0)
    fit(model, stream, classification_loss, steps=40, learning_rate=0.02)
    reached = accuracy(model, documents, vocabulary)
    assert reached < 0.8 if kind is BagClassifier else reached == 1.0


def test_training_repeats_to_the_digit():
    losses = []
    for _ in range(2):
        model = build("HAN attention", torch.float32)
        stream = document_batches(DOCUMENTS, VOCABULARY, model.collate, batch_size=3, seed=0)
        losses.append(fit(model, stream, classification_loss, steps=5).losses)
    assert losses[0] == losses[1]


@weighing_model
def test_attention_by_word_follows_the_words_of_each_document(name):
    model = build(name)
    for document, shares in zip(
        DOCUMENTS, attention_by_word(model, DOCUMENTS, VOCABULARY), strict=True
    ):
        assert shares.shape == (len(document),)
        assert math.isclose(shares.sum(), 1, rel_tol=1e-9)


def test_keywords_are_the_words_with_the_largest_shares():
    model = build("HAN attention")
    found = keywords(model, DOCUMENTS, VOCABULARY, top=4)
    shares = attention_by_word(model, DOCUMENTS, VOCABULARY)
    for document, row, words in zip(DOCUMENTS, shares, found, strict=True):
        assert [share for _, share in words] == sorted(row.tolist(), reverse=True)[:4]
        assert words[0][0] == document.words[int(row.argmax())]


def test_dropout_is_off_when_documents_are_judged():
    model = build("recurrent attention").train()
    first, second = (predict(model, DOCUMENTS, VOCABULARY) for _ in range(2))
    assert torch.equal(first, second)


def test_what_cannot_be_asked_of_a_model_is_refused():
    final = build("recurrent final")
    with pytest.raises(ValueError, match="reads its final state only: it weighs no words"):
        keywords(final, DOCUMENTS, VOCABULARY)
    batch = batch_for(final)
    weights = Weights(batch.word_mask.double())
    with pytest.raises(ValueError, match="pooling='final' reads one state"):
        final(*batch.inputs, weights=weights)
    with pytest.raises(ValueError, match="d_hidden is 7; two directions want an even number"):
        HAN(11, 2, d_hidden=7)
    with pytest.raises(ValueError, match="pooling is 'final'"):
        HAN(11, 2, pooling="final")


@pytest.mark.parametrize("spoil", ["gap between words", "gap between sentences", "empty document"])
def test_masks_with_gaps_are_refused(spoil):
    model = build("HAN attention")
    words, word_mask, sentence_mask = batch_for(model).inputs
    if spoil == "gap between words":
        word_mask[0, 0, 0] = False
    else:
        sentence_mask[0, slice(1) if spoil == "gap between sentences" else slice(None)] = False
    with pytest.raises(ValueError, match="padding only behind real words and sentences"):
        model(words, word_mask, sentence_mask)


def test_masks_of_other_shapes_are_refused():
    model = build("HAN attention")
    words, word_mask, sentence_mask = batch_for(model).inputs
    with pytest.raises(ValueError, match=r"wanted \(batch, sentences, words\) twice and"):
        model(words, word_mask[..., :-1], sentence_mask)
    with pytest.raises(ValueError, match=r"sentence_mask \(7, 1\)"):
        model(words, word_mask, sentence_mask[:, :1])
    with pytest.raises(TypeError, match=r"word_mask is of torch.int64, .* wanted torch.bool"):
        model(words, word_mask.long(), sentence_mask)


@pytest.mark.parametrize("batch", ["of no documents", "of empty ones"])
def test_hierarchical_models_refuse_what_has_no_word(batch):
    model = build("HAN attention")
    inputs = batch_for(model).inputs
    if batch == "of no documents":
        inputs = [part[:0] for part in inputs]
    else:
        inputs = [inputs[0], *map(torch.zeros_like, inputs[1:])]
    with pytest.raises(ValueError, match="a document wants at least one real word"):
        model(*inputs)


def test_no_documents_are_no_question():
    for ask in (predict, accuracy, attention_by_word):
        with pytest.raises(ValueError, match="no documents to classify"):
            ask(build("bag"), [], VOCABULARY)


@pytest.mark.parametrize("kind", [BagClassifier, RecurrentClassifier, HAN])
def test_subwords_are_read_to_the_last_but_give_words_no_shares(kind):
    subwords = Subwords.learn([document.words for document in DOCUMENTS], size=300)
    torch.manual_seed(0)
    model = kind(len(subwords), 2)
    nn.init.normal_(model.embedding.weight)
    other = [
        Document((*document.sentences[:-1], (*document.sentences[-1][:-1], "?")), 0)
        for document in DOCUMENTS
    ]
    first, second = (predict(model, documents, subwords) for documents in (DOCUMENTS, other))
    assert (first - second).abs().amax(1).min() > 1e-5
    torch.testing.assert_close(predict(model, DOCUMENTS[2:3], subwords)[0], first[2])
    with pytest.raises(ValueError, match="wants one id a word"):
        attention_by_word(model, DOCUMENTS, subwords)
