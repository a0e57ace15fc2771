"""Nodes enter, the words of the picture leave: op signs as textbooks write them, shapes, values."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy

from graphc.draw.spatial_labels import WINDOWED, format_size, spatial_label
from graphc.ir.dimension import Shape
from graphc.ir.dtype import FLOAT32, DType
from graphc.ir.origin import Location
from graphc.ir.printer import format_attr, printable
from graphc.ir.tensor import Tensor

MINUS = "−"
SIGNS = MappingProxyType(
    {
        "add": "+", "subtract": MINUS, "multiply": "×", "divide": "÷", "negative": "−x", "power": "xʸ",
        "floor_divide": "⌊x÷y⌋", "remainder": "mod", "matmul": "@", "square": "x²", "sqrt": "√", "cbrt": "∛",
        "reciprocal": "1/x", "abs": "|x|", "sigmoid": "σ", "exp2": "2ˣ", "floor": "⌊x⌋", "ceil": "⌈x⌉",
        "absorbing_multiply": "×", "equal": "=", "not_equal": "≠", "less": "<", "less_equal": "≤",
        "greater": ">", "greater_equal": "≥", "logical_and": "∧", "logical_or": "∨", "logical_xor": "⊻",
        "logical_not": "¬", "maximum": "max", "minimum": "min", "sum": "Σ", "prod": "Π", "relu": "ReLU",
        "broadcast_to": "broadcast", "concatenate": "concat", "random_uniform": "U[0, 1)",
        "random_normal": "𝒩(0, 1)", "stop_gradient": "stop gradient",
    }
)  # fmt: skip
# Ops that stand between their operands.
INFIX = frozenset(
    {
        "add", "subtract", "multiply", "divide", "absorbing_multiply", "equal", "not_equal", "less",
        "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
    }
)  # fmt: skip
# Attributes that the label leaves out: the edge's shape tells them, or the sign does.
_HIDDEN = frozenset({"shape", "keepdims", "weak", "value", "name", "init", "trainable"})
_REDUCTIONS = frozenset({"sum", "mean", "prod", "max", "min", "any", "all", "logsumexp"})
_SUPERSCRIPT = MappingProxyType({"2": "²", "3": "³", "4": "⁴", f"{MINUS}1": "⁻¹"})
_LAST_AXIS = frozenset({"softmax", "log_softmax"})


def format_number(value: float) -> str:
    """A number with at most four digits and a true minus sign."""
    return f"{value + 0:.4g}".replace("-", MINUS)  # adding 0 makes −0 a plain 0


def format_array(value: object, limit: int = 4) -> str:
    """A value for an edge: a number, or the first few in brackets, with an ellipsis for the rest."""
    array = np.asarray(value)
    if array.size == 1:
        item: Any = array.reshape(-1)[0].item()
        return str(item) if isinstance(item, bool) else format_number(item)
    shown = [format_array(v) for v in array.reshape(-1)[:limit]]
    return f"[{', '.join(shown)}{', …' if array.size > limit else ''}]"


@lru_cache(maxsize=4096)
def format_edge(shape: Shape, dtype: DType) -> str:
    """The shape as ``N×784``, with the dtype where it is not float32; nothing for a float32 scalar."""
    sizes = "×".join(f"({format_size(s)})" if isinstance(s, sympy.Add) else format_size(s) for s in shape)
    return sizes if dtype == FLOAT32 else f"{sizes} {dtype}".strip()


def scalar_constant(node: Tensor) -> str | None:
    """The number a 0-dimensional constant stands for, as text; None for any other node."""
    if node.op.name != "constant" or node.shape or node.name:
        return None
    return format_array(node.attrs["value"])


def inlined(node: Tensor, kept: frozenset[Tensor] | set[Tensor]) -> list[str | None]:
    """For each input, the number written into this node's own label, or None where it gets an edge.

    Only elementwise ops take numbers into their label, and one operand at least keeps its edge.
    """
    if node.op.family != "elementwise":
        return [None] * len(node.inputs)
    numbers = [None if i in kept else scalar_constant(i) for i in node.inputs]
    return numbers if any(n is None for n in numbers) else [None] * len(numbers)


def op_label(node: Tensor, numbers: list[str | None]) -> str:
    """The op's sign with its inlined numbers and telling attributes, e.g. ``× 0.5``, ``Σ axis=1``."""
    name = node.op.name
    sign = SIGNS.get(name, name.replace("_", " "))
    if any(n is not None for n in numbers):
        return _with_numbers(name, sign, numbers)
    if name == "astype":
        return f"→ {node.dtype}"
    if name == "transpose" and tuple(node.attrs["axes"]) == (1, 0):
        return "xᵀ"
    if name == "einsum":
        return f"einsum {node.attrs['equation'].replace('->', ' → ')}"
    if name == "scan":
        return f"scan ×{format_size(node.attrs['length'])}{' reversed' if node.attrs['reverse'] else ''}"
    if name == "dimension":
        return format_size(node.attrs["value"])
    if name in WINDOWED:
        return printable(spatial_label(node), 36)
    details = [f"{k}={_detail(v)}" for k, v in node.attrs.items() if _tells(node, k, v)]
    return printable(" ".join([sign, *details]), 36)


def _with_numbers(name: str, sign: str, numbers: list[str | None]) -> str:
    if name == "power" and numbers[1] is not None:
        return f"x{_SUPERSCRIPT[numbers[1]]}" if numbers[1] in _SUPERSCRIPT else f"x^{numbers[1]}"
    if name == "power":
        return f"{numbers[0]}^x"
    if name in INFIX and numbers[0] is None:
        return f"{sign} {numbers[1]}"
    if name in INFIX:
        return f"{numbers[0]} {sign}" if name != "divide" else f"{numbers[0]} ÷ x"
    return f"{sign}({', '.join('·' if n is None else n for n in numbers)})"


def _detail(value: object) -> str:
    return format_attr(value[0] if isinstance(value, tuple) and len(value) == 1 else value)


def _tells(node: Tensor, key: str, value: object) -> bool:
    if key in _HIDDEN or value is None or isinstance(value, (np.ndarray, np.dtype)) or callable(value):
        return False
    if node.op.name in _REDUCTIONS and key == "axis":
        return len(node.attrs["axis"]) < len(node.inputs[0].shape)
    if node.op.name in _LAST_AXIS and key == "axis":
        return bool(value != len(node.shape) - 1)
    return isinstance(value, (int, float, str, tuple, sympy.Expr))


def own_name(node: Tensor) -> str:
    """The user's name without the scopes it stands in, which the clusters show."""
    name = node.name or ""
    prefix = "/".join(node.scope) + "/"
    return name.removeprefix(prefix) if node.scope else name


def tooltip(node: Tensor) -> list[str]:
    """What hovering shows: op and name, dtype and shape, the user's line."""
    name = f" {node.name}" if node.name else ""
    return [f"{node.op.name}{name}", _type(node.shape, node.dtype), _line(node.location)]


@lru_cache(maxsize=4096)
def _type(shape: Shape, dtype: DType) -> str:
    return f"{dtype}[{', '.join(map(str, shape))}]"


@lru_cache(maxsize=4096)
def _line(location: Location) -> str:
    return f"{location.short} in {location.function}"
