"""The layers of feed-forward networks: each maps a tensor to a tensor, most with parameters of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from graphc import init, ops
from graphc.errors import GraphError, ShapeError
from graphc.init import Initializer
from graphc.ir.dimension import element_count, format_shape
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.nn.activation_table import ACTIVATIONS
from graphc.nn.arguments import check_features
from graphc.nn.layer import Layer
from graphc.ops.arguments import one_axis

ActivationLike: TypeAlias = "str | Callable[[Tensor], Tensor] | None"
GLOROT = init.glorot_uniform()


class Dense(Layer):
    """activation(x · weight + bias): every output depends on every input.

    ``x`` is (…, in_features), the result (…, out_features); ``weight`` is (in_features,
    out_features), ``bias`` (out_features,) or None. ``activation`` is a function or its name. Raises
    ShapeError where the last axis of x differs.

    >>> import graphc as gc
    >>> layer = gc.nn.Dense(784, 10, activation="relu")
    >>> layer(gc.input("x", ("N", 784))), layer.weight
    (<relu: float32(N, 10)>, <parameter 'dense/weight': float32(784, 10)>)
    """

    default_name = "dense"
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        activation: ActivationLike = None,
        *,
        init: Initializer | float = GLOROT,
        bias_init: Initializer | float = 0.0,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.in_features, self.out_features = in_features, out_features
        self.activation = activation_function(activation)
        self.declare("weight", (in_features, out_features), init)
        if bias:
            self.declare("bias", (out_features,), bias_init)
        else:
            self.bias = None

    def forward(self, x: Tensor, training: bool) -> Tensor:
        check_features(x, -1, self.in_features, repr(self))
        y = ops.matmul(x, self.weight)
        if self.bias is not None:
            y = y + self.bias
        return y if self.activation is None else self.activation(y)


class Bilinear(Layer):
    """x1ᵀ · weight · x2 + bias for two inputs: ``layer(x1, x2)``.

    The inputs are (…, in1_features) and (…, in2_features), ``weight`` is (out_features,
    in1_features, in2_features) as in PyTorch, and the result (…, out_features).

    >>> import graphc as gc
    >>> gc.nn.Bilinear(3, 4, 5)(gc.input("a", ("N", 3)), gc.input("b", ("N", 4))).shape
    (N, 5)
    """

    default_name = "bilinear"
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initializer | float | None = None,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.in1_features, self.in2_features = in1_features, in2_features
        bound = float(in1_features) ** -0.5  # PyTorch's U(−1/√in1, 1/√in1)
        self.declare(
            "weight", (out_features, in1_features, in2_features), _bounded(bound) if init is None else init
        )
        if bias:
            self.declare("bias", (out_features,))
        else:
            self.bias = None

    def forward(self, x1: Tensor, x2: Tensor, training: bool) -> Tensor:
        check_features(x1, -1, self.in1_features, repr(self))
        check_features(x2, -1, self.in2_features, repr(self))
        y = ops.einsum("...i,oij,...j->...o", x1, self.weight, x2)
        return y if self.bias is None else y + self.bias


class Embedding(Layer):
    """The row of ``weight`` for each class number: (…) integers to (…, features).

    ``weight`` is (count, features), drawn from N(0, 1). A number outside [0, count) raises IndexError
    at the call.

    >>> import graphc as gc
    >>> gc.nn.Embedding(100, 16)(gc.input("word", ("N", "T"), "int64")).shape
    (N, T, 16)
    """

    default_name = "embedding"
    weight: Tensor

    def __init__(
        self,
        count: int,
        features: int,
        *,
        init: Initializer | float | None = None,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.count = count
        self.declare("weight", (count, features), _standard_normal if init is None else init)

    def forward(self, x: Tensor, training: bool) -> Tensor:
        # NumPy counts negative indices from the end; a class number does not.
        return ops.take(self.weight, ops.where(x < 0, self.count, x), axis=0)


class Flatten(Layer):
    """The axes from ``start_axis`` to ``end_axis`` made one, in C order.

    >>> import graphc as gc
    >>> gc.nn.Flatten()(gc.input("x", ("N", 3, 8, 8))).shape
    (N, 192)
    """

    default_name = "flatten"

    def __init__(self, start_axis: int = 1, end_axis: int = -1, *, name: str | None = None) -> None:
        super().__init__(name)
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Tensor, training: bool) -> Tensor:
        start = one_axis(self.start_axis, x.ndim, "Flatten")
        end = one_axis(self.end_axis, x.ndim, "Flatten")
        if start > end:
            raise ShapeError(
                f"start_axis {start} comes after end_axis {end} in shape {format_shape(x.shape)}",
                op="Flatten", location=user_location(),
                remedy="add the axes that are missing, or change start_axis",
            )  # fmt: skip
        merged = element_count(x.shape[start : end + 1])
        return ops.reshape(x, (*x.shape[:start], merged, *x.shape[end + 1 :]))


class Identity(Layer):
    """x itself: the layer to put where another may stand.

    >>> import graphc as gc
    >>> x = gc.input("x", (3,))
    >>> gc.nn.Identity()(x) is x
    True
    """

    default_name = "identity"

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return x


def activation_function(activation: ActivationLike) -> Callable[[Tensor], Tensor] | None:
    """The function of this name; a function, or None, is itself. GraphError for an unknown name."""
    if activation is None or callable(activation):
        return activation
    if activation in ACTIVATIONS and ACTIVATIONS[activation].is_plain:
        return ACTIVATIONS[activation].function
    plain = ", ".join(name for name, entry in ACTIVATIONS.items() if entry.is_plain)
    raise GraphError(
        f"no activation of one argument is called {activation!r}",
        op="activation", location=user_location(), remedy=f"pass a function, or one of {plain}",
    )  # fmt: skip


def _bounded(bound: float) -> Initializer:
    return init.uniform(-bound, bound)


def _standard_normal(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], generator: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return init.normal()(shape, dtype, generator)
