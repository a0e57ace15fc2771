"""Activation functions as layers, for `Sequential`: each holds the arguments of its function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.init import Initializer
from graphc.ir.tensor import Tensor
from graphc.nn import activations, axis_activations
from graphc.nn.layer import Layer


class Activation(Layer):
    """A function of one tensor as a layer, with its further arguments fixed.

    >>> import graphc as gc
    >>> gc.nn.Activation(gc.nn.elu, alpha=0.5)(gc.input("x", (3,)))
    <where: float32(3,)>
    """

    default_name = "activation"

    def __init__(
        self, function: Callable[..., Tensor], *arguments: Any, name: str | None = None, **options: Any
    ) -> None:
        super().__init__(name)
        self.function = function
        self.arguments, self.options = arguments, options

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return self.function(x, *self.arguments, **self.options)


class PReLU(Layer):
    """x where x > 0, else weight · x; the weight, one number or one a channel, is learned. He et al. 2015.

    >>> import graphc as gc
    >>> gc.nn.PReLU(3)(gc.input("x", ("N", 3, 8)))
    <where: float32(N, 3, 8)>
    """

    default_name = "prelu"
    weight: Tensor

    def __init__(
        self,
        features: int = 1,
        init: Initializer | float = 0.25,
        *,
        name: str | None = None,
        dtype: object = "float32",
    ) -> None:
        super().__init__(name, dtype)
        self.declare("weight", (features,), init)

    def forward(self, x: Tensor, training: bool) -> Tensor:
        return activations.prelu(x, self.weight)


def _activation_layer(name: str, function: Callable[..., Tensor]) -> Callable[..., Activation]:
    """The layer class of one function; its constructor takes the function's further arguments."""

    def __init__(self: Activation, *arguments: Any, name: str | None = None, **options: Any) -> None:  # noqa: N807
        Activation.__init__(self, function, *arguments, name=name, **options)

    doc = (
        f"`gc.nn.{function.__name__}` as a layer; it takes the function's further arguments.\n\n"
        f"{function.__doc__}"
    ).split("\n\n    >>>")[0]
    return type(
        name, (Activation,),
        {"__init__": __init__, "__doc__": doc, "__module__": __name__, "default_name": function.__name__},
    )  # fmt: skip


Sigmoid = _activation_layer("Sigmoid", activations.sigmoid)
Tanh = _activation_layer("Tanh", activations.tanh)
Hardsigmoid = _activation_layer("Hardsigmoid", activations.hardsigmoid)
HardLogistic = _activation_layer("HardLogistic", activations.hard_logistic)
Hardtanh = _activation_layer("Hardtanh", activations.hardtanh)
ReLU = _activation_layer("ReLU", activations.relu)
ReLU6 = _activation_layer("ReLU6", activations.relu6)
LeakyReLU = _activation_layer("LeakyReLU", activations.leaky_relu)
ELU = _activation_layer("ELU", activations.elu)
SELU = _activation_layer("SELU", activations.selu)
CELU = _activation_layer("CELU", activations.celu)
Softplus = _activation_layer("Softplus", activations.softplus)
Softsign = _activation_layer("Softsign", activations.softsign)
SiLU = _activation_layer("SiLU", activations.silu)
Swish = _activation_layer("Swish", activations.swish)
GELU = _activation_layer("GELU", activations.gelu)
Mish = _activation_layer("Mish", activations.mish)
LogSigmoid = _activation_layer("LogSigmoid", activations.logsigmoid)
Tanhshrink = _activation_layer("Tanhshrink", activations.tanhshrink)
Softshrink = _activation_layer("Softshrink", activations.softshrink)
Hardshrink = _activation_layer("Hardshrink", activations.hardshrink)
Maxout = _activation_layer("Maxout", axis_activations.maxout)
GLU = _activation_layer("GLU", axis_activations.glu)
Softmax = _activation_layer("Softmax", axis_activations.softmax)
LogSoftmax = _activation_layer("LogSoftmax", axis_activations.log_softmax)
