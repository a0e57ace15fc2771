"""Random expressions, others that are equal by construction, and others with one thing changed.

An expression is a tuple (op, operands …) over 3 × 3 matrices; `built` makes a graph of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import graphc as gc

Expression = tuple[Any, ...]
SIZE = 3
_UNARY = (
    "neg",
    "exp",
    "tanh",
    "relu",
    "abs",
    "sigmoid",
    "square",
    "T",
    "flip",
    "rows",
    "softmax",
    "sin",
    "cumsum",
)
_BINARY = ("add", "sub", "mul", "matmul", "max", "where", "div", "guarded")


def drawn(rng: np.random.Generator, depth: int) -> Expression:
    """A random expression."""
    if depth == 0 or rng.random() < 0.1:
        return (
            ("number", int(rng.integers(-2, 4)))
            if rng.random() < 0.15
            else ("leaf", str(rng.choice(list("xyz"))))
        )
    if rng.random() < 0.4:
        return (str(rng.choice(_UNARY)), drawn(rng, depth - 1))
    return (str(rng.choice(_BINARY)), drawn(rng, depth - 1), drawn(rng, depth - 1))


def built(e: Expression, leaves: dict[str, gc.Tensor]) -> gc.Tensor:
    """The graph of an expression."""
    if e[0] == "leaf":
        return leaves[e[1]]
    if e[0] == "number":
        return gc.full((SIZE, SIZE), float(e[1]), dtype="float64")
    return _MEANINGS[e[0]](*[built(part, leaves) for part in e[1:]])


def _guarded(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
    """A quotient with another value where it has none."""
    return gc.where(y == 0, x, x / y)


def _where(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
    return gc.where(x > y, x * y, y)


_MEANINGS: dict[str, Any] = {
    "neg": lambda x: -x, "exp": gc.exp, "tanh": gc.tanh, "relu": gc.relu, "abs": gc.abs,
    "sigmoid": gc.sigmoid,
    "square": gc.square, "T": lambda x: x.T, "flip": lambda x: gc.flip(x, 0), "sin": gc.sin,
    "rows": lambda x: gc.sum(x, axis=1, keepdims=True) + gc.zeros_like(x),
    "softmax": lambda x: gc.softmax(x, axis=1), "cumsum": lambda x: gc.cumsum(x, axis=0),
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
    "matmul": lambda x, y: x @ y, "max": gc.maximum, "where": _where,
    "guarded": _guarded,
    "guarded other": lambda x, y: x * gc.where(y != 0, 1 / y, 1.0),
    # only in what variants are made of
    "einsum": lambda x, y: gc.einsum("ij,jk->ik", x, y),
    "broadcast product": lambda x, y: gc.sum(x[:, :, None] * y[None], axis=1),
    "reshaped": lambda x: gc.reshape(gc.reshape(x, (SIZE * SIZE,)), (SIZE, SIZE)),
    "cut": lambda x: gc.concatenate([x[:1], x[1:]], axis=0),
    "select": lambda x, y: gc.where(x > y, x, y),
    "select other": lambda x, y: gc.where(x <= y, y, x * y),
    "by max": lambda x: gc.maximum(x, 0.0),
    "by exp": lambda x: 1 / (1 + gc.exp(-x)),
    "by sigmoid": lambda x: 2 * gc.sigmoid(2 * x) - 1,
    "by parts": lambda x: gc.relu(x) + gc.relu(-x),
    "row product": lambda x: x @ gc.ones((SIZE, SIZE), dtype="float64"),
    "shifted softmax": lambda x: gc.softmax(x - gc.max(x, axis=1, keepdims=True), axis=1),
    "quotient softmax": lambda x: gc.exp(x) / gc.sum(gc.exp(x), axis=1, keepdims=True),
    "lower": lambda x: gc.tril(gc.ones((SIZE, SIZE), dtype="float64")) @ x,
    "taken": lambda x: gc.take(x, np.arange(SIZE)[::-1].copy(), axis=0),
}  # fmt: skip


def variant(e: Expression, rng: np.random.Generator) -> Expression:
    """An expression that is equal wherever both are defined."""
    parts = [variant(p, rng) if isinstance(p, tuple) else p for p in e[1:]]
    e = (e[0], *parts)
    if rng.random() < 0.3:
        return e
    choices = _equal_to(e)
    if rng.random() < 0.15 and e[0] != "number":
        choices = [("reshaped", e), ("cut", e), ("T", ("T", e)), ("flip", ("flip", e)), ("neg", ("neg", e))]
    return choices[rng.integers(len(choices))] if choices else e


def _equal_to(e: Expression) -> list[Expression]:
    match e:
        case ("add", x, y):
            return [("add", y, x), ("sub", x, ("neg", y))]
        case ("sub", x, y):
            return [("add", x, ("neg", y)), ("neg", ("sub", y, x))]
        case ("mul", ("add", x, y), z) | ("mul", z, ("add", x, y)):
            return [("add", ("mul", x, z), ("mul", y, z)), ("mul", z, ("add", y, x))]
        case ("mul", x, y):
            return [("mul", y, x), ("neg", ("mul", ("neg", x), y))]
        case ("div", x, y):
            return [("mul", x, ("div", ("number", 1), y)), ("neg", ("div", x, ("neg", y)))]
        case ("matmul", x, ("add", y, z)):
            return [("add", ("matmul", x, y), ("matmul", x, z))]
        case ("matmul", x, y):
            return [("einsum", x, y), ("T", ("matmul", ("T", y), ("T", x))), ("broadcast product", x, y)]
        case ("T", ("matmul", x, y)):
            return [("matmul", ("T", y), ("T", x))]
        case ("max", x, y):
            return [("max", y, x), ("select", x, y), ("add", ("relu", ("sub", x, y)), y)]
        case ("guarded", x, y):
            return [("guarded other", x, y), ("neg", ("guarded", ("neg", x), y))]
        case ("where", x, y):
            return [("select other", x, y)]
        case ("exp", ("add", x, y)):
            return [("mul", ("exp", x), ("exp", y))]
        case ("exp", ("neg", x)):
            return [("div", ("number", 1), ("exp", x))]
        case ("tanh", x):
            return [("by sigmoid", x), ("neg", ("tanh", ("neg", x)))]
        case ("sigmoid", x):
            return [("by exp", x), ("sub", ("number", 1), ("sigmoid", ("neg", x)))]
        case ("relu", x):
            return [("by max", x), ("mul", ("number", 1), ("relu", x))]
        case ("abs", x):
            return [("abs", ("neg", x)), ("by parts", x), ("max", x, ("neg", x))]
        case ("square", x):
            return [("mul", x, x), ("square", ("neg", x)), ("square", ("abs", x))]
        case ("flip", x):
            return [("taken", x), ("T", ("T", ("flip", x)))]
        case ("rows", x):
            return [("row product", x)]
        case ("softmax", x):
            return [("shifted softmax", x), ("quotient softmax", x)]
        case ("cumsum", x):
            return [("lower", x)]
        case ("sin", x):
            return [("neg", ("sin", ("neg", x)))]
    return []


def mutant(e: Expression, rng: np.random.Generator) -> Expression:
    """An expression with one place changed; most often it is another function."""
    places = [p for p in range(1, len(e)) if isinstance(e[p], tuple)]
    if places and rng.random() < 0.75:
        chosen = int(rng.choice(places))
        return tuple([mutant(p, rng) if i == chosen else p for i, p in enumerate(e)])
    match e:
        case ("leaf", name):
            return ("leaf", str(rng.choice([n for n in "xyz" if n != name])))
        case ("number", value):
            return ("number", value + 1)
        case (op, _) if op in _UNARY:
            return (str(rng.choice([o for o in _UNARY if o != op])), e[1])
        case (op, x, y):
            choices = [(o, x, y) for o in _BINARY if o != op] + [(op, y, x)]
            return choices[rng.integers(len(choices))]
    return ("neg", e)
