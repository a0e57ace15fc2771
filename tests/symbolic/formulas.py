"""The activation functions of the notes as scalar graphs, each with its formula written in SymPy by hand."""

import sympy

from graphc.ops.elementwise import (
    clip,
    erf,
    exp,
    maximum,
    minimum,
    relu,
    sigmoid,
    softplus,
    sqrt,
    tanh,
    where,
)

X = sympy.Symbol("x", real=True)
A = sympy.Symbol("a", real=True)
_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


def gelu_tanh(x):
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    "logistic": (lambda x, a: sigmoid(x), 1 / (1 + sympy.exp(-X))),
    "tanh": (lambda x, a: tanh(x), sympy.tanh(X)),
    "hard_logistic": (lambda x, a: clip(x / 4 + 0.5, 0.0, 1.0), sympy.Max(sympy.Min(X / 4 + 0.5, 1), 0)),
    "hard_tanh": (lambda x, a: clip(x, -1.0, 1.0), sympy.Max(sympy.Min(X, 1), -1)),
    "relu": (lambda x, a: relu(x), sympy.Max(X, 0)),
    "leaky_relu": (lambda x, a: where(x > 0, x, 0.01 * x), sympy.Piecewise((X, X > 0), (0.01 * X, True))),
    "prelu": (lambda x, a: maximum(x, 0.0) + a * minimum(x, 0.0), sympy.Max(X, 0) + A * sympy.Min(X, 0)),
    "elu": (
        lambda x, a: where(x > 0, x, a * (exp(x) - 1)),
        sympy.Piecewise((X, X > 0), (A * (sympy.exp(X) - 1), True)),
    ),
    "selu": (
        lambda x, a: _SCALE * where(x > 0, x, _ALPHA * (exp(x) - 1)),
        _SCALE * sympy.Piecewise((X, X > 0), (_ALPHA * (sympy.exp(X) - 1), True)),
    ),
    "softplus": (lambda x, a: softplus(x), sympy.log(1 + sympy.exp(X))),
    "softsign": (lambda x, a: x / (1 + abs(x)), X / (1 + sympy.Abs(X))),
    "swish": (lambda x, a: x * sigmoid(a * x), X / (1 + sympy.exp(-A * X))),
    "gelu_erf": (lambda x, a: 0.5 * x * (1 + erf(x / sqrt(2.0))), X * (1 + sympy.erf(X / sympy.sqrt(2))) / 2),
    "gelu_tanh": (
        lambda x, a: gelu_tanh(x),
        X * (1 + sympy.tanh(sympy.sqrt(2 / sympy.pi) * (X + 0.044715 * X**3))) / 2,
    ),
    "mish": (lambda x, a: x * tanh(softplus(x)), X * sympy.tanh(sympy.log(1 + sympy.exp(X)))),
    "maxout": (lambda x, a: maximum(0.5 * x + a, -x), sympy.Max(X / 2 + A, -X)),
}
