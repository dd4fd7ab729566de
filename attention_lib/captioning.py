"""Writing what a picture shows: Show, Attend and Tell with soft, with hard and without attention.

Shapes are those of :mod:`attention_lib.visual_attention`.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.attention import masked_softmax
from attention_lib.checks import check_floating
from attention_lib.data.shapes import CaptionBatch
from attention_lib.embedding import Embedding
from attention_lib.inside import attention_entropy
from attention_lib.losses import Loss
from attention_lib.padding import check_ids
from attention_lib.scores import additive_score
from attention_lib.visual_attention import (
    doubly_stochastic_penalty,
    hard_attention_loss,
    sample_locations,
)

Attention = Literal["none", "soft", "hard"]


@dataclass(frozen=True)
class CaptionerConfig:
    """Which captioner to build, and what its loss weighs.

    Attributes:
        tgt_size: vocabulary size.
        attention: "soft", "hard", or "none": the decoder gets the mean feature at every step.
        channels: of the first convolution; the others have ``d_features``.
        d_features, d_embed, d_hidden, d_attention: sizes of a_i, of word vectors, of the states
            and of the space in which they are compared.
        dropout: on word vectors and before the last layer.
        spread: λ of the doubly stochastic penalty, for soft attention.
        reward: λ_r of the hard estimator.
        entropy: λ_e of the hard estimator.
        expected: the share of captions for which hard attention takes α in place of a sample.
    """

    tgt_size: int
    attention: Attention = "soft"
    channels: int = 16
    d_features: int = 32
    d_embed: int = 32
    d_hidden: int = 64
    d_attention: int = 32
    dropout: float = 0.0
    spread: float = 0.0
    reward: float = 0.1
    entropy: float = 0.01
    expected: float = 0.5

    def __post_init__(self) -> None:
        kinds = Attention.__args__  # type: ignore[attr-defined]
        if self.attention not in kinds:
            raise ValueError(f"attention is {self.attention!r}; wanted one of {', '.join(kinds)}")
        if not 0 <= self.expected <= 1:
            raise ValueError(f"expected is {self.expected}; wanted a share from 0 to 1")


def _convolution(d_in: int, d_out: int, *, stride: int = 1) -> tuple[nn.Module, ...]:
    """Build a 3 × 3 convolution; the normalisation after it has the bias."""
    convolution = nn.Conv2d(d_in, d_out, 3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(d_out), nn.ReLU()


class GridEncoder(nn.Module):
    """A small convolutional network: one feature vector for each 4 × 4 pixels of a picture.

    Two channels that say where a pixel is (−1 … 1 from edge to edge) are put beside the colours:
    "above" cannot be said by one who sees what, but not where.

    Args:
        channels: of the first convolution.
        d_features: size of a feature vector.
    """

    stride = 4

    def __init__(self, channels: int, d_features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(5, channels, stride=2),
            *_convolution(channels, d_features, stride=2),
            *_convolution(d_features, d_features),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (batch, 3, height, width) pictures to (batch, locations, d_features), row by row.

        Raises:
            ValueError: if the pictures are not (batch, 3, height, width).
        """
        if pictures.dim() != 4 or pictures.shape[1] != 3:
            raise ValueError(
                f"pictures have shape {tuple(pictures.shape)}; wanted (batch, 3, height, width): "
                "one picture is picture[None]"
            )
        batch, _, height, width = pictures.shape
        down = torch.linspace(-1, 1, height).to(pictures)[:, None].expand(batch, 1, height, width)
        across = torch.linspace(-1, 1, width).to(pictures).expand(batch, 1, height, width)
        grid = self.layers(torch.cat([pictures, down, across], dim=1))
        return grid.flatten(2).mT

    def grid(self, pictures: Tensor) -> tuple[int, int]:
        """Count the rows and columns of locations that such pictures give."""
        height, width = pictures.shape[-2:]
        return -(-height // self.stride), -(-width // self.stride)


@dataclass(frozen=True)
class CaptionState:
    """Everything that one decoding step needs from the step before.

    Attributes:
        hidden, cell: (batch, d_hidden), the LSTM's h and c.
        features: (batch, locations, d_features).
        keys: (batch, locations, d_attention), the features as the score wants them.
        sampled: (batch,) bool, whether hard attention draws its locations in this row.
    """

    hidden: Tensor
    cell: Tensor
    features: Tensor
    keys: Tensor
    sampled: Tensor

    def repeat(self, times: int) -> "CaptionState":
        """Give every picture ``times`` rows, one under the other, e.g. one a beam."""
        parts = (self.hidden, self.cell, self.features, self.keys, self.sampled)
        return CaptionState(*(part.repeat_interleave(times, 0) for part in parts))

    def select(self, rows: Tensor) -> "CaptionState":
        """Take the recurrent state from other rows *of the same pictures*."""
        return replace(self, hidden=self.hidden[rows], cell=self.cell[rows])


class Look(NamedTuple):
    """One step's look at the pictures.

    Attributes:
        context: (batch, d_features), what is seen.
        weights: (batch, locations), α_t; None without attention.
        log_prob: (batch,), log α of the sampled location; 0 where none was sampled.
    """

    context: Tensor
    weights: Tensor | None
    log_prob: Tensor


class Captioned(NamedTuple):
    """What a captioner makes of given captions.

    Attributes:
        logits: (batch, steps, tgt_size).
        weights: (batch, steps, locations), α; None without attention.
        location_log_prob: (batch, steps), log α of the sampled locations; 0 where none was sampled.
    """

    logits: Tensor
    weights: Tensor | None
    location_log_prob: Tensor


class Captioner(nn.Module):
    r"""Describe pictures with a convolutional encoder and an LSTM that looks before each word.

    .. math:: (h_t, c_t) &= \mathrm{LSTM}([E y_{t-1}; \beta_t \hat z_t], h_{t-1}, c_{t-1}) \\
              p(y_t) &\propto \exp(L_o(E y_{t-1} + L_h h_t + L_z \beta_t \hat z_t))

    where ẑ_t is the context of :func:`attention_lib.visual_attention.soft_attention`, or with hard
    attention the feature of one location: drawn from α_t in training mode, the most probable one
    in evaluation mode. The mean feature decides the first states, :math:`h_0 = \tanh(f_h(\bar a))`
    and :math:`c_0 = \tanh(f_c(\bar a))`.

    Args:
        config: see :class:`CaptionerConfig`.

    Xu et al. (2015), section 3.1.

    >>> model = Captioner(CaptionerConfig(tgt_size=11)).eval()
    >>> described = model(torch.rand(2, 3, 32, 32), torch.tensor([[1, 5, 6], [1, 7, 8]]))
    >>> described.logits.shape, described.weights.sum(-1).round(decimals=3).tolist()
    (torch.Size([2, 3, 11]), [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    """

    baseline: Tensor

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        self.config = config
        d_features, d_embed, d_hidden = config.d_features, config.d_embed, config.d_hidden
        self.encoder = GridEncoder(config.channels, d_features)
        self.first_hidden = nn.Linear(d_features, d_hidden)
        self.first_cell = nn.Linear(d_features, d_hidden)
        self.embedding = Embedding(config.tgt_size, d_embed)
        self.lstm = nn.LSTMCell(d_embed + d_features, d_hidden)
        if config.attention != "none":
            self.to_query = nn.Linear(d_hidden, config.d_attention, bias=False)
            self.to_key = nn.Linear(d_features, config.d_attention, bias=False)
            self.v = nn.Parameter(torch.empty(config.d_attention))
            nn.init.normal_(self.v)
        self.gate = nn.Linear(d_hidden, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.from_hidden = nn.Linear(d_hidden, d_embed, bias=False)
        self.from_context = nn.Linear(d_features, d_embed, bias=False)
        self.output = nn.Linear(d_embed, config.tgt_size)
        # The moving average of log p(y_t | s̃, a), a word; nan until there is a first caption.
        self.register_buffer("baseline", torch.tensor(torch.nan))

    def start(self, pictures: Tensor, src_lengths: Tensor | None = None) -> CaptionState:
        """Encode (batch, 3, height, width) pictures.

        Args:
            pictures: 0 … 1, floating.
            src_lengths: None, since all of a picture is real; decoders pass it.

        Raises:
            TypeError: if the pictures are not floating, or of another dtype than the parameters.
        """
        if not pictures.is_floating_point():
            raise TypeError(
                f"pictures are {pictures.dtype}; wanted floating numbers from 0 to 1, e.g. "
                "pictures.float() / 255"
            )
        check_floating(pictures=pictures, parameters=next(self.parameters()))
        features = self.encoder(pictures)
        mean = features.mean(1)
        keys = features if self.config.attention == "none" else self.to_key(features)
        sampled = torch.zeros(len(features), dtype=torch.bool, device=features.device)
        if self.training and self.config.attention == "hard":
            sampled = torch.rand(len(features), device=features.device) >= self.config.expected
        hidden, cell = self.first_hidden(mean).tanh(), self.first_cell(mean).tanh()
        return CaptionState(hidden, cell, features, keys, sampled)

    def step(
        self, words: Tensor, state: CaptionState, need_weights: bool = True
    ) -> tuple[Tensor, CaptionState, Tensor | None]:
        """Write one word.

        Args:
            words: (batch,) ids of the words before, y_{t−1}.
            state: from :meth:`start` or the step before.
            need_weights: not asked; the weights are always there.

        Returns:
            logits (batch, tgt_size), the next state, and weights (batch, locations) or None.
        """
        embedded = self.dropout(self.embedding(words))
        state, look = self._step(embedded, state)
        return self._deep_output(embedded, state.hidden, look.context), state, look.weights

    def forward(self, pictures: Tensor, tgt_in: Tensor) -> Captioned:
        """Predict every next word of given captions (teacher forcing).

        Args:
            pictures: (batch, 3, height, width), 0 … 1.
            tgt_in: (batch, steps) ids, starting with <bos>.

        Raises:
            TypeError: if the pictures do not have the parameters' dtype, or the ids are no whole
                numbers.
            ValueError: if there is not one caption for each picture, of at least one step.
        """
        state = self.start(pictures)
        check_ids(tgt_in)
        if len(pictures) != len(tgt_in) or not tgt_in.shape[1]:
            raise ValueError(
                f"pictures are {tuple(pictures.shape)} and tgt_in {tuple(tgt_in.shape)}; wanted "
                "one row of ids for each picture, with at least the step of <bos>"
            )
        embedded = self.dropout(self.embedding(tgt_in))
        hidden, looks = [], []
        for word in embedded.unbind(1):
            state, look = self._step(word, state)
            hidden.append(state.hidden)
            looks.append(look)
        context = torch.stack([look.context for look in looks], 1)
        rows = [look.weights for look in looks if look.weights is not None]
        return Captioned(
            self._deep_output(embedded, torch.stack(hidden, 1), context),
            torch.stack(rows, 1) if rows else None,
            torch.stack([look.log_prob for look in looks], 1),
        )

    def _step(self, embedded: Tensor, state: CaptionState) -> tuple[CaptionState, Look]:
        """Look from h_{t−1}, then step on the last word's vector and what was seen."""
        look = self._look(state)
        context = torch.sigmoid(self.gate(state.hidden)) * look.context
        inputs = torch.cat([embedded, context], dim=-1)
        hidden, cell = self.lstm(inputs, (state.hidden, state.cell))
        return replace(state, hidden=hidden, cell=cell), look._replace(context=context)

    def _look(self, state: CaptionState) -> Look:
        """Decide where to look, and look there."""
        nothing = state.hidden.new_zeros(len(state.hidden))
        if self.config.attention == "none":
            return Look(state.features.mean(1), None, nothing)
        query = self.to_query(state.hidden)[:, None]
        weights = masked_softmax(additive_score(query, state.keys, self.v))[:, 0]
        used, log_prob = weights, nothing
        if self.config.attention == "hard" and not self.training:
            used = F.one_hot(weights.argmax(-1), weights.shape[-1]).to(weights.dtype)
        elif bool(state.sampled.any()):
            used, log_prob = sample_locations(weights, state.sampled)
        return Look((used[:, None] @ state.features)[:, 0], weights, log_prob)

    def _deep_output(self, embedded: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        """Read the next word off the last one, the state and what was seen."""
        joined = embedded + self.from_hidden(hidden) + self.from_context(context)
        return self.output(self.dropout(joined))


def captioning_loss(model: Any, batch: CaptionBatch) -> Loss:
    """Sum what a :class:`Captioner` pays for a batch, and count the words, <eos> included.

    In evaluation mode that is the negative log-likelihood alone. In training mode soft attention
    adds λ times the doubly stochastic penalty, and hard attention is trained by the sampled
    estimator; its baseline, a moving average in the model, is brought up to date.

    >>> from attention_lib.data.shapes import make_caption_batch, shapes_world
    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> scenes = shapes_world(2)
    >>> vocabulary = Vocabulary([scene.caption for scene in scenes])
    >>> model = Captioner(CaptionerConfig(len(vocabulary)))
    >>> loss = captioning_loss(model, make_caption_batch(scenes, vocabulary))
    >>> loss.count == sum(len(scene.caption) + 1 for scene in scenes)
    True
    """
    logits, weights, location_log_prob = model(batch.pictures, batch.tgt_in)
    real = batch.tgt_out != batch.pad
    losses = F.cross_entropy(
        logits.flatten(0, 1), batch.tgt_out.flatten(), ignore_index=batch.pad, reduction="none"
    )
    totals = losses.view_as(batch.tgt_out).sum(1)
    if model.training and weights is not None:
        if model.config.attention == "soft":
            totals = totals + model.config.spread * doubly_stochastic_penalty(weights, real)
        else:
            locations = location_log_prob.masked_fill(~real, 0.0).sum(1)
            totals = _hard_loss(model, -totals, locations, weights, real)
    return Loss(totals.sum(), int(real.sum()))


def _hard_loss(
    model: Captioner, words: Tensor, locations: Tensor, weights: Tensor, real: Tensor
) -> Tensor:
    """Apply the estimator with the model's baseline, then move the baseline on.

    The paper has one b for all captions. Here b is a word's, times the caption's words: a long
    caption is less probable than a short one wherever one looks.
    """
    config, lengths = model.config, real.sum(1)
    now = (words.detach().sum() / lengths.sum()).to(model.baseline.dtype)
    before = torch.where(model.baseline.isnan(), now, model.baseline)
    entropy = attention_entropy(weights).masked_fill(~real, 0.0).sum(1)
    with torch.no_grad():
        model.baseline.copy_(0.9 * before + 0.1 * now)
    return hard_attention_loss(
        words,
        locations,
        entropy,
        before * lengths,
        reward_weight=config.reward,
        entropy_weight=config.entropy,
    )
