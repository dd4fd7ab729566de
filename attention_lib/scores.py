"""Scores: how well does each key answer each query?

Shapes, throughout: query (..., L_q, d_q), key (..., L_k, d_k), scores (..., L_q, L_k). In the
recurrent chapters the queries are decoder states h_t and the keys are encoder states h̄_s.
"""

import math

import torch
from torch import Tensor

from attention_lib.checks import check_columns, check_floating, check_vectors


def dot_score(query: Tensor, key: Tensor) -> Tensor:
    r"""Score by the dot product, :math:`e_{ts} = h_t^\top \bar h_s`.

    Luong et al. (2015), section 3.1, "dot".

    Args:
        query: (..., L_q, d).
        key: (..., L_k, d).

    Returns:
        scores (..., L_q, L_k).

    Raises:
        TypeError: if query and key are not of one floating dtype.
        ValueError: if they differ in their last dimension, or are not rows of vectors whose other
            axes broadcast.

    >>> dot_score(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[11.,  2.]])
    """
    check_vectors(query=query, key=key)
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"query has dimension {query.shape[-1]}, key has {key.shape[-1]}; the dot product "
            "wants them equal (the general and concat scores do not)"
        )
    return query @ key.mT


def scaled_dot_score(query: Tensor, key: Tensor) -> Tensor:
    r"""Score by :math:`e_{ts} = q_t^\top k_s / \sqrt{d_k}` (Vaswani et al. 2017, eq. 1).

    Args, returns and errors are those of :func:`dot_score`.

    >>> scaled_dot_score(torch.ones(1, 4), torch.ones(1, 4))
    tensor([[2.]])
    """
    return dot_score(query, key) / math.sqrt(key.shape[-1])


def general_score(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    r"""Score through a learned bilinear form, :math:`e_{ts} = h_t^\top W_a \bar h_s`.

    Args:
        query: (..., L_q, d_q).
        key: (..., L_k, d_k).
        weight: (d_q, d_k), W_a.

    Returns:
        scores (..., L_q, L_k).

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if ``weight`` is not (d_q, d_k), or query and key are not rows of vectors whose
            other axes broadcast.

    Luong et al. (2015), section 3.1, "general".

    >>> weight = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    >>> general_score(torch.tensor([[1.0, 1.0]]), torch.eye(3), weight)
    tensor([[0., 1., 2.]])
    """
    check_vectors(query=query, key=key)
    check_floating(query=query, weight=weight)
    wanted = (query.shape[-1], key.shape[-1])
    if tuple(weight.shape) != wanted:
        raise ValueError(f"weight has shape {tuple(weight.shape)}; wanted (d_q, d_k) = {wanted}")
    return query @ weight @ key.mT


def concat_score(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    r"""Score by a small network, :math:`e_{ts} = v_a^\top \tanh(W_a [h_t; \bar h_s])`.

    This is also Bahdanau's additive score: W_a = [W_q W_k] splits into the part that reads the
    query and the part that reads the key, so the pairs are never joined one by one.

    Args:
        query: (..., L_q, d_q).
        key: (..., L_k, d_k).
        weight: (d_a, d_q + d_k), W_a; its first d_q columns read the query.
        v: (d_a,), v_a.

    Returns:
        scores (..., L_q, L_k).

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if ``weight`` or ``v`` does not fit, or query and key are not rows of vectors
            whose other axes broadcast.

    Luong et al. (2015), section 3.1, "concat"; Bahdanau et al. (2015), appendix A.1.2.

    >>> concat_score(torch.zeros(1, 2), torch.zeros(3, 1), torch.ones(4, 3), torch.ones(4))
    tensor([[0., 0., 0.]])
    """
    check_vectors(query=query, key=key)
    check_floating(query=query, weight=weight, v=v)
    _check_v(v)
    wanted = (len(v), query.shape[-1] + key.shape[-1])
    if tuple(weight.shape) != wanted:
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}; wanted (d_a, d_q + d_k) = {wanted}"
        )
    w_query, w_key = weight.split([query.shape[-1], key.shape[-1]], dim=1)
    return additive_score(query @ w_query.mT, key @ w_key.mT, v)


def additive_score(query: Tensor, key: Tensor, v: Tensor) -> Tensor:
    r"""Score queries and keys that are already projected: :math:`v^\top \tanh(q_t + k_s)`.

    Args:
        query: (..., L_q, d_a).
        key: (..., L_k, d_a).
        v: (d_a,).

    Returns:
        scores (..., L_q, L_k).

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if query, key and ``v`` differ in d_a, or query and key are not rows of vectors
            whose other axes broadcast.

    >>> additive_score(torch.tensor([[20.0]]), torch.tensor([[0.0], [-20.0]]), torch.ones(1))
    tensor([[1., 0.]])
    """
    check_vectors(query=query, key=key)
    check_floating(query=query, v=v)
    _check_v(v)
    if not query.shape[-1] == key.shape[-1] == len(v):
        raise ValueError(
            f"query has d_a = {query.shape[-1]}, key {key.shape[-1]} and v {len(v)}; wanted "
            "them equal"
        )
    return torch.tanh(query[..., :, None, :] + key[..., None, :, :]) @ v


def _check_v(v: Tensor) -> None:
    if v.dim() != 1:
        raise ValueError(f"v has shape {tuple(v.shape)}; wanted (d_a,)")


def location_score(query: Tensor, weight: Tensor, length: int) -> Tensor:
    r"""Score positions from the query alone, :math:`e_t = W_a h_t`: the keys are not looked at.

    Args:
        query: (..., L_q, d_q).
        weight: (max_length, d_q), W_a: a row for each source position.
        length: L_k, the source's (padded) length.

    Returns:
        scores (..., L_q, L_k).

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if ``length`` exceeds the number of rows of ``weight``, or its columns are not
            those of ``query``.

    Luong et al. (2015), equation 8.

    >>> location_score(torch.ones(2, 3), torch.ones(7, 3), length=5).shape
    torch.Size([2, 5])
    """
    check_columns(weight=(weight, query))
    if length > weight.shape[0]:
        raise ValueError(
            f"the source has {length} positions, the location score knows {weight.shape[0]}; "
            "raise max_length or shorten the source"
        )
    return query @ weight[:length].mT
