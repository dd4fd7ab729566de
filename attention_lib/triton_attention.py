"""The forward pass of FlashAttention as a Triton kernel: what runs on one GPU block, in Python.

On a GPU the kernel is compiled. Without one, set TRITON_INTERPRET=1 in the environment before
Python starts, and Triton carries the kernel out step by step with NumPy: slow, but the same lines,
and ``print`` works in them.
"""

from __future__ import annotations  # The kernel's annotations need not exist without Triton.

import math

import torch
from torch import Tensor

from attention_lib.checks import check_whole
from attention_lib.efficient import check_heads

try:
    import triton
    import triton.language as tl
except ImportError:  # There is no Triton for macOS and Windows.
    triton = None


def triton_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """Scaled dot-product attention in one kernel, forward only.

    Equal to :func:`attention_lib.efficient.tiled_attention`, whose inner loop is the kernel's.

    Args:
        query: (batch, num_heads, L_q, head_dim), float16, bfloat16 or float32.
        key: (batch, num_heads, L_k, head_dim).
        value: (batch, num_heads, L_k, d_v).
        lengths: (batch,) integer numbers of real keys, which come first; None means all.
        causal: whether query i may attend to keys 0 … i alone; wants L_q = L_k.

    Returns:
        context (batch, num_heads, L_q, d_v), in the dtype of ``query``; zeros for a query that
        may attend to nothing.

    Raises:
        ImportError: if Triton is missing.
        RuntimeError: if the tensors are not on a CUDA device and Triton does not interpret, or a
            gradient would be wanted.
        TypeError: if the dtypes differ or are not among those above, the lengths are no whole
            numbers, or the interpreter is given bfloat16.
        ValueError: if the shapes do not fit, or a length exceeds L_k.

    Dao (2023), "FlashAttention-2", algorithm 1; Tillet et al. (2019), "Triton".
    """
    _check(query, key, value, lengths, causal)
    batch, num_heads, length_q, head_dim = query.shape
    length_k, d_v = value.shape[-2:]
    if lengths is None:
        lengths = torch.full((batch,), length_k, device=query.device)
    context = query.new_empty(batch, num_heads, length_q, d_v)
    if context.numel() == 0:
        return context
    block_d, block_v = _block(head_dim), _block(d_v)
    # Wider heads take smaller tiles: both must fit into a GPU block's shared memory.
    block_q = 64 if max(block_d, block_v) <= 128 else 32
    grid = (batch * num_heads, triton.cdiv(length_q, block_q))
    with torch.cuda.device_of(query):  # Triton launches on the current GPU, whatever its tensors'.
        _KERNEL[grid](
            query.contiguous(), key.contiguous(), value.contiguous(), context,
            lengths.to(query.device, torch.int32), num_heads, length_q, length_k,
            1 / math.sqrt(head_dim), head_dim, d_v, causal, block_q, block_q // 2,
            block_d, block_v, num_stages=2,
        )  # fmt: skip
    return context


def _block(dim: int) -> int:
    """Triton's blocks are powers of two, and its matrix product wants at least 16."""
    return int(max(16, triton.next_power_of_2(dim)))


def _check(query: Tensor, key: Tensor, value: Tensor, lengths: Tensor | None, causal: bool) -> None:
    """Refuse what the kernel would misread."""
    _check_machine(query)
    check_heads(query, key, value, None)
    if causal and query.shape[-2] != key.shape[-2]:
        raise ValueError(
            f"query has length {query.shape[-2]}, key has {key.shape[-2]}; causal wants them equal"
        )
    if lengths is not None:
        check_whole(lengths=lengths)
    if lengths is not None and lengths.shape != query.shape[:1]:
        raise ValueError(
            f"lengths has shape {tuple(lengths.shape)}; wanted (batch,) = ({len(query)},)"
        )
    if lengths is not None and bool(((lengths < 0) | (lengths > key.shape[-2])).any()):
        raise ValueError(f"lengths {lengths.tolist()} are not all within 0 … {key.shape[-2]}")
    if torch.is_grad_enabled() and any(t.requires_grad for t in (query, key, value)):
        raise RuntimeError(
            "triton_attention has no backward pass; call it under torch.no_grad(), or train with "
            "attention_lib.efficient.tiled_attention"
        )


def _check_machine(query: Tensor) -> None:
    """Refuse what Triton, or the want of it, cannot run here."""
    if triton is None:
        raise ImportError(
            "triton_attention needs Triton, which runs on Linux: pip install triton; "
            "attention_lib.efficient.tiled_attention computes the same everywhere"
        )
    if query.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise TypeError(f"query has dtype {query.dtype}; wanted float16, bfloat16 or float32")
    compiles = isinstance(_KERNEL, triton.JITFunction)
    if compiles and not query.is_cuda:
        raise RuntimeError(
            f"query is on {query.device}, for which Triton does not compile; move it to a CUDA "
            "device, or set TRITON_INTERPRET=1 before Python starts"
        )
    if not compiles and query.dtype == torch.bfloat16:
        raise TypeError(
            "query has dtype torch.bfloat16, whose products Triton's interpreter gets wrong; "
            "wanted float16 or float32"
        )


def _forward(  # type: ignore[no-untyped-def]  # Triton takes pointers for tensors.
    query, key, value, context, lengths, num_heads, length_q, length_k, scale,
    head_dim: tl.constexpr, d_v: tl.constexpr, causal: tl.constexpr,
    block_q: tl.constexpr, block_k: tl.constexpr, block_d: tl.constexpr, block_v: tl.constexpr,
):  # fmt: skip
    """Attend from one block of queries of one head to all of its keys (Triton code)."""
    head = tl.program_id(0).to(tl.int64)  # of batch · num_heads
    first_q = tl.program_id(1) * block_q
    rows = first_q + tl.arange(0, block_q)[:, None]
    dims, dims_v = tl.arange(0, block_d), tl.arange(0, block_v)[None, :]
    at_q = (head * length_q + rows) * head_dim + dims[None, :]
    tile_q = tl.load(query + at_q, mask=(rows < length_q) & (dims[None, :] < head_dim), other=0.0)
    stop = tl.load(lengths + head // num_heads)
    if causal:
        stop = tl.minimum(stop, first_q + block_q)
    maximum = tl.full((block_q, 1), float("-inf"), tl.float32)
    total = tl.zeros((block_q, 1), tl.float32)
    summed = tl.zeros((block_q, block_v), tl.float32)
    for first_k in range(0, stop, block_k):
        keys = first_k + tl.arange(0, block_k)
        at_k = (head * length_k + keys[None, :]) * head_dim + dims[:, None]
        at_v = (head * length_k + keys[:, None]) * d_v + dims_v
        allow_k = (keys[None, :] < stop) & (dims[:, None] < head_dim)
        tile_k = tl.load(key + at_k, mask=allow_k, other=0.0)
        tile_v = tl.load(value + at_v, mask=(keys[:, None] < stop) & (dims_v < d_v), other=0.0)
        # "ieee": the default would round float32 to the 10 bits of TF32.
        scores = tl.dot(tile_q, tile_k, input_precision="ieee") * scale
        allowed = keys[None, :] < stop
        if causal:
            allowed = allowed & (keys[None, :] <= rows)
        scores = tl.where(allowed, scores, float("-inf"))
        new_maximum = tl.maximum(maximum, tl.max(scores, 1, keep_dims=True))
        shift = tl.where(new_maximum == float("-inf"), 0.0, new_maximum)
        shrink, weights = tl.exp(maximum - shift), tl.exp(scores - shift)
        total = total * shrink + tl.sum(weights, 1, keep_dims=True)
        weighted = tl.dot(weights.to(tile_v.dtype), tile_v, input_precision="ieee")
        summed = summed * shrink + weighted
        maximum = new_maximum
    summed = summed / tl.where(total == 0.0, 1.0, total)
    at_c = (head * length_q + rows) * d_v + dims_v
    tl.store(context + at_c, summed.to(tile_q.dtype), mask=(rows < length_q) & (dims_v < d_v))


# Triton decides here whether to compile or to interpret.
_KERNEL = triton and triton.jit(_forward)
