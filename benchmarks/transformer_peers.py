"""The Transformers that a learner would take instead of ours, each with its usual training step.

All have N + N pre- or post-norm layers of the same sizes with tied embeddings, the same dropout on
sub-layers, and return the mean cross-entropy over the batch's real target words.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.data.batching import Batch
from attention_lib.masks import length_mask
from attention_lib.positions import sinusoidal_positions
from attention_lib.transformer import Transformer, TransformerConfig

PAD = 0


def sizes(vocab: int, d_model: int, layers: int, dropout: float) -> TransformerConfig:
    """The model that all contestants build."""
    return TransformerConfig(
        src_size=vocab,
        tgt_size=vocab,
        d_model=d_model,
        num_heads=d_model // 64 if d_model >= 256 else 4,
        d_ff=4 * d_model,
        num_encoder_layers=layers,
        num_decoder_layers=layers,
        dropout=dropout,
        norm="pre",
    )


class Ours(nn.Module):
    """The library's Transformer with its own loss."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.model = Transformer(config)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy over the real words."""
        total, count = self.model.loss(batch)
        return total / count


class Peer(nn.Module):
    """What the peers share: cross-entropy over all positions, padded ones ignored."""

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy over the real words."""
        mask = length_mask(batch.src_lengths, batch.src.shape[1])
        logits = self.logits(batch.src, mask, batch.tgt_in)
        return F.cross_entropy(logits.flatten(0, 1), batch.tgt_out.flatten(), ignore_index=PAD)

    def logits(self, src: Tensor, mask: Tensor, tgt_in: Tensor) -> Tensor:
        """Map ids and the source's mask to (batch, steps, vocabulary)."""
        raise NotImplementedError


class TorchTransformer(Peer):
    """torch.nn.Transformer as its own tutorial uses it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        d = config.d_model
        self.d_model = d
        self.embedding = nn.Embedding(config.src_size, d)
        nn.init.normal_(self.embedding.weight, std=d**-0.5)
        self.register_buffer("table", sinusoidal_positions(torch.arange(512), d))
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = nn.Transformer(
            d,
            config.num_heads,
            config.num_encoder_layers,
            config.num_decoder_layers,
            config.d_ff,
            config.dropout,
            batch_first=True,
            norm_first=True,
        )

    def _embed(self, ids: Tensor) -> Tensor:
        return self.dropout(self.embedding(ids) * self.d_model**0.5 + self.table[: ids.shape[1]])

    def hidden(self, src: Tensor, mask: Tensor, tgt_in: Tensor) -> Tensor:
        """Map to the vectors that predict the next words."""
        causal = nn.Transformer.generate_square_subsequent_mask(tgt_in.shape[1])
        return self.transformer(
            self._embed(src),
            self._embed(tgt_in),
            tgt_mask=causal,
            tgt_is_causal=True,
            src_key_padding_mask=torch.zeros_like(src, dtype=causal.dtype).masked_fill(
                ~mask, -torch.inf
            ),
            memory_key_padding_mask=torch.zeros_like(src, dtype=causal.dtype).masked_fill(
                ~mask, -torch.inf
            ),
        )

    def logits(self, src: Tensor, mask: Tensor, tgt_in: Tensor) -> Tensor:
        """See :class:`Peer`."""
        return F.linear(self.hidden(src, mask, tgt_in), self.embedding.weight)


class Marian(Peer):
    """transformers' Marian, the paper's encoder–decoder."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        from transformers import MarianConfig, MarianMTModel

        self.model = MarianMTModel(
            MarianConfig(
                vocab_size=config.src_size,
                d_model=config.d_model,
                encoder_layers=config.num_encoder_layers,
                decoder_layers=config.num_decoder_layers,
                encoder_attention_heads=config.num_heads,
                decoder_attention_heads=config.num_heads,
                encoder_ffn_dim=config.d_ff,
                decoder_ffn_dim=config.d_ff,
                activation_function="relu",
                dropout=config.dropout,
                scale_embedding=True,
                max_position_embeddings=512,
                pad_token_id=PAD,
                eos_token_id=2,
                bos_token_id=1,
                decoder_start_token_id=1,
                forced_eos_token_id=None,
            )
        )

    def logits(self, src: Tensor, mask: Tensor, tgt_in: Tensor) -> Tensor:
        """See :class:`Peer`."""
        outputs = self.model(
            input_ids=src, attention_mask=mask.long(), decoder_input_ids=tgt_in, use_cache=False
        )
        return outputs.logits


class XTransformers(Peer):
    """x-transformers' encoder and decoder, with its fused attention."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        from x_transformers import Decoder, Encoder, TransformerWrapper

        shared = {
            "dim": config.d_model,
            "heads": config.num_heads,
            "attn_dim_head": config.d_model // config.num_heads,
            "attn_flash": True,
            "ff_relu_squared": False,
            "layer_dropout": 0.0,
            "ff_dropout": config.dropout,
        }
        self.encoder = TransformerWrapper(
            num_tokens=config.src_size,
            max_seq_len=512,
            emb_dropout=config.dropout,
            attn_layers=Encoder(depth=config.num_encoder_layers, **shared),
        )
        self.decoder = TransformerWrapper(
            num_tokens=config.tgt_size,
            max_seq_len=512,
            emb_dropout=config.dropout,
            tie_embedding=True,
            attn_layers=Decoder(depth=config.num_decoder_layers, cross_attend=True, **shared),
        )
        self.decoder.token_emb = self.encoder.token_emb
        self.encoder.to_logits = nn.Identity()

    def logits(self, src: Tensor, mask: Tensor, tgt_in: Tensor) -> Tensor:
        """See :class:`Peer`."""
        memory = self.encoder(src, mask=mask, return_embeddings=True)
        return self.decoder(tgt_in, context=memory, context_mask=mask)


class Plain(Peer):
    """A model as tutorials write it: three projections, attention by hand, masks of −1e9."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.src_size, config.d_model)
        nn.init.normal_(self.embedding.weight, std=config.d_model**-0.5)
        self.register_buffer("table", sinusoidal_positions(torch.arange(512), config.d_model))
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(
            PlainLayer(config, crosses=False) for _ in range(config.num_encoder_layers)
        )
        self.decoder = nn.ModuleList(
            PlainLayer(config, crosses=True) for _ in range(config.num_decoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(config.d_model)
        self.decoder_norm = nn.LayerNorm(config.d_model)

    def _embed(self, ids: Tensor) -> Tensor:
        scaled = self.embedding(ids) * math.sqrt(self.config.d_model)
        return self.dropout(scaled + self.table[: ids.shape[1]])

    def logits(self, src: Tensor, mask: Tensor, tgt_in: Tensor) -> Tensor:
        """See :class:`Peer`."""
        src_mask = mask[:, None, None]
        tgt_mask = torch.ones(tgt_in.shape[1], tgt_in.shape[1], dtype=torch.bool).tril()
        tgt_mask = tgt_mask & (tgt_in != PAD)[:, None, None]
        x = self._embed(src)
        for layer in self.encoder:
            x = layer(x, src_mask)
        memory, x = self.encoder_norm(x), self._embed(tgt_in)
        for layer in self.decoder:
            x = layer(x, tgt_mask, memory, src_mask)
        return F.linear(self.decoder_norm(x), self.embedding.weight)


class PlainAttention(nn.Module):
    """Multi-head attention by hand, with dropout on the weights."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, d = config.num_heads, config.d_model
        self.query, self.key, self.value, self.out = (nn.Linear(d, d) for _ in range(4))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Attend from x to memory."""
        query, key, value = (
            layer(y).view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2)
            for layer, y in ((self.query, x), (self.key, memory), (self.value, memory))
        )
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        weights = self.dropout(scores.masked_fill(~mask, -1e9).softmax(-1))
        return self.out((weights @ value).transpose(1, 2).reshape(x.shape))


class PlainLayer(nn.Module):
    """A pre-norm layer with or without cross-attention."""

    def __init__(self, config: TransformerConfig, crosses: bool) -> None:
        super().__init__()
        d = config.d_model
        self.attention = PlainAttention(config)
        self.cross = PlainAttention(config) if crosses else None
        self.inner, self.outer = nn.Linear(d, config.d_ff), nn.Linear(config.d_ff, d)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3 if crosses else 2))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Tensor, memory: Tensor | None = None, seen: Tensor | None = None
    ) -> Tensor:
        """Apply the sub-layers in turn."""
        y = self.norms[0](x)
        x = x + self.dropout(self.attention(y, y, mask))
        if self.cross is not None:
            x = x + self.dropout(self.cross(self.norms[1](x), memory, seen))
        y = self.outer(self.dropout(F.relu(self.inner(self.norms[-1](x)))))
        return x + self.dropout(y)


PEERS = {
    "transformers' Marian": Marian,
    "torch.nn.Transformer": TorchTransformer,
    "x-transformers": XTransformers,
    "written out": Plain,
}
