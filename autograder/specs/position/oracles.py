"""The right answers: what every submission is held against."""

from torch import Tensor

from attention_lib import positions as library
from attention_lib.attention import scaled_dot_product_attention

Params = dict[str, Tensor]


def attend(x: Tensor, params: Params) -> Tensor:
    """The context of a sentence that attends to itself."""
    query, key, value = (x @ params[name] for name in ("W_q", "W_k", "W_v"))
    return scaled_dot_product_attention(query, key, value)[0]


def order_effect(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    """What each word's context gains when the words are shuffled and the places are not."""
    shuffled = attend(x[:, order] + positions, params)
    return shuffled[:, order.argsort()] - attend(x + positions, params)


def add_sinusoids(x: Tensor, positions: Tensor) -> Tensor:
    """Words plus the sines and cosines of their positions."""
    return x + library.sinusoidal_positions(positions, x.shape[-1], dtype=x.dtype)


def embed(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    """Word vectors times √d_model, plus one learned row a position, of which there are so many."""
    length = tokens.shape[1]
    if length > len(table):
        raise ValueError(f"{length} tokens, but the table has only {len(table)} positions")
    return words[tokens] * words.shape[-1] ** 0.5 + table[:length]


def relative_bias(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """A learned number a head and distance; beyond the farthest, all share the last."""
    farthest = table.shape[1] // 2
    distance = key_positions[None, :] - query_positions[:, None]
    return table[:, distance.clamp(-farthest, farthest) + farthest]


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Adjacent pairs of features, turned by angles that grow with the position."""
    return library.rotate(x, positions)


def add_alibi(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Scores, less the distance times each head's slope."""
    bias = library.alibi_bias(scores.shape[1], query_positions, key_positions)
    return scores + bias.to(scores.dtype)
