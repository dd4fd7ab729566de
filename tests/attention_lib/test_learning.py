"""Every family of Transformers learns a small task through the one training loop."""

import itertools
from dataclasses import replace

import pytest
import torch

from attention_lib.classification import classification_loss
from attention_lib.data.documents import Document, flat_batch
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.decoding import greedy_decode
from attention_lib.language_models import (
    BERT,
    GPT,
    LanguageModelConfig,
    TextClassifier,
    TokenBatch,
    hide_tokens,
    language_model_loss,
    masked_language_model_loss,
    next_token_batch,
    split_prompts,
)
from attention_lib.training import fit, mean_loss

MASK, WORDS = 3, 11


def _config(**options) -> LanguageModelConfig:
    small = {"d_model": 32, "num_heads": 2, "d_ff": 64, "num_layers": 2, "dropout": 0.0}
    return replace(LanguageModelConfig.tiny(WORDS), **small, **options)


def _counting(rows: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Rows that count upwards through the words 4 … 10 and begin again."""
    start = torch.randint(7, (rows, 1), generator=generator)
    return 4 + (start + torch.arange(length)) % 7


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi", "relative"])
def test_a_gpt_learns_to_count_and_goes_on_counting(positions):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.full((16,), 12)

    def stream():
        while True:
            yield next_token_batch(_counting(16, 12, generator), lengths)

    torch.manual_seed(0)
    model = GPT(_config(positions=positions))
    fit(model, stream(), language_model_loss, steps=60, learning_rate=1e-2)
    prompt = _counting(3, 9, generator)
    src, src_lengths, last = split_prompts(prompt, torch.tensor([9, 5, 2]))
    written = greedy_decode(model, src, src_lengths, bos=last, eos=2, max_length=3)
    for words, word in zip(written, last.tolist(), strict=True):
        assert words.words == [4 + (word - 4 + i) % 7 for i in (1, 2, 3)]


def test_a_bert_learns_to_fill_gaps_from_both_sides():
    generator = torch.Generator().manual_seed(0)

    def hidden(rows: int) -> TokenBatch:
        ids = _counting(rows, 9, generator)
        given, targets = hide_tokens(
            ids, ids > 3, mask_id=MASK, vocab_size=WORDS, first_word=4, generator=generator
        )
        return TokenBatch(given, torch.full((rows,), 9), targets)

    torch.manual_seed(0)
    pretrained = BERT(_config(positions="rotary"))
    before = mean_loss(pretrained, [hidden(64)], masked_language_model_loss)
    stream = (hidden(32) for _ in itertools.count())
    fit(pretrained, stream, masked_language_model_loss, steps=120, learning_rate=1e-2)
    after = mean_loss(pretrained, [hidden(64)], masked_language_model_loss)
    assert after < before / 4


def test_a_classifier_on_bert_learns_which_word_decides():
    texts = [("a", "b", "good"), ("b", "good"), ("a", "a", "bad", "b"), ("bad",), ("a", "bad")]
    documents = [Document((text,), int("good" in text)) for text in texts]
    vocabulary = Vocabulary(texts)
    batch = flat_batch(documents, vocabulary)
    torch.manual_seed(0)
    model = TextClassifier(BERT(_config()), 2, cls_id=1, dropout=0.0)
    fit(model, itertools.repeat(batch), classification_loss, steps=30, learning_rate=3e-3)
    with torch.no_grad():
        logits, _ = model(*batch.inputs)
    assert torch.equal(logits.argmax(-1), batch.labels)
