"""The derivatives at kinks, ties and poles: one convention each, in the table that the docs print."""

from __future__ import annotations

from typing import NamedTuple


class Convention(NamedTuple):
    """What graphc takes as the derivative where calculus leaves a choice."""

    name: str
    convention: str
    text: str


CONVENTIONS: tuple[Convention, ...] = (
    Convention("relu", "relu'(0) = 0", "0 lies in the subdifferential [0, 1] and keeps a dead unit dead."),
    Convention("abs", "|x|'(0) = 0", "The middle of the subdifferential [-1, 1]; it is sign(0)."),
    Convention(
        "maximum, minimum", "1/2 each at x = y", "A tie shares the derivative evenly between the operands."
    ),
    Convention(
        "max, min", "1/k each at k equal extremes", "A tie over the axes shares the derivative evenly."
    ),
    Convention(
        "max_pool",
        "1 at the first maximum of a window, row by row",
        "As in PyTorch; the reduction max shares its ties, a pooling window does not.",
    ),
    Convention("lp_pool", "0 at a window whose sum is 0", "The root has no finite slope there."),
    Convention(
        "clip",
        "1 on the closed interval [low, high]",
        "0 outside it; where a bound is active, it gets the 1.",
    ),
    Convention(
        "sign, floor, ceil, round, trunc, floor_divide",
        "0 everywhere",
        "Piecewise constant: the jumps carry no derivative.",
    ),
    Convention(
        "remainder", "1 by x, -floor(x / y) by y", "The jumps where x / y is an integer carry no derivative."
    ),
    Convention(
        "sqrt, cbrt", "+inf at 0", "The one-sided limit; guard with where, whose branch not taken is inert."
    ),
    Convention("hypot", "0 at (0, 0)", "The middle of the unit disc of subgradients of the Euclidean norm."),
    Convention("power by x", "0 where the exponent is 0", "x**0 is 1 everywhere, at x = 0 too."),
    Convention(
        "power by y", "0 where x = 0 and y >= 0", "The limit of x**y log x, as x falls to 0, for y > 0."
    ),
    Convention(
        "where",
        "the branch not taken contributes 0",
        "Even where its own derivative is infinite or undefined, and to any order.",
    ),
    Convention("stop_gradient", "0 everywhere", "By definition."),
)
