"""Recurrent encoder–decoders: without attention, with Bahdanau's, with every form of Luong's."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from attention_lib.attention import attend, attentional_vector
from attention_lib.data.batching import Batch
from attention_lib.embedding import Embedding
from attention_lib.fast import Dropout, vocabulary_loss
from attention_lib.fast_recurrent import (
    Scores,
    additive_scores,
    bahdanau_decoder,
    dot_scores,
    luong_decoder,
)
from attention_lib.local_attention import local_p_weights, monotonic_centre
from attention_lib.masks import length_mask, window_mask
from attention_lib.padding import check_pairs, checked_lengths
from attention_lib.recurrent import Cell, RecurrentEncoder, State, make_rnn, run_rnn
from attention_lib.scores import additive_score, dot_score, general_score, location_score

Attention = Literal["none", "bahdanau", "luong"]
Score = Literal["dot", "scaled_dot", "general", "concat", "location"]
Locality = Literal["global", "local-m", "local-p"]


@dataclass(frozen=True)
class Seq2SeqConfig:
    """Which encoder–decoder to build.

    Attributes:
        src_size, tgt_size: vocabulary sizes.
        d_embed, d_hidden: sizes of word vectors and of all states.
        cell, num_layers, bidirectional: the recurrent networks; ``bidirectional`` is the encoder's.
        attention: "none" (the final state is all the decoder gets), "bahdanau" (looks back with
            s_{i−1} before it steps) or "luong" (steps, then looks back with h_t).
        score: how Luong's attention compares; Bahdanau's is "concat".
        locality, window: "global", or a window of half-width D ("local-m", "local-p").
        input_feeding: whether Luong's decoder reads its last h̃ beside the last word.
        max_length: the longest source that the location score can address.
        dropout: on word vectors and on h̃.
    """

    src_size: int
    tgt_size: int
    d_embed: int = 64
    d_hidden: int = 128
    cell: Cell = "lstm"
    num_layers: int = 1
    bidirectional: bool = False
    attention: Attention = "luong"
    score: Score = "general"
    locality: Locality = "global"
    window: int = 10
    input_feeding: bool = True
    max_length: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if self.attention == "bahdanau" and (self.score, self.locality) != ("concat", "global"):
            raise ValueError(
                f"Bahdanau's attention is global with the concat score; got score={self.score!r}, "
                f"locality={self.locality!r}. Pass score='concat', locality='global'"
            )
        for name, kinds in (("attention", Attention), ("score", Score), ("locality", Locality)):
            given, wanted = getattr(self, name), kinds.__args__  # type: ignore[attr-defined]
            if given not in wanted:
                raise ValueError(f"{name} is {given!r}; wanted one of {', '.join(wanted)}")
        least = {"global": self.window, "local-m": 0, "local-p": 1}[self.locality]
        if self.window < least:
            raise ValueError(f"window is {self.window}; {self.locality} wants at least {least}")


class RecurrentAttention(nn.Module):
    """Holds the parameters of one of the scores, and of local-p, and attends with them."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        d = config.d_hidden
        if config.score == "general":
            self.weight = _matrix(d, d)
        elif config.score == "concat":
            self.w_query, self.w_key, self.v = _matrix(d, d), _matrix(d, d), _vector(d)
        elif config.score == "location":
            self.weight = _matrix(config.max_length, d)
        if config.locality == "local-p":
            self.w_p, self.v_p = _matrix(d, d), _vector(d)

    def project(self, memory: Tensor) -> Tensor:
        """Do the part of the score that is the same at every step: memory → keys."""
        return memory @ self.w_key.mT if self.config.score == "concat" else memory

    def forward(
        self, hidden: Tensor, memory: "Memory", first_step: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Attend from decoder states at consecutive steps.

        Args:
            hidden: (batch, steps, d_hidden), the queries.
            memory: what the encoder left.
            first_step: the target step t of the first query, from 0.

        Returns:
            context (batch, steps, d_hidden) and weights (batch, steps, length).
        """
        scores = self.scores(hidden, memory.keys)
        if self.config.locality == "local-p":
            weights = local_p_weights(
                hidden, scores, memory.mask, self.w_p, self.v_p, self.config.window
            )
            return weights @ memory.values, weights
        mask = memory.mask[:, None, :]
        if self.config.locality == "local-m":
            steps = torch.arange(first_step, first_step + hidden.shape[1], device=hidden.device)
            centre = monotonic_centre(steps, memory.mask)
            mask = window_mask(centre, memory.mask, self.config.window)
        return attend(scores, memory.values, mask)

    def scores_by_step(self, memory: "Memory") -> Scores:
        """Prepare :meth:`scores` for one state after the other, (batch, d) → (batch, length)."""
        match self.config.score:
            case "general":
                return dot_scores(memory.keys @ self.weight.mT)
            case "concat":
                return additive_scores(memory.keys, self.w_query, self.v)
            case "location":
                return partial(location_score, weight=self.weight, length=memory.keys.shape[1])
            case "scaled_dot":
                return dot_scores(memory.keys / memory.keys.shape[-1] ** 0.5)
            case _:
                return dot_scores(memory.keys)

    def scores(self, hidden: Tensor, keys: Tensor) -> Tensor:
        """Score (batch, steps, d) states against (batch, length, d) projected keys."""
        match self.config.score:
            case "general":
                return general_score(hidden, keys, self.weight)
            case "concat":
                return additive_score(hidden @ self.w_query.mT, keys, self.v)
            case "location":
                return location_score(hidden, self.weight, keys.shape[1])
            case "scaled_dot":
                return dot_score(hidden, keys) / keys.shape[-1] ** 0.5
            case _:
                return dot_score(hidden, keys)


def _matrix(rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns)))


def _vector(size: int) -> nn.Parameter:
    return nn.Parameter(nn.init.uniform_(torch.empty(size), -(size**-0.5), size**-0.5))


@dataclass(frozen=True)
class Memory:
    """What the encoder leaves to the decoder.

    Attributes:
        values: (batch, length, d_hidden) encoder states.
        keys: (batch, length, d_hidden), the values as the score wants them.
        mask: (batch, length) bool, True at real positions.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor


@dataclass(frozen=True)
class DecoderState:
    """Everything that one decoding step needs from the step before.

    Attributes:
        hidden: the recurrent state, each tensor (num_layers, batch, d_hidden).
        attentional: (batch, d_hidden), the last h̃; zeros at the start.
        memory: the encoded source.
        step: the number of words written.
    """

    hidden: State
    attentional: Tensor
    memory: Memory
    step: int = 0

    def repeat(self, times: int) -> "DecoderState":
        """Give every sentence ``times`` rows, one under the other, e.g. one a beam."""
        rows = torch.arange(len(self.attentional), device=self.attentional.device)
        rows = rows.repeat_interleave(times)
        memory = self.memory
        memory = Memory(memory.values[rows], memory.keys[rows], memory.mask[rows])
        return replace(self.select(rows), memory=memory)

    def select(self, rows: Tensor) -> "DecoderState":
        """Take the recurrent state from other rows *of the same sentences*; the memory stays."""
        hidden = tuple(part[:, rows] for part in self.hidden)
        return replace(self, hidden=hidden, attentional=self.attentional[rows])


class Seq2Seq(nn.Module):
    r"""Translate with a recurrent encoder–decoder.

    Luong's decoder steps and then looks back; with input feeding it reads its last h̃ as well:

    .. math:: h_t &= \mathrm{RNN}([E y_{t-1}; \tilde h_{t-1}], h_{t-1}) \\
              \tilde h_t &= \tanh(W_c[c_t; h_t]) \\
              p(y_t) &= \mathrm{softmax}(W_s \tilde h_t)

    where c_t attends with h_t. Bahdanau's looks back with s_{i−1} and then steps on
    [E y_{i−1}; c_i]; its readout here is Luong's h̃ in place of the paper's maxout layer, so that
    the two differ in the one thing under study. Without attention h̃_t is h_t.

    Args:
        config: see :class:`Seq2SeqConfig`.

    Bahdanau et al. (2015); Luong et al. (2015).

    >>> model = Seq2Seq(Seq2SeqConfig(src_size=11, tgt_size=13)).eval()
    >>> src, tgt_in = torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([[1, 5], [1, 6]])
    >>> logits, weights = model(src, torch.tensor([3, 2]), tgt_in)
    >>> logits.shape, weights.shape, weights[1, :, 2].tolist()
    (torch.Size([2, 2, 13]), torch.Size([2, 2, 3]), [0.0, 0.0])
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        d = config.d_hidden
        self.encoder = RecurrentEncoder(
            config.src_size,
            config.d_embed,
            d,
            cell=config.cell,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
        self.embedding = Embedding(config.tgt_size, config.d_embed)
        d_in = config.d_embed + (d if self.feeds_back else 0)
        self.rnn = make_rnn(
            config.cell, d_in, d, num_layers=config.num_layers, dropout=config.dropout
        )
        if config.attention != "none":
            self.attention = RecurrentAttention(config)
            self.w_c = _matrix(d, 2 * d)
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(d, config.tgt_size)

    @property
    def feeds_back(self) -> bool:
        """Whether a step needs what the step before it read: then steps cannot run at once."""
        kind = self.config.attention
        return kind == "bahdanau" or (kind == "luong" and self.config.input_feeding)

    def start(self, src: Tensor, src_lengths: Tensor | None) -> DecoderState:
        """Encode (batch, length) word ids; the decoder starts from the encoder's final state.

        Raises:
            ValueError: if a sentence is empty.
        """
        src_lengths = checked_lengths(src, src_lengths)
        values, hidden = self.encoder(src, src_lengths)
        keys = values if self.config.attention == "none" else self.attention.project(values)
        mask = length_mask(src_lengths.to(src.device), src.shape[1])
        attentional = values.new_zeros(values.shape[0], self.config.d_hidden)
        return DecoderState(hidden, attentional, Memory(values, keys, mask))

    def step(
        self, words: Tensor, state: DecoderState, need_weights: bool = True
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Write one word.

        Args:
            words: (batch,) ids of the words before, y_{t−1}.
            state: from :meth:`start` or the step before.
            need_weights: not asked; the weights are always there.

        Returns:
            logits (batch, tgt_size), the next state, and weights (batch, length) or None.

        Raises:
            ValueError: if the source is longer than the location score can address.
        """
        embedded = self.dropout(self.embedding(words))
        state, weights = self._step(embedded, state)
        return self.output(self.dropout(state.attentional)), state, weights

    def forward(
        self, src: Tensor, src_lengths: Tensor | None, tgt_in: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Predict every next word of given translations (teacher forcing).

        Args:
            src: (batch, length) source ids.
            src_lengths: (batch,) true lengths; None if nothing is padding.
            tgt_in: (batch, steps) target ids, starting with <bos>.

        Returns:
            logits (batch, steps, tgt_size), and weights (batch, steps, length) or None.

        Raises:
            ValueError: if a sentence is empty, the lengths are not those of ``src``, or ``tgt_in``
                is of another batch.
        """
        check_pairs(src, tgt_in)
        attentional, weights = self.decode(tgt_in, self.start(src, src_lengths))
        return self.output(self.dropout(attentional)), weights

    def loss(self, batch: Batch, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
        """Sum the negative log-likelihood of a batch's target words, faster than by the logits.

        No padded position costs a product with the vocabulary, and the logits are never held.

        Returns:
            the sum in nats, and the number of target words.
        """
        check_pairs(batch.src, batch.tgt_in)
        real = batch.tgt_out != batch.pad
        attentional, _ = self.decode(batch.tgt_in, self.start(batch.src, batch.src_lengths))
        total = vocabulary_loss(
            self.dropout(attentional[real]),
            self.output.weight,
            batch.tgt_out[real],
            bias=self.output.bias,
            label_smoothing=label_smoothing,
            pad=batch.pad,
        )
        return total, int(real.sum())

    def decode(self, tgt_in: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None]:
        """Lead the decoder through given words (batch, steps).

        Returns:
            h̃ (batch, steps, d_hidden), which predicts the next words, and weights (batch, steps,
            length) or None.
        """
        embedded = self.dropout(self.embedding(tgt_in))
        if not self.feeds_back:
            return self._all_at_once(embedded, state)
        if self.config.locality == "global":
            return self._one_by_one_fast(embedded, state)
        return self._one_by_one(embedded, state)

    def _all_at_once(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None]:
        """Run all steps in one call where no step waits for what another one read."""
        hidden, _ = run_rnn(self.rnn, embedded, state.hidden)
        if self.config.attention == "none":
            return hidden, None
        context, weights = self.attention(hidden, state.memory)
        return attentional_vector(context, hidden, self.w_c), weights

    def _one_by_one(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None]:
        attentional, weights = [], []
        for word in embedded.unbind(1):
            state, row = self._step(word, state)
            attentional.append(state.attentional)
            weights.append(row)
        return torch.stack(attentional, 1), torch.stack(weights, 1)  # type: ignore[arg-type]

    def _one_by_one_fast(
        self, embedded: Tensor, state: DecoderState
    ) -> tuple[Tensor, Tensor | None]:
        """Equal :meth:`_one_by_one`, with all that need not wait outside the loop."""
        memory = state.memory
        run = bahdanau_decoder if self.config.attention == "bahdanau" else luong_decoder
        scores = self.attention.scores_by_step(memory)
        return run(self.rnn, embedded, state.hidden, scores, memory.values, memory.mask, self.w_c)

    def _step(self, embedded: Tensor, state: DecoderState) -> tuple[DecoderState, Tensor | None]:
        """Take one step on (batch, d_embed) word vectors, in the order that the paper has it."""
        attends = self.config.attention != "none"
        looks_first = self.config.attention == "bahdanau"
        context = weights = None
        parts = [embedded]
        if looks_first:
            before = state.hidden[0][-1][:, None]
            context, weights = self.attention(before, state.memory, state.step)
            parts.append(context[:, 0])
        elif self.feeds_back:
            parts.append(state.attentional)
        top, hidden = run_rnn(self.rnn, torch.cat(parts, dim=-1)[:, None], state.hidden)
        if attends and not looks_first:
            context, weights = self.attention(top, state.memory, state.step)
        out = top if context is None else attentional_vector(context, top, self.w_c)
        after = replace(state, hidden=hidden, attentional=out[:, 0], step=state.step + 1)
        return after, None if weights is None else weights[:, 0]


def luong_step(
    embedded: Tensor,
    attentional: Tensor,
    state: Tensor,
    memory: Tensor,
    mask: Tensor,
    params: dict[str, Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    r"""One step of Luong's decoder with input feeding, written out with a plain tanh cell.

    .. math:: h_t &= \tanh(W_{ih}[E y_{t-1}; \tilde h_{t-1}] + W_{hh} h_{t-1} + b) \\
              a_t &= \mathrm{softmax}(h_t^\top W_a \bar h_s) \\
              \tilde h_t &= \tanh(W_c[c_t; h_t])

    Args:
        embedded: (batch, d_e), the last word's vector E y_{t−1}.
        attentional: (batch, d_o), h̃_{t−1}.
        state: (batch, d_h), h_{t−1}.
        memory: (batch, L_k, d_m), encoder states h̄_s.
        mask: (batch, L_k) bool, True at real source positions.
        params: ``W_ih`` (d_h, d_e + d_o), ``W_hh`` (d_h, d_h), ``b`` (d_h,), ``W_a`` (d_h, d_m),
            ``W_c`` (d_o, d_m + d_h).

    Returns:
        h̃_t (batch, d_o), h_t (batch, d_h) and the weights a_t (batch, L_k).

    Luong et al. (2015), sections 3.1 and 3.3.
    """
    inputs = torch.cat([embedded, attentional], dim=-1)
    state = torch.tanh(inputs @ params["W_ih"].mT + state @ params["W_hh"].mT + params["b"])
    query = state[:, None]
    context, weights = attend(general_score(query, memory, params["W_a"]), memory, mask[:, None])
    attentional = attentional_vector(context, query, params["W_c"])
    return attentional[:, 0], state, weights[:, 0]
