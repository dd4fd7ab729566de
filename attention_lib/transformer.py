"""The Transformer: an encoder and a decoder made of attention and feed-forward layers alone."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn

from attention_lib.data.batching import Batch
from attention_lib.embedding import Embedding
from attention_lib.fast import Dropout, vocabulary_loss
from attention_lib.layers import (
    DecoderLayer,
    EncoderLayer,
    LayerConfig,
    Memory,
    Positions,
    SelfView,
    final_norm,
    self_view,
)
from attention_lib.masks import length_mask
from attention_lib.multihead import KeyValueCache, record_attention
from attention_lib.padding import Packing, check_ids, check_pairs, checked_lengths

Tie = Literal["none", "output", "all"]


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(LayerConfig):
    """Which Transformer to build; the defaults are the paper's base model.

    Attributes:
        src_size, tgt_size: vocabulary sizes.
        num_encoder_layers, num_decoder_layers: layers stacked on each other.
        tie: which matrices are one: the target's embedding and the output ("output"), the
            source's embedding too ("all", as in the paper; wants one vocabulary), or "none".

    The other attributes are those of :class:`attention_lib.layers.LayerConfig`.
    """

    src_size: int
    tgt_size: int
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    tie: Tie = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tie not in Tie.__args__:  # type: ignore[attr-defined]
            raise ValueError(f"tie is {self.tie!r}; wanted 'none', 'output' or 'all'")
        if self.tie == "all" and self.src_size != self.tgt_size:
            raise ValueError(
                f"tie='all' wants one vocabulary for both languages; got sizes {self.src_size} "
                f"and {self.tgt_size}. Use a joint vocabulary or tie='output'"
            )

    @classmethod
    def base(cls, vocab_size: int) -> "TransformerConfig":
        """The base model of Vaswani et al. (2017), 63 million parameters with 37,000 subwords.

        The paper counts 65 million.
        """
        return cls(src_size=vocab_size, tgt_size=vocab_size)

    @classmethod
    def big(cls, vocab_size: int) -> "TransformerConfig":
        """The big model of Vaswani et al. (2017), 214 million parameters; the paper says 213."""
        return replace(cls.base(vocab_size), d_model=1024, num_heads=16, d_ff=4096, dropout=0.3)

    @classmethod
    def tiny(cls, vocab_size: int) -> "TransformerConfig":
        """The model of Wu et al. (2021) for small corpora: 4 + 4 layers of 128 features."""
        return replace(
            cls.base(vocab_size),
            d_model=128,
            num_heads=4,
            d_ff=256,
            num_encoder_layers=4,
            num_decoder_layers=4,
            dropout=0.3,
        )


@dataclass(frozen=True)
class TransformerState:
    """Everything that one decoding step needs from those before; a step spends it.

    The beams of a sentence are queries side by side of one attention: they share the memory, and
    the caches keep the keys of all beams in the order in which they were written. A mask tells
    which of them a beam descends from, so that no key is ever copied.

    Attributes:
        caches: keys and values of each decoder layer, at position step · beams + beam.
        memories: what each layer's cross-attention sees.
        ancestors: (batch, beams, steps), the beam from which each beam descends at each step.
    """

    caches: list[KeyValueCache]
    memories: list[Memory]
    ancestors: Tensor

    @property
    def beams(self) -> int:
        """Beginnings kept of each sentence."""
        return self.ancestors.shape[1]

    def repeat(self, times: int) -> "TransformerState":
        """Give every sentence ``times`` beams; only before the first step."""
        return replace(self, ancestors=self.ancestors.new_zeros(len(self.ancestors), times, 0))

    def select(self, rows: Tensor) -> "TransformerState":
        """Let each beam go on from another row (batch · beams,) of the same sentence."""
        parents = rows.view(-1, self.beams, 1) % self.beams
        return replace(self, ancestors=self.ancestors.gather(1, parents.expand_as(self.ancestors)))

    def grown(self) -> "TransformerState":
        """Take in the next step, which each beam takes by itself."""
        batch, beams, _ = self.ancestors.shape
        own = torch.arange(beams, device=self.ancestors.device)[None, :, None]
        return replace(self, ancestors=torch.cat([self.ancestors, own.expand(batch, -1, 1)], -1))

    def family_mask(self) -> Tensor | None:
        """Let each beam attend to its ancestors: (batch, 1, beams, steps · beams), True = may."""
        if self.beams == 1:
            return None
        own = torch.arange(self.beams, device=self.ancestors.device)
        return (self.ancestors[..., None] == own).flatten(-2)[:, None]


class Transformer(nn.Module):
    """Translate with attention alone.

    Each layer adds what it finds to the tokens' vectors. The encoder's tokens all see each other;
    the decoder's see those before them and, by cross-attention, all of the source.

    Args:
        config: see :class:`TransformerConfig`.

    Vaswani et al. (2017).

    >>> config = TransformerConfig.tiny(vocab_size=11)
    >>> model = Transformer(config).eval()
    >>> src, tgt_in = torch.tensor([[4, 5, 6], [7, 8, 0]]), torch.tensor([[1, 9], [1, 10]])
    >>> logits, _ = model(src, torch.tensor([3, 2]), tgt_in)
    >>> logits.shape
    torch.Size([2, 2, 11])
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.tgt_embedding = Embedding(config.tgt_size, config.d_model)
        tied = config.tie == "all"
        self.src_embedding = (
            self.tgt_embedding if tied else Embedding(config.src_size, config.d_model)
        )
        self.src_positions = Positions(config)
        self.tgt_positions = Positions(config, causal=True)
        self.dropout = Dropout(config.dropout)
        layers = range(config.num_encoder_layers)
        self.encoder_layers = nn.ModuleList(EncoderLayer(config) for _ in layers)
        layers = range(config.num_decoder_layers)
        self.decoder_layers = nn.ModuleList(DecoderLayer(config) for _ in layers)
        self.encoder_norm = final_norm(config)
        self.decoder_norm = final_norm(config)
        self.output = nn.Linear(config.d_model, config.tgt_size, bias=False)
        for embedding in (self.src_embedding, self.tgt_embedding):
            nn.init.normal_(embedding.weight, std=config.d_model**-0.5)
        if config.tie != "none":
            self.output.weight = self.tgt_embedding.weight

    @property
    def max_target_length(self) -> int | None:
        """The most words that can be written, with learned positions; else None."""
        return self.config.max_length if self.config.positions == "learned" else None

    def forward(
        self, src: Tensor, src_lengths: Tensor | None, tgt_in: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Predict every next word of given translations, all positions in one pass.

        Args:
            src: (batch, length) source ids.
            src_lengths: (batch,) true lengths; None if nothing is padding.
            tgt_in: (batch, steps) target ids, starting with <bos>.

        Returns:
            logits (batch, steps, tgt_size), and None: the maps of all heads of all layers come
            from :func:`attention_lib.multihead.record_attention`.

        Raises:
            IndexError: if an id lies outside its vocabulary.
            ValueError: if a sentence is empty, or longer than learned positions reach, the lengths
                are not those of ``src``, or ``tgt_in`` is of another batch.
        """
        check_pairs(src, tgt_in)
        hidden = self.decode(tgt_in, self.encode(src, src_lengths))
        return self.output(hidden), None

    def loss(self, batch: Batch, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
        """Sum the cross-entropy of a batch's target words, faster than by the logits.

        No padded position costs anything outside attention, and the logits are never held.

        Returns:
            the sum in nats, and the number of target words.
        """
        check_pairs(batch.src, batch.tgt_in)
        real = batch.tgt_out != batch.pad
        packing = None if bool(real.all()) else Packing(real)
        memories = self.encode(batch.src, batch.src_lengths, packing)
        hidden = self.decode(batch.tgt_in, memories, packing).flatten(0, -2)
        targets = batch.tgt_out[real]
        total = vocabulary_loss(
            hidden, self.output.weight, targets, label_smoothing=label_smoothing, pad=batch.pad
        )
        return total, len(targets)

    def encode(
        self, src: Tensor, src_lengths: Tensor | None, tgt_packing: Packing | None = None
    ) -> list[Memory]:
        """Read the source.

        Args:
            src: (batch, length) ids.
            src_lengths: (batch,) true lengths; None if nothing is padding.
            tgt_packing: where the target's tokens will stand, if they come packed.

        Returns:
            what each decoder layer sees of it.
        """
        src_lengths = checked_lengths(src, src_lengths)
        mask = packing = None
        if bool((src_lengths < src.shape[1]).any()):
            mask = length_mask(src_lengths.to(src.device), src.shape[1])
            packing = Packing(mask)
            mask = mask[:, None, None, :]
        x = self._embed(src, self.src_embedding, self.src_positions, packing)
        view = self_view(self.src_positions, src, mask=mask, packing=packing)
        for layer in self.encoder_layers:
            x = layer(x, view)
        x = self.encoder_norm(x)
        projected = [layer.cross_attention.project(x, "kv", packing) for layer in self._decoder]
        return [Memory(key, value, mask, tgt_packing) for key, value in projected]

    @property
    def _decoder(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], self.decoder_layers)

    def decode(
        self, tgt_in: Tensor, memories: list[Memory], packing: Packing | None = None
    ) -> Tensor:
        """Map target ids (batch, steps) to vectors (batch, steps, d_model) that predict the next.

        With ``packing`` only the real tokens' vectors come back, (tokens, d_model).
        """
        x = self._embed(tgt_in, self.tgt_embedding, self.tgt_positions, packing)
        # Padding stands on the right, where causality alone keeps it out of sight.
        view = self_view(self.tgt_positions, tgt_in, causal=True, packing=packing)
        for layer, memory in zip(self._decoder, memories, strict=True):
            x = layer(x, view, memory)
        return self.decoder_norm(x)

    def _embed(
        self,
        ids: Tensor,
        embedding: nn.Embedding,
        scheme: Positions,
        packing: Packing | None,
    ) -> Tensor:
        """Look words up, scaled by √d_model, and tell their positions."""
        check_ids(ids)
        positions = torch.arange(ids.shape[1], device=ids.device)
        if packing is not None:
            ids, positions = packing.pack(ids), packing.positions
        return self.dropout(scheme.embed(self._words(embedding, ids), positions))

    def _words(self, embedding: nn.Embedding, ids: Tensor) -> Tensor:
        return embedding(ids) * self.config.d_model**0.5

    def start(self, src: Tensor, src_lengths: Tensor | None) -> TransformerState:
        """Encode (batch, length) source ids for decoding step by step."""
        caches = [KeyValueCache() for _ in self.decoder_layers]
        nothing = torch.zeros(len(src), 1, 0, dtype=torch.long, device=src.device)
        return TransformerState(caches, self.encode(src, src_lengths), nothing)

    def step(
        self, words: Tensor, state: TransformerState, need_weights: bool = False
    ) -> tuple[Tensor, TransformerState, Tensor | None]:
        """Write one word for each beam of each sentence.

        Args:
            words: (batch · beams,) ids of the words before.
            state: from :meth:`start` or the step before.
            need_weights: also return the weights, by the slower written-out attention.

        Returns:
            logits (batch · beams, tgt_size), the next state, and the cross-attention's weights
            (batch · beams, length), their mean over layers and heads, or None.

        Raises:
            ValueError: if a step was taken from this state before: the caches hold its keys.
        """
        step, beams = state.ancestors.shape[2], state.beams
        if any(cache.length != step * beams for cache in state.caches):
            raise ValueError(
                "a step was taken from this state before, and its caches hold that step's keys; "
                "go on from the state that it returned, or start again"
            )
        state = state.grown()
        now = torch.full((beams,), step, device=words.device)
        then = torch.arange(step + 1, device=words.device).repeat_interleave(beams)
        scheme = self.tgt_positions
        view = SelfView(
            turn=lambda heads: scheme.turn(heads, now),
            mask=state.family_mask(),
            bias=scheme.bias(now, then),
        )
        x = self._words(self.tgt_embedding, words.view(-1, beams))
        x = self.dropout(scheme.embed(x, now))
        recording: AbstractContextManager[dict[str, list[Tensor]]] = nullcontext({})
        if need_weights:
            recording = record_attention(nn.ModuleList(x.cross_attention for x in self._decoder))
        layers = zip(self._decoder, state.memories, state.caches, strict=True)
        with recording as maps:
            for layer, memory, cache in layers:
                x = layer(x, view, memory, cache)
        weights = [looks[0] for looks in maps.values()]  # each (batch, num_heads, beams, length)
        looked = torch.stack(weights).mean((0, 2)).flatten(0, 1) if weights else None
        return self.output(self.decoder_norm(x)).flatten(0, 1), state, looked
