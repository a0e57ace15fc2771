# ruff: noqa: E501  (the tables read better with one sample a line)
"""Samples of every op: declared tensors enter a small graph; registry-driven tests run it everywhere.

An engine's test loops over ``SAMPLES`` and asks of each what it wants to know: that the generated code
equals the interpreter, that derivatives equal differences (``smooth`` samples), that torch agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from graphc import ops as gc
from graphc.ir.tensor import Tensor
from graphc.ops import convolution, indexing, pooling, shape
from graphc.ops.convolution import Geometry

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


# -- domains: how the elements of an input are drawn ------------------------------------------------
def between(low: float, high: float) -> Draw:
    return lambda rng, shape: rng.uniform(low, high, shape)


def integers(low: int, high: int) -> Draw:
    return lambda rng, shape: rng.integers(low, high, shape)


def apart(low: float, high: float) -> Draw:
    """Magnitudes in an interval with random sign: away from a kink at 0."""
    return lambda rng, shape: rng.choice([-1.0, 1.0], shape) * rng.uniform(low, high, shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """No two elements near each other: away from the ties of max."""
    count = int(np.prod(shape))
    return (rng.permutation(count).reshape(shape) - count / 2) * 0.3 + rng.uniform(0.0, 0.1, shape)


def off_integers(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Away from the integers and halves at which rounding jumps."""
    return rng.integers(-3, 4, shape) + rng.choice([0.25, 0.75], shape) + rng.uniform(-0.1, 0.1, shape)


def truth(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(0, 2, shape).astype(bool)


ANY = between(-2.0, 2.0)
POSITIVE = between(0.3, 2.5)
UNIT = between(-0.9, 0.9)
NONZERO = apart(0.3, 2.0)


@dataclass(frozen=True)
class Sample:
    """One graph over declared inputs.

    ``build`` takes the inputs and gives the output. ``shapes`` may name symbolic sizes, whose values for
    a run are in ``sizes``. ``dtypes`` are the inputs' (one for all, or one each); only floats are changed
    by ``dtype``. ``smooth`` says that the output has two derivatives in the float inputs wherever the
    domain draws; ``torch`` computes the same from torch tensors.
    """

    id: str
    op: str
    build: Callable[..., Tensor]
    shapes: tuple[tuple[int | str, ...], ...]
    sizes: Mapping[str, int] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float64",)
    domain: tuple[Draw, ...] = (ANY,)
    smooth: bool = True
    torch: Callable[..., Any] | None = None

    def __str__(self) -> str:
        return self.id

    def _each(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return values if len(values) == len(self.shapes) else values * len(self.shapes)

    def input_dtypes(self, dtype: str = "float64") -> tuple[str, ...]:
        """The dtype of each input, floats being the given one."""
        return tuple(dtype if d.startswith("float") else d for d in self._each(self.dtypes))

    def inputs(self, dtype: str = "float64") -> tuple[Tensor, ...]:
        """The declared inputs, named x0, x1, …"""
        return tuple(
            gc.input(f"x{i}", s, d)
            for i, (s, d) in enumerate(zip(self.shapes, self.input_dtypes(dtype), strict=True))
        )

    def arrays(self, rng: np.random.Generator, dtype: str = "float64") -> tuple[Array, ...]:
        """A value for each input."""
        drawn = []
        for sizes, kind, draw in zip(
            self.shapes, self.input_dtypes(dtype), self._each(self.domain), strict=True
        ):
            concrete = tuple(self.sizes[s] if isinstance(s, str) else s for s in sizes)
            drawn.append(np.asarray(draw(rng, concrete)).astype(kind))
        return tuple(drawn)

    def differentiable(self) -> tuple[int, ...]:
        """The numbers of the inputs that have a dtype to differentiate in."""
        return tuple(i for i, d in enumerate(self._each(self.dtypes)) if d.startswith("float"))


def _torch(name: str) -> Callable[..., Any]:
    """A function of torch by name, looked up only when called: torch is optional."""

    def call(*tensors: Any, **options: Any) -> Any:
        import torch

        found: Any = torch
        for part in name.split("."):
            found = getattr(found, part)
        return found(*tensors, **options)

    return call


def _method(name: str, *args: Any, **options: Any) -> Callable[..., Any]:
    return lambda x, *more: getattr(x, name)(*more, *args, **options)


N3 = ((("N", 3),), {"N": 4})
_SHAPES: dict[str, tuple[tuple[int | str, ...], dict[str, int]]] = {
    "matrix": ((2, 3), {}),
    "scalar": ((), {}),
    "empty": ((0, 3), {}),
    "one": ((1, 3, 1), {}),
    "symbolic": (("N", 3), {"N": 4}),
}
_PAIRS: dict[str, tuple[tuple[tuple[int | str, ...], ...], dict[str, int]]] = {
    "same": (((2, 3), (2, 3)), {}),
    "rank": (((4, 2, 3), (3,)), {}),
    "both stretch": (((2, 1), (1, 3)), {}),
    "scalar": (((), (2, 2)), {}),
    "empty": (((0, 3), (1, 3)), {}),
    "symbolic": ((("N", 3), (1, 3)), {"N": 4}),
    "symbolic stretch": ((("N", 1), ("M",)), {"N": 2, "M": 3}),
}

# name: domain, smooth, torch's name ("" for the same, None for none)
_UNARY: dict[str, tuple[Draw, bool, str | None]] = {
    "negative": (ANY, True, ""),
    "abs": (NONZERO, True, ""),
    "sign": (NONZERO, True, ""),
    "floor": (off_integers, True, ""),
    "ceil": (off_integers, True, ""),
    "round": (off_integers, True, ""),
    "trunc": (off_integers, True, ""),
    "exp": (ANY, True, ""),
    "exp2": (ANY, True, ""),
    "expm1": (ANY, True, ""),
    "log": (POSITIVE, True, ""),
    "log2": (POSITIVE, True, ""),
    "log10": (POSITIVE, True, ""),
    "log1p": (POSITIVE, True, ""),
    "sqrt": (POSITIVE, True, ""),
    "cbrt": (NONZERO, True, None),
    "square": (ANY, True, ""),
    "reciprocal": (NONZERO, True, ""),
    "sin": (ANY, True, ""),
    "cos": (ANY, True, ""),
    "tan": (between(-1.2, 1.2), True, ""),
    "arcsin": (UNIT, True, ""),
    "arccos": (UNIT, True, ""),
    "arctan": (ANY, True, ""),
    "sinh": (ANY, True, ""),
    "cosh": (ANY, True, ""),
    "tanh": (ANY, True, ""),
    "arcsinh": (ANY, True, ""),
    "arccosh": (between(1.3, 3.0), True, ""),
    "arctanh": (UNIT, True, ""),
    "erf": (ANY, True, ""),
    "sigmoid": (ANY, True, ""),
    "softplus": (ANY, True, "nn.functional.softplus"),
    "relu": (NONZERO, True, ""),
    "isnan": (ANY, False, ""),
    "isinf": (ANY, False, ""),
    "isfinite": (ANY, False, ""),
    "logical_not": (ANY, False, ""),
    "stop_gradient": (ANY, False, None),
}
_BINARY: dict[str, tuple[tuple[Draw, ...], bool, str | None]] = {
    "add": ((ANY,), True, ""),
    "subtract": ((ANY,), True, ""),
    "multiply": ((ANY,), True, ""),
    "divide": ((ANY, NONZERO), True, ""),
    "floor_divide": ((between(0.55, 0.95), apart(0.6, 0.9)), False, ""),
    "remainder": ((between(5.1, 5.4), between(2.05, 2.3)), True, ""),
    "power": ((POSITIVE, ANY), True, "pow"),
    "maximum": ((between(0.1, 0.9), between(1.1, 1.9)), True, ""),
    "minimum": ((between(0.1, 0.9), between(1.1, 1.9)), True, ""),
    "arctan2": ((NONZERO,), True, ""),
    "hypot": ((NONZERO,), True, ""),
    "logaddexp": ((ANY,), True, ""),
    "absorbing_multiply": ((NONZERO,), True, "multiply"),
    "equal": ((integers(0, 3),), False, "eq"),
    "not_equal": ((integers(0, 3),), False, ""),
    "less": ((integers(0, 3),), False, ""),
    "less_equal": ((integers(0, 3),), False, ""),
    "greater": ((integers(0, 3),), False, ""),
    "greater_equal": ((integers(0, 3),), False, ""),
    "logical_and": ((integers(0, 2),), False, ""),
    "logical_or": ((integers(0, 2),), False, ""),
    "logical_xor": ((integers(0, 2),), False, ""),
}


def _elementwise() -> list[Sample]:
    found = []
    for name, (draw, smooth, other) in _UNARY.items():
        for label, (one, sizes) in _SHAPES.items():
            found.append(
                Sample(
                    f"{name} {label}", name, getattr(gc, name), (one,), sizes, domain=(draw,), smooth=smooth,
                    torch=None if other is None else _torch(other or name),
                )
            )  # fmt: skip
    for name, (draws, smooth, other) in _BINARY.items():
        for label, (pair, sizes) in _PAIRS.items():
            found.append(
                Sample(
                    f"{name} {label}", name, getattr(gc, name), pair, sizes, domain=draws, smooth=smooth,
                    torch=None if other is None else _torch(other or name),
                )
            )  # fmt: skip
    found += [
        Sample("divide number", "divide", lambda x: 1 / x, ((2, 3),), domain=(NONZERO,)),
        Sample("power square", "power", lambda x: x**2, (("N", 3),), {"N": 2}),
        Sample("power cube", "power", lambda x: x**3, ((2, 3),)),
        Sample("power of number", "power", lambda x: 2**x, ((2, 3),)),
        Sample("rsqrt", "reciprocal", gc.rsqrt, ((2, 3),), domain=(POSITIVE,), torch=_torch("rsqrt")),
        Sample("maximum relu", "maximum", lambda x: gc.maximum(x, 0), ((2, 3),), domain=(NONZERO,)),
        Sample("same operand twice", "multiply", lambda x: x * x, ((2, 3),)),
        Sample("erf wide", "erf", gc.erf, ((64,),), domain=(between(-6, 6),), torch=_torch("erf")),
        Sample(
            "where", "where", gc.where, ((2, 3), (2, 3), (2, 3)), dtypes=("bool", "float64", "float64"),
            domain=(truth, ANY, ANY), torch=_torch("where"),
        ),
        Sample(
            "where broadcast", "where", gc.where, ((2, 1), ("N", 2, 3), ()), {"N": 2},
            dtypes=("bool", "float64", "float64"), domain=(truth, ANY, ANY), torch=_torch("where"),
        ),
        Sample(
            "where guards log", "where", lambda x: gc.where(x > 0, gc.log(gc.where(x > 0, x, 1.0)), 0.0),
            ((3, 3),), domain=(NONZERO,),
        ),
        Sample(
            "clip", "clip", lambda x: gc.clip(x, -1, 1), ((5, 3),), domain=(apart(0.2, 0.9),),
            torch=lambda x: x.clip(-1, 1),
        ),
        Sample(
            "clip outside", "clip", lambda x: gc.clip(x, -1, 1), (("N", 3),), {"N": 3}, domain=(apart(1.2, 2),),
            torch=lambda x: x.clip(-1, 1),
        ),
        Sample("clip below", "clip", lambda x: gc.clip(x, 0.0), ((5,),), domain=(NONZERO,)),
        Sample(
            "clip tensors", "clip", gc.clip, ((2, 3), (3,), ()),
            domain=(between(-2.9, 2.9), between(-4, -3), between(3, 4)),
        ),
        Sample("astype float32", "astype", lambda x: gc.astype(gc.astype(x, "float32"), "float64"), ((2, 3),), smooth=False),
        Sample("astype int", "astype", lambda x: gc.astype(x, "int64"), (("N",),), {"N": 3}, smooth=False),
        Sample("astype from int", "astype", lambda i: gc.astype(i, "float64") * 2.0, ((3,),), dtypes=("int32",), domain=(integers(-5, 5),)),
    ]  # fmt: skip
    return found


_OVER: dict[str, tuple[tuple[int | str, ...], dict[str, int], dict[str, Any]]] = {
    "all axes": ((2, 3), {}, {}),
    "first axis": ((2, 3), {}, {"axis": 0}),
    "last axis": (("N", 3), {"N": 4}, {"axis": -1}),
    "symbolic axis": (("N", 3), {"N": 4}, {"axis": 0}),
    "two axes": ((2, 3, 4), {}, {"axis": (0, 2)}),
    "keepdims": ((2, 3), {}, {"axis": 1, "keepdims": True}),
    "all keepdims": (("N", 3), {"N": 2}, {"keepdims": True}),
    "size 1": ((1, 3), {}, {"axis": 0}),
    "no axes": ((2, 3), {}, {"axis": ()}),
    "scalar": ((), {}, {}),
}
_EMPTY = {
    "empty axis": ((3, 0), {}, {"axis": 1}),
    "empty rest": ((0, 3), {}, {"axis": 1}),
}
_REDUCTIONS: dict[str, tuple[Draw, bool, bool]] = {  # domain, smooth, has a value for no elements
    "sum": (ANY, True, True),
    "mean": (ANY, True, False),
    "prod": (NONZERO, True, True),
    "max": (distinct, True, False),
    "min": (distinct, True, False),
    "any": (integers(0, 2), False, True),
    "all": (integers(0, 2), False, True),
    "logsumexp": (ANY, True, True),
}


def _reductions() -> list[Sample]:
    found = []
    for name, (draw, smooth, of_none) in _REDUCTIONS.items():
        cases = _OVER | (_EMPTY if of_none else {"empty rest": _EMPTY["empty rest"]})
        for label, (one, sizes, options) in cases.items():
            found.append(
                Sample(
                    f"{name} {label}", name, partial(getattr(gc, name), **options), (one,), sizes,
                    domain=(draw,), smooth=smooth and (name, label) != ("logsumexp", "empty axis"),  # there it is −∞
                )
            )  # fmt: skip
    for name in ("argmax", "argmin"):
        for label, options in {
            "flat": {},
            "axis": {"axis": 1},
            "keepdims": {"axis": 0, "keepdims": True},
        }.items():
            found.append(
                Sample(
                    f"{name} {label}", name, partial(getattr(gc, name), **options), (("N", 3),), {"N": 4},
                    domain=(distinct,), smooth=False, torch=partial(_torch(name), **_torch_axis(options)),
                )
            )  # fmt: skip
    for name in ("softmax", "log_softmax", "cumsum"):
        for label, (one, sizes, axis) in {
            "last": ((2, 3), {}, -1),
            "first": (("N", 3), {"N": 4}, 0),
            "middle": ((2, 3, 2), {}, 1),
            "size 1": ((2, 1), {}, 1),
            "empty": ((0, 3), {}, 1),
        }.items():
            found.append(
                Sample(
                    f"{name} {label}", name, partial(getattr(gc, name), axis=axis), (one,), sizes,
                    torch=partial(_torch(name), dim=axis),
                )
            )  # fmt: skip
    found += [
        Sample("cumsum flat", "cumsum", gc.cumsum, ((2, 3),)),
        Sample("prod with a zero", "prod", lambda x: gc.prod(x * np.array([1.0, 0.0, 1.0]), axis=1), ((2, 3),)),
        Sample("var", "sum", partial(gc.var, axis=0, ddof=1), (("N", 3),), {"N": 4}, torch=partial(_torch("var"), dim=0)),
        Sample("var of all", "mean", gc.var, ((2, 3),), torch=partial(_torch("var"), correction=0)),
        Sample("std", "mean", partial(gc.std, axis=(0, 1), keepdims=True), ((2, 3, 2),), torch=partial(_torch("std"), dim=(0, 1), keepdim=True, correction=0)),
    ]  # fmt: skip
    return found


def _torch_axis(options: Mapping[str, Any]) -> dict[str, Any]:
    names = {"axis": "dim", "keepdims": "keepdim"}
    return {names[k]: v for k, v in options.items()}


_EINSUMS: dict[str, tuple[str, tuple[tuple[int | str, ...], ...]]] = {
    "product": ("ij,jk->ik", (("N", 3), (3, 2))),
    "batch": ("bij,bjk->bik", (("N", 2, 3), ("N", 3, 2))),
    "implicit": ("ij,jk", ((2, 3), (3, 4))),
    "implicit transposed": ("ba", ((2, 3),)),
    "diagonal": ("ii->i", ((3, 3),)),
    "trace": ("ii", ((3, 3),)),
    "inner diagonal": ("iji->ij", ((2, 3, 2),)),
    "transpose": ("ijk->kij", ((2, 3, 4),)),
    "sum": ("ij->j", (("N", 3),)),
    "total": ("ij->", (("N", 3),)),
    "outer": ("i,j->ij", ((3,), ("N",))),
    "three": ("ij,jk,kl->il", ((2, 3), (3, 2), (2, 4))),
    "elementwise": ("ij,ij->ij", ((2, 3), (2, 3))),
    "ellipsis": ("...ij,...jk->...ik", (("N", 2, 3), (3, 2))),
    "ellipsis stretch": ("...i,...i->...", ((2, 1, 3), (4, 3))),
    "ellipsis last": ("i...,i...->...", ((2, 3), (2, 1))),
    "size 1 letter": ("ij,jk->ik", ((2, 1), (3, 2))),
    "summed letter of one": ("ij,k->i", ((2, 3), (4,))),
    "empty": ("ij,jk->ik", ((2, 0), (0, 3))),
}
_MATMULS: dict[str, tuple[tuple[int | str, ...], ...]] = {
    "matrices": (("N", 3), (3, 2)),
    "row": ((3,), (3, 2)),
    "column": ((2, 3), (3,)),
    "vectors": ((3,), (3,)),
    "batch": ((4, 2, 3), (4, 3, 2)),
    "batch stretch": ((4, 1, 2, 3), (5, 3, 2)),
    "batch row": ((3,), (4, 3, 2)),
    "batch column": (("N", 2, 3), (3,)),
    "size 1": ((2, 1), (1, 3)),
    "empty inner": ((2, 0), (0, 3)),
    "empty outer": ((0, 3), (3, 2)),
}


def _linear_algebra() -> list[Sample]:
    size = {"N": 4}
    found = [
        Sample(f"matmul {label}", "matmul", gc.matmul, pair, size, torch=_torch("matmul"))
        for label, pair in _MATMULS.items()
    ]
    found += [
        Sample(f"einsum {label}", "einsum", partial(gc.einsum, equation), many, size, torch=partial(_torch("einsum"), equation))
        for label, (equation, many) in _EINSUMS.items()
    ]  # fmt: skip
    found += [
        Sample("tensordot", "einsum", partial(gc.tensordot, axes=([1, 2], [1, 0])), ((2, 3, 4), (4, 3, "N")), size),
        Sample("tensordot number", "einsum", partial(gc.tensordot, axes=1), ((2, 3), (3, "N")), size),
        Sample("dot", "matmul", gc.dot, ((2, 3), (3,))),
        Sample("dot many axes", "einsum", gc.dot, ((2, 3), (4, 3, 2))),
        Sample("inner", "einsum", gc.inner, ((2, 3), (4, 3)), torch=_torch("inner")),
        Sample("vdot", "matmul", gc.vdot, ((2, 3), (3, 2))),
        Sample("outer", "multiply", gc.outer, (("N",), (3,)), size, torch=_torch("outer")),
        Sample("kron", "reshape", gc.kron, ((2, 3), (4, 2)), torch=_torch("kron")),
        Sample("diagonal above", "einsum", partial(gc.diagonal, offset=1), ((3, 4, 2),), torch=_torch("diagonal") and partial(_torch("diagonal"), offset=1)),
        Sample("trace", "sum", partial(gc.trace, offset=-1, axis1=1, axis2=2), (("N", 3, 3),), size),
        Sample("quadratic form", "matmul", lambda x, a: x @ a @ x, ((3,), (3, 3))),
    ]  # fmt: skip
    return found


_SUBSCRIPTS: dict[str, tuple[Any, tuple[int | str, ...]]] = {
    "integer": (1, (3, 4)),
    "negative integer": ((slice(None), -1), ("N", 4)),
    "slice": (slice(1, 3), (4, 3)),
    "step": (np.s_[::2, 1::2], (5, 4)),
    "negative step": (np.s_[::-1, 3:0:-2], ("N", 4)),
    "empty slice": (np.s_[2:1], (4, 3)),
    "beyond the end": (np.s_[1:100], (4, 3)),
    "symbolic start": (np.s_[1:], ("N", 3)),
    "symbolic stop": (np.s_[:-1], ("N", 3)),
    "symbolic last two": (np.s_[-2:], ("N", 3)),
    "symbolic step": (np.s_[1::2], ("N", 3)),
    "new axis": (np.s_[:, None, 1], (3, 4)),
    "ellipsis": (np.s_[..., 0], ("N", 3, 2)),
    "all dropped": (np.s_[1, 2], (3, 4)),
}
_FANCY: dict[str, tuple[Any, tuple[int | str, ...]]] = {
    "list": ([0, 2, 2, -1], (3, 4)),
    "matrix": (np.array([[0, 1], [2, 0]]), (3, "N")),
    "inner axis": (np.s_[:, [2, 0]], ("N", 3, 2)),
    "pair": (([0, 1, 1], [2, 0, 0]), (2, 3, 4)),
    "pair apart": (([0, 1], slice(None), [2, 0]), (2, "N", 3)),
    "with integer": (np.s_[:, 1, [0, 2]], (4, 2, 3)),
    "with integer apart": (np.s_[1, :, [0, 2]], (4, 2, 3)),
    "stretching": ((np.array([[0], [1]]), np.array([2, 0])), (2, 3)),
    "symbolic axis": (([0, 1, 0], [1, 0, 2]), ("N", 3)),
    "with slice": (np.s_[::-1, [0, 2]], (4, 3)),
}


def _shapes() -> list[Sample]:
    size = {"N": 4, "M": 3}

    def one(
        label: str, op: str, build: Callable[..., Tensor], *shapes: tuple[int | str, ...], **more: Any
    ) -> Sample:
        return Sample(
            label, op, build, shapes, {k: v for k, v in size.items() if any(k in s for s in shapes)}, **more
        )

    return [
        one("reshape", "reshape", lambda x: x.reshape(3, 2), (2, 3), torch=lambda x: x.reshape(3, 2)),
        one("reshape symbolic", "reshape", lambda x: x.reshape(-1, 6), ("N", 2, 3), torch=lambda x: x.reshape(-1, 6)),
        one("reshape to symbolic", "reshape", lambda x: x.reshape("N", 2, 3), ("N", 6)),
        one("reshape flat symbolic", "reshape", lambda x: x.flatten(), ("N", "M"), torch=lambda x: x.flatten()),
        one("reshape empty", "reshape", lambda x: x.reshape(3, 0, 2), (0, 3)),
        one("reshape scalar", "reshape", lambda x: x.reshape(()), (1, 1)),
        one("transpose", "transpose", gc.transpose, ("N", 3), torch=lambda x: x.T),
        one("transpose axes", "transpose", lambda x: x.transpose(1, 2, 0), (2, 3, 4), torch=lambda x: x.permute(1, 2, 0)),
        one("moveaxis", "transpose", lambda x: gc.moveaxis(x, (0, 1), (-1, 0)), (2, 3, 4), torch=lambda x: x.movedim((0, 1), (-1, 0))),
        one("swapaxes", "transpose", lambda x: x.swapaxes(0, -1), (2, 3, "N"), torch=lambda x: x.swapaxes(0, -1)),
        one("broadcast_to", "broadcast_to", lambda x: gc.broadcast_to(x, (2, 4, 3)), (4, 1)),
        one("broadcast_to symbolic", "broadcast_to", lambda x: gc.broadcast_to(x[0], ("N", 3)), ("N", 3)),
        one("broadcast_to empty", "broadcast_to", lambda x: gc.broadcast_to(x, (0, 3)), (3,)),
        one("concatenate", "concatenate", lambda x, y: gc.concatenate([x, y]), (2, 3), (1, 3), torch=lambda x, y: _torch("cat")([x, y])),
        one("concatenate symbolic", "concatenate", lambda x, y, z: gc.concatenate([x, y, z], axis=1), (2, "N"), (2, 3), (2, "M")),
        one("concatenate empty", "concatenate", lambda x, y: gc.concatenate([x, y], axis=-1), (2, 0), (2, 3)),
        one("concatenate itself", "concatenate", lambda x: gc.concatenate([x, x, x]), ("N",)),
        one("stack", "concatenate", lambda x, y: gc.stack([x, y], axis=-1), ("N", 3), ("N", 3), torch=lambda x, y: _torch("stack")([x, y], -1)),
        one("pad", "pad", lambda x: gc.pad(x, ((1, 2), (0, 1)), constant_values=0.5), (2, 3)),
        one("pad symbolic", "pad", lambda x: gc.pad(x, 1), ("N", 3), torch=lambda x: _torch("nn.functional.pad")(x, (1, 1, 1, 1))),
        one("pad empty", "pad", lambda x: gc.pad(x, ((1, 1), (0, 0))), (0, 2)),
        one("pad edge", "take", lambda x: gc.pad(x, ((2, 1), (0, 2)), "edge"), ("N", 3)),
        one("pad reflect", "take", lambda x: gc.pad(x, ((2, 1), (1, 2)), "reflect"), ("N", 3)),
        one("pad symmetric", "take", lambda x: gc.pad(x, ((2, 5), (1, 2)), "symmetric"), ("N", 3)),
        one("pad wrap", "take", lambda x: gc.pad(x, ((2, 5), (1, 2)), "wrap"), ("N", 3)),
        one("flip", "flip", gc.flip, (2, 3), torch=lambda x: x.flip(0, 1)),
        one("flip axis", "flip", lambda x: gc.flip(x, 0), ("N", 3), torch=lambda x: x.flip(0)),
        *[one(f"getitem {label}", "slice", lambda x, index=index: x[index], s) for label, (index, s) in _SUBSCRIPTS.items()],
        one("slice strided", "slice", lambda x: shape.strided_part(x, (1, 3), (2, 2), (2, -3)), (4, 4)),
        one("embed", "embed", lambda x: shape.embed(x, (5, 4), (1, 0), (2, 1)), (2, 3)),
        one("embed negative", "embed", lambda x: shape.embed(x, (5, 4), (4, 3), (-3, -1)), (2, 3)),
        one("embed symbolic", "embed", lambda x: shape.embed(x, (x.shape[0] + 2, 3), (1, 0), (1, 1)), ("N", 3)),
        one("embed empty", "embed", lambda x: shape.embed(x, (3, 2), (0, 0), (1, 1)), (0, 2)),
        one("expand_dims", "reshape", lambda x: gc.expand_dims(x, (0, -1)), ("N", 3)),
        one("squeeze", "reshape", gc.squeeze, ("N", 1, 3, 1), torch=lambda x: x.squeeze()),
        one("squeeze axis", "reshape", lambda x: gc.squeeze(x, 1), (1, 1, 3), torch=lambda x: x.squeeze(1)),
        one("split", "slice", lambda x: gc.split(x, 3)[1] * 2, (6, 2)),
        one("split indices", "slice", lambda x: gc.split(x, [1, 3], axis=1)[1], (2, "N")),
        one("array_split", "slice", lambda x: gc.concatenate(gc.array_split(x, 3)[::-1]), (7, 2)),
        one("tile", "broadcast_to", lambda x: gc.tile(x, (2, 1, 3)), ("N", 3), torch=lambda x: x.tile(2, 1, 3)),
        one("repeat", "broadcast_to", lambda x: gc.repeat(x, 2, axis=1), ("N", 3), torch=lambda x: x.repeat_interleave(2, 1)),
        one("repeat flat", "broadcast_to", lambda x: x.repeat(3), (2, 3), torch=lambda x: x.repeat_interleave(3)),
        one("repeat counts", "take", lambda x: gc.repeat(x, [2, 0, 1], axis=0), (3, 2)),
        one("roll", "concatenate", lambda x: gc.roll(x, 1, axis=0), ("N", 3), torch=lambda x: x.roll(1, 0)),
        one("roll back", "concatenate", lambda x: gc.roll(x, -6, axis=0), ("N", 3), torch=lambda x: x.roll(-6, 0)),
        one("roll flat", "concatenate", lambda x: gc.roll(x, 4), (2, 3), torch=lambda x: x.roll(4)),
        one("roll two axes", "concatenate", lambda x: gc.roll(x, (1, 2), axis=(0, 1)), (2, 3), torch=lambda x: x.roll((1, 2), (0, 1))),
        one("tril", "where", gc.tril, ("N", 3), torch=lambda x: x.tril()),
        one("triu", "where", lambda x: gc.triu(x, 1), (2, 3, 3), torch=lambda x: x.triu(1)),
        one("eye", "astype", lambda x: x @ gc.eye("N", dtype="float64"), (2, "N")),
        one("full_like", "broadcast_to", lambda x: x * gc.full_like(x, 3), ("N", 3)),
    ]  # fmt: skip


def _indexing() -> list[Sample]:
    def at(
        label: str,
        op: str,
        build: Callable[..., Tensor],
        sizes: tuple[tuple[int | str, ...], ...],
        below: int,
        low: int = 0,
    ) -> Sample:
        return Sample(
            label, op, build, sizes, {"N": 4, "T": 3}, dtypes=("float64", "int64"), domain=(ANY, integers(low, below))
        )  # fmt: skip

    found = [
        Sample(f"getitem {label}", "take", lambda x, index=index: x[index], (s,), {"N": 4})  # type: ignore[misc]
        for label, (index, s) in _FANCY.items()
    ]
    found += [
        Sample("index_check", "index_check", lambda i: indexing.positions(i, 5, "take", 0), ((2, 3),), dtypes=("int32",), domain=(integers(-5, 5),), smooth=False),
        Sample("index_check unsigned", "index_check", lambda i: indexing.positions(i, 5, "take", 0), ((3,),), dtypes=("uint8",), domain=(integers(0, 5),), smooth=False),
        at("take rows", "take", lambda x, i: gc.take(x, i, axis=0), ((5, 2), ("N", "T")), 5, -5),
        at("take inner", "take", lambda x, i: gc.take(x, i, axis=1), (("N", 3, 2), (2,)), 3),
        at("take flat", "take", lambda x, i: gc.take(x, i), ((2, 3), (4,)), 6),
        at("take one", "take", lambda x, i: gc.take(x, i, axis=-1), ((2, 3), ()), 3),
        at("take none", "take", lambda x, i: gc.take(x, i, axis=0), ((2, 3), (0,)), 2),
        at("take symbolic axis", "take", lambda x, i: x[i], (("N", 3), (5,)), 4, -4),
        at("getitem tensor and slice", "take", lambda x, i: x[i, ::2], (("N", 3), (5,)), 4, -4),
        at("getitem pairs", "take", lambda x, i: x[gc.arange("N"), i], (("N", 3), ("N",)), 3),
        at("take_along_axis", "take", lambda x, i: gc.take_along_axis(x, i[:, None], axis=1), (("N", 3), ("N",)), 3),
        at("take_along_axis first", "take", lambda x, i: gc.take_along_axis(x, i, axis=0), ((3, 2), (5, 2)), 3, -3),
        at("take_along_axis stretch", "take", lambda x, i: gc.take_along_axis(x, i, axis=1), ((1, 4), (3, 2)), 4),
        at("scatter_add", "scatter_add", lambda g, i: indexing.scatter_add(g, i, 0, 4), ((5, 2), (5,)), 4),
        at("scatter_add matrix", "scatter_add", lambda g, i: indexing.scatter_add(g, i, 1, 4), (("N", 2, 3, 2), (2, 3)), 4),
        at("scatter_add symbolic", "scatter_add", lambda g, i: indexing.scatter_add(g, i, 0, g.shape[1]), ((5, "N"), (5,)), 4),
        at("scatter_add none", "scatter_add", lambda g, i: indexing.scatter_add(g, i, 0, 4), ((0, 2), (0,)), 4),
        at("one_hot", "astype", lambda x, i: x * gc.one_hot(i, 3, "float64"), (("N", 3), ("N",)), 3),
    ]  # fmt: skip
    return found


# stride, padding, dilation, groups of one geometry, with the shapes of input and filter
_GEOMETRIES: dict[str, tuple[Geometry, tuple[int | str, ...], tuple[int, ...]]] = {
    "plain": (Geometry((1, 1), ((0, 0), (0, 0)), (1, 1)), (2, 2, 4, 5), (3, 2, 3, 2)),
    "pointwise": (Geometry((1, 1), ((0, 0), (1, 0)), (1, 1)), (2, 2, 3, 2), (3, 2, 1, 1)),
    "strided, symbolic": (Geometry((2, 3), ((1, 0), (0, 2)), (1, 1)), ("N", 2, 5, 6), (2, 2, 2, 3)),
    "symbolic length": (Geometry((2,), ((1, 1),), (1,)), (2, 1, "L"), (2, 1, 3)),
    "dilated groups": (Geometry((1, 2), ((2, 1), (1, 1)), (2, 1), 2), (1, 4, 4, 5), (2, 2, 3, 2)),
    "depthwise": (Geometry((2,), ((1, 2),), (2,), 3), ("N", 3, 6), (6, 1, 3)),
    "size 1": (Geometry((1,), ((0, 0),), (1,)), (1, 1, 1), (1, 1, 1)),
    "windows that leave a rest": (Geometry((3,), ((0, 0),), (1,)), (2, 1, 6), (1, 1, 2)),
    "three axes": (
        Geometry((1, 2, 1), ((0, 0), (1, 0), (0, 1)), (1, 1, 2)),
        (2, 1, 2, 3, 3),
        (2, 1, 2, 2, 2),
    ),
    "empty": (Geometry((1,), ((1, 1),), (1,)), (0, 2, 4), (3, 2, 3)),
}


def _convolutions() -> list[Sample]:
    size = {"N": 3, "L": 6}
    found = []
    for label, (g, x, w) in _GEOMETRIES.items():
        y = convolution.convolution(gc.input("x", x, "float64"), gc.input("w", w, "float64"), g).shape
        u = (*x[:1], w[0], *[f"P{a}" if not isinstance(n, int) else n for a, n in enumerate(y[2:])])
        sizes = {k: v for k, v in size.items() if k in x}
        found.append(
            Sample(
                f"convolution {label}",
                "convolution",
                partial(convolution.convolution, geometry=g),
                (x, w),
                sizes,
            )
        )
        if "L" in x:
            continue  # the other two take the sizes that are asked for: known ones serve
        found += [
            Sample(f"transposed_convolution {label}", "transposed_convolution", partial(convolution.transposed_convolution, size=x[2:], geometry=g), (u, w), sizes),
            Sample(f"filter_gradient {label}", "filter_gradient", partial(convolution.filter_gradient, size=w[2:], geometry=g), (x, u), sizes),
        ]  # fmt: skip
    around = ((1, 0), (1, 1))
    found += [
        Sample("convolve", "convolution", gc.convolve, (("L",), (3,)), {"L": 5}),
        Sample("correlate same", "convolution", partial(gc.correlate, mode="same"), ((5, 4), (2, 3))),
        Sample("window", "window", partial(gc.window, size=(2, 3)), (("N", 4, 5),), {"N": 2}),
        Sample("window strided", "window", partial(gc.window, size=2, axis=0, stride=2, dilation=3), ((9, 2),)),
        Sample("window padded", "window", partial(gc.window, size=(3, 2), axis=(0, 2), stride=(1, 2), padding=((1, 2), (0, 1))), ((3, 2, 4),)),
        Sample("window symbolic", "window", partial(gc.window, size=3, stride=2), ((2, "L"),), {"L": 8}),
        Sample("window then product", "window", lambda x: gc.einsum("npr,r->np", gc.window(x, 2), np.array([1.0, 2.0])), (("N", 4),), {"N": 2}),
        Sample("sum of windows", "window", lambda x: gc.window(x, (2, 3), stride=(2, 1)).sum(axis=(-2, -1)), (("N", 5, 4),), {"N": 2}),
        Sample("fold", "fold", partial(gc.fold, shape=(4, 5)), (("N", 3, 3, 2, 3),), {"N": 2}),
        Sample("fold strided", "fold", partial(gc.fold, shape=9, axis=0, stride=2, dilation=3), ((3, 2, 2),)),
        Sample("fold with a rest", "fold", partial(gc.fold, shape=8, stride=3), ((2, 3, 2),)),
        Sample("fold padded", "fold", partial(gc.fold, shape=(3, 4), axis=(0, 2), stride=(1, 2), padding=((1, 2), (0, 1))), ((4, 2, 2, 3, 2),)),
        Sample("max_pool", "max_pool", lambda x: pooling.max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), (("N", 1, 4, 5),), {"N": 2}, domain=(distinct,)),
        Sample("max_pool overlapping", "max_pool", lambda x: pooling.max_pool(x, (3, 2), (1, 2), around, (1, 2)), ((2, 4, 5),), domain=(distinct,)),
        Sample("max_pool symbolic", "max_pool", lambda x: pooling.max_pool(x, (3,), (2,), ((1, 0),), (1,)), (("N", "L"),), {"N": 2, "L": 7}, domain=(distinct,)),
        Sample("max_pool empty", "max_pool", lambda x: pooling.max_pool(x, (2,), (1,), ((0, 0),), (1,)), ((0, 3),), domain=(distinct,)),
        Sample("window_index", "window_index", lambda x: (lambda y: pooling.window_index(x, y, y.attrs))(pooling.max_pool(x, (2, 3), (1, 2), around, (2, 1))), ((2, 4, 5),), domain=(integers(0, 3),), smooth=False),
        Sample("window_index symbolic", "window_index", lambda x: (lambda y: pooling.window_index(x, y, y.attrs))(pooling.max_pool(x, (2,), (2,), ((1, 0),), (1,))), (("N", "L"),), {"N": 2, "L": 5}, domain=(integers(0, 3),), smooth=False),
    ]  # fmt: skip
    return found


def _sources() -> list[Sample]:
    table = np.arange(6.0).reshape(2, 3)
    return [
        Sample("constant", "constant", lambda x: x * gc.constant(table), ((2, 3),)),
        Sample("constant number", "constant", lambda x: x * 2 + 1, (("N",),), {"N": 3}),
        Sample("dimension", "dimension", lambda x: x / gc.sources.dimension_value(x.shape[0], x.dtype), (("N",),), {"N": 3}),
        Sample("arange", "arange", lambda x: x * gc.arange("N", x.dtype), ((2, "N"),), {"N": 3}),
        Sample("random_uniform", "random_uniform", lambda x: x + gc.random_uniform(("N", 3), "float64"), (("N", 3),), {"N": 2}),
        Sample("random_normal", "random_normal", lambda x: x * gc.random_normal((2, 3), "float64"), ((2, 3),)),
    ]  # fmt: skip


def _loops() -> list[Sample]:
    size = {"N": 2, "T": 3}

    def sample(
        label: str, build: Callable[..., Tensor], *shapes: tuple[int | str, ...], **more: Any
    ) -> Sample:
        sizes = {k: v for k, v in size.items() if any(k in s for s in shapes)}
        return Sample(f"scan {label}", "scan", build, shapes, sizes, **more)

    def cell(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = gc.tanh(h * 0.7 + x)
        return h, h

    def pair(carry: dict[str, Tensor], x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        p, v = carry["p"], carry["v"]
        return {"p": p + 0.5 * v, "v": v - 0.3 * gc.sin(p) + x}, p * v

    def joined(step: Callable[..., Any], init: Any, xs: Any = None, **options: Any) -> Tensor:
        """The last carries and all outputs in one vector."""
        carry, ys = gc.scan(step, init, xs, **options)
        parts = list(carry.values()) if isinstance(carry, dict) else [carry]
        return gc.concatenate([p.flatten() for p in [*parts, *([] if ys is None else [ys])]])

    return [
        sample("cell", lambda h, x, w: joined(lambda c, x: (cell(c @ w, x)[0], c), h, x), (2, 3), (4, 2, 3), (3, 3)),
        sample("symbolic", lambda h, x: gc.scan(cell, h, x)[1], ("N", 2), ("T", "N", 2)),
        sample("last only", lambda h, x: gc.scan(cell, h, x)[0], ("N", 2), ("T", "N", 2)),
        sample("one step", lambda h, x: joined(cell, h, x), (2,), (1, 2)),
        sample("no steps", lambda h, x: joined(cell, h, x), (2,), (0, 2)),
        sample("no rows", lambda h, x: joined(cell, h, x), (0, 2), (3, 0, 2)),
        sample("two carries", lambda p, v, x: joined(pair, {"p": p, "v": v}, x), (2,), (2,), ("T", 2)),
        sample("reverse", lambda p, v, x: joined(pair, {"p": p, "v": v}, x, reverse=True), (2,), (2,), ("T", 2)),
        sample("no sequence", lambda h: joined(lambda c, _: (gc.sin(c) * 1.1, None), h, length=4), (2, 2)),
        sample("no carry", lambda x, w: gc.scan(lambda c, x: (c, gc.tanh(x @ w)), (), x)[1], ("T", 2, 2), (2, 3)),
        sample("scalars", lambda c, x: joined(lambda c, x: (c * x + 1.0, c - x), c, x), (), ("T",)),
        sample("two sequences", lambda x, y: joined(lambda c, xy: (c + xy[0] * xy[1], c * xy[0]), 1.0, (x, y)), ("T",), ("T",)),
        sample("exchanged", lambda a, b: joined(lambda c, _: ({"a": c["b"], "b": c["a"] * 0.5 + c["b"]}, None), {"a": a, "b": b}, length=3), (2,), (2,)),
        sample("integers", lambda h, i: joined(lambda c, k: (c * 0.5 + k.astype(c.dtype), None), h, i), (2,), (3, 2), dtypes=("float64", "int64"), domain=(ANY, integers(-3, 4))),
        sample("mask", lambda h, x, m: joined(lambda c, xm: (gc.where(xm[1], gc.sqrt(c + xm[0]), c), c), h, (x, m)), (2,), (4, 2), (4, 2), dtypes=("float64", "float64", "bool"), domain=(POSITIVE, POSITIVE, truth)),
        sample("constant output", lambda x: gc.scan(lambda c, x: (c + x, gc.full((2,), 0.5, c.dtype)), gc.zeros_like(x[0]), x)[1] * gc.sum(x), (3, 2)),
        sample("invariant", lambda h, w: joined(lambda c, _: (c * gc.exp(w), gc.sin(w)), h, length="T") + 0 * gc.sum(gc.arange("T", h.dtype)), ("T",), ("T",)),
        sample("nested", lambda h, x: gc.scan(lambda c, x: (gc.scan(lambda d, y: (gc.sin(d * 0.8 + y), None), c, x)[0] + c, c), h, x)[1], (), ("T", 2)),
        sample("nested carries", lambda x, w: gc.scan(lambda c, r: (gc.scan(lambda d, s: (d @ w + s, d), c, r, reverse=True)[0], None), gc.zeros_like(x[0, 0]), x)[0], (2, 3, 2), (2, 2)),
    ]  # fmt: skip


SAMPLES: list[Sample] = [
    *_sources(), *_elementwise(), *_reductions(), *_linear_algebra(), *_shapes(), *_indexing(),
    *_convolutions(), *_loops(),
]  # fmt: skip
