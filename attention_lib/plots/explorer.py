"""Attention to explore: the words and weights of a model, as a part of a page that answers."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attention_lib.plots.arrays import as_array


@dataclass(frozen=True)
class Explorer:
    """What :func:`explore` shows; a notebook or a page of the book displays it as HTML.

    Attributes:
        weights: (layers, num_heads, L_q, L_k).
        queries: the words that look.
        keys: the words that are looked at.
        caption: one sentence over them.
    """

    weights: np.ndarray
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    caption: str

    def _repr_html_(self) -> str:
        """Give the table that needs no script, and the data from which a script does more."""
        data = {
            "queries": self.queries,
            "keys": self.keys,
            "weights": np.round(self.weights, 3).tolist(),
        }
        # One escaped attribute: no word of the data can end it, or be taken for markup.
        return (
            f'<attention-explorer data-attention="{html.escape(json.dumps(data))}">'
            f"<p>{html.escape(self.caption)}</p>"
            f"<details open><summary>The weights as a table</summary>{self._table()}</details>"
            "</attention-explorer>"
        )

    def _table(self) -> str:
        """The weights of the last layer's first head, which is where the script begins, too."""
        layers, heads = self.weights.shape[:2]
        named = [f"layer {layers}"] * (layers > 1) + ["head 1"] * (heads > 1)
        head = "".join(f'<th scope="col"{_lang(key)}>{html.escape(key)}</th>' for key in self.keys)
        rows = "".join(
            f'<tr><th scope="row"{_lang(query)}>{html.escape(query)}</th>'
            + "".join(f"<td>{weight:.2f}</td>" for weight in row)
            + "</tr>"
            for query, row in zip(self.queries, self.weights[-1, 0], strict=True)
        )
        return (
            f"<table><caption>{', '.join(named)}</caption>"
            f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def explore(weights: Any, queries: Sequence[str], keys: Sequence[str], *, caption: str) -> Explorer:
    """Let a reader point at a word and see where it looks.

    In the book, pointing at a word, touching it or moving to it by keyboard shows its row of
    weights. It begins with the last layer's first head; other layers and heads can be chosen, and
    the mean of a layer's heads. Where no script runs there is a table of the first map.

    Args:
        weights: (L_q, L_k), (num_heads, L_q, L_k) or (layers, num_heads, L_q, L_k), from 0 to 1.
        queries: L_q words that look.
        keys: L_k words that are looked at.
        caption: one sentence that says what the words and the weights are.

    Returns:
        an object that notebooks display.

    Raises:
        ValueError: if the shape does not fit the words, or a weight is not between 0 and 1.

    >>> import torch
    >>> explorer = explore(torch.full((1, 2), 0.5), ["am"], ["我", "是"], caption="Where am looks.")
    >>> explorer.weights.shape
    (1, 1, 1, 2)
    """
    array = as_array(weights)
    wanted = (len(queries), len(keys))
    if array.ndim not in (2, 3, 4) or array.shape[-2:] != wanted or not array.size:
        raise ValueError(
            f"weights have shape {array.shape}; wanted {wanted} for {len(queries)} queries and "
            f"{len(keys)} keys, with (layers, num_heads) or (num_heads,) before it or nothing"
        )
    if not ((array >= 0) & (array <= 1 + 1e-6)).all():
        raise ValueError(f"weights reach from {array.min():g} to {array.max():g}; wanted 0 to 1")
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)
    return Explorer(array, tuple(queries), tuple(keys), caption)


def _lang(word: str) -> str:
    """Name the language of Chinese words, for screen readers and fonts."""
    return ' lang="zh"' if any("\u4e00" <= character <= "\u9fff" for character in word) else ""
