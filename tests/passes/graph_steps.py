"""Steps of random graphs: choices and the nodes so far enter; one more node leaves.

Values stay near 1, as what grows is damped. One method a kind of step; each returns a node, or None where
what it needs is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

import graphc as gc
from graphc.errors import GraphError
from graphc.ir.dimension import evaluate_dim, same, same_shape
from graphc.ops import indexing

T = TypeVar("T")

SHAPES: tuple[tuple[int | str, ...], ...] = (
    (),
    (3,),
    ("N",),
    ("N", 4),
    (3, 4),
    ("N", 1),
    (1, 4),
    ("N", "M"),
    ("M", 4),
    ("N", 3, 4),
    (2, 3, 4),
    ("N", 2, 3, 4),
    ("N", 2, 6, 5),
    (2, 2, 5, 5),
    ("N", 3, 7),
    (2, 4, 6),
)
SIZES = {"N": (0, 1, 2, 5, 11), "M": (1, 3)}
SMOOTH = (
    gc.tanh,
    gc.sigmoid,
    gc.sin,
    gc.cos,
    gc.negative,
    gc.softplus,
    gc.stop_gradient,
    gc.erf,
    gc.arctan,
    lambda x: gc.exp(gc.tanh(x)),
    lambda x: gc.sqrt(gc.square(x) + 0.5),
    lambda x: gc.log1p(gc.square(x)) * 0.5,
    lambda x: 1.0 / (1.0 + gc.square(x)),
    lambda x: gc.expm1(gc.tanh(x)),
    lambda x: gc.tanh(x) ** 3,
    lambda x: 2.0 ** gc.tanh(x),
    lambda x: gc.rsqrt(1.5 + gc.sin(x)),
    gc.nn.gelu,
    gc.nn.silu,
    gc.nn.logsigmoid,
    lambda x: gc.arcsin(gc.tanh(x) * 0.9),
    lambda x: gc.arccos(gc.tanh(x) * 0.9) * 0.5,
    lambda x: gc.tan(gc.tanh(x)) * 0.5,
    lambda x: gc.arctanh(gc.sin(x) * 0.8),
    gc.arcsinh,
    lambda x: gc.arccosh(gc.square(x) + 1.5) * 0.5,
    lambda x: gc.sinh(gc.tanh(x)),
    lambda x: gc.cosh(gc.tanh(x)) * 0.5,
    lambda x: gc.cbrt(gc.square(x) + 0.3),
    lambda x: gc.log2(gc.square(x) + 1.0) * 0.3,
    lambda x: gc.log10(gc.square(x) + 0.5),
    lambda x: gc.exp2(gc.sin(x)),
)
KINKED = (
    gc.relu,
    gc.abs,
    lambda x: gc.clip(x, -0.5, 0.8),
    gc.nn.hardtanh,
    lambda x: gc.nn.leaky_relu(x, 0.1),
    gc.nn.elu,
    lambda x: gc.minimum(x, 0.3),
    lambda x: gc.maximum(0.1, x),
    gc.sign,
    gc.floor,
    gc.ceil,
    gc.round,
    gc.trunc,
    gc.nn.relu6,
    lambda x: gc.where(gc.isnan(x) | gc.isinf(x), 0.0, x * 0.5),
)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0)


class Choices(Protocol):
    """Where the random decisions come from."""

    def integer(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""


class Builder:
    """The nodes so far, and what makes more of them."""

    def __init__(self, choices: Choices, floats: Sequence[str], kinks: bool) -> None:
        self.choices, self.kinks, self.floats = choices, kinks, floats
        self.sizes = {name: self.of(options) for name, options in SIZES.items()}
        self.inputs: list[gc.Tensor] = []
        self.parameters: list[gc.Tensor] = []
        self.below: dict[gc.Tensor, int] = {}
        self.nodes: list[gc.Tensor] = []
        self.masks: list[gc.Tensor] = []
        self.places: list[gc.Tensor] = []  # integers of 0 to 2
        for shape in self.some(SHAPES, 2, 4):
            self.nodes.append(self.source(shape, self.of(floats)))
        for shape in self.some((("N",), (3,), (4,), ("N", 4)), 0, 2):
            self.places.append(self.source(shape, self.of(("int64", "int32"))))
        for shape in self.some((("N", 1), (3, 4), (), ("N", 4)), 0, 1):
            self.masks.append(self.source(shape, "bool"))

    # -- choosing --------------------------------------------------------------------------------------
    def of(self, options: Sequence[T]) -> T:
        return options[self.choices.integer(0, len(options) - 1)]

    def some(self, options: Sequence[T], least: int, most: int) -> list[T]:
        return [self.of(options) for _ in range(self.choices.integer(least, most))]

    def one_in(self, count: int) -> bool:
        return self.choices.integer(0, count - 1) == count - 1

    def size(self, dim: Any) -> int:
        """The size of an axis at the call."""
        return evaluate_dim(dim, self.sizes)

    def source(self, shape: Sequence[Any], dtype: str) -> gc.Tensor:
        """A new input."""
        found = gc.input(f"x{len(self.inputs)}", tuple(shape), dtype)
        self.inputs.append(found)
        if found.dtype.kind == "i":
            self.below[found] = 3
        return found

    def weight(self, shape: Sequence[Any], dtype: Any) -> gc.Tensor:
        """A weight of known shape: a parameter, a constant or an input."""
        rng = np.random.default_rng(len(self.nodes))
        value = (rng.uniform(-1, 1, tuple(shape)) / max(1.0, np.prod(shape[1:]) ** 0.5)).astype(str(dtype))
        match self.choices.integer(0, 3):
            case 0 if all(isinstance(s, int) for s in shape):
                return gc.constant(value)
            case 1:
                return self.source(shape, str(dtype))
            case _:
                found = gc.parameter(f"p{len(self.parameters)}", value=value)
                self.parameters.append(found)
                return found

    def node(self, where: Callable[[gc.Tensor], bool] = lambda x: True) -> gc.Tensor | None:
        """A node so far, more often one of the last."""
        fitting = [n for n in self.nodes if where(n)]
        if not fitting:
            return None
        return self.of(fitting[-6:] if self.one_in(2) else fitting)

    def partner(self, a: gc.Tensor) -> gc.Tensor:
        """A node that broadcasts with a."""
        for _ in range(4):
            b = self.node()
            assert b is not None
            try:
                gc.add(a, b)
            except GraphError:
                continue
            return b
        return a

    def damped(self, y: gc.Tensor) -> gc.Tensor:
        kinds = (
            gc.tanh,
            lambda x: x * 0.25,
            gc.sin,
            lambda x: x / (1.0 + x * x),
            lambda x: gc.tanh(x * 0.5) - 0.1,
        )
        return self.of(kinds)(y)

    # -- elementwise -----------------------------------------------------------------------------------
    def unary(self, a: gc.Tensor) -> gc.Tensor:
        return self.of((*SMOOTH, *KINKED) if self.kinks else SMOOTH)(a)

    def number(self, a: gc.Tensor) -> gc.Tensor:
        n = self.of(NUMBERS)
        kinds = (
            lambda: a * n,
            lambda: n + a,
            lambda: a - n,
            lambda: n - a,
            lambda: a / (n or 1.0),
            lambda: a**2 * 0.5,
            lambda: gc.tanh(a * n),
        )
        return self.of(kinds)()

    def binary(self, a: gc.Tensor) -> gc.Tensor:
        b = self.partner(a)
        kinds: list[Callable[[], gc.Tensor]] = [
            lambda: (a + b) * 0.5,
            lambda: (a - b) / 2.0,
            lambda: gc.tanh(a * b),
            lambda: a / (1.0 + b * b),
            lambda: a * b * 0.5,
            lambda: gc.hypot(a, b + 2.0) * 0.5,
            lambda: gc.logaddexp(a, b) * 0.5,
            lambda: gc.tanh((a * 0.5) * (0.25 * b)) * (1.0 - a * 0.125),
            lambda: gc.power(gc.sigmoid(a) + 0.1, gc.tanh(b)),
            lambda: gc.arctan2(a, gc.softplus(b)),
        ]
        if self.kinks:
            kinds += [
                lambda: gc.maximum(a, b),
                lambda: gc.minimum(a, b),
                lambda: gc.where(a > b, a, b),
                lambda: gc.remainder(a, gc.abs(b) + 0.5),
                lambda: gc.where(gc.equal(a, b), a, b * 0.5),
            ]
        return self.of(kinds)()

    def chosen(self, a: gc.Tensor) -> gc.Tensor | None:
        """By a mask that is made or at hand."""
        b = self.partner(a)
        if self.kinks and self.one_in(2):
            mask = self.of((gc.less, gc.greater_equal, gc.not_equal, gc.less_equal))(a, self.partner(a))
            if self.masks and self.one_in(2):
                mask = self.of((gc.logical_and, gc.logical_or, gc.logical_xor))(mask, self.of(self.masks))
            self.masks.append(gc.logical_not(mask) if self.one_in(3) else mask)
        if not self.masks:
            return None
        mask = self.of(self.masks)
        if self.one_in(4):
            mask = self.of((gc.any, gc.all))(mask, axis=-1, keepdims=True) if mask.ndim else mask
        return self.of(
            (
                lambda: gc.where(mask, a, b),
                lambda: gc.where(mask, a, 0.0),
                lambda: a * mask.astype(a.dtype),
                lambda: gc.where(mask, gc.log(gc.where(mask, gc.square(a) + 0.1, 1.0)), b),
            )
        )()

    def cast(self, a: gc.Tensor) -> gc.Tensor:
        return a.astype(self.of(("float32", "float64"))) if len(self.floats) > 1 else a.astype(a.dtype)

    def counted(self, a: gc.Tensor) -> gc.Tensor | None:
        """Arithmetic of integers."""
        if self.kinks and a.ndim and self.size(a.shape[0]):
            self.places.append(self.of((gc.argmax, gc.argmin))(a, axis=0) % 3)
        if not self.places:
            return None
        i = self.of(self.places)
        kinds = (
            lambda: (i * 5 + 1) % 3,
            lambda: i // 2,
            lambda: gc.minimum(i, 1),
            lambda: gc.cumsum(i, axis=0) % 3,
            lambda: gc.where(i > 1, i - 1, i),
            lambda: gc.abs(i - 2),
            lambda: gc.flip(i),
        )
        j = self.of(kinds)()
        self.places.append(j)
        return gc.tanh(j.astype(a.dtype) * 0.5) if self.one_in(2) else gc.one_hot(j, 3, str(a.dtype))

    # -- reductions ------------------------------------------------------------------------------------
    def axes(self, a: gc.Tensor) -> tuple[int, ...] | int:
        found = tuple(k for k in range(a.ndim) if self.one_in(2)) or (self.choices.integer(0, a.ndim - 1),)
        return found[0] if len(found) == 1 and self.one_in(2) else found

    def reduced(self, a: gc.Tensor) -> gc.Tensor | None:
        if a.ndim == 0:
            return None
        axis, keep = self.axes(a), self.one_in(2)
        kinds: list[Callable[[gc.Tensor], gc.Tensor]] = [
            lambda x: gc.sum(x, axis=axis, keepdims=keep) * 0.25,
            lambda x: gc.mean(x, axis=axis, keepdims=keep),
            lambda x: gc.logsumexp(x, axis=axis, keepdims=keep),
            lambda x: gc.mean(gc.square(x), axis=axis, keepdims=keep),
            lambda x: gc.var(x, axis=axis, keepdims=keep),
            lambda x: (x - x.mean(axis=axis, keepdims=True)).sum(axis=axis, keepdims=keep),
            lambda x: gc.prod(gc.tanh(x) + 0.2, axis=axis, keepdims=keep),
            lambda x: gc.sqrt(gc.sum(gc.square(x), axis=axis, keepdims=keep) + 0.1) * 0.3,
            lambda x: (x * gc.tanh(x)).sum(axis=axis, keepdims=keep) * 0.3,
        ]
        over = (axis,) if isinstance(axis, int) else axis
        if self.kinks and all(self.size(a.shape[k]) for k in over):
            kinds += [
                lambda x: gc.max(x, axis=axis, keepdims=keep),
                lambda x: gc.min(x, axis=axis, keepdims=keep),
                lambda x: gc.any(x > 0.5, axis=axis, keepdims=keep).astype(x.dtype),
            ]
        return self.damped(self.of(kinds)(a)) if self.one_in(2) else self.of(kinds)(a)

    def normalized(self, a: gc.Tensor) -> gc.Tensor | None:
        if a.ndim == 0:
            return None
        axis = self.choices.integer(0, a.ndim - 1)
        kinds: list[Callable[[gc.Tensor], gc.Tensor]] = [
            lambda x: gc.softmax(x, axis=axis),
            lambda x: gc.log_softmax(x, axis=axis) * 0.3,
            lambda x: gc.cumsum(x, axis=axis) * 0.2,
            lambda x: (x - x.mean(axis=axis, keepdims=True)) / gc.sqrt(x.var(axis=axis, keepdims=True) + 0.1),
            lambda x: gc.exp(gc.tanh(x)) / gc.exp(gc.tanh(x)).sum(axis=axis, keepdims=True),
        ]
        if a.ndim >= 2 and isinstance(a.shape[-1], int):
            weight = self.weight(a.shape[-1:], a.dtype)
            kinds.append(lambda x: gc.nn.layer_norm(x, x.shape[-1:], weight, weight * 0.5, eps=0.1))
        return self.of(kinds)(a)

    # -- views and copies ------------------------------------------------------------------------------
    def rearranged(self, a: gc.Tensor) -> gc.Tensor | None:
        if a.ndim == 0:
            return gc.broadcast_to(a, (2, 3))
        axis = self.choices.integer(0, a.ndim - 1)
        order = list(range(a.ndim))
        for k in range(a.ndim - 1):
            other = self.choices.integer(k, a.ndim - 1)
            order[k], order[other] = order[other], order[k]
        index = [slice(None)] * a.ndim
        cuts = (slice(1, None), slice(None, -1), slice(0, 1), slice(-2, None))
        empty = self.size(a.shape[axis]) == 0  # of which a slice that names its ends cannot be sure
        index[axis] = self.of((slice(None, None, -1), slice(None, None, 2), *(() if empty else cuts)))
        widths = [(0, 0)] * a.ndim
        widths[axis] = (self.choices.integer(0, 2), self.choices.integer(0, 2))
        split = axis + 1 if axis + 1 < a.ndim else axis
        kinds: list[Callable[[], gc.Tensor]] = [
            lambda: gc.transpose(a, order),
            lambda: gc.transpose(a, order),
            lambda: a[tuple(index)],
            lambda: a[tuple(index)],
            lambda: gc.expand_dims(a, axis),
            lambda: gc.squeeze(a),
            lambda: gc.reshape(a, (*a.shape[:axis], -1)),
            lambda: gc.reshape(a, (-1, *a.shape[split:])) if split < a.ndim else gc.reshape(a, (-1,)),
            lambda: gc.transpose(gc.reshape(gc.transpose(a), tuple(reversed(a.shape)))),
            lambda: gc.broadcast_to(a, (2, *a.shape)),
            lambda: gc.flip(a, axis),
            lambda: gc.pad(a, widths),
            lambda: gc.roll(a, self.choices.integer(-2, 2), axis=axis),
            lambda: gc.tile(a, (2, *[1] * (a.ndim - 1))),
            lambda: gc.repeat(a, 2, axis=axis),
        ]
        if not empty:
            kinds += [lambda: a[(slice(None),) * axis + (0,)], lambda: a[(slice(None),) * axis + (-1,)]]
        if a.ndim >= 2:
            kinds += [lambda: gc.tril(a), lambda: gc.triu(a, 1), lambda: gc.swapaxes(a, -1, -2)]
        known = a.shape[axis]
        if isinstance(known, int) and known % 2 == 0:
            kinds.append(lambda: gc.reshape(a, (*a.shape[:axis], 2, known // 2, *a.shape[axis + 1 :])))
        return self.of(kinds)()

    def joined(self, a: gc.Tensor) -> gc.Tensor | None:
        b = self.partner(a)
        if a.ndim == 0 or not same_shape(a.shape, b.shape):
            b = gc.tanh(a)
        if a.dtype != b.dtype:
            b = b.astype(a.dtype)
        if a.ndim == 0 or self.one_in(3):
            return gc.stack([a, b, a], axis=self.of((0, -1)))
        axis = self.choices.integer(0, a.ndim - 1)
        whole = gc.concatenate([a, b * 0.5, a], axis=axis)
        return whole if self.one_in(2) else whole[(slice(None),) * axis + (slice(1, None, 2),)]

    def gathered(self, a: gc.Tensor) -> gc.Tensor | None:
        if a.ndim == 0:
            return None
        axis = self.choices.integer(0, a.ndim - 1)
        size = a.shape[axis]
        if not isinstance(size, int) or size < 3 or not self.places or self.one_in(3):
            if isinstance(size, int) and size >= 1:
                return gc.take(a, [0, -1, 0, size // 2], axis=axis)
            return None
        i = self.of(self.places)
        if self.one_in(3) and same(a.shape[0], i.shape[0] if i.ndim else 0) and i.ndim == 1:
            return indexing.scatter_add(a, i.astype("int64"), 0, 3) * 0.3
        return gc.take(a, i, axis=axis)

    def picked(self, _: gc.Tensor) -> gc.Tensor | None:
        """One element of each row, as a loss takes that of the right class."""
        a = self.node(lambda n: n.ndim == 2 and isinstance(n.shape[1], int) and n.shape[1] >= 3)
        rows = [i for i in self.places if i.ndim == 1 and a is not None and same(i.shape[0], a.shape[0])]
        if a is None or not rows:
            return None
        i = self.of(rows)
        kinds = (
            lambda: gc.take_along_axis(a, i[:, None], axis=1),
            lambda: gc.nn.cross_entropy(a, i, reduction=self.of(("none", "mean", "sum"))) * 0.3,
            lambda: a[gc.arange(a.shape[0]), i],
        )
        return self.of(kinds)()

    # -- products --------------------------------------------------------------------------------------
    def multiplied(self, a: gc.Tensor) -> gc.Tensor | None:
        if a.ndim == 0:
            return None
        k = a.shape[-1]
        kinds: list[Callable[[], gc.Tensor]] = []
        if isinstance(k, int):
            kinds.append(lambda: a @ self.weight((k, self.of((1, 3, 4))), a.dtype))
            kinds.append(lambda: a @ self.weight((k,), a.dtype))
            kinds.append(lambda: gc.einsum("...i,ji->j...", a, self.weight((2, k), a.dtype)))
        if a.ndim >= 2:
            kinds += [
                lambda: (a @ gc.swapaxes(a, -1, -2)) @ a * 0.1,
                lambda: gc.softmax((a @ gc.swapaxes(a, -1, -2)) * 0.3, axis=-1) @ a,
                lambda: gc.einsum("...ab,...cb->...ca", a, a) * 0.2,
                lambda: gc.einsum("...ab,...ab->...a", a, a) * 0.2,
            ]
        others = [n for n in self.nodes if n.ndim >= 1 and n.dtype == a.dtype]
        right = [n for n in others if same(n.shape[max(0, n.ndim - 2)], k)]
        if right:
            b = self.of(right)
            kinds += [lambda: a @ b, lambda: a @ b]
        if a.ndim == 2:
            rows = [n for n in others if n.ndim == 2 and same(n.shape[0], a.shape[0])]
            if rows:
                c = self.of(rows)
                kinds += [
                    lambda: a.T @ c,
                    lambda: gc.einsum("na,nb->ba", a, c),
                    lambda: gc.einsum("na,nb->nab", a, c),
                ]
        return self.of(kinds)() if kinds else None

    def chained(self, _: gc.Tensor) -> gc.Tensor | None:
        """Products of three matrices or of a vector, in an order that need not be the cheapest."""
        a = self.node(lambda n: n.ndim >= 2 and isinstance(n.shape[-1], int) and n.shape[-1] >= 1)
        if a is None:
            return None
        first, second = self.weight((a.shape[-1], 4), a.dtype), self.weight((4, self.of((1, 2))), a.dtype)
        kinds = (
            lambda: (a @ first) @ second,
            lambda: a @ (first @ second),
            lambda: gc.einsum("...i,ij,jk->...k", a, first, second),
            lambda: (a @ first) @ gc.sum(second, axis=1),
            lambda: gc.swapaxes(a @ first, -1, -2) @ a,
        )
        return self.of(kinds)()

    # -- images ----------------------------------------------------------------------------------------
    def image(self) -> gc.Tensor | None:
        return self.node(
            lambda n: n.ndim in (3, 4) and all(isinstance(s, int) and s > 0 for s in n.shape[1:])
        )

    def convolved(self, _: gc.Tensor) -> gc.Tensor | None:
        x = self.image()
        if x is None:
            return None
        rank, channels = x.ndim - 2, int(x.shape[1])
        groups = self.of([g for g in (1, 1, 2, 3, channels) if channels % g == 0])
        element = tuple(self.choices.integer(1, 3) for _ in range(rank))
        if self.one_in(3):
            element = (self.of((2, 3, 5)),) * rank
        options: dict[str, Any] = {
            "stride": tuple(self.of((1, 1, 2, 3)) for _ in range(rank)),
            "padding": tuple(self.choices.integer(0, 2) for _ in range(rank)),
            "dilation": tuple(self.of((1, 1, 2)) for _ in range(rank)),
            "groups": groups,
        }
        if self.one_in(2):
            options["stride"] = options["dilation"] = (1,) * rank
        outward = self.of((1, 2)) * groups
        bias = self.weight((outward,), x.dtype) if self.one_in(2) else None
        if self.one_in(4):
            w = self.weight((channels, outward // groups, *element), x.dtype)
            options["padding"] = 0
            return (gc.nn.conv_transpose1d, gc.nn.conv_transpose2d)[rank - 1](x, w, bias, **options)
        w = self.weight((outward, channels // groups, *element), x.dtype)
        return (gc.nn.conv1d, gc.nn.conv2d)[rank - 1](x, w, bias, **options)

    def pooled(self, _: gc.Tensor) -> gc.Tensor | None:
        x = self.image()
        if x is None:
            return None
        rank = x.ndim - 2
        size, stride = self.choices.integer(1, 3), self.choices.integer(1, 3)
        padding = self.choices.integer(0, size // 2)
        kinds = [gc.nn.avg_pool1d, gc.nn.avg_pool2d]
        if self.kinks and self.one_in(2):
            kinds = [gc.nn.max_pool1d, gc.nn.max_pool2d]
        return kinds[rank - 1](x, size, stride, padding)

    # -- loops and derivatives -------------------------------------------------------------------------
    def scanned(self, a: gc.Tensor) -> gc.Tensor | None:
        if a.ndim == 0:
            return None
        w = (
            self.weight(a.shape[1:], a.dtype)
            if all(isinstance(s, int) for s in a.shape[1:])
            else gc.tanh(a.sum())
        )
        w = w.astype(a.dtype)
        start = gc.zeros_like(gc.sum(a, axis=0)) if self.one_in(2) else gc.mean(a, axis=0) * 0.3
        kinds = (
            lambda c, x: (gc.tanh(c * 0.7 + x * w), c),
            lambda c, x: (c * gc.sigmoid(x) + 0.1 * w, c * x),
            lambda c, x: (0.5 * c + 0.5 * x, gc.sin(c + gc.exp(gc.tanh(w)))),
        )
        last, ys = gc.scan(self.of(kinds), start, a, reverse=self.one_in(2))
        return last if self.one_in(3) else ys

    def slope(self, a: gc.Tensor) -> gc.Tensor | None:
        """A gradient of what is so far by one of the sources."""
        sources = [s for s in (*self.inputs, *self.parameters) if s.dtype.kind == "f"]
        wrt = self.of(sources)
        loss = gc.sum(gc.sin(a))
        return gc.tanh(gc.grad(loss, wrt)) if loss is not a else None

    def step(self) -> gc.Tensor | None:
        """One more node, if the step that is drawn can make one."""
        a = self.node()
        assert a is not None
        kinds = (
            self.unary,
            self.unary,
            self.unary,
            self.binary,
            self.binary,
            self.binary,
            self.number,
            self.number,
            self.chosen,
            self.cast,
            self.counted,
            self.reduced,
            self.reduced,
            self.normalized,
            self.rearranged,
            self.rearranged,
            self.rearranged,
            self.joined,
            self.gathered,
            self.multiplied,
            self.multiplied,
            self.convolved,
            self.convolved,
            self.pooled,
            self.scanned,
            self.slope,
            self.picked,
            self.chained,
        )
        try:
            return self.of(kinds)(a)
        except GraphError:
            return None
