"""Patterns: small terms over variables, matched against graph nodes and built into graph nodes.

A pattern is written as the mathematics is: ``log(1 + x)``. Variables bind nodes, constants bind nodes
of one number, attributes of ops (an axis) may be bound too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphc.ops as ops
from graphc.ir.tensor import Tensor
from graphc.ops.sources import CONSTANT

Bindings = Mapping[str, Any]

# x op y means the same as y op x; bitwise so, but for the sign and payload of a NaN. `maximum` and
# `minimum` are missing: which zero they give for 0 and −0.0 depends on the order.
COMMUTATIVE = frozenset(
    [
        "add",
        "multiply",
        "equal",
        "not_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
        "logaddexp",
        "hypot",
    ]
)


class Pattern:
    """A term; Python's operators build larger ones."""

    def __add__(self, other: Operand) -> Call:
        return Call("add", (self, term(other)))

    def __radd__(self, other: Operand) -> Call:
        return Call("add", (term(other), self))

    def __sub__(self, other: Operand) -> Call:
        return Call("subtract", (self, term(other)))

    def __rsub__(self, other: Operand) -> Call:
        return Call("subtract", (term(other), self))

    def __mul__(self, other: Operand) -> Call:
        return Call("multiply", (self, term(other)))

    def __rmul__(self, other: Operand) -> Call:
        return Call("multiply", (term(other), self))

    def __truediv__(self, other: Operand) -> Call:
        return Call("divide", (self, term(other)))

    def __rtruediv__(self, other: Operand) -> Call:
        return Call("divide", (term(other), self))

    def __pow__(self, other: Operand) -> Call:
        return Call("power", (self, term(other)))

    def __neg__(self) -> Call:
        return Call("negative", (self,))


@dataclass(frozen=True)
class Variable(Pattern):
    """Any node; each occurrence in a pattern is the same node. ``constant`` narrows it to one number."""

    name: str
    constant: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Number(Pattern):
    """A constant whose elements all are this number, of whatever shape."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True)
class Attribute:
    """The value of an op's attribute, bound by name."""

    name: str


@dataclass(frozen=True)
class Call(Pattern):
    """An op applied to patterns; attributes that are not mentioned may be anything."""

    op: str
    arguments: tuple[Pattern, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        inner = [*map(str, self.arguments)]
        inner += [f"{k}={v.name if isinstance(v, Attribute) else v}" for k, v in self.attrs.items()]
        return f"{self.op}({', '.join(inner)})"


Operand = Pattern | float


def term(value: Operand) -> Pattern:
    """The pattern of an operand: a number stands for itself."""
    return value if isinstance(value, Pattern) else Number(float(value))


def variables(names: str) -> list[Variable]:
    """Variables that match any node."""
    return [Variable(name) for name in names.split()]


def numbers(names: str) -> list[Variable]:
    """Variables that match constants of one number."""
    return [Variable(name, constant=True) for name in names.split()]


def call(op: str) -> Any:
    """A function that builds patterns of an op: ``exp = call("exp")``."""

    def build(*arguments: Operand, **attrs: Any) -> Call:
        return Call(op, tuple(map(term, arguments)), attrs)

    build.__name__ = op
    return build


def the_number(node: Tensor) -> float | None:
    """The number that all elements of a constant are, or None; broadcasting one keeps it one."""
    while node.op.name == "broadcast_to":
        node = node.inputs[0]
    if node.op is not CONSTANT:
        return None
    value = node.attrs["value"]
    if not value.size:
        return None
    first = value.reshape(-1)[0]
    if value.size > 1 and not ((value == first).all() and (np.signbit(value) == np.signbit(first)).all()):
        return None
    return float(first)


def matches(pattern: Pattern, node: Tensor, bound: Bindings) -> Iterator[Bindings]:
    """Every way in which the node is an instance of the pattern, given what is bound already."""
    if isinstance(pattern, Variable):  # by far the commonest, and a match statement is slow to begin
        if pattern.constant and the_number(node) is None:
            return
        seen = bound.get(pattern.name)
        if seen is None:
            yield {**bound, pattern.name: node}
        elif seen is node:
            yield bound
    elif isinstance(pattern, Call):
        arguments = pattern.arguments
        if node.op.name != pattern.op or len(node.inputs) != len(arguments):
            return
        with_attrs = _attributes(pattern.attrs, node, bound) if pattern.attrs else bound
        if with_attrs is None:
            return
        yield from _all_match(arguments, node.inputs, with_attrs)
        if pattern.op in COMMUTATIVE and arguments[0] != arguments[1]:
            yield from _all_match(arguments, node.inputs[::-1], with_attrs)
    elif isinstance(pattern, Number):
        found = the_number(node)
        if found is not None and found == pattern.value and np.signbit(found) == np.signbit(pattern.value):
            yield bound


def _all_match(
    patterns: tuple[Pattern, ...], nodes: tuple[Tensor, ...], bound: Bindings
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for found in matches(patterns[0], nodes[0], bound):
        yield from _all_match(patterns[1:], nodes[1:], found)


def _attributes(attrs: Mapping[str, Any], node: Tensor, bound: Bindings) -> Bindings | None:
    for key, wanted in attrs.items():
        value = node.attrs[key]
        if not isinstance(wanted, Attribute):
            if value != wanted:
                return None
        elif wanted.name not in bound:
            bound = {**bound, wanted.name: value}
        elif bound[wanted.name] != value:
            return None
    return bound


def built(pattern: Pattern, bound: Bindings) -> Any:
    """The pattern as nodes; a number stays a Python number, which takes its partner's dtype."""
    match pattern:
        case Variable(name):
            return bound[name]
        case Number(value):
            return value
        case Call(op, arguments, attrs):
            given = {k: bound[v.name] if isinstance(v, Attribute) else v for k, v in attrs.items()}
            return getattr(ops, op)(*(built(a, bound) for a in arguments), **given)
    raise TypeError(f"{pattern!r} is no pattern")


def variables_of(pattern: Pattern) -> list[Variable]:
    """The variables of a pattern in order of first occurrence."""
    if isinstance(pattern, Variable):
        return [pattern]
    if isinstance(pattern, Call):
        return list(dict.fromkeys(v for a in pattern.arguments for v in variables_of(a)))
    return []
