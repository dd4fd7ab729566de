"""Half a Transformer each: GPT predicts the next token, BERT the tokens that were hidden."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.data.documents import flat_batch
from attention_lib.embedding import Embedding
from attention_lib.fast import Dropout, vocabulary_loss
from attention_lib.layers import (
    EncoderLayer,
    LayerConfig,
    Positions,
    SelfView,
    final_norm,
    self_view,
)
from attention_lib.losses import Loss
from attention_lib.masks import length_mask
from attention_lib.multihead import KeyValueCache
from attention_lib.padding import check_ids, checked_lengths


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(LayerConfig):
    """Which language model to build; the defaults fit neither paper: see the class methods.

    Attributes:
        vocab_size: number of tokens.
        num_layers: layers stacked on each other.
        num_segments: kinds of segments that BERT tells apart.

    The other attributes are those of :class:`attention_lib.layers.LayerConfig`.
    """

    vocab_size: int
    num_layers: int = 12
    num_segments: int = 2

    @classmethod
    def gpt2(cls, vocab_size: int = 50_257) -> "LanguageModelConfig":
        """The smallest GPT-2 of Radford et al. (2019), 124 million parameters."""
        return cls(
            vocab_size=vocab_size,
            d_model=768,
            num_heads=12,
            d_ff=3072,
            norm="pre",
            activation="gelu_tanh",
            positions="learned",
            max_length=1024,
            attention_dropout=0.1,
        )

    @classmethod
    def bert(cls, vocab_size: int = 30_522) -> "LanguageModelConfig":
        """The base model of Devlin et al. (2019), 110 million parameters."""
        return replace(
            cls.gpt2(vocab_size), norm="post", activation="gelu", max_length=512, norm_eps=1e-12
        )

    @classmethod
    def tiny(cls, vocab_size: int) -> "LanguageModelConfig":
        """A pre-norm model of 4 layers and 128 features that learns in minutes on a CPU."""
        return replace(
            cls.gpt2(vocab_size),
            d_model=128,
            num_heads=4,
            d_ff=512,
            num_layers=4,
            max_length=256,
            attention_dropout=0.0,
        )


@dataclass(frozen=True)
class TokenBatch:
    """Padded token ids and what is to be predicted of them.

    Attributes:
        ids: (batch, length).
        lengths: (batch,) true lengths.
        targets: (batch, length) ids, :data:`NO_TARGET` where nothing is to be predicted.
        segments: (batch, length) segment numbers, or None for all 0.
    """

    ids: Tensor
    lengths: Tensor
    targets: Tensor
    segments: Tensor | None = None

    def to(self, device: torch.device | str) -> "TokenBatch":
        """Move all tensors but the lengths."""
        segments = None if self.segments is None else self.segments.to(device)
        return replace(
            self, ids=self.ids.to(device), targets=self.targets.to(device), segments=segments
        )


# Marks a position of which nothing is to be predicted, as in torch's losses.
NO_TARGET = -100


def next_token_batch(ids: Tensor, lengths: Tensor) -> TokenBatch:
    """Ask each token for the one that follows it.

    Args:
        ids: (batch, length), padded on the right.
        lengths: (batch,) true lengths.

    Returns:
        a batch of ids without the last column and targets without the first.

    Raises:
        TypeError: if ids or lengths are no tensor of whole numbers.
        ValueError: if the lengths are not those of ``ids``.

    >>> batch = next_token_batch(torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([3, 2]))
    >>> batch.ids.tolist(), batch.targets.tolist()
    ([[5, 6], [8, 9]], [[6, 7], [9, -100]])
    """
    lengths = checked_lengths(ids, lengths, least=0)
    real = length_mask(lengths, ids.shape[1]).to(ids.device)[:, 1:]
    targets = ids[:, 1:].masked_fill(~real, NO_TARGET)
    return TokenBatch(ids[:, :-1], lengths.clamp(max=targets.shape[1]), targets)


def hide_tokens(
    ids: Tensor,
    candidates: Tensor,
    *,
    mask_id: int,
    vocab_size: int,
    share: float = 0.15,
    first_word: int = 0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to predict, and hide most of them (BERT's masked-word objective).

    Of the chosen tokens 80 % become the mask, 10 % a random word and 10 % stay as they are, so
    that the model cannot know which words of its input to trust.

    Args:
        ids: (batch, length); not changed.
        candidates: (batch, length) bool, True where a token may be chosen: neither padding nor
            special.
        mask_id: id of [MASK].
        vocab_size: random words are drawn from ``first_word`` up to this.
        share: of the candidates that is chosen.
        first_word: the lowest id that is a word.
        generator: draws the random numbers, on the device of ``ids``.

    Returns:
        the ids with the hidden tokens, and targets (batch, length): the true id where a token was
        chosen, :data:`NO_TARGET` elsewhere.

    Raises:
        TypeError: if ``candidates`` is not boolean.
        ValueError: if ``share`` is no probability, or ``mask_id`` is not in the vocabulary.

    Devlin et al. (2019), section 3.1.

    >>> ids = torch.full((1, 1000), 7)
    >>> hidden, targets = hide_tokens(ids, ids > 0, mask_id=3, vocab_size=50)
    >>> bool((hidden[targets == NO_TARGET] == 7).all())
    True
    """
    if candidates.dtype != torch.bool:
        raise TypeError(f"candidates are {candidates.dtype}; wanted torch.bool")
    if not 0 <= mask_id < vocab_size:
        raise ValueError(f"mask_id is {mask_id}; the vocabulary has ids 0 … {vocab_size - 1}")
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; wanted a probability, e.g. 0.15")

    def draw() -> Tensor:
        return torch.rand(ids.shape, device=ids.device, generator=generator)

    chosen = candidates & (draw() < share)
    fate = draw()
    words = torch.randint(first_word, vocab_size, ids.shape, device=ids.device, generator=generator)
    hidden = ids.masked_fill(chosen & (fate < 0.8), mask_id)
    hidden = torch.where(chosen & (fate >= 0.9), words, hidden)
    return hidden, ids.masked_fill(~chosen, NO_TARGET)


@dataclass(frozen=True)
class GPTState:
    """Everything that one decoding step needs from those before; a step spends it.

    Attributes:
        caches: keys and values of each layer.
        seen: (rows, positions) bool, True where a cached position is real.
        lengths: (rows,) the position of the next token in its own text.
    """

    caches: list[KeyValueCache]
    seen: Tensor
    lengths: Tensor

    def repeat(self, times: int) -> "GPTState":
        """Give every text ``times`` rows, one under the other."""
        rows = torch.arange(len(self.seen), device=self.seen.device)
        return self.select(rows.repeat_interleave(times))

    def select(self, rows: Tensor) -> "GPTState":
        """Let each row go on from another one."""
        caches = [cache.select(rows) for cache in self.caches]
        return GPTState(caches, self.seen[rows], self.lengths[rows])

    def rest(self, done: Tensor) -> "GPTState":
        """Take the last step back in rows (rows,) that are done: learned positions have an end."""
        return replace(self, lengths=self.lengths - done.long())


class GPT(nn.Module):
    """Predict the next token from those before: a Transformer's decoder without a source.

    Args:
        config: see :class:`LanguageModelConfig`.

    Radford et al. (2019).

    >>> model = GPT(LanguageModelConfig.tiny(vocab_size=11)).eval()
    >>> model(torch.tensor([[1, 5, 6]])).shape
    torch.Size([1, 3, 11])
    """

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.vocab_size, config.d_model)
        self.positions = Positions(config, causal=True)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_layers))
        self.norm = final_norm(config)
        self.scale = _start_tables(self, config)

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids (batch, length), padded on the right, to logits (batch, length, vocab_size).

        Raises:
            IndexError: if an id lies outside the vocabulary.
            ValueError: if ``ids`` has another shape, or a text is longer than learned positions
                reach.
        """
        return self._logits(self.hidden(ids))

    def hidden(self, ids: Tensor) -> Tensor:
        """Map ids (batch, length) to the vectors that predict the next (batch, length, d_model)."""
        check_ids(ids)
        return self._run(ids, torch.arange(ids.shape[1], device=ids.device))

    def _logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embedding.weight)

    def start(self, src: Tensor, src_lengths: Tensor | None) -> GPTState:
        """Read the beginnings of texts; see :func:`split_prompts`.

        Args:
            src: (rows, length) ids, padded on the right; the length may be 0.
            src_lengths: (rows,) true lengths; None if nothing is padding.
        """
        caches = [KeyValueCache() for _ in self.layers]
        lengths = checked_lengths(src, src_lengths, least=0).to(src.device)
        if src.shape[1]:
            self._run(src, torch.arange(src.shape[1], device=src.device), caches)
        return GPTState(caches, length_mask(lengths, src.shape[1]), lengths)

    def step(
        self, words: Tensor, state: GPTState, need_weights: bool = False
    ) -> tuple[Tensor, GPTState, Tensor | None]:
        """Write one token.

        Args:
            words: (rows,) the tokens before.
            state: from :meth:`start` or the step before.
            need_weights: not asked; there is no source to attend to. The maps over the text itself
                come from :func:`attention_lib.multihead.record_attention`.

        Returns:
            logits (rows, vocab_size), the next state, and None.

        Raises:
            ValueError: if a step was taken from this state before: the caches hold its keys.
        """
        if any(cache.length != state.seen.shape[1] for cache in state.caches):
            raise ValueError(
                "a step was taken from this state before, and its caches hold that step's keys; "
                "go on from the state that it returned, or from a copy: state.select(rows)"
            )
        here = state.lengths[:, None]
        seen = torch.cat([state.seen, torch.ones_like(here, dtype=torch.bool)], 1)
        view = SelfView(
            turn=lambda heads: self.positions.turn(heads, here),
            mask=seen[:, None, None],
            # Padding within a row is not seen, so any position will do for it.
            bias=self.positions.bias(here, seen.cumsum(1) - 1),
        )
        x = self._run(words[:, None], here, state.caches, view)
        return self._logits(x)[:, 0], GPTState(state.caches, seen, state.lengths + 1), None

    def _run(
        self,
        ids: Tensor,
        positions: Tensor,
        caches: list[KeyValueCache] | None = None,
        view: SelfView | None = None,
    ) -> Tensor:
        """Map ids (rows, length) at positions (…, length) to vectors that predict the next."""
        view = view or self_view(self.positions, ids, causal=True)
        x = self.dropout(self.positions.embed(self.scale * self.embedding(ids), positions))
        for i, layer in enumerate(self.layers):
            x = layer(x, view, None if caches is None else caches[i])
        return self.norm(x)


def _start_tables(model: nn.Module, config: LanguageModelConfig) -> float:
    """Start words, positions and segments alike, so that none drowns the others.

    Both papers' code starts them small. Sinusoids have a size of their own: beside them words are
    scaled up, as the Transformer's are. Returns that scale.
    """
    scale = config.d_model**0.5 if config.positions == "sinusoidal" else 1.0
    for table in model.modules():
        if isinstance(table, nn.Embedding):
            nn.init.normal_(table.weight, std=0.02 if scale == 1 else 1 / scale)
    return scale


def split_prompts(ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split prompts into what a decoder starts from and the words it speaks first.

    Args:
        ids: (batch, length), padded on the right.
        lengths: (batch,) true lengths, each at least 1.

    Returns:
        the ids without each last token, their lengths, and the last tokens (batch,): the ``src``,
        ``src_lengths`` and ``bos`` of the functions in :mod:`attention_lib.decoding`.

    Raises:
        ValueError: if a prompt is empty, or the lengths are not those of ``ids``.

    >>> split_prompts(torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([3, 2]))[2]
    tensor([7, 9])
    """
    if lengths.numel() and int(lengths.min()) < 1:
        raise ValueError("a prompt is empty; begin it with at least one token, such as <bos>")
    lengths = checked_lengths(ids, lengths).to(ids.device)
    last = ids.gather(1, lengths[:, None] - 1)[:, 0]
    return ids[:, :-1], lengths - 1, last


def language_model_loss(model: GPT, batch: TokenBatch) -> Loss:
    """Predict every next token of a batch from :func:`next_token_batch`.

    >>> model = GPT(LanguageModelConfig.tiny(vocab_size=11))
    >>> batch = next_token_batch(torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([3, 2]))
    >>> language_model_loss(model, batch).count
    3
    """
    return _token_loss(model.hidden(batch.ids), model.embedding.weight, None, batch.targets)


class BERT(nn.Module):
    """Read a text in both directions at once: a Transformer's encoder with segments.

    Args:
        config: see :class:`LanguageModelConfig`.

    Devlin et al. (2019).

    >>> model = BERT(LanguageModelConfig.tiny(vocab_size=11)).eval()
    >>> hidden = model(torch.tensor([[1, 5, 6], [1, 7, 0]]), torch.tensor([3, 2]))
    >>> hidden.shape, model.pool(hidden).shape
    (torch.Size([2, 3, 128]), torch.Size([2, 128]))
    """

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.vocab_size, config.d_model)
        self.segment_embedding = Embedding(config.num_segments, config.d_model)
        self.positions = Positions(config)
        self.embedding_norm = nn.LayerNorm(config.d_model, config.norm_eps)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_layers))
        self.norm = final_norm(config)
        self.pooler = nn.Linear(config.d_model, config.d_model)
        self.word_transform = nn.Linear(config.d_model, config.d_model)
        self.word_norm = nn.LayerNorm(config.d_model, config.norm_eps)
        self.word_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.scale = _start_tables(self, config)

    def forward(
        self, ids: Tensor, lengths: Tensor | None, segments: Tensor | None = None
    ) -> Tensor:
        """Read padded texts.

        Args:
            ids: (batch, length), padded on the right.
            lengths: (batch,) true lengths; None if nothing is padding.
            segments: (batch, length) numbers of the segments, all 0 if not given.

        Returns:
            (batch, length, d_model).

        Raises:
            IndexError: if an id or a segment lies outside its table.
            ValueError: if the lengths or the segments are not those of ``ids``.
        """
        lengths = checked_lengths(ids, lengths, least=0)
        if segments is not None and segments.shape != ids.shape:
            raise ValueError(
                f"segments are {tuple(segments.shape)}, ids {tuple(ids.shape)}; wanted one segment "
                "number for each id"
            )
        positions = torch.arange(ids.shape[1], device=ids.device)
        segments = torch.zeros_like(ids) if segments is None else segments
        x = self.scale * (self.embedding(ids) + self.segment_embedding(segments))
        x = self.dropout(self.embedding_norm(self.positions.embed(x, positions)))
        mask = None
        if bool((lengths < ids.shape[1]).any()):
            mask = length_mask(lengths.to(ids.device), ids.shape[1])[:, None, None]
        view = self_view(self.positions, ids, mask=mask)
        for layer in self.layers:
            x = layer(x, view)
        return self.norm(x)

    def pool(self, hidden: Tensor) -> Tensor:
        """Sum a text up in its first token: (batch, length, d_model) → (batch, d_model)."""
        return torch.tanh(self.pooler(hidden[:, 0]))

    def transform(self, hidden: Tensor) -> Tensor:
        """Turn vectors (..., d_model) into those that are compared with the words'."""
        return self.word_norm(F.gelu(self.word_transform(hidden)))

    def word_logits(self, hidden: Tensor) -> Tensor:
        """Predict the word behind each vector: (..., d_model) → (..., vocab_size)."""
        return F.linear(self.transform(hidden), self.embedding.weight, self.word_bias)


def masked_language_model_loss(model: BERT, batch: TokenBatch) -> Loss:
    """Predict the tokens that :func:`hide_tokens` chose.

    >>> model = BERT(LanguageModelConfig.tiny(vocab_size=11))
    >>> ids, lengths = torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([3, 2])
    >>> hidden, targets = hide_tokens(ids, ids > 4, mask_id=4, vocab_size=11, share=1.0)
    >>> masked_language_model_loss(model, TokenBatch(hidden, lengths, targets)).count
    5
    """
    hidden = model.transform(model(batch.ids, batch.lengths, batch.segments))
    return _token_loss(hidden, model.embedding.weight, model.word_bias, batch.targets)


def _token_loss(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Loss:
    """Sum the cross-entropy where there is a target."""
    wanted = targets != NO_TARGET
    return Loss(
        vocabulary_loss(hidden[wanted], weight, targets[wanted], bias=bias), int(wanted.sum())
    )


class TextClassifier(nn.Module):
    """Fine-tune BERT to sort texts: its pooled first token goes through one linear layer.

    Args:
        bert: pre-trained or fresh; trained on.
        num_classes: number of classes.
        cls_id: id of the token that is put before each text.
        dropout: on the pooled vector.

    >>> bert = BERT(LanguageModelConfig.tiny(vocab_size=11))
    >>> model = TextClassifier(bert, 3, cls_id=4).eval()
    >>> logits, _ = model(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1]))
    >>> logits.shape
    torch.Size([2, 3])
    """

    collate = staticmethod(flat_batch)

    def __init__(self, bert: BERT, num_classes: int, *, cls_id: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.bert = bert
        self.cls_id = cls_id
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(bert.config.d_model, num_classes)

    def forward(
        self, words: Tensor, lengths: Tensor | None, segments: Tensor | None = None
    ) -> tuple[Tensor, None]:
        """Map ids to logits.

        Args:
            words: (batch, length) ids, padded on the right.
            lengths: (batch,) true lengths; None if nothing is padding.
            segments: (batch, length) segment numbers, e.g. of a sentence and of what may follow
                it; None for all 0.

        Returns:
            logits (batch, num_classes), and None.
        """
        lengths = checked_lengths(words, lengths)
        ids = F.pad(words, (1, 0), value=self.cls_id)
        if segments is not None:
            segments = F.pad(segments, (1, 0))
        hidden = self.bert(ids, lengths + 1, segments)
        return self.output(self.dropout(self.bert.pool(hidden))), None
