"""The closed format in which values leave a student's kernel: JSON, nothing that could run.

None, bool, int, str and finite floats are written as themselves, lists as lists; everything else
is an object with exactly one tag::

    {"float": "nan"}   {"tuple": [...]}   {"dict": {...}}   {"function": "sin"}
    {"tensor": {"dtype": "float32", "shape": [2, 3], "data": "<base64, little-endian>"}}
    {"array": the same}

A tensor with ``"strided": true`` is rebuilt as a view into a larger buffer, so that code which
needs contiguous memory is found out. What is decoded was sent by a stranger: depth, counts, sizes
and dtypes are checked before anything is built.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

DTYPES: dict[str, torch.dtype] = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_ARRAY_DTYPES = {name: np.dtype(name) for name in DTYPES if name != "bfloat16"}
# What a case may hand to a function that takes one: a few of torch's own, by name and no other way.
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"sin": torch.sin, "tanh": torch.tanh}
_FUNCTION_NAMES = {function: name for name, function in FUNCTIONS.items()}
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class WireError(ValueError):
    """A value that the format cannot carry, or a message that is not in the format."""


@dataclass(frozen=True)
class Limits:
    """How much one message may hold: nesting, values, characters a text, numbers in tensors."""

    depth: int = 12
    items: int = 20_000
    text: int = 20_000
    numbers: int = 2_000_000
    rank: int = 8


STANDARD = Limits()


class _Budget:
    """What is left of the limits while one message is read or written."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self._items = limits.items
        self._numbers = limits.numbers

    def spend(self, depth: int) -> None:
        self._items -= 1
        if self._items < 0:
            raise WireError(f"more than {self.limits.items} values in one message")
        if depth > self.limits.depth:
            raise WireError(f"nested deeper than {self.limits.depth} levels")

    def spend_numbers(self, count: int) -> None:
        self._numbers -= count
        if self._numbers < 0:
            raise WireError(f"more than {self.limits.numbers} numbers in one message")

    def text(self, value: str) -> str:
        if len(value) > self.limits.text:
            raise WireError(f"a text of {len(value)} characters; at most {self.limits.text}")
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise WireError("a text that is not valid Unicode") from None
        return value


def encode(value: Any, limits: Limits = STANDARD) -> Any:
    """Turn a value into what ``json.dumps`` takes.

    Args:
        value: None, bool, int, float, str, list, tuple, dict with str keys, torch.Tensor or
            numpy.ndarray, of exactly these types: a subclass is refused, not trusted; or one of
            ``FUNCTIONS``.

    Raises:
        WireError: a value of another type or dtype, or one larger than ``limits``.

    >>> encode((1, float("inf")))
    {'tuple': [1, {'float': 'inf'}]}
    """
    return _encode(value, _Budget(limits), 0)


def _encode(value: Any, budget: _Budget, depth: int) -> Any:
    budget.spend(depth)
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return _small(value)
    if kind is str:
        return budget.text(value)
    if kind is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if kind is list:
        return [_encode(item, budget, depth + 1) for item in value]
    if kind is tuple:
        return {"tuple": [_encode(item, budget, depth + 1) for item in value]}
    if kind is dict:
        return {"dict": {_key(k, budget): _encode(v, budget, depth + 1) for k, v in value.items()}}
    if kind is Tensor:
        return {"tensor": _encode_tensor(value, budget)}
    if kind is np.ndarray:
        return {"array": _encode_array(value, budget)}
    if kind is BuiltinFunctionType and value in _FUNCTION_NAMES:
        return {"function": _FUNCTION_NAMES[value]}
    raise WireError(f"a value of type {kind.__name__} cannot be sent")


def _small(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise WireError("a whole number that does not fit into 64 bits")
    return value


def _key(key: Any, budget: _Budget) -> str:
    if type(key) is not str:
        raise WireError(f"a dict key of type {type(key).__name__}; wanted str")
    return budget.text(key)


def _encode_tensor(tensor: Tensor, budget: _Budget) -> dict[str, Any]:
    if tensor.layout != torch.strided or tensor.device.type == "meta" or tensor.is_quantized:
        raise WireError(f"a tensor with layout {tensor.layout} on {tensor.device} cannot be sent")
    if tensor.dtype not in _NAMES:
        raise WireError(f"a tensor of dtype {tensor.dtype} cannot be sent")
    if tensor.dim() > budget.limits.rank:
        raise WireError(f"a tensor with {tensor.dim()} axes; at most {budget.limits.rank}")
    budget.spend_numbers(tensor.numel())
    plain = tensor.detach().cpu().resolve_neg().contiguous()
    # NumPy has no bfloat16: its two bytes travel as an int16's.
    data = plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain
    form = _form(_NAMES[tensor.dtype], tensor.shape, data.numpy())
    return form | ({} if tensor.is_contiguous() else {"strided": True})


def _encode_array(array: "np.ndarray[Any, Any]", budget: _Budget) -> dict[str, Any]:
    name = array.dtype.newbyteorder("=").name
    if name not in _ARRAY_DTYPES:
        raise WireError(f"an array of dtype {array.dtype} cannot be sent")
    if array.ndim > budget.limits.rank:
        raise WireError(f"an array with {array.ndim} axes; at most {budget.limits.rank}")
    budget.spend_numbers(array.size)
    return _form(name, array.shape, array)


def _form(name: str, shape: Any, array: "np.ndarray[Any, Any]") -> dict[str, Any]:
    data = array.astype(array.dtype.newbyteorder("<"), order="C").tobytes()
    return {"dtype": name, "shape": list(shape), "data": base64.b64encode(data).decode("ascii")}


def decode(obj: Any, limits: Limits = STANDARD) -> Any:
    """Read a value that :func:`encode` wrote, or say why it is none.

    Raises:
        WireError: with the reason; nothing else is ever raised, whatever was parsed from JSON.

    >>> decode({"tuple": [1, {"float": "inf"}]})
    (1, inf)
    """
    return _decode(obj, _Budget(limits), 0)


def _decode(obj: Any, budget: _Budget, depth: int) -> Any:
    budget.spend(depth)
    kind = type(obj)
    if obj is None or kind is bool:
        return obj
    if kind is int:
        return _small(obj)
    if kind is str:
        return budget.text(obj)
    if kind is float:
        if not math.isfinite(obj):
            raise WireError('a bare NaN or infinity; wanted {"float": "nan"}')
        return obj
    if kind is list:
        return [_decode(item, budget, depth + 1) for item in obj]
    if kind is not dict:
        raise WireError(f"a {kind.__name__}, which JSON does not have")
    if len(obj) != 1:
        raise WireError(f"an object with {len(obj)} members; wanted one tag")
    tag, body = next(iter(obj.items()))
    return _decode_tagged(tag, body, budget, depth)


def _decode_tagged(tag: Any, body: Any, budget: _Budget, depth: int) -> Any:
    match tag, body:
        case "float", str() if body in _NOT_FINITE:
            return _NOT_FINITE[body]
        case "function", str() if body in FUNCTIONS:
            return FUNCTIONS[body]
        case "tuple", list():
            return tuple(_decode(item, budget, depth + 1) for item in body)
        case "dict", dict():
            return {_key(k, budget): _decode(v, budget, depth + 1) for k, v in body.items()}
        case "tensor", dict():
            return _decode_tensor(body, budget)
        case "array", dict():
            if body.get("dtype") == "bfloat16":
                raise WireError("an array of dtype bfloat16, which NumPy does not have")
            return _numbers(body, budget, {"dtype", "shape", "data"})
    known = type(tag) is str and tag in ("float", "function", "tuple", "dict", "tensor", "array")
    raise WireError(f"a {tag} with an unfit content" if known else "an object with an unknown tag")


def _decode_tensor(body: dict[str, Any], budget: _Budget) -> Tensor:
    strided = "strided" in body
    if strided and body["strided"] is not True:
        raise WireError("strided is not true")
    array = _numbers(body, budget, {"dtype", "shape", "data", "strided"})
    tensor = torch.from_numpy(array)
    if body["dtype"] == "bfloat16":
        tensor = tensor.view(torch.bfloat16)
    return torch.stack([tensor, tensor], -1)[..., 0] if strided else tensor


def _numbers(body: dict[str, Any], budget: _Budget, members: set[str]) -> "np.ndarray[Any, Any]":
    """Build the array of a tensor or array form; bfloat16 comes as int16."""
    if not {"dtype", "shape", "data"} <= body.keys() <= members:
        raise WireError("a tensor needs exactly dtype, shape and data")
    name, shape, data = body["dtype"], body["shape"], body["data"]
    if type(name) is not str or name not in DTYPES:
        raise WireError("a tensor of an unknown dtype")
    count = _count(shape, budget)
    dtype = np.dtype("int16" if name == "bfloat16" else name).newbyteorder("<")
    raw = _bytes(data, count * dtype.itemsize)
    if name == "bool" and raw.strip(b"\0\1"):
        raise WireError("a boolean tensor with values other than 0 and 1")
    array = np.frombuffer(raw, dtype=dtype).astype(dtype.newbyteorder("="))
    return array.reshape(shape)


def _count(shape: Any, budget: _Budget) -> int:
    if type(shape) is not list or len(shape) > budget.limits.rank:
        raise WireError(f"a shape that is not a list of at most {budget.limits.rank} sizes")
    for size in shape:
        if type(size) is not int or not 0 <= size <= budget.limits.numbers:
            raise WireError("a shape with a size that is no count")
    # An empty axis would let the others be as large as they like.
    budget.spend_numbers(math.prod(max(size, 1) for size in shape))
    return math.prod(shape)


def _bytes(data: Any, length: int) -> bytes:
    if type(data) is not str or len(data) != 4 * -(-length // 3):
        raise WireError("a tensor whose data does not have the length that its shape says")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise WireError("a tensor whose data is not base64") from None
    if len(raw) != length:
        raise WireError("a tensor whose data does not have the length that its shape says")
    return raw


def parse(text: Any, size: int = 64 * 2**20) -> Any:
    """Read JSON text that a stranger wrote.

    Raises:
        WireError: not a text, longer than ``size`` characters, or not JSON in the strict sense.
    """
    if type(text) is not str or len(text) > size:
        raise WireError(f"not a text of at most {size} characters")
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_members)
    except WireError:
        raise
    except (ValueError, RecursionError):
        raise WireError("not valid JSON") from None


def _refuse(name: str) -> Any:
    raise WireError(f'a bare {name}; wanted {{"float": ...}}')


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise WireError("an object that has a member twice")
    return members
