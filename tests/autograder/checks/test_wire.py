import json
import math
import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks import wire
from autograder.checks.wire import DTYPES, Limits, WireError, decode, encode, parse

shapes = st.lists(st.integers(0, 4), max_size=4)


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(list(DTYPES.values())))
    shape = draw(shapes)
    seed = draw(st.integers(0, 2**31))
    raw = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    tensor = (raw * 3).to(dtype) if dtype != torch.uint8 else (raw.abs() * 3).to(dtype)
    if dtype.is_floating_point and tensor.numel() > 2:
        tensor.view(-1)[0], tensor.view(-1)[1] = torch.nan, -torch.inf
    return tensor


arrays = tensors().filter(lambda t: t.dtype != torch.bfloat16).map(lambda t: t.numpy())
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=20)
)
values = st.recursive(
    scalars | tensors() | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def alike(a, b) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape
        return same and torch.allclose(a.double(), b.double(), rtol=0, atol=0, equal_nan=True)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return (math.isnan(a) and math.isnan(b)) if isinstance(a, float) and a != a else a == b


@settings(max_examples=300, deadline=None)
@given(values)
def test_what_is_encoded_comes_back_through_json(value):
    assert alike(decode(parse(json.dumps(encode(value)))), value)


def test_only_functions_of_the_list_travel_and_by_name():
    assert decode(parse(json.dumps(encode([torch.sin, torch.tanh])))) == [torch.sin, torch.tanh]
    for function in (torch.load, print, lambda x: x):
        with pytest.raises(WireError, match="cannot be sent"):
            encode(function)


def test_a_strided_tensor_comes_back_strided():
    tensor = torch.arange(6.0).reshape(2, 3).T
    back = decode(encode(tensor))
    assert torch.equal(back, tensor)
    assert not back.is_contiguous()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1: 2},
        {1, 2},
        b"bytes",
        1j,
        2**63,
        np.float64(1.0),
        np.array([object()]),
        torch.zeros(1, dtype=torch.complex64),
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(2, device="meta"),
        torch.nn.Parameter(torch.zeros(1)),
        "\ud800",
        [[[[[[[[[[[[[[0]]]]]]]]]]]]]],
    ],
)
def test_nothing_else_is_encoded(value):
    with pytest.raises(WireError):
        encode(value)


def tensor_form(**changes):
    return {"tensor": encode(torch.zeros(2, 3))["tensor"] | changes}


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"pickle": "gASV"}, "unknown tag"),
        ({}, "0 members"),
        ({"float": "nan", "tuple": []}, "2 members"),
        ({"float": "1.0"}, "unfit"),
        ({"float": math.nan}, "unfit"),
        (math.inf, "bare"),
        ({"tuple": {}}, "unfit"),
        ({"function": "system"}, "unfit"),
        ({"function": ["sin"]}, "unfit"),
        (tensor_form(dtype="object"), "dtype"),
        (tensor_form(dtype=["float32"]), "dtype"),
        (tensor_form(dtype="complex64"), "dtype"),
        (tensor_form(shape=[2, 4]), "length"),
        (tensor_form(shape=[-2, -3]), "no count"),
        (tensor_form(shape=[2.0, 3]), "no count"),
        (tensor_form(shape=[True, 6]), "no count"),
        (tensor_form(shape=[10**9, 10**9]), "no count"),
        (tensor_form(shape=[2_000_000, 2_000_000]), "numbers"),
        (tensor_form(shape=[0, 2_000_000, 2_000_000]), "numbers"),
        (tensor_form(shape="ab"), "shape"),
        (tensor_form(shape=[1] * 9), "shape"),
        (tensor_form(data="!" * 32), "base64"),
        (tensor_form(data=None), "length"),
        (tensor_form(data="AAAA"), "length"),
        (tensor_form(strided=1), "strided"),
        (tensor_form(extra=1), "exactly"),
        ({"array": encode(torch.zeros(2, dtype=torch.bfloat16))["tensor"]}, "bfloat16"),
        ({"tensor": {"dtype": "bool", "shape": [3], "data": "AAEC"}}, "0 and 1"),
        (object(), "JSON does not have"),
        (2**70, "64 bits"),
        ("x" * 20_001, "characters"),
    ],
)
def test_a_malformed_message_is_refused_with_its_reason(form, reason):
    with pytest.raises(WireError, match=reason):
        decode(form)


def test_depth_counts_and_numbers_are_limited():
    small = Limits(depth=2, items=5, text=3, numbers=6, rank=2)
    assert decode([[1]], small) == [[1]]
    for form in ([[[1]]], [1] * 5, "four", encode(torch.zeros(7)), encode(torch.zeros(1, 1, 1))):
        with pytest.raises(WireError):
            decode(form, small)
    two = encode([torch.zeros(4), torch.zeros(4)])
    with pytest.raises(WireError, match="numbers"):
        decode(two, small)


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[Infinity]", '{"a": 1, "a": 2}', "9" * 5000, "[" * 100_000, b"1", 1]
)
def test_text_that_is_not_strict_json_is_refused(text):
    with pytest.raises(WireError):
        parse(text)


def mutated(form, rng: random.Random):
    """A valid message with one thing in it replaced, dropped or doubled."""
    text = json.dumps(form)
    kind = rng.randrange(3)
    if kind == 0:  # bytes of the text
        at = rng.randrange(len(text))
        return text[:at] + rng.choice('{}[],:"0nulltrue-\\') + text[at + rng.randrange(3) :]
    strange = [None, True, -1, 2**65, 1e308, "", "x", [], {}, {"dict": {"": []}}, [[]], "float64"]
    tree = json.loads(text)
    node, path = tree, None
    while isinstance(node, dict | list) and node and rng.random() < 0.85:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        path, node = (node, key), node[key]
    if path is None:
        return json.dumps(rng.choice(strange))
    parent, key = path
    if kind == 1:
        parent[key] = rng.choice(strange)
    elif isinstance(parent, dict):
        parent[rng.choice(["tensor", "float", "shape", "x"])] = parent.pop(key)
    else:
        parent.append(parent[key])
    return json.dumps(tree)


def is_refused(text) -> bool:
    """Whether a message is refused; any other end than this and being read is a fault."""
    try:
        decode(parse(text))
    except WireError:
        return True
    return False


def test_sixty_thousand_spoiled_messages_are_read_or_refused_and_nothing_else():
    rng = random.Random(4)
    valid = encode(
        {"a": [1, (2.5, float("nan"))], "t": torch.randn(2, 3), "b": np.zeros((2, 2), bool)}
    )
    assert sum(is_refused(mutated(valid, rng)) for _ in range(60_000)) > 30_000


def test_forty_thousand_messages_of_random_bytes_are_refused():
    rng = random.Random(5)
    texts = (rng.randbytes(rng.randrange(2, 60)).decode("latin-1") for _ in range(40_000))
    assert sum(is_refused("{" + text) for text in texts) == 40_000


@settings(max_examples=1_000)
@given(
    st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["tensor", "array", "tuple", "dict", "float", "dtype", "shape", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused_and_nothing_else(form):
    is_refused(json.dumps(form))


def test_a_pickle_is_never_loaded(tmp_path):
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return (open, (str(trap), "w"))

    data = pickle.dumps(Trap()).decode("latin-1")
    for form in (data, {"pickle": data}, {"tensor": data}, tensor_form(data=data)):
        with pytest.raises((WireError, AssertionError)):
            assert decode(form) != data
    assert not trap.exists()
    assert not hasattr(wire, "pickle")
