"""Train a small translator and keep its states for three sentences: what assignment 4 draws from.

Writes attention_lib/results/luong_states.json in about two minutes on one core.
"""

import torch
from provenance import command_line, provenance, write_record

from attention_lib.data import Pair, grammar_corpus
from attention_lib.data.batching import batches, make_batch
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.evaluation import Translator, gold_error_rate, link_matrix
from attention_lib.metrics import hard_alignment
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import fit

STEPS, HELD_OUT = 2500, 2000


def train(pairs: list[Pair]) -> Translator:
    """Train without input feeding, so that a state depends on words alone."""
    src, tgt = Vocabulary(p.src for p in pairs), Vocabulary(p.tgt for p in pairs)
    torch.manual_seed(0)
    sizes = {"d_embed": 48, "d_hidden": 48}
    model = Seq2Seq(Seq2SeqConfig(len(src), len(tgt), **sizes, input_feeding=False, dropout=0.0))
    fit(model, batches(pairs, src, tgt, batch_size=64, seed=0), steps=STEPS, progress=True)
    return Translator(model, src, tgt)


@torch.no_grad()
def states(translator: Translator, pair: Pair) -> dict[str, object]:
    """Read the decoder's and the encoder's states while the model is led through a sentence."""
    model = translator.model
    batch = make_batch([pair], translator.src, translator.tgt)
    start = model.start(batch.src, batch.src_lengths)
    hidden, _ = model.rnn(model.embedding(batch.tgt_in[:, :-1]), start.hidden)
    return {
        "src": list(pair.src),
        "tgt": list(pair.tgt),
        "sure": link_matrix(pair.sure, pair).int().tolist(),
        "possible": link_matrix(pair.possible, pair).int().tolist(),
        "query": rounded(hidden[0]),
        "memory": rounded(start.memory.values[0]),
    }


def rounded(matrix: torch.Tensor) -> list[list[float]]:
    """Keep three decimals."""
    return [[round(x, 3) for x in row] for row in matrix.tolist()]


def pick(pairs: list[Pair]) -> list[Pair]:
    """Take held-out sentences whose order differs between the languages, each in its own way."""
    wanted = {"place": 9, "relative": 10, "ba": 9}
    return [
        min(
            (pair for pair in pairs if pair.pattern == pattern),
            key=lambda pair: abs(len(pair.src) - length),
        )
        for pattern, length in wanted.items()
    ]


def main() -> None:
    """Train, measure the alignments on held-out sentences, and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    pairs = grammar_corpus(20_000, max_length=12)
    translator = train(pairs[:-HELD_OUT])
    held_out = pairs[-HELD_OUT:]
    links = [hard_alignment(weights) for weights in translator.align(held_out)]
    record = {
        "provenance": provenance(__file__),
        "alignment_error_rate": round(gold_error_rate(links, held_out), 3),
        "W_a": rounded(translator.model.attention.weight),
        "sentences": [states(translator, pair) for pair in pick(held_out)],
    }
    print(write_record("luong_states", record), record["alignment_error_rate"])


if __name__ == "__main__":
    main()
