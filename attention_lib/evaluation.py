"""Put a trained translator to the test: translations, alignments and the figures of both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attention_lib import metrics
from attention_lib.data.batching import SentencePair, ordered_batches
from attention_lib.data.subwords import Subwords
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.decoding import Decoded, beam_search, greedy_decode
from attention_lib.multihead import record_attention
from attention_lib.training import mean_loss


@dataclass(frozen=True)
class Translator:
    """A trained model with its two vocabularies.

    Attributes:
        model: maps ``(src, src_lengths, tgt_in)`` to ``(logits, weights)`` and can be decoded.
        src, tgt: its vocabularies; with subwords, pairs are of text and so are translations.

    >>> from attention_lib.data.pairs import TextPair
    >>> from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
    >>> pair = TextPair("我 走".split(), "I go".split())
    >>> src, tgt = Vocabulary([pair.src]), Vocabulary([pair.tgt])
    >>> translator = Translator(Seq2Seq(Seq2SeqConfig(len(src), len(tgt))), src, tgt)
    >>> (weights,) = translator.align([pair])
    >>> weights.shape, weights.sum(-1).round(decimals=3).tolist()
    (torch.Size([2, 2]), [1.0, 1.0])
    """

    model: Any
    src: Vocabulary | Subwords
    tgt: Vocabulary | Subwords

    def decode(
        self,
        pairs: Sequence[SentencePair],
        *,
        beam_size: int = 1,
        length_penalty: float = 0.0,
        batch_size: int = 100,
        need_weights: bool = False,
    ) -> list[Decoded]:
        """Translate the sources of ``pairs``; a beam of 1 is greedy.

        A translation may be twice as long as the longest source and five words more, but no longer
        than learned positions reach. The model is left in evaluation mode.

        Raises:
            ValueError: if ``batch_size`` is below 1, or a source is empty.
        """
        lengths = [len(self.src.encode(pair.src)) for pair in pairs]
        # Sentences of like length end together; the longest come first, so that memory that is
        # too small shows at once.
        order = sorted(range(len(pairs)), key=lengths.__getitem__, reverse=True)
        ends: dict[str, Any] = {"bos": self.tgt.bos, "eos": self.tgt.eos}
        reach = getattr(self.model, "max_target_length", None) or math.inf
        if need_weights:
            ends["need_weights"] = True
        ends["max_length"] = min(2 * max(lengths, default=0) + 5, reach)
        device = next(self.model.parameters()).device
        self.model.eval()
        decoded: dict[int, Decoded] = {}
        in_order = [pairs[i] for i in order]
        for batch in ordered_batches(in_order, self.src, self.tgt, batch_size=batch_size):
            given = (self.model, batch.src.to(device), batch.src_lengths)
            if beam_size == 1:
                some = greedy_decode(*given, **ends)
            else:
                settings = ends | {"beam_size": beam_size, "length_penalty": length_penalty}
                some = beam_search(*given, **settings)
            decoded |= zip(order[len(decoded) :], some, strict=False)
        return [decoded[i] for i in range(len(pairs))]

    def translate(
        self, pairs: Sequence[SentencePair], *, beam_size: int = 1, length_penalty: float = 0.0
    ) -> list[str]:
        """Translate the sources of ``pairs`` into strings of words between spaces.

        See :meth:`decode`.
        """
        decoded = self.decode(pairs, beam_size=beam_size, length_penalty=length_penalty)
        return [" ".join(self.tgt.decode(sentence.words)) for sentence in decoded]

    @torch.no_grad()
    def align(self, pairs: Sequence[SentencePair], *, batch_size: int = 100) -> list[Tensor]:
        """Read the weights while the model is led through the given translations.

        The model is left in evaluation mode.

        Returns:
            for each pair (target words, source words): row j holds the weights with which the
            model predicted target word j; a Transformer's are the mean over the heads and layers
            of its cross-attention. The row of <eos> is left out.

        Raises:
            ValueError: if the model has no attention.
        """
        maps: list[Tensor] = []
        self.model.eval()
        device = next(self.model.parameters()).device
        for batch in ordered_batches(pairs, self.src, self.tgt, batch_size=batch_size):
            batch = batch.to(device)
            with record_attention(self.model) as heads:
                _, weights = self.model(batch.src, batch.src_lengths, batch.tgt_in)
            if weights is None:
                weights = _mean_cross_attention(heads)
            written = (batch.tgt_out != batch.pad).sum(1) - 1  # <eos> is left out
            sizes = zip(weights.cpu(), written.tolist(), batch.src_lengths.tolist(), strict=True)
            maps += [rows[:tgt, :src] for rows, tgt, src in sizes]
        return maps

    def perplexity(self, pairs: Sequence[SentencePair], *, batch_size: int = 100) -> float:
        """Perplexity per target token (<eos> included) of the given translations.

        The model is left in evaluation mode.
        """
        batches = ordered_batches(pairs, self.src, self.tgt, batch_size=batch_size)
        model: nn.Module = self.model
        return metrics.perplexity(mean_loss(model, batches))


def _mean_cross_attention(heads: dict[str, list[Tensor]]) -> Tensor:
    """Average what a Transformer's decoder layers saw of the source in one pass."""
    layers = [maps[0] for name, maps in heads.items() if name.endswith("cross_attention")]
    if not layers:
        raise ValueError("this model has no attention, so it has no alignments")
    return torch.stack(layers).mean((0, 2))


def link_matrix(links: frozenset[tuple[int, int]], pair: SentencePair) -> Tensor:
    """Write (source index, target index) links as a bool matrix (target words, source words)."""
    matrix = torch.zeros(len(pair.tgt), len(pair.src), dtype=torch.bool)
    for source, target in links:
        matrix[target, source] = True
    return matrix


def gold_error_rate(alignments: Sequence[Tensor], pairs: Sequence[Any]) -> float:
    """Alignment error rate of bool matrices against the gold links of corpus pairs.

    Args:
        alignments: for each pair a bool matrix (target words, source words).
        pairs: with gold links ``sure`` and ``possible``, as the grammar corpus has them.
    """
    return metrics.corpus_alignment_error_rate(
        (predicted, link_matrix(pair.sure, pair), link_matrix(pair.possible, pair))
        for predicted, pair in zip(alignments, pairs, strict=True)
    )
