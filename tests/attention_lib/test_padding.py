"""Ids and lengths that are not of one batch are refused, and None means that all are full."""

import pytest
import torch

from attention_lib.decoding import beam_search, greedy_decode
from attention_lib.language_models import BERT, GPT, LanguageModelConfig, split_prompts
from attention_lib.padding import checked_lengths
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.transformer import Transformer, TransformerConfig

IDS = torch.tensor([[4, 5, 6], [7, 8, 9]])
TGT = torch.tensor([[1, 9], [1, 10]])
TINY = LanguageModelConfig.tiny(11)


def transformer():
    return Transformer(TransformerConfig.tiny(11)).eval()


def recurrent():
    return Seq2Seq(Seq2SeqConfig(11, 11, d_embed=5, d_hidden=6)).eval()


READERS = {
    "Transformer": lambda ids, lengths: transformer()(ids, lengths, TGT[: len(ids)]),
    "Seq2Seq": lambda ids, lengths: recurrent()(ids, lengths, TGT[: len(ids)]),
    "BERT": lambda ids, lengths: BERT(TINY).eval()(ids, lengths),
    "GPT": lambda ids, lengths: GPT(TINY).eval().start(ids, lengths),
}
every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


@every_reader
@pytest.mark.parametrize(
    ("ids", "lengths", "message"),
    [
        (IDS, torch.tensor([2]), r"lengths have shape \(1,\); wanted \(2,\), one for each row"),
        (IDS, torch.tensor([2, 3, 2]), r"lengths have shape \(3,\); wanted \(2,\)"),
        (IDS, torch.tensor([7, 9]), "a sentence has length 9, but ids have room for 3 words"),
        (IDS, torch.tensor([3, -4]), "a sentence has length -4; wanted at least"),
        (IDS[0], torch.tensor([3]), r"ids have shape \(3,\); wanted \(batch, length\)"),
    ],
)
def test_lengths_that_are_not_those_of_the_ids_are_refused(read, ids, lengths, message):
    with pytest.raises(ValueError, match=message):
        read(ids, lengths)


def test_rows_of_ids_are_wanted_where_there_are_no_lengths():
    with pytest.raises(ValueError, match=r"ids have shape \(2,\); wanted \(batch, length\)"):
        GPT(TINY)(torch.tensor([1, 2]))
    with pytest.raises(ValueError, match=r"ids have shape \(2,\); wanted \(batch, length\)"):
        transformer()(IDS, torch.tensor([3, 3]), torch.tensor([1, 9]))


def test_a_prompt_is_held_against_its_length():
    with pytest.raises(ValueError, match="a sentence has length 4, but ids have room for 3"):
        split_prompts(IDS[:1], torch.tensor([4]))


@pytest.mark.parametrize("build", [transformer, recurrent, lambda: GPT(TINY).eval()])
@pytest.mark.parametrize("decode", [greedy_decode, beam_search])
def test_without_lengths_every_row_is_full_and_without_rows_nothing_is_written(build, decode):
    torch.manual_seed(0)
    model, settings = build(), {"bos": 1, "eos": 2, "max_length": 5}
    full = decode(model, IDS, torch.tensor([3, 3]), **settings)
    given = decode(model, IDS, None, **settings)
    assert [d.words for d in given] == [d.words for d in full]
    assert decode(model, IDS[:0], None, **settings) == []


def test_the_shortest_row_that_is_allowed_is_the_callers_to_say():
    lengths = torch.tensor([0, 3])
    assert torch.equal(checked_lengths(IDS, lengths, least=0), lengths)
    with pytest.raises(ValueError, match="a sentence is empty; wanted at least 1 word"):
        checked_lengths(IDS, lengths)
