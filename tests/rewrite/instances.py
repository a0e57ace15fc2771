"""Instances of a rule's left side: graphs made from the pattern itself, with inputs for its variables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import graphc as gc
import graphc.ops as ops
from graphc.ir.build import apply
from graphc.ops import REGISTRY
from graphc.rewrite.pattern import Attribute, Call, Number, Pattern, Variable, variables_of
from graphc.rewrite.rule import Rule

Shapes = tuple[tuple[tuple[int, ...], ...], ...]
SHAPES: Shapes = (
    ((), (), ()),
    ((3, 4), (3, 4), (3, 4)),
    ((3, 1), (1, 4), (4,)),
    ((0, 4), (4,), (1, 4)),
    ((1,), (1,), (5, 1)),
)
# Graphs of these are built and never run: what a call costs no longer counts.
LARGE: Shapes = (
    ((300, 400), (300, 400), (300, 400)),
    ((300, 400), (300, 1), (400,)),
)
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 2.5, -3.25, 1e30, -1e-30, 1e-42, 0.1, 7.0, -2.0]
NUMBERS = (2.0, 0.5, 3.0, -4.0)


def _node(op: str, x: gc.Tensor, **attrs: object) -> gc.Tensor:
    return apply(REGISTRY[op], (x,), **attrs)


# Ways to apply an op whose attributes the pattern leaves open.
OPEN: dict[str, tuple[Callable[[gc.Tensor], gc.Tensor], ...]] = {
    "transpose": (
        lambda x: _node("transpose", x, axes=tuple(range(x.ndim))),
        lambda x: _node("transpose", x, axes=tuple(reversed(range(x.ndim)))),
        lambda x: _node("transpose", x, axes=(*range(1, x.ndim), 0)),
    ),
    "reshape": (
        lambda x: _node("reshape", x, shape=x.shape),
        lambda x: _node("reshape", x, shape=(x.size,)),
        lambda x: _node("reshape", x, shape=(1, x.size, 1)),
    ),
    "broadcast_to": (
        lambda x: _node("broadcast_to", x, shape=x.shape),
        lambda x: _node("broadcast_to", x, shape=(2, *x.shape)),
    ),
    "flip": (
        lambda x: _node("flip", x, axes=(0,)),
        lambda x: _node("flip", x, axes=tuple(range(x.ndim))),
    ),
    "slice": (
        lambda x: _node("slice", x, start=(0,) * x.ndim, size=x.shape, step=(1,) * x.ndim),
        lambda x: _node("slice", x, start=(x.shape[0] - 1, 0), size=x.shape, step=(-1, 1)),
    ),
    "concatenate": (
        lambda x: _node("concatenate", x, axis=0),
        lambda x: _node("concatenate", x, axis=x.ndim - 1),
    ),
    "sum": (
        lambda x: _node("sum", x, axis=(), keepdims=False),
        lambda x: _node("sum", x, axis=(0,), keepdims=True),
    ),
    "astype": (
        lambda x: _node("astype", x, dtype=np.dtype("float64")),
        lambda x: _node("astype", x, dtype=np.dtype("float32")),
        lambda x: _node("astype", x, dtype=np.dtype("float16")),
    ),
}


@dataclass
class Instance:
    inputs: dict[str, gc.Tensor]
    output: gc.Tensor

    def values(self, rule: Rule, rng: np.random.Generator) -> dict[gc.Tensor, np.ndarray]:
        drawn = {}
        for name, node in self.inputs.items():
            count = int(np.prod(node.shape))
            if node.dtype == np.bool_:
                flat = rng.integers(0, 2, count)
            elif rule.kind == "exact":
                flat = rng.choice(SPECIAL, count)
            else:
                flat = rng.uniform(*rule.domain.get(name, (-10, 10)), count)
            with np.errstate(over="ignore"):
                drawn[node] = np.asarray(flat, node.dtype).reshape(node.shape)
        return drawn


def instances(rule: Rule, dtype: str, all_shapes: Shapes = SHAPES) -> Iterator[Instance]:
    """Graphs of the left side, over shapes, numbers and open attributes."""
    names = variables_of(rule.left)
    free = [v.name for v in names if not v.constant]
    constants = [v.name for v in names if v.constant]
    for shapes in all_shapes:
        inputs: dict[str, gc.Tensor] = {}
        for name, shape in zip(free, shapes, strict=False):
            example = rule.example.get(name)
            kind = example if isinstance(example, str) else dtype
            inputs[name] = gc.input(name, example if isinstance(example, tuple) else shape, kind)
        for numbers in itertools.product(NUMBERS, repeat=len(constants)):
            bound = dict(inputs) | dict(zip(constants, numbers, strict=True))
            for choice in range(9):
                for keepdims in (False, True):
                    output = _build(rule.left, bound, choice, keepdims)
                    if isinstance(output, gc.Tensor):
                        yield Instance(inputs, output)


def _build(pattern: Pattern, bound: dict, choice: int, keepdims: bool):
    match pattern:
        case Variable(name):
            return bound[name]
        case Number(value):
            return value
        case Call(op, arguments, attrs):
            inner = [_build(a, bound, choice // 3, keepdims) for a in arguments]
            if any(i is None for i in inner):
                return None
            if op == "where" and not isinstance(inner[0], gc.Tensor):
                inner[0] = gc.constant(np.asarray(bool(inner[0])))
            try:
                if op in OPEN and not attrs:
                    return OPEN[op][choice % len(OPEN[op])](inner[0])
                given = {k: _attribute(op, v, choice, keepdims) for k, v in attrs.items()}
                return getattr(ops, op)(*inner, **given)
            except (gc.GraphError, IndexError):
                return None
    raise AssertionError(pattern)


def _attribute(op: str, value: object, choice: int, keepdims: bool) -> object:
    if not isinstance(value, Attribute):
        return value
    if value.name == "keepdims":
        return keepdims
    return choice % 2 if op in ("softmax", "log_softmax") else (choice % 2,)
