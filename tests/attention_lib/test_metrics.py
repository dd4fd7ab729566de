import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attention_lib import metrics


def links(*pairs, shape=(3, 3)):
    matrix = torch.zeros(shape, dtype=torch.bool)
    for row, column in pairs:
        matrix[row, column] = True
    return matrix


def test_alignment_error_rate_by_hand():
    # |A| = 3, |S| = 2, |A ∩ S| = 1, |A ∩ P| = 2: 1 − (1 + 2) / (3 + 2).
    predicted = links((0, 0), (1, 2), (2, 1))
    sure, possible = links((0, 0), (1, 1)), links((0, 0), (1, 1), (1, 2))
    assert metrics.alignment_error_rate(predicted, sure, possible) == pytest.approx(2 / 5)


def test_sure_links_count_as_possible_whether_or_not_they_are_listed():
    predicted = sure = links((0, 0), (1, 1))
    assert metrics.alignment_error_rate(predicted, sure, links()) == 0


def test_no_links_at_all_are_no_error():
    assert metrics.alignment_error_rate(links(), links(), links()) == 0


@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=3, max_size=3))
def test_alignment_error_rate_stays_between_zero_and_one(rows):
    predicted, sure, possible = (torch.tensor(row).view(3, 3) for row in rows)
    assert 0 <= metrics.alignment_error_rate(predicted, sure, possible | sure) <= 1


def test_the_corpus_rate_counts_links_not_sentences():
    right, wrong = links((0, 0), (1, 1), (2, 2)), links((0, 1))
    gold = links((0, 0))
    sentences = [(right, right, right), (wrong, gold, gold)]
    assert metrics.corpus_alignment_error_rate(sentences) == pytest.approx(1 - 6 / 8)


def test_alignment_matrices_of_numbers_or_other_shapes_are_refused():
    with pytest.raises(TypeError, match=r"predicted has dtype torch.float32"):
        metrics.alignment_error_rate(links().float(), links(), links())
    with pytest.raises(ValueError, match=r"possible has shape \(2, 3\), sure has \(3, 3\)"):
        metrics.alignment_error_rate(links(), links(), links(shape=(2, 3)))


@given(st.integers(1, 30), st.integers(1, 30))
def test_the_diagonal_links_each_target_word_once_and_in_order(tgt_length, src_length):
    columns = metrics.diagonal_alignment(tgt_length, src_length).float()
    assert (columns.sum(1) == 1).all()
    order = columns.argmax(1)
    assert (order[1:] >= order[:-1]).all()
    if tgt_length >= src_length:
        assert set(order.tolist()) == set(range(src_length))


def test_bleu_agrees_with_its_definition_on_a_sentence():
    # Hypothesis of 5 words, reference of 6: precisions 5/5, 3/4, 2/3, 1/2, brevity e^(1 − 6/5).
    got = metrics.bleu(["a b c d f"], ["a b c d e f"], tokenize="none")
    wanted = 100 * math.exp(1 - 6 / 5) * (1 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert got.score == pytest.approx(wanted)
    assert "tok:none" in got.signature


def test_raw_and_tokenised_bleu_differ_in_case_and_say_so():
    hypotheses = ["ein Mann, der auf einem Sofa schläft."]
    references = ["Ein Mann, der auf einem Sofa schläft."]
    raw = metrics.raw_bleu(hypotheses, references)
    tokenised = metrics.tokenised_bleu(hypotheses, references)
    assert raw.score < 100 == tokenised.score
    assert "case:mixed" in raw.signature
    assert "case:lc" in tokenised.signature
    assert "tok:13a" in raw.signature
    assert "version:" in tokenised.signature


def test_tokenised_bleu_is_that_of_lower_cased_tokens_between_spaces():
    hypotheses = ["Der Hund, der bellt, beißt nicht.", "Zwei Männer (alt) reden!"]
    references = ["Der Hund, welcher bellt, beißt nicht.", "Zwei alte Männer reden."]
    tokens = [
        ["der hund , der bellt , beißt nicht .", "zwei männer ( alt ) reden !"],
        ["der hund , welcher bellt , beißt nicht .", "zwei alte männer reden ."],
    ]
    wanted = metrics.bleu(*tokens, tokenize="none").score
    assert metrics.tokenised_bleu(hypotheses, references).score == pytest.approx(wanted)


def test_chrf_agrees_with_its_definition_on_a_word():
    # "abc" for "abcd": precisions 3/3, 2/2, 1/1, recalls 3/4, 2/3, 1/2; no longer sequences occur.
    precision, recall = 1.0, (3 / 4 + 2 / 3 + 1 / 2) / 3
    got = metrics.chrf(["abc"], ["abcd"])
    assert got.score == pytest.approx(100 * 5 * precision * recall / (4 * precision + recall))
    assert "nc:6" in got.signature


def test_metrics_refuse_lists_of_different_lengths():
    for metric in (
        metrics.bleu,
        metrics.exact_match,
        metrics.raw_bleu,
        metrics.tokenised_bleu,
        metrics.chrf,
    ):
        with pytest.raises(ValueError, match="2 hypotheses for 1 references"):
            metric(["a", "b"], ["a"])


def test_perplexity_of_a_uniform_guess_is_the_number_of_choices():
    assert metrics.perplexity(math.log(1000)) == pytest.approx(1000)


def square_mask(rows, columns, shape=(6, 15)):
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


def test_a_cell_lies_on_an_object_if_its_centre_does():
    # Cells of 3 × 3 pixels; the object holds the centres (1, 4) and (1, 7) and an edge of a third.
    on_grid = metrics.masks_on_grid(square_mask(slice(0, 3), slice(4, 10))[None], (2, 5))
    assert on_grid.nonzero().tolist() == [[0, 1], [0, 2]]


def test_pointing_counts_only_words_about_an_object():
    masks = torch.stack([square_mask(0, 0), square_mask(slice(3, 6), slice(12, 15))] * 2)
    masks[0] = False
    masks[2, :3, :3] = True
    weights = torch.full((4, 10), 0.01)
    # The word about nothing, a hit in the last cell, a hit in the first, a miss beside the last.
    for step, location in enumerate([0, 9, 0, 8]):
        weights[step, location] = 0.9
    assert metrics.pointing_accuracy(weights, masks, (2, 5)) == pytest.approx(2 / 3)


def test_pointing_reads_locations_row_by_row():
    masks = square_mask(slice(3, 6), slice(0, 3))[None]
    weights = torch.eye(10)[5:6]
    assert metrics.pointing_accuracy(weights, masks, (2, 5)) == 1
    assert metrics.pointing_accuracy(weights, masks, (5, 2)) == 0


def test_random_pointing_reaches_the_share_of_cells_on_the_object():
    torch.manual_seed(0)
    masks = square_mask(slice(0, 4), slice(2, 9))[None].expand(4001, -1, -1)
    chance = float(metrics.masks_on_grid(masks[:1], (3, 5)).double().mean())
    got = metrics.pointing_accuracy(torch.rand(4001, 15), masks, (3, 5))
    assert got == pytest.approx(chance, abs=0.03)


def test_pointing_refuses_what_does_not_fit():
    weights, masks = torch.rand(2, 10), torch.ones(2, 6, 15, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"do not fit masks of shape .* and a grid of 3 × 5"):
        metrics.pointing_accuracy(weights, masks, (3, 5))
    with pytest.raises(ValueError, match="no word is about an object"):
        metrics.pointing_accuracy(weights, ~masks, (2, 5))
    with pytest.raises(TypeError, match=r"masks have dtype torch.float32; wanted torch.bool"):
        metrics.pointing_accuracy(weights, masks.float(), (2, 5))
    with pytest.raises(ValueError, match="6 pixels cannot be split into 7 cells"):
        metrics.masks_on_grid(masks, (7, 5))


def test_weights_that_are_nan_point_nowhere():
    weights = torch.tensor([[0.2, float("nan")]])
    with pytest.raises(ValueError, match="weights holds NaN; was a fully masked row"):
        metrics.hard_alignment(weights)
    with pytest.raises(ValueError, match="weights holds NaN; was a fully masked row"):
        metrics.pointing_accuracy(weights, torch.ones(1, 2, 2, dtype=torch.bool), grid=(1, 2))
