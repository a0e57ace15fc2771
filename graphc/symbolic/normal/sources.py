"""Sources: a node or index enters; one node for all that are equal op by op, or an index of such, leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy

from graphc.errors import GraphError
from graphc.ir.dimension import same
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.sources import ARANGE, CONSTANT
from graphc.symbolic.index.affine import ZERO, Affine, Digit, Gather, Key, constant, digit, of


class Sources:
    """One node for all that are equal; inputs are equal by name, draws only to themselves."""

    def __init__(self) -> None:
        self._representatives: dict[Any, Tensor] = {}
        self._representative: dict[Tensor, Tensor] = {}

    def representative(self, node: Tensor) -> Tensor:
        """One node for all that are equal op by op down to the sources; inputs are equal by name."""
        for below in topological_order([node], stop=self._representative):
            if below not in self._representative:
                key = self._key(below)
                self._representative[below] = self._representatives.setdefault(key, below)
        return self._representative[node]

    def _key(self, node: Tensor) -> Any:
        if node.op.family == "random":
            return id(node)
        if node.op.name in ("input", "parameter"):
            return node.op.name, node.attrs["name"]
        inputs = tuple([id(self._representative[i]) for i in node.inputs])
        attrs = tuple(sorted((k, _attribute_key(v)) for k, v in node.attrs.items() if k != "weak"))
        return node.op.name, inputs, attrs

    def index(self, e: Affine) -> Affine:
        """The index with gathered elements read from representatives; known ones are indices themselves.

        An index of size 1 is 0.
        """
        found = Affine({}, e.constant)
        for key, c in e.parts.items():
            found += self._key_index(key).times(c)
        return found

    def _key_index(self, key: Key) -> Affine:
        if isinstance(key, Digit):
            return digit(self.index(key.value), key.divisor, key.modulus)
        if isinstance(key, Gather):
            place = tuple([self.index(e) for e in key.index])
            tensor = self.representative(key.tensor)
            known = _counting(tensor, place)
            return of(Gather(tensor, place, key.size)) if known is None else known
        return ZERO if same(key.size, 1) else of(key)


def _counting(tensor: Tensor, place: tuple[Affine, ...]) -> Affine | None:
    """An element of a list of integers at equal distances, as an index."""
    if tensor.op is ARANGE:
        return place[0]
    if tensor.op is not CONSTANT or tensor.ndim > 1:
        return None
    steps = np.diff(np.atleast_1d(tensor.attrs["value"]).astype(int))
    if not tensor.attrs["value"].size or (steps.size and (steps != steps[0]).any()):
        return None
    first = int(tensor.attrs["value"].reshape(-1)[0])
    return place[0].times(int(steps[0])).plus(first) if steps.size else constant(first)


def _attribute_key(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    return f"{type(value).__name__} {value!r}" if _is_plain(value) else f"{id(value)}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, np.dtype, sympy.Expr))


def check_same_names(order: Sequence[Tensor]) -> None:
    """Raise GraphError where two different inputs or parameters have one name."""
    seen: dict[tuple[str, str], Tensor] = {}
    for node in order:
        if node.op.name not in ("input", "parameter"):
            continue
        first = seen.setdefault((node.op.name, node.attrs["name"]), node)
        if first.shape != node.shape or first.dtype != node.dtype:
            raise GraphError(
                f"{node.op.name} {node.attrs['name']!r} is declared twice: as {first!r} and as {node!r}",
                op="symbolic.equal", location=node.location,
                remedy="build both graphs from the same inputs, or declare them alike",
            )  # fmt: skip
