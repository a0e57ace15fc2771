"""Nested tuples, lists and dicts of tensors: flattened to a list, and built again around new leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor


@dataclass(frozen=True)
class Structure:
    """The form of a nested value: ``kind`` is leaf, tuple, list or dict."""

    kind: str
    keys: tuple[Any, ...] = ()
    parts: tuple[Structure, ...] = ()

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        """The nested value with these leaves, in the order ``flatten`` gave them."""
        value, used = self._take(leaves, 0)
        assert used == len(leaves)
        return value

    def _take(self, leaves: Sequence[Any], at: int) -> tuple[Any, int]:
        if self.kind == "leaf":
            return leaves[at], at + 1
        built = []
        for part in self.parts:
            value, at = part._take(leaves, at)
            built.append(value)
        if self.kind == "dict":
            return dict(zip(self.keys, built, strict=True)), at
        return (tuple(built) if self.kind == "tuple" else built), at


LEAF = Structure("leaf")


def flatten(
    value: object, op: str, leaf: Callable[[object], bool] = lambda v: isinstance(v, Tensor)
) -> tuple[list[Any], Structure]:
    """The leaves of a nested value and its form; GraphError where something else is found."""
    if leaf(value):
        return [value], LEAF
    if isinstance(value, dict):
        items, keys, kind = list(value.values()), tuple(value), "dict"
    elif isinstance(value, (tuple, list)):
        items, keys, kind = list(value), (), "tuple" if isinstance(value, tuple) else "list"
    else:
        raise GraphError(
            f"a tensor, or a tuple, list or dict of tensors is needed, but {type(value).__name__} was given",
            op=op,
            location=user_location(),
            remedy="pass symbolic tensors; gc.constant makes one of an array",
        )
    leaves: list[Any] = []
    parts = []
    for item in items:
        found, part = flatten(item, op, leaf)
        leaves += found
        parts.append(part)
    return leaves, Structure(kind, keys, tuple(parts))
