"""On "cpu" these tests want Triton's interpreter, which must be chosen before Triton is imported:
the last test runs them all again, in a process of its own that has chosen it."""

import os
import re
import subprocess
import sys

import pytest
import torch

from attention_lib import triton_attention as module
from attention_lib.attention import attend
from attention_lib.masks import causal_mask, length_mask
from attention_lib.triton_attention import triton_attention

triton = pytest.importorskip("triton", reason="Triton runs on Linux")
INTERPRETS = os.environ.get("TRITON_INTERPRET") == "1"
in_interpreter = pytest.mark.skipif(not INTERPRETS, reason="wants TRITON_INTERPRET=1")


@pytest.fixture
def machine(device):
    """A device that the kernel runs on in this process."""
    if (device == "cpu") != INTERPRETS:
        pytest.skip("runs in the interpreter on the CPU, and compiled on CUDA")
    return device


def random_tensors(batch, heads, queries, keys, head_dim, d_v, **kind):
    generator = torch.Generator().manual_seed(0)
    sizes = [(queries, head_dim), (keys, head_dim), (keys, d_v)]
    return [torch.randn(batch, heads, *size, generator=generator).to(**kind) for size in sizes]


def written_out(query, key, value, lengths=None, *, causal=False):
    query, key, value = query.double(), key.double(), value.double()
    allowed = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device)
    if causal:
        allowed = causal_mask(len(allowed), device=query.device)
    if lengths is not None:
        allowed = allowed & length_mask(lengths, key.shape[-2])[:, None, None]
    return attend(query @ key.mT / query.shape[-1] ** 0.5, value, allowed)[0]


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1, 1, 1), (2, 3, 83, 71, 5, 19), (1, 2, 17, 67, 37, 7)]
)
def test_the_kernel_equals_written_out_attention(sizes, machine):
    tensors = random_tensors(*sizes, device=machine)
    ours = triton_attention(*tensors)
    torch.testing.assert_close(ours.double(), written_out(*tensors), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [2, 31, 64, 67, 131])
def test_the_causal_kernel_equals_written_out_attention(length, machine):
    tensors = random_tensors(2, 1, length, length, 7, 5, device=machine)
    ours = triton_attention(*tensors, causal=True)
    theirs = written_out(*tensors, causal=True)
    torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_keys_beyond_a_length_count_for_nothing_even_in_an_empty_sequence(causal, machine):
    query, key, value = random_tensors(3, 2, 71, 71, 5, 7, device=machine)
    lengths = torch.tensor([37, 0, 71], device=machine)
    for sequence, length in enumerate(lengths):
        key[sequence, :, length:] = value[sequence, :, length:] = 1e4
    ours = triton_attention(query, key, value, lengths, causal=causal)
    theirs = written_out(query, key, value, lengths, causal=causal)
    torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=1e-5)
    assert (ours[1] == 0).all()


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_the_kernel_in_half_precision_is_as_near_the_truth_as_its_dtype(dtype, atol, machine):
    if machine == "cpu" and dtype == torch.bfloat16:
        pytest.skip("the interpreter refuses bfloat16")
    tensors = random_tensors(2, 3, 37, 41, 8, 16, dtype=dtype, device=machine)
    ours = triton_attention(*tensors)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), written_out(*tensors), atol=atol, rtol=atol)


def test_heads_wider_than_128_take_smaller_tiles(machine):
    tensors = random_tensors(1, 1, 37, 37, 131, 137, device=machine)
    ours = triton_attention(*tensors)
    torch.testing.assert_close(ours.double(), written_out(*tensors), atol=1e-5, rtol=1e-5)


def test_the_kernel_takes_any_layout_and_changes_no_input(machine):
    swapped = [t.transpose(1, 2) for t in random_tensors(2, 41, 3, 3, 5, 7, device=machine)]
    before = [tensor.clone() for tensor in swapped]
    ours = triton_attention(*swapped, causal=True)
    theirs = written_out(*swapped, causal=True)
    torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(swapped, before, strict=True))


def test_no_queries_make_an_empty_context(machine):
    query, key, value = random_tensors(2, 3, 0, 5, 7, 11, device=machine)
    assert triton_attention(query, key, value).shape == (2, 3, 0, 11)


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda q, k, v: (q[..., :5], k, v), {}, ValueError, "query has head_dim 5, key has 7"),
        (lambda q, k, v: (q[:, :, :3], k, v), {"causal": True}, ValueError,
         "query has length 3, key has 5; causal wants them equal"),
        (lambda q, k, v: (q.double(), k, v), {}, TypeError, "query has dtype torch.float64;"),
        (lambda q, k, v: (q, k, v), {"lengths": torch.tensor([1])}, ValueError,
         "lengths has shape (1,); wanted (batch,) = (2,)"),
        (lambda q, k, v: (q, k, v), {"lengths": torch.tensor([1.0, 2.5])}, TypeError,
         "lengths are torch.float32; wanted whole numbers"),
        (lambda q, k, v: (q, k, v), {"lengths": torch.tensor([1, 6])}, ValueError,
         "lengths [1, 6] are not all within 0 … 5"),
        (lambda q, k, v: (q, k, v.requires_grad_()), {}, RuntimeError, "has no backward pass"),
    ],
)  # fmt: skip
def test_what_the_kernel_would_misread_is_refused(change, options, error, message, machine):
    tensors = change(*random_tensors(2, 3, 5, 5, 7, 11, device=machine))
    with pytest.raises(error, match=re.escape(message)):
        triton_attention(*tensors, **options)


@in_interpreter
def test_the_interpreter_is_not_given_bfloat16():
    with pytest.raises(TypeError, match=r"torch.bfloat16, whose products .* gets wrong"):
        triton_attention(*random_tensors(1, 1, 2, 2, 3, 5, dtype=torch.bfloat16))


@pytest.mark.skipif(INTERPRETS, reason="the interpreter takes tensors on the CPU")
def test_tensors_on_the_cpu_are_refused_with_the_two_ways_out():
    with pytest.raises(RuntimeError, match="move it to a CUDA device, or set TRITON_INTERPRET=1"):
        triton_attention(*random_tensors(1, 1, 2, 2, 3, 5))


def test_where_triton_is_missing_the_error_names_the_way_out(monkeypatch):
    monkeypatch.setattr(module, "triton", None)
    with pytest.raises(
        ImportError, match=r"pip install triton; .*tiled_attention computes the same"
    ):
        triton_attention(*random_tensors(1, 1, 2, 2, 3, 5))


@pytest.mark.skipif(INTERPRETS, reason="has nothing to do with the interpreter")
def test_the_module_can_be_imported_where_triton_is_missing():
    code = "import sys; sys.modules['triton'] = None; import attention_lib.triton_attention"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(INTERPRETS, reason="compiles")
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")
@pytest.mark.parametrize("causal", [False, True])
def test_the_kernel_compiles_for_a_gpu_also_where_there_is_none(causal):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = module._KERNEL.arg_names
    types = ["*fp16"] * 4 + ["*i32"] + ["i32"] * 3 + ["fp32"] + ["constexpr"] * 7
    constants = {(9 + i,): c for i, c in enumerate((16, 16, causal, 16, 16, 16, 16))}
    source = ASTSource(module._KERNEL, dict(zip(names, types, strict=True)), constants)
    assert "cubin" in triton.compile(source, target=GPUTarget("cuda", 80, 32)).asm


@pytest.mark.skipif(INTERPRETS, reason="this is the inner run")
def test_all_of_this_holds_in_tritons_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) >= 20, run.stdout
