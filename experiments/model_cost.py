"""Time every model of the library against the length of its texts: a step of training, and writing.

Writes attention_lib/results/model_cost.json in a few minutes on one core. The models are as large
as the experiments train them, with one small vocabulary, so that the output layer, which all
share, does not hide what differs. A step of training is forward and backward with dropout; to
write is to give the likeliest word again and again, as many words as the source has.
"""

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from provenance import command_line, provenance, write_record
from torch import Tensor, nn

from attention_lib.captioning import Captioner, CaptionerConfig, captioning_loss
from attention_lib.classification import (
    HAHNN,
    HAN,
    BagClassifier,
    RecurrentClassifier,
    classification_loss,
)
from attention_lib.data.batching import Batch
from attention_lib.data.documents import DocumentBatch, FlatBatch
from attention_lib.data.shapes import SIZE, CaptionBatch
from attention_lib.decoding import greedy_decode
from attention_lib.language_models import (
    BERT,
    GPT,
    LanguageModelConfig,
    TextClassifier,
    TokenBatch,
    language_model_loss,
    masked_language_model_loss,
    next_token_batch,
)
from attention_lib.losses import Loss, translation_loss
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.transformer import Transformer, TransformerConfig

VOCABULARY, BATCH, SENTENCE, CLASSES, ROUNDS = 1000, 8, 16, 2, 5
LENGTHS = (16, 32, 64, 128, 256, 512)
BOS, FIRST_WORD = 1, 4

Build = Callable[[], nn.Module]


def _recurrent(**kind: Any) -> nn.Module:
    """The sizes of experiments/multi30k.py."""
    sizes = {"d_embed": 128, "d_hidden": 256, "bidirectional": True, "dropout": 0.3}
    return Seq2Seq(Seq2SeqConfig(VOCABULARY, VOCABULARY, **sizes, **kind))


def _language_model(kind: type[nn.Module]) -> nn.Module:
    config = LanguageModelConfig.tiny(VOCABULARY)
    # Rotary positions have no end, and the [CLS] of a classifier makes a text one longer.
    return kind(LanguageModelConfig(**vars(config) | {"positions": "rotary"}))


TRANSLATORS: dict[str, Build] = {
    "no attention": partial(_recurrent, attention="none"),
    "Bahdanau": partial(_recurrent, attention="bahdanau", score="concat"),
    "Luong": partial(_recurrent, score="general", input_feeding=False),
    "Luong, input feeding": partial(_recurrent, score="general", input_feeding=True),
    "Transformer": lambda: Transformer(TransformerConfig.tiny(VOCABULARY)),
}
CLASSIFIERS: dict[str, Build] = {
    "bag of words": lambda: BagClassifier(VOCABULARY, CLASSES),
    "LSTM + attention": lambda: RecurrentClassifier(VOCABULARY, CLASSES),
    "HAN": lambda: HAN(VOCABULARY, CLASSES),
    "HAHNN": lambda: HAHNN(VOCABULARY, CLASSES),
    "BERT, classifying": lambda: TextClassifier(_language_model(BERT), CLASSES, cls_id=BOS),
}
LANGUAGE_MODELS: dict[str, Build] = {
    "GPT": lambda: _language_model(GPT),
    "BERT": lambda: _language_model(BERT),
}
CAPTIONERS: dict[str, Build] = {"captioner": lambda: Captioner(CaptionerConfig(VOCABULARY))}
FAMILIES = {
    "translators": TRANSLATORS,
    "language models": LANGUAGE_MODELS,
    "captioners": CAPTIONERS,
    "classifiers": CLASSIFIERS,
}
WRITERS = [*TRANSLATORS, "GPT", "captioner"]


def words(length: int) -> Tensor:
    """Random texts of one length, (BATCH, length) ids."""
    return torch.randint(FIRST_WORD, VOCABULARY, (BATCH, length))


def lengths_of(length: int) -> Tensor:
    """(BATCH,) equal lengths."""
    return torch.full((BATCH,), length)


def training(family: str, name: str, length: int) -> Callable[[nn.Module], Loss]:
    """Make a batch of texts of that length, and the loss that the family trains with."""
    texts, lengths = words(length), lengths_of(length)
    labels = torch.randint(CLASSES, (BATCH,))
    match family, name:
        case "translators", _:
            pairs = Batch(texts, lengths, words(length), words(length), pad=0)
            return lambda model: translation_loss(model, pairs)
        case "captioners", _:
            pictures = torch.rand(BATCH, 3, SIZE, SIZE)
            captions = CaptionBatch(pictures, texts, words(length), pad=0)
            return lambda model: captioning_loss(model, captions)
        case "language models", "GPT":
            following = next_token_batch(words(length + 1), lengths_of(length + 1))
            return lambda model: language_model_loss(model, following)
        case "language models", _:
            hidden = TokenBatch(texts, lengths, texts.where(torch.rand(texts.shape) < 0.15, -100))
            return lambda model: masked_language_model_loss(model, hidden)
        case _, "HAN" | "HAHNN":
            sentences = texts.view(BATCH, -1, SENTENCE)
            real = torch.ones_like(sentences, dtype=torch.bool)
            documents = DocumentBatch(sentences, real, real[..., 0], labels)
            return lambda model: classification_loss(model, documents)
        case _:
            flat = FlatBatch(texts, lengths, labels)
            return lambda model: classification_loss(model, flat)


def writing(name: str, length: int) -> Callable[[nn.Module], object]:
    """Let a model write as many words as the source has; it never ends earlier."""
    texts, lengths = words(length), lengths_of(length)
    if name == "GPT":  # from nothing but a first token
        texts, lengths = texts[:, :0], lengths * 0
    if name == "captioner":
        texts = torch.rand(BATCH, 3, SIZE, SIZE)
    ends = {"bos": BOS, "eos": -1, "max_length": length}
    return lambda model: greedy_decode(
        model, texts, None if name == "captioner" else lengths, **ends
    )


def seconds_of(run: Callable[[], object]) -> float:
    """On one thread the processor's time is what the clock would show on an idle machine."""
    started = time.process_time()
    run()
    return time.process_time() - started


def measure(length: int) -> list[dict[str, Any]]:
    """Take the median time over rounds in which all models take their turn; the first warms up."""
    torch.manual_seed(0)
    runs: dict[tuple[str, str, str], Callable[[], object]] = {}
    for family, models in FAMILIES.items():
        for name, build in models.items():
            model = build()
            loss = training(family, name, length)
            runs["training", family, name] = partial(_step, model.train(), loss)
            if name in WRITERS:
                run = writing(name, length)
                runs["writing", family, name] = partial(_write, build().eval(), run)
    seconds: dict[tuple[str, str, str], list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS + 1):
        for key, timed in runs.items():
            seconds[key].append(seconds_of(timed))
    return [
        {
            "task": task,
            "family": family,
            "model": name,
            "length": length,
            "cpu_milliseconds": round(1000 * statistics.median(times[1:]), 2),
        }
        for (task, family, name), times in seconds.items()
    ]


def _step(model: nn.Module, loss: Callable[[nn.Module], Loss]) -> None:
    model.zero_grad()
    loss(model).total.backward()


def _write(model: nn.Module, run: Callable[[nn.Module], object]) -> None:
    with torch.no_grad():
        run(model)


def main() -> None:
    """Measure everything and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows: list[dict[str, Any]] = []
    for length in LENGTHS:
        rows += measure(length)
        print(f"{length} words: {sum(row['cpu_milliseconds'] for row in rows):,.0f} ms so far")
    record = {
        "provenance": provenance(__file__),
        "batch": BATCH,
        "vocabulary": VOCABULARY,
        "words_of_a_sentence": SENTENCE,
        "rounds": ROUNDS,
        "threads": 1,
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
        "parameters": {
            name: sum(p.numel() for p in build().parameters())
            for models in FAMILIES.values()
            for name, build in models.items()
        },
        "rows": rows,
    }
    print(write_record("model_cost", record))


if __name__ == "__main__":
    main()
