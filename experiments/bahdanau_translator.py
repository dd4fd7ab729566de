"""Train a small Bahdanau translator and keep all of it: what assignment 3 translates with.

Its cells are plain, its vocabulary is small, and its parameters are named as in the assignment.
Writes attention_lib/results/bahdanau_translator.json in about two minutes on one core.
"""

from collections import Counter
from typing import Any

import torch
from provenance import command_line, provenance, write_record
from torch import Tensor, nn

from attention_lib.data import Pair, grammar_corpus
from attention_lib.data.batching import batches
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.evaluation import Translator, gold_error_rate
from attention_lib.metrics import exact_match, hard_alignment
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import fit

PAIRS, LONGEST, WORDS, STEPS = 60_000, 8, 120, 5000
STUDENT = ("我", "是", "一", "个", "学生", "。")


def corpus() -> tuple[list[Pair], list[Pair]]:
    """Keep the pairs of the most frequent source words; 我是一个学生。 is never trained on."""
    pairs = grammar_corpus(PAIRS, max_length=LONGEST)
    frequent = Counter(word for pair in pairs for word in pair.src).most_common(WORDS)
    known = {word for word, _ in frequent}
    kept = [pair for pair in pairs if known.issuperset(pair.src) and pair.src != STUDENT]
    held_out = len(kept) // 10
    return kept[:-held_out], kept[-held_out:]


def train(pairs: list[Pair]) -> Translator:
    """Train with a plain tanh cell, and an encoder that reads both ways."""
    src, tgt = Vocabulary(p.src for p in pairs), Vocabulary(p.tgt for p in pairs)
    torch.manual_seed(0)
    kind: dict[str, Any] = {"attention": "bahdanau", "score": "concat", "cell": "rnn"}
    sizes: dict[str, Any] = {"d_embed": 16, "d_hidden": 32, "bidirectional": True, "dropout": 0.0}
    model = Seq2Seq(Seq2SeqConfig(len(src), len(tgt), **kind, **sizes))
    stream = batches(pairs, src, tgt, batch_size=64, seed=0)
    fit(model, stream, steps=STEPS, learning_rate=1e-2, progress=True)
    for parameter in model.parameters():
        parameter.data = parameter.data.mul(1000).round().div(1000)
    return Translator(model, src, tgt)


def network(rnn: nn.RNN) -> dict[str, Tensor]:
    """A plain network's parameters, its two biases as one."""
    return {
        "W": rnn.weight_ih_l0,
        "U": rnn.weight_hh_l0,
        "b": rnn.bias_ih_l0 + rnn.bias_hh_l0,
    }


def parameters(model: Seq2Seq) -> dict[str, dict[str, Tensor]]:
    """All parameters, by the part of the model and by the letter of the assignment."""
    encoder, look, decoder = model.encoder, model.attention, network(model.rnn)
    from_word, from_context = decoder.pop("W").split([model.config.d_embed, 32], dim=1)
    return {
        "vectors": {"src": encoder.embedding.weight, "tgt": model.embedding.weight},
        "forward": network(encoder.rnn),
        "backward": network(encoder.backward_rnn),
        "decoder": {"W_a": look.w_query, "U_a": look.w_key, "v_a": look.v, "W": from_word,
                    "C": from_context, **decoder},
        "readout": {"W_c": model.w_c, "W_o": model.output.weight, "b_o": model.output.bias},
    }  # fmt: skip


def rounded(value: Any) -> Any:
    """Keep three decimals, which is all there are."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    numbers = value.tolist()
    return [_rounded(row) for row in numbers]


def _rounded(row: Any) -> Any:
    return [_rounded(x) for x in row] if isinstance(row, list) else round(row, 3)


def pick(pairs: list[Pair], translations: list[str]) -> list[Pair]:
    """Take held-out sentences that are translated rightly and whose order differs the most."""
    right = [p for p, words in zip(pairs, translations, strict=True) if words == " ".join(p.tgt)]
    best: dict[str, Pair] = {}
    for pair in sorted(right, key=crossings):
        best[pair.pattern] = pair
    return sorted(best.values(), key=crossings)[-4:]


def crossings(pair: Pair) -> int:
    """Count the pairs of links that cross."""
    return sum(s < t and j > k for s, j in pair.sure for t, k in pair.sure)


def main() -> None:
    """Train, measure on held-out sentences, and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    training, held_out = corpus()
    translator = train(training)
    translations = translator.translate(held_out)
    links = [hard_alignment(weights) for weights in translator.align(held_out)]
    record = {
        "provenance": provenance(__file__),
        "training_pairs": len(training),
        "held_out_pairs": len(held_out),
        "exact_match": round(exact_match(translations, [" ".join(p.tgt) for p in held_out]), 3),
        "alignment_error_rate": round(gold_error_rate(links, held_out), 3),
        "words": {"src": translator.src.words, "tgt": translator.tgt.words},
        **rounded(parameters(translator.model)),
        "sentences": [
            {"src": list(p.src), "tgt": list(p.tgt), "sure": sorted(map(list, p.sure))}
            for p in pick(held_out, translations)
        ],
    }
    print(write_record("bahdanau_translator", record))
    print({name: record[name] for name in ("exact_match", "alignment_error_rate", "sentences")})


if __name__ == "__main__":
    main()
