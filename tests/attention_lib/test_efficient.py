import math
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attention_lib.attention import attend
from attention_lib.efficient import online_softmax, sliding_window_attention, tiled_attention
from attention_lib.masks import causal_mask, length_mask, sliding_window_mask

PRIMES = st.sampled_from([1, 2, 3, 5, 7, 11, 13])
HALVES = [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)]


def random_tensors(batch, heads, queries, keys, head_dim, d_v, *, seed=0, **kind):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(queries, head_dim), (keys, head_dim), (keys, d_v)]
    return [
        torch.randn(batch, heads, *size, generator=generator, dtype=torch.float64)
        .to(**kind)
        .requires_grad_()
        for size in sizes
    ]


def random_mask(batch, keys, seed=0):
    """Some keys forbidden, all of them in the last sequence if there is more than one."""
    mask = torch.rand(batch, keys, generator=torch.Generator().manual_seed(seed)) < 0.7
    mask[1:][-1:] = False
    return mask


def written_out(query, key, value, mask=None, *, causal=False, window=None):
    """The oracle: the whole matrix of weights."""
    length_q, length_k = query.shape[-2], key.shape[-2]
    allowed = torch.ones(length_q, length_k, dtype=torch.bool, device=query.device)
    if causal:
        allowed = allowed & causal_mask(length_q, device=query.device)
    if window is not None:
        allowed = allowed & sliding_window_mask(length_q, window, device=query.device)
    if mask is not None:
        allowed = allowed & mask[:, None, None, :]
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    return attend(scores, value, allowed)[0]


def with_gradients(context, tensors, seed=0):
    generator = torch.Generator().manual_seed(seed)
    grad = torch.randn(context.shape, generator=generator, dtype=torch.float64).to(context)
    return [context, *torch.autograd.grad(context, tensors, grad)]


def assert_equal(ours, theirs, atol):
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.double(), other.double(), atol=atol, rtol=atol)


class LargestTensor(TorchDispatchMode):
    """Notes the most elements that any operator's result holds in storage of its own."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                held = tensor.untyped_storage().nbytes() // tensor.element_size()
                self.elements = max(self.elements, held)
        return result


def largest_tensor(attention, length):
    """Elements of the largest tensor, forward and backward, for sequences of ``length``."""
    tensors = random_tensors(1, 2, length, length, 3, 5, dtype=torch.float32)
    with LargestTensor() as largest:
        attention(*tensors).sum().backward()
    return largest.elements


def saved_bytes(attention, length):
    """Bytes that the forward pass keeps for the backward pass, shared storage counted once."""
    tensors = random_tensors(1, 2, length, length, 3, 5, dtype=torch.float32)
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        attention(*tensors)
    return sum(kept.values())


# online softmax


@settings(max_examples=60, deadline=None)
@given(PRIMES, PRIMES, st.integers(0, 10**6))
def test_online_softmax_and_its_gradient_equal_torchs(rows, keys, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(rows, keys, generator=generator, dtype=torch.float64) * 30
    scores.requires_grad_()
    assert_equal(
        with_gradients(online_softmax(scores), [scores]),
        with_gradients(scores.softmax(-1), [scores]),
        1e-12,
    )


def test_online_softmax_of_zero_and_log_three_is_one_to_three():
    weights = online_softmax(torch.tensor([0.0, math.log(3.0)]))
    torch.testing.assert_close(weights, torch.tensor([0.25, 0.75]))


def test_online_softmax_gives_a_row_of_minus_infinity_zeros_and_zero_gradients():
    scores = torch.tensor([[-torch.inf] * 3, [-torch.inf, 2.0, 2.0]], requires_grad=True)
    weights = online_softmax(scores)
    (weights**2).sum().backward()
    assert weights.tolist() == [[0, 0, 0], [0, 0.5, 0.5]]
    assert scores.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(("dtype", "atol"), HALVES)
def test_online_softmax_survives_huge_scores_in_half_precision(dtype, atol):
    scores = torch.tensor([1e4, -1e4, 1e4, 1e4 - 64], dtype=dtype)
    weights = online_softmax(scores)
    assert weights.dtype == dtype
    torch.testing.assert_close(weights, scores.softmax(-1), atol=atol, rtol=atol)


# tiled attention


@settings(max_examples=80, deadline=None)
@given(
    batch=PRIMES, queries=PRIMES, keys=PRIMES, block_q=PRIMES, block_k=PRIMES,
    masked=st.booleans(), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_tiled_attention_equals_written_out_for_any_blocks(
    batch, queries, keys, block_q, block_k, masked, seed
):
    tensors = random_tensors(batch, 2, queries, keys, 5, 3, seed=seed)
    mask = random_mask(batch, keys, seed) if masked else None
    ours = tiled_attention(*tensors, mask, block_q=block_q, block_k=block_k)
    theirs = written_out(*tensors, mask)
    assert_equal(with_gradients(ours, tensors), with_gradients(theirs, tensors), 1e-10)


@settings(max_examples=80, deadline=None)
@given(
    length=PRIMES, block_q=PRIMES, block_k=PRIMES, causal=st.booleans(),
    window=st.none() | st.sampled_from([0, 1, 2, 5, 11, 10**9]), masked=st.booleans(),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_tiled_attention_with_causal_and_window_equals_written_out(
    length, block_q, block_k, causal, window, masked, seed
):
    tensors = random_tensors(3, 2, length, length, 5, 7, seed=seed)
    mask = random_mask(3, length, seed) if masked else None
    band = {"causal": causal, "window": window}
    ours = tiled_attention(*tensors, mask, **band, block_q=block_q, block_k=block_k)
    band["window"] = window and min(window, length)
    theirs = written_out(*tensors, mask, **band)
    assert_equal(with_gradients(ours, tensors), with_gradients(theirs, tensors), 1e-10)


def test_tiled_attention_equals_torchs_fused_attention_at_the_default_blocks(device):
    tensors = random_tensors(2, 3, 293, 293, 17, 17, dtype=torch.float32, device=device)
    ours = with_gradients(tiled_attention(*tensors, causal=True), tensors)
    theirs = F.scaled_dot_product_attention(*tensors, is_causal=True)
    assert_equal(ours, with_gradients(theirs, tensors), 1e-5)


@pytest.mark.parametrize("band", [{}, {"causal": True}, {"window": 2}])
def test_tiled_attention_passes_gradcheck_with_empty_rows(band):
    tensors = random_tensors(2, 1, 5, 5, 3, 2)
    mask = random_mask(2, 5)

    def attention(*tensors):
        return tiled_attention(*tensors, mask, **band, block_q=2, block_k=3)

    assert torch.autograd.gradcheck(attention, tensors)


def test_a_query_that_may_attend_to_nothing_gets_zeros_and_gives_none(device):
    tensors = random_tensors(2, 3, 7, 7, 5, 5, device=device)
    mask = torch.tensor([[True] * 7, [False] * 2 + [True] * 5], device=device)
    context, d_query, d_key, d_value = with_gradients(
        tiled_attention(*tensors, mask, causal=True, block_q=3, block_k=2), tensors
    )
    assert (context[1, :, :2] == 0).all()
    assert (d_query[1, :, :2] == 0).all()
    assert (d_key[1, :, :2] == 0).all()
    assert (d_value[1, :, :2] == 0).all()
    assert all(t.isfinite().all() for t in (context, d_query, d_key, d_value))
    assert (context[1, :, 2:] != 0).all()


@pytest.mark.parametrize(("dtype", "atol"), HALVES)
def test_tiled_attention_in_half_precision_is_as_near_the_truth_as_its_dtype(dtype, atol, device):
    halves = random_tensors(2, 3, 37, 37, 5, 7, dtype=dtype, device=device)
    wide = [tensor.detach().double().requires_grad_() for tensor in halves]
    mask = random_mask(2, 37).to(device)
    ours = with_gradients(tiled_attention(*halves, mask, block_q=8, block_k=8), halves)
    assert {tensor.dtype for tensor in ours} == {dtype}
    assert_equal(ours, with_gradients(written_out(*wide, mask), wide), 4 * atol)


def test_tiled_attention_survives_scores_of_ten_thousand():
    query, key, value = random_tensors(1, 2, 5, 7, 3, 2)
    tensors = [query, (key.detach() * 1e4).requires_grad_(), value]
    ours = tiled_attention(*tensors, block_q=2, block_k=2)
    assert_equal(
        with_gradients(ours, tensors), with_gradients(written_out(*tensors), tensors), 1e-9
    )


def test_tiled_attention_is_as_exact_under_autocast(device):
    tensors = random_tensors(2, 3, 13, 13, 5, 7, dtype=torch.float32, device=device)
    plain = with_gradients(tiled_attention(*tensors, block_q=5), tensors)
    with torch.autocast(device, dtype=torch.bfloat16):
        cast = tiled_attention(*tensors, block_q=5)
    assert_equal(with_gradients(cast, tensors), plain, 1e-6)


def test_tiled_attention_takes_tensors_of_any_layout():
    swapped = [t.detach().transpose(1, 2).contiguous() for t in random_tensors(2, 3, 7, 5, 11, 13)]
    tensors = [tensor.transpose(1, 2).requires_grad_() for tensor in swapped]
    ours = tiled_attention(*tensors, block_q=3, block_k=2)
    assert_equal(
        with_gradients(ours, tensors), with_gradients(written_out(*tensors), tensors), 1e-10
    )


def test_tiled_attention_without_queries_or_without_keys_is_empty_or_zero():
    query, key, value = random_tensors(2, 3, 5, 0, 7, 11)
    assert (tiled_attention(query, key, value) == 0).all()
    assert tiled_attention(query[:, :, :0], key, value).shape == (2, 3, 0, 11)


def test_padding_changes_nothing_before_it():
    query, key, value = random_tensors(1, 2, 7, 7, 3, 5)
    padded = [F.pad(tensor, (0, 0, 0, 4), value=99.0) for tensor in (query, key, value)]
    alone = tiled_attention(query, key, value, block_q=2, block_k=3)
    mask = length_mask(torch.tensor([7]), 11)
    within = tiled_attention(*padded, mask, block_q=2, block_k=3)[:, :, :7]
    torch.testing.assert_close(within, alone, atol=1e-12, rtol=0)


def test_a_later_position_moves_no_earlier_output_when_causal():
    query, key, value = random_tensors(1, 2, 11, 11, 3, 5)
    before = tiled_attention(query, key, value, causal=True, block_q=2, block_k=3)
    moved = [t.detach().index_add(2, torch.tensor([6]), torch.ones_like(t[:, :, :1]))
             for t in (query, key, value)]  # fmt: skip
    after = tiled_attention(*moved, causal=True, block_q=2, block_k=3)
    assert torch.equal(before[:, :, :6], after[:, :, :6])
    assert (before[:, :, 6:] != after[:, :, 6:]).any(-1).all()


@pytest.mark.parametrize("attention", [tiled_attention, sliding_window_attention])
def test_inputs_are_unchanged(attention):
    tensors = random_tensors(2, 3, 7, 7, 5, 5)
    mask = random_mask(2, 7)
    before = [tensor.clone() for tensor in [*tensors, mask]]
    attention(*tensors, mask=mask, window=2).sum().backward()
    assert all(torch.equal(a, b) for a, b in zip([*tensors, mask], before, strict=True))


# memory and work


@pytest.mark.parametrize(
    "attention",
    [
        pytest.param(lambda *t: tiled_attention(*t, block_q=32, block_k=32), id="tiled"),
        pytest.param(lambda *t: sliding_window_attention(*t, 2), id="sliding window"),
    ],
)
def test_memory_grows_no_faster_than_the_length(attention):
    for measure in (largest_tensor, saved_bytes):
        short, long = measure(attention, 128), measure(attention, 512)
        assert long <= 4.1 * short, measure.__name__
    assert largest_tensor(attention, 512) < 2 * 512 * 512 / 10


def test_the_measures_of_memory_see_the_square_of_written_out_attention():
    for measure in (largest_tensor, saved_bytes):
        assert measure(written_out, 512) / measure(written_out, 128) > 12, measure.__name__


def test_tiled_attention_keeps_its_inputs_its_output_and_one_number_a_row():
    # 2 heads × 64 positions of 4 bytes: query and key of 3, value and context of 5, log ℓ.
    assert saved_bytes(tiled_attention, 64) == 2 * 64 * 4 * (3 + 3 + 5 + 5 + 1)


def calls(attention, length, kind=""):
    """How many operators with ``kind`` in their names one forward and backward pass calls."""

    class Counter(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += kind in str(func)
            return func(*args, **(kwargs or {}))

    tensors = random_tensors(1, 1, length, length, 3, 5)
    with Counter() as counter:
        attention(*tensors).sum().backward()
    return counter.count


@pytest.mark.parametrize(
    ("band", "tiles"), [({}, 8 * 8), ({"causal": True}, 8 * 9 // 2), ({"window": 16}, 8 * 3 - 2)]
)
def test_tiles_forbidden_altogether_are_skipped(band, tiles):
    def attention(*tensors):
        return tiled_attention(*tensors, **band, block_q=16, block_k=16)

    # Seven products a tile: two forward, five backward.
    assert calls(attention, 128, "bmm") == 7 * tiles


def test_sliding_window_attention_calls_no_more_operators_for_a_longer_sequence():
    def attention(*tensors):
        return sliding_window_attention(*tensors, 5)

    assert calls(attention, 64) == calls(attention, 1024)


# sliding window


@settings(max_examples=80, deadline=None)
@given(
    length=st.sampled_from([1, 2, 3, 7, 31, 61, 89]),
    window=st.sampled_from([0, 1, 2, 5, 37, 97, 10**9]),
    causal=st.booleans(), masked=st.booleans(), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_sliding_window_attention_equals_full_attention_with_that_mask(
    length, window, causal, masked, seed
):
    tensors = random_tensors(3, 2, length, length, 5, 7, seed=seed)
    mask = random_mask(3, length, seed) if masked else None
    ours = sliding_window_attention(*tensors, window, mask, causal=causal)
    theirs = written_out(*tensors, mask, causal=causal, window=min(window, length))
    assert_equal(with_gradients(ours, tensors), with_gradients(theirs, tensors), 1e-10)


def test_sliding_window_attention_passes_gradcheck_with_empty_rows():
    tensors = random_tensors(2, 1, 5, 5, 3, 2)
    mask = random_mask(2, 5)
    assert torch.autograd.gradcheck(lambda *t: sliding_window_attention(*t, 1, mask), tensors)


@pytest.mark.parametrize(("dtype", "atol"), [*HALVES, (torch.float32, 1e-5)])
def test_sliding_window_attention_on_each_device_in_each_dtype(dtype, atol, device):
    tensors = random_tensors(2, 3, 83, 83, 8, 16, dtype=dtype, device=device)
    wide = [tensor.detach().double().requires_grad_() for tensor in tensors]
    mask = random_mask(2, 83).to(device)
    ours = with_gradients(sliding_window_attention(*tensors, 3, mask), tensors)
    assert {tensor.dtype for tensor in ours} == {dtype}
    theirs = with_gradients(written_out(*wide, mask, window=3), wide)
    assert_equal(ours, theirs, 4 * atol)


# errors


def change(**changes):
    shapes = {"query": (2, 3, 5, 7), "key": (2, 3, 5, 7), "value": (2, 3, 5, 11)} | changes
    return [torch.zeros(shape) for shape in shapes.values()]


@pytest.mark.parametrize("attention", [tiled_attention, sliding_window_attention])
@pytest.mark.parametrize(
    ("tensors", "mask", "message"),
    [
        (change(query=(3, 5, 7)), None, "query has shape (3, 5, 7); wanted (batch, num_heads"),
        (change(key=(2, 1, 5, 7)), None, "key has (batch, num_heads) (2, 1), query has (2, 3)"),
        (change(query=(2, 3, 5, 8)), None, "query has head_dim 8, key has 7"),
        (change(value=(2, 3, 4, 11)), None, "key has length 5, value has 4"),
        (change(query=(2, 3, 4, 7)), None, "query has length 4, key has 5; causal and window"),
        (change(), torch.ones(5, 2).bool(), "mask has shape (5, 2); wanted (batch, L_k) = (2, 5)"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(attention, tensors, mask, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        attention(*tensors, mask=mask, window=2)


@pytest.mark.parametrize("attention", [tiled_attention, sliding_window_attention])
def test_a_negative_window_is_refused(attention):
    with pytest.raises(ValueError, match="window is -1; wanted a half-width of at least 0"):
        attention(*change(), window=-1)


def test_an_empty_block_is_refused():
    with pytest.raises(ValueError, match="block_q is 128, block_k is 0; wanted at least 1"):
        tiled_attention(*change(), block_k=0)


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(TypeError, match=r"mask has dtype torch.float32; wanted torch.bool"):
        tiled_attention(*change(), torch.ones(2, 5))


def test_tensors_of_different_dtypes_are_refused():
    query, key, value = change()
    with pytest.raises(TypeError, match=r"query: torch.float32, key: torch.float16"):
        tiled_attention(query, key.half(), value)


def test_online_softmax_of_no_scores_is_empty_and_of_integers_refused():
    assert online_softmax(torch.zeros(2, 0)).shape == (2, 0)
    with pytest.raises(TypeError, match=r"scores are torch.int64; wanted a floating dtype"):
        online_softmax(torch.tensor([1, 2, 3]))


@pytest.mark.parametrize("causal", [False, True])
def test_a_sequence_of_nothing_has_an_empty_context(causal):
    query, value = torch.zeros(2, 3, 0, 5, requires_grad=True), torch.zeros(2, 3, 0, 7)
    context = sliding_window_attention(query, query, value, window=2, causal=causal)
    assert context.shape == tiled_attention(query, query, value, window=2, causal=causal).shape
    context.sum().backward()
    assert query.grad.shape == query.shape
