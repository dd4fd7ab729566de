import itertools
import math

import pytest
import torch
from torch import nn

from attention_lib.classification import (
    HAN,
    BagClassifier,
    RecurrentClassifier,
    Weights,
    attention_by_word,
    classification_loss,
    predict,
)
from attention_lib.data.documents import Document, document_batches
from attention_lib.data.reviews import reviews
from attention_lib.data.subwords import Subwords
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.explanation import (
    Guided,
    deciding_share,
    erase_top,
    gradient_by_word,
    hit_rate,
    kendall_tau,
    permute_attention,
    random_scores,
)
from attention_lib.language_models import BERT, LanguageModelConfig, TextClassifier
from attention_lib.training import fit

DOCUMENTS = reviews(7, seed=3, min_sentences=2, max_sentences=5)
VOCABULARY = Vocabulary([document.words for document in DOCUMENTS])
SIZES = {"d_embed": 5, "d_hidden": 6}
BUILDERS = {
    "bag": lambda: BagClassifier(len(VOCABULARY), 3),
    "recurrent": lambda: RecurrentClassifier(len(VOCABULARY), 3, bidirectional=True, **SIZES),
    "HAN": lambda: HAN(len(VOCABULARY), 3, **SIZES),
}
every_model = pytest.mark.parametrize("name", BUILDERS)


def build(name):
    torch.manual_seed(0)
    model = BUILDERS[name]().double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model


def longest_first():
    """Scores by which the word with the most letters counts most; no two alike."""
    return [
        torch.tensor([len(word) - i / 100 for i, word in enumerate(document.words)])
        for document in DOCUMENTS
    ]


@every_model
def test_gradient_scores_are_those_of_finite_differences(name):
    """Scaling a word's vector by 1 + h changes the log-odds by h g·x."""
    model = build(name)
    document = DOCUMENTS[0]
    (scores,) = gradient_by_word(model, [document], VOCABULARY)
    assert scores.shape == (len(document),)
    for position in (0, 3, len(document) - 1):
        odds = [scaled_log_odds(model, document, position, h) for h in (1e-5, -1e-5)]
        slope = (odds[0] - odds[1]) / 2e-5
        assert abs(slope) == pytest.approx(scores[position].item(), rel=1e-5, abs=1e-9)


def scaled_log_odds(model, document, position, h):
    batch = model.collate([document], VOCABULARY)
    factors = torch.ones(batch.words.shape, dtype=torch.float64)
    factors[tuple(batch.word_mask.nonzero()[position])] += h
    best = predict(model, [document], VOCABULARY).argmax().item()
    hook = model.embedding.register_forward_hook(lambda *call: call[2] * factors[..., None])
    with hook:
        chance = predict(model, [document], VOCABULARY)[0, best].item()
    return math.log(chance / (1 - chance))


@every_model
def test_gradient_scores_leave_the_parameters_gradients_alone(name):
    model = build(name)
    gradient_by_word(model, DOCUMENTS, VOCABULARY)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradient_scores_run_where_the_model_is(device):
    model = build("recurrent").to(device)
    wanted = gradient_by_word(build("recurrent"), DOCUMENTS, VOCABULARY)
    for ours, theirs in zip(gradient_by_word(model, DOCUMENTS, VOCABULARY), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_random_scores_depend_on_the_seed_alone():
    first, again, other = (random_scores(DOCUMENTS, seed=seed) for seed in (1, 1, 2))
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))
    assert [len(row) for row in first] == [len(document) for document in DOCUMENTS]


@every_model
@pytest.mark.parametrize("count", [1, 3])
def test_erasing_words_compares_with_the_text_without_them(name, count):
    model, scores = build(name), longest_first()
    erasure = erase_top(model, DOCUMENTS, VOCABULARY, scores, count=count)
    left = [
        document.without(row.argsort(descending=True)[:count].tolist())
        for document, row in zip(DOCUMENTS, scores, strict=True)
    ]
    before, after = (predict(model, docs, VOCABULARY) for docs in (DOCUMENTS, left))
    torch.testing.assert_close(erasure.change, (before - after).abs().sum(-1) / 2)
    assert torch.equal(erasure.flipped, before.argmax(-1) != after.argmax(-1))


@every_model
def test_erasing_a_weight_gives_the_others_its_share(name):
    model, scores = build(name), longest_first()
    erasure = erase_top(model, DOCUMENTS, VOCABULARY, scores, what="weights")
    for i, document in enumerate(DOCUMENTS):
        batch = model.collate([document], VOCABULARY)
        _, weights = model(*batch.inputs)
        words = weights.words.clone()
        where = tuple(batch.word_mask.nonzero()[scores[i].argmax()])
        words[where] = 0
        words[where[:-1]] /= words[where[:-1]].sum()
        logits, _ = model(*batch.inputs, weights=Weights(words, weights.sentences))
        before, after = predict(model, [document], VOCABULARY), logits.softmax(-1)
        assert erasure.change[i] == pytest.approx((before - after).abs().sum().item() / 2)


def test_a_sentence_that_loses_its_only_weight_loses_its_own():
    model = build("HAN")
    document = Document((("fresh",), ("the", "soup")), 1)
    scores = [torch.tensor([9.0, 1.0, 1.0])]
    erasure = erase_top(model, [document], VOCABULARY, scores, what="weights")
    batch = model.collate([document], VOCABULARY)
    _, weights = model(*batch.inputs)
    words = weights.words.clone()
    words[0, 0] = 0
    only = Weights(words, torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    after = model(*batch.inputs, weights=only)[0].softmax(-1)
    before = predict(model, [document], VOCABULARY)
    torch.testing.assert_close(erasure.change, (before - after).abs().sum(-1) / 2)


def test_erasing_the_word_that_decides_a_bag_flips_it_and_another_does_not():
    vocabulary = Vocabulary([["good", "bad", "soup"]])
    model = BagClassifier(len(vocabulary), 2)
    with torch.no_grad():
        for word, vote in (("good", [0.0, 3.0]), ("bad", [1.0, 0.0])):
            model.embedding.weight[vocabulary.encode([word])] = torch.tensor(vote)
    document = Document((("good", "soup"), ("bad", "soup")), 1)
    flips = [
        erase_top(model, [document], vocabulary, [torch.eye(4)[i]]).flipped.item() for i in range(4)
    ]
    assert flips == [True, False, False, False]
    (scores,) = gradient_by_word(model, [document], vocabulary)
    assert scores.argmax() == 0


def test_weights_all_alike_can_be_permuted_without_any_change():
    model = RecurrentClassifier(len(VOCABULARY), 3, pooling="mean", **SIZES).double()
    erasure = permute_attention(model, DOCUMENTS, VOCABULARY, seed=0)
    torch.testing.assert_close(erasure.change, torch.zeros(7, dtype=torch.float64))
    assert not erasure.flipped.any()


@pytest.mark.parametrize("name", ["recurrent", "HAN"])
def test_permuting_deals_the_same_weights_to_real_words_and_sentences_only(name):
    model = build(name)
    seen = []
    hook = model.register_forward_pre_hook(
        lambda _module, _inputs, named: seen.append(named.get("weights")), with_kwargs=True
    )
    with hook:
        erasure = permute_attention(model, DOCUMENTS, VOCABULARY, seed=0)
    batch = model.collate(DOCUMENTS, VOCABULARY)
    _, own = model(*batch.inputs)
    dealt = seen[-1]
    assert (dealt.words[~batch.word_mask] == 0).all()
    torch.testing.assert_close(dealt.words.sort(-1).values, own.words.sort(-1).values)
    assert not torch.allclose(dealt.words, own.words)
    if name == "HAN":
        assert (dealt.sentences[~batch.sentence_mask] == 0).all()
        torch.testing.assert_close(dealt.sentences.sort(-1).values, own.sentences.sort(-1).values)
        assert not torch.allclose(dealt.sentences, own.sentences)
    assert erasure.change.max() > 1e-4


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([1, 2, 3, 4], [9, 7, 5, 1], -1.0),
        ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.47140452079103173),
        ([1, 1, 1], [1, 2, 3], 0.0),
        ([4], [2], 0.0),
    ],
)
def test_kendall_tau_of_known_rankings(first, second, tau):
    assert kendall_tau(torch.tensor(first), torch.tensor(second)) == pytest.approx(tau)


def test_kendall_tau_counts_pairs():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 13, generator=generator)
    pairs = list(itertools.combinations(range(13), 2))
    alike = sum((first[i] < first[j]) == (second[i] < second[j]) for i, j in pairs)
    wanted = (2 * int(alike) - len(pairs)) / len(pairs)
    assert kendall_tau(first, second) == pytest.approx(wanted)


def test_deciding_words_scored_highest_hit_every_time_and_hold_all():
    marked = [
        torch.tensor([float(i in document.deciding) for i in range(len(document))])
        for document in DOCUMENTS
    ]
    assert hit_rate(DOCUMENTS, marked) == deciding_share(DOCUMENTS, marked) == 1.0
    unmarked = [1 - row for row in marked]
    assert hit_rate(DOCUMENTS, unmarked) == deciding_share(DOCUMENTS, unmarked) == 0.0


def test_even_scores_give_deciding_words_their_share_of_the_words():
    even = [torch.ones(len(document)) for document in DOCUMENTS]
    wanted = sum(len(d.deciding) / len(d) for d in DOCUMENTS) / len(DOCUMENTS)
    assert deciding_share(DOCUMENTS, even) == pytest.approx(wanted)


def test_a_guided_model_pools_with_the_guides_weights_which_do_not_learn():
    guide, model = build("recurrent").float(), build("bag").float()
    before = {name: value.clone() for name, value in guide.state_dict().items()}
    guided = Guided(model, guide)
    stream = document_batches(DOCUMENTS, VOCABULARY, guided.collate, batch_size=3, seed=0)
    fit(guided, stream, classification_loss, steps=3)
    assert all(torch.equal(value, before[name]) for name, value in guide.state_dict().items())
    shares = attention_by_word(guided, DOCUMENTS, VOCABULARY)
    assert all(map(torch.equal, shares, attention_by_word(guide, DOCUMENTS, VOCABULARY)))
    votes = model.embedding(torch.tensor(VOCABULARY.encode(DOCUMENTS[0].words)))
    wanted = (shares[0] @ votes + model.bias).softmax(-1)
    torch.testing.assert_close(predict(guided, DOCUMENTS, VOCABULARY)[0], wanted)


def test_what_does_not_fit_is_refused():
    model, scores = build("recurrent"), longest_first()
    with pytest.raises(ValueError, match="wanted one number a word"):
        erase_top(model, DOCUMENTS[:2], VOCABULARY, [scores[0], scores[1][:-1]])
    short = Document((("fresh", "soup"),), 1)
    with pytest.raises(ValueError, match="a document has 2 words; erasing 2 wants one more"):
        erase_top(model, [short], VOCABULARY, [torch.ones(2)], count=2)
    with pytest.raises(ValueError, match="does not know the words that decide its label"):
        hit_rate([Document((("fresh",),), 1)], [torch.ones(1)])
    with pytest.raises(ValueError, match=r"rankings have shapes \(2,\) and \(3,\)"):
        kendall_tau(torch.ones(2), torch.ones(3))
    final = RecurrentClassifier(len(VOCABULARY), 2, pooling="final")
    with pytest.raises(ValueError, match="it weighs no words"):
        permute_attention(final, DOCUMENTS, VOCABULARY, seed=0)
    with pytest.raises(ValueError, match="what is 'wieghts'; wanted 'words' or 'weights'"):
        erase_top(model, DOCUMENTS, VOCABULARY, scores, what="wieghts")
    with pytest.raises(ValueError, match="it has no weights to give"):
        predict(Guided(BagClassifier(len(VOCABULARY), 2), final), DOCUMENTS, VOCABULARY)


@pytest.mark.parametrize("builder", [RecurrentClassifier, HAN])
def test_a_maximum_has_no_weights_to_change(builder):
    model = builder(len(VOCABULARY), 3, pooling="max", **SIZES)
    with pytest.raises(ValueError, match="takes the largest value of each feature"):
        permute_attention(model, DOCUMENTS, VOCABULARY, seed=0)
    with pytest.raises(ValueError, match="takes the largest value of each feature"):
        erase_top(model, DOCUMENTS, VOCABULARY, longest_first(), what="weights")


@every_model
def test_frozen_parameters_change_no_gradient_score(name):
    model = build(name)
    wanted = gradient_by_word(model, DOCUMENTS, VOCABULARY)
    model.requires_grad_(False)
    for row, same in zip(gradient_by_word(model, DOCUMENTS, VOCABULARY), wanted, strict=True):
        torch.testing.assert_close(row, same)


def test_scores_without_shares_are_refused():
    review = Document((("not", "bad", "!"),), 1, frozenset({0, 1}))
    for row in ([0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [math.nan, 1.0, 1.0], [math.inf, 1.0, 1.0]):
        with pytest.raises(ValueError, match=r"have no shares|scores hold NaN"):
            deciding_share([review], [torch.tensor(row)])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.bool, torch.float16])
def test_rankings_may_be_of_any_type(dtype):
    first, second = torch.tensor([0, 1, 1]).to(dtype), torch.tensor([1, 0, 0]).to(dtype)
    assert kendall_tau(first, first) == 1.0
    assert kendall_tau(first, second) == -1.0
    if dtype == torch.int8:
        assert kendall_tau(torch.tensor([-100, 100]).to(dtype), torch.tensor([0, 1])) == 1.0


def test_a_ranking_with_nan_is_refused():
    with pytest.raises(ValueError, match="rankings hold NaN"):
        kendall_tau(torch.tensor([1.0, math.nan]), torch.ones(2))


def test_a_guided_model_can_be_explained_like_any_other():
    guide, model = build("recurrent"), build("bag")
    guided = Guided(model, guide)
    changed = permute_attention(guided, DOCUMENTS, VOCABULARY, seed=0)
    batch = guided.collate(DOCUMENTS, VOCABULARY)
    other = Weights(guide(*batch.inputs)[1].words.roll(1, 1))
    assert torch.equal(
        guided(*batch.inputs, weights=other)[0], model(*batch.inputs, weights=other)[0]
    )
    assert changed.change.max() > 1e-3
    erased = erase_top(guided, DOCUMENTS, VOCABULARY, longest_first(), what="weights")
    assert erased.change.max() > 1e-3
    # The votes of a bag are its word vectors, so its slope is the guide's weight.
    scores = gradient_by_word(guided, DOCUMENTS, VOCABULARY)
    shares = attention_by_word(guided, DOCUMENTS, VOCABULARY)
    for row, share, document in zip(scores, shares, DOCUMENTS, strict=True):
        votes = model.embedding(torch.tensor(VOCABULARY.encode(document.words)))
        logits = (share @ votes + model.bias).detach().requires_grad_()
        top = logits.max()
        odds = top - logits.masked_fill(logits == top, -torch.inf).logsumexp(-1)
        (slope,) = torch.autograd.grad(odds, logits)
        torch.testing.assert_close(row, (share * (votes @ slope)).abs().detach())


def test_words_in_pieces_and_models_without_word_vectors_have_no_scores():
    subwords = Subwords.learn([document.words for document in DOCUMENTS], size=300)
    model = RecurrentClassifier(len(subwords), 2)
    with pytest.raises(ValueError, match="wants one id a word"):
        gradient_by_word(model, DOCUMENTS, subwords)
    with pytest.raises(ValueError, match="wants one id a word"):
        erase_top(model, DOCUMENTS, subwords, longest_first(), what="weights")
    bert = BERT(LanguageModelConfig.tiny(len(VOCABULARY)))
    with pytest.raises(TypeError, match="a TextClassifier has no embedding"):
        gradient_by_word(TextClassifier(bert, 2, cls_id=1), DOCUMENTS, VOCABULARY)
