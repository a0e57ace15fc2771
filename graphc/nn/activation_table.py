"""The table of activation functions: name to function, formula and where it saturates, for docs and plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.ir.tensor import Tensor
from graphc.nn import activations as a
from graphc.nn import axis_activations as along


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation: the function, its formula in LaTeX, and its limits towards −∞ and +∞.

    A limit is None where the function grows without bound. ``saturates`` says it in words.
    ``is_plain``: one tensor is all it needs, and it works on each element.
    """

    function: Callable[..., Tensor]
    latex: str
    limits: tuple[float | None, float | None]
    saturates: str
    is_plain: bool = True


ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(a.sigmoid, r"\frac{1}{1 + e^{-x}}", (0.0, 1.0), "at 0 on the left, 1 on the right"),
    "tanh": Activation(a.tanh, r"\frac{e^x - e^{-x}}{e^x + e^{-x}}", (-1.0, 1.0), "at -1 and 1"),
    "hard_logistic": Activation(
        a.hard_logistic, r"\max(\min(0.25x + 0.5,\, 1),\, 0)", (0.0, 1.0), "at 0 for x <= -2, 1 for x >= 2"
    ),
    "hardsigmoid": Activation(
        a.hardsigmoid, r"\frac{\min(\max(x + 3, 0), 6)}{6}", (0.0, 1.0), "at 0 for x <= -3, 1 for x >= 3"
    ),
    "hardtanh": Activation(
        a.hardtanh, r"\max(\min(x,\, 1),\, -1)", (-1.0, 1.0), "at -1 for x <= -1, 1 for x >= 1"
    ),
    "relu": Activation(a.relu, r"\max(x, 0)", (0.0, None), "at 0 for x <= 0"),
    "relu6": Activation(a.relu6, r"\min(\max(x, 0), 6)", (0.0, 6.0), "at 0 for x <= 0, 6 for x >= 6"),
    "leaky_relu": Activation(
        a.leaky_relu, r"\max(x, 0) + \gamma \min(x, 0),\ \gamma = 0.01", (None, None), "nowhere"
    ),
    "prelu": Activation(
        a.prelu, r"\max(x, 0) + \gamma_i \min(x, 0)", (None, None), "nowhere (unless its weight is 0)", False
    ),
    "elu": Activation(
        a.elu,
        r"\max(x, 0) + \min(\alpha(e^x - 1),\, 0),\ \alpha = 1",
        (-1.0, None),
        "at -alpha on the left",
    ),
    "selu": Activation(
        a.selu,
        r"s\left(\max(x, 0) + \min(\alpha(e^x - 1),\, 0)\right),\ s \approx 1.0507,\ \alpha \approx 1.6733",
        (-a.SELU_SCALE * a.SELU_ALPHA, None),
        "at -1.7581 on the left",
    ),
    "celu": Activation(
        a.celu,
        r"\max(x, 0) + \min(\alpha(e^{x/\alpha} - 1),\, 0),\ \alpha = 1",
        (-1.0, None),
        "at -alpha on the left",
    ),
    "softplus": Activation(a.softplus, r"\log(1 + e^x)", (0.0, None), "at 0 on the left"),
    "softsign": Activation(a.softsign, r"\frac{x}{1 + |x|}", (-1.0, 1.0), "at -1 and 1, slowly"),
    "silu": Activation(a.silu, r"x\,\sigma(x)", (0.0, None), "at 0 on the left"),
    "swish": Activation(a.swish, r"x\,\sigma(\beta x),\ \beta = 1", (0.0, None), "at 0 on the left"),
    "gelu": Activation(a.gelu, r"x\,\Phi(x)", (0.0, None), "at 0 on the left"),
    "mish": Activation(a.mish, r"x \tanh(\log(1 + e^x))", (0.0, None), "at 0 on the left"),
    "logsigmoid": Activation(a.logsigmoid, r"\log \sigma(x)", (None, 0.0), "at 0 on the right"),
    "tanhshrink": Activation(a.tanhshrink, r"x - \tanh(x)", (None, None), "nowhere"),
    "softshrink": Activation(
        a.softshrink,
        r"\operatorname{sign}(x) \max(|x| - \lambda,\, 0),\ \lambda = 0.5",
        (None, None),
        "nowhere; flat for |x| <= lambda",
    ),
    "hardshrink": Activation(
        a.hardshrink,
        r"x\,[|x| > \lambda],\ \lambda = 0.5",
        (None, None),
        "nowhere; flat for |x| <= lambda",
    ),
    "maxout": Activation(along.maxout, r"\max_k\, (w_k^\top x + b_k)", (None, None), "nowhere", False),
    "glu": Activation(along.glu, r"a\,\sigma(b)", (None, None), "where its gate is 0", False),
    "softmax": Activation(
        along.softmax,
        r"\frac{e^{x_i}}{\sum_j e^{x_j}}",
        (0.0, 1.0),
        "at 0 and 1, as one element leads",
        False,
    ),
    "log_softmax": Activation(
        along.log_softmax, r"x_i - \log \sum_j e^{x_j}", (None, 0.0), "at 0, as its element leads", False
    ),
}
