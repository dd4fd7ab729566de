"""The right answers: what every submission is held against."""

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib import multihead
from attention_lib.attention import masked_softmax, scaled_dot_product_attention
from attention_lib.scores import scaled_dot_score

Pair = tuple[Tensor, Tensor]
Params = dict[str, Tensor]


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Each head's slice of every word's numbers."""
    return multihead.split_heads(x, num_heads).clone()


def merge_heads(heads: Tensor) -> Tensor:
    """The heads side by side again."""
    return multihead.merge_heads(heads)


def multihead_self_attention(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    """Output and weights of a sentence that attends to itself with several heads."""
    query, key, value = (
        multihead.split_heads(x @ params[name], num_heads) for name in ("W_q", "W_k", "W_v")
    )
    context, weights = scaled_dot_product_attention(query, key, value, mask)
    return multihead.merge_heads(context) @ params["W_o"], weights


def multihead_cross_attention(
    x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params
) -> Pair:
    """What torch.nn.MultiheadAttention gives with this state dict, and each head's weights."""
    projections = zip(
        (x, memory, memory),
        state["in_proj_weight"].chunk(3),
        state["in_proj_bias"].chunk(3),
        strict=True,
    )
    query, key, value = (
        multihead.split_heads(F.linear(tokens, weight, bias), num_heads)
        for tokens, weight, bias in projections
    )
    context, weights = scaled_dot_product_attention(query, key, value, mask)
    merged = multihead.merge_heads(context)
    return F.linear(merged, state["out_proj.weight"], state["out_proj.bias"]), weights


def grouped_query_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    """Context and weights of query heads that share key and value heads."""
    num_heads = query.shape[1]
    key, value = (multihead.repeat_heads(shared, num_heads) for shared in (key, value))
    return scaled_dot_product_attention(query, key, value, mask)


def talking_heads(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    """Context and weights of heads that mix their scores, and then their weights."""
    scores = torch.einsum("bhqk,hg->bgqk", scaled_dot_score(query, key), mix_scores)
    weights = torch.einsum("bhqk,hg->bgqk", masked_softmax(scores, mask), mix_weights)
    return weights @ value, weights
