import itertools
from types import SimpleNamespace

import pytest
import torch

from attention_lib.data.batching import batches, make_batch, ordered_batches
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.decoding import greedy_decode
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import fit, mean_loss, sequence_loss

PAIRS = [
    SimpleNamespace(src=list(word), tgt=list(reversed(word)))
    for word in ("abc", "cab", "ba", "acbd", "dd", "cadb")
]
VOCAB = Vocabulary(pair.src for pair in PAIRS)


def build(seed=0):
    torch.manual_seed(seed)
    return Seq2Seq(Seq2SeqConfig(len(VOCAB), len(VOCAB), d_embed=8, d_hidden=16, dropout=0.0))


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


def test_running_out_of_batches_is_an_error_that_says_when():
    with pytest.raises(ValueError, match="ran out after 3 of 5 steps"):
        fit(build(), itertools.islice(stream(), 3), steps=5)


def test_a_loss_that_is_not_a_number_stops_training_at_its_step():
    model = build()
    model.output.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="the loss is nan at step 1"):
        fit(model, stream(), steps=5)
