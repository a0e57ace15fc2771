"""What a derivative rule is: the few kinds from which both modes, forward and reverse, follow.

A rule states a derivative once. The tangent (forward mode) and the cotangent (reverse mode) of an
op are two readings of the same statement, so they cannot disagree.

Source: A. Griewank, A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from graphc.autodiff.pieces import fitted, is_one, is_plain_number, like, total
from graphc.ir.build import apply
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ops.elementwise import absorbing_multiply, divide, multiply, negative, reciprocal
from graphc.ops.sources import filled

Reached: TypeAlias = Callable[[Iterable[Tensor], Iterable[Tensor]], set[Tensor]]
Multiply: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """The partial derivative 1 / denominator, kept apart so that ``g / denominator`` is what is built."""

    denominator: Tensor


# The derivative of an output by one operand: a graph, a number, a reciprocal, or None for zero.
Partial: TypeAlias = "Tensor | float | Over | None"


class Rule(Protocol):
    """How derivatives pass through one op.

    ``flows`` says whether any derivative does; ``masking`` names the operands that the op may have
    left out of its result, whose cotangents are zero there (see ``product``).
    """

    @property
    def flows(self) -> bool: ...
    @property
    def masking(self) -> tuple[int, ...]: ...

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        """The cotangent of operand ``index``; its shape may still have the broadcast axes."""

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        """The tangent of the result; its shape may still lack broadcast axes."""


@dataclass(frozen=True, slots=True, eq=False)
class ReverseWalks:
    """Reverse mode's own walks, for rules of ops that hold a graph.

    ``sweep(seeds, wrt, masked)`` gives cotangents, ``masked`` being the seeds that came through a
    ``where``; ``masked(seeds, wrt, masked)`` those of ``wrt`` that only such cotangents reach;
    ``reached(order, wrt)`` the nodes of an order that a derivative reaches.
    """

    sweep: Callable[[Mapping[Tensor, Tensor], Sequence[Tensor], Collection[Tensor]], dict[Tensor, Tensor]]
    masked: Callable[[Mapping[Tensor, Tensor], Sequence[Tensor], Collection[Tensor]], set[Tensor]]
    reached: Reached


@dataclass(frozen=True, slots=True, eq=False)
class ForwardWalks:
    """Forward mode's: ``sweep(seeds, outputs)`` gives tangents; ``reached`` as in reverse mode."""

    sweep: Callable[[Mapping[Tensor, Tensor], Sequence[Tensor]], dict[Tensor, Tensor]]
    reached: Reached


@runtime_checkable
class JointRule(Protocol):
    """A rule that gives all operands' cotangents at once, and looks into the op's own graph."""

    def cotangents(
        self, node: Tensor, cotangent: Tensor, wanted: Sequence[bool], masked: bool, walks: ReverseWalks
    ) -> tuple[list[Tensor | None], set[int]]:
        """The cotangent of each operand, None where it is not wanted or zero.

        And which of them are masked: zero wherever a ``where`` of the op's own graph took another branch.
        """

    def tangent(self, node: Tensor, tangents: Sequence[Tensor | None], walks: ForwardWalks) -> Tensor | None:
        """The tangent of the result."""


def masked_multiply(masked: bool) -> Multiply:
    """The product a cotangent is multiplied with: one in which its zeros win, where it is masked."""
    return absorbing_multiply if masked else multiply


def product(direction: Tensor, partial: Partial, masked: bool = False) -> Tensor | None:
    """A cotangent or tangent times a partial derivative, without a needless ``1 * x``.

    A cotangent is *masked* if it came through a ``where``: it is zero on the branch that was not
    taken, and there the partial derivative may be infinite or undefined, as that of √x is at 0.
    That zero must win, so the product is ``absorbing_multiply``, unless the partial cannot be but finite.
    """
    if partial is None:
        return None
    if isinstance(partial, Over):
        if masked:
            return absorbing_multiply(direction, reciprocal(partial.denominator))
        if is_one(direction):
            return reciprocal(partial.denominator)
        return divide(direction, partial.denominator)
    if isinstance(partial, Tensor):
        if is_one(direction) and not partial.shape:
            return partial
        return masked_multiply(masked and not is_surely_finite(partial))(direction, partial)
    if partial == 1:
        return direction
    if is_plain_number(direction):
        return filled(partial * direction.attrs["value"].item(), direction.dtype)
    if partial == -1:
        return negative(direction)
    return multiply(direction, partial)


def is_surely_finite(partial: Tensor) -> bool:
    """Whether the node holds finite numbers whatever the inputs are: constants and 0/1 masks."""
    if partial.op.name == "constant":
        return bool(np.isfinite(partial.attrs["value"]).all())
    if partial.op.name == "astype":
        return not is_float(partial.inputs[0].dtype)
    return partial.op.name == "dimension"


@dataclass(frozen=True, slots=True, eq=False)
class Pointwise:
    """An elementwise op by its partial derivatives: one function ``(*operands, output) -> Partial`` each."""

    partials: tuple[Callable[..., Partial], ...]
    flows: bool = True
    masking: tuple[int, ...] = ()

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        return product(cotangent, self.partials[index](*node.inputs, node), masked)

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        parts = []
        for partial, tangent in zip(self.partials, tangents, strict=True):
            part = None if tangent is None else product(tangent, partial(*node.inputs, node))
            if part is not None:
                parts.append(fitted(part, node))
        return total(parts) if parts else None


Adjoint: TypeAlias = Callable[[Tensor, Tensor, int, bool], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """An op linear in each of its differentiable operands: its tangent is the op applied again.

    ``adjoint(node, cotangent, index, masked)`` is the transposed map. ``jointly`` says that the op is
    linear in all operands together (a concatenation), not in each alone (a matrix product).
    ``linear_part(attrs)`` are the attributes without a constant term (padding with a number).
    """

    adjoint: Adjoint
    jointly: bool = False
    linear_part: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    flows: bool = True
    masking: tuple[int, ...] = ()

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        return self.adjoint(node, cotangent, index, masked)

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        attrs = self.linear_part(node.attrs)
        if self.jointly:
            moved = tuple(
                like(operand, 0.0) if tangent is None else tangent
                for operand, tangent in zip(node.inputs, tangents, strict=True)
            )
            return apply(node.op, moved, **attrs)
        parts = []
        for index, tangent in enumerate(tangents):
            if tangent is not None:
                moved = (*node.inputs[:index], tangent, *node.inputs[index + 1 :])
                parts.append(apply(node.op, moved, **attrs))
        return total(parts) if parts else None


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """A reduction by its weights ∂out/∂x, of the shape of x.

    The tangent is the weighted sum of the tangents, the cotangent the weights times the result's.
    ``expand(node, value)`` gives a value of the result's shape the reduced axes back, with size 1.
    """

    weights: Callable[[Tensor], Tensor]
    expand: Callable[[Tensor, Tensor], Tensor]
    contract: Callable[[Tensor, Tensor], Tensor]
    flows: bool = True
    masking: tuple[int, ...] = ()

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        return masked_multiply(masked)(self.expand(node, cotangent), self.weights(node))

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        (tangent,) = tangents
        return None if tangent is None else self.contract(node, multiply(tangent, self.weights(node)))


@dataclass(frozen=True, slots=True, eq=False)
class Custom:
    """An op whose two readings are written out, because a shorter form than both follows exists."""

    cotangent: Callable[[Tensor, Tensor, int, bool], Tensor | None]
    tangent: Callable[[Tensor, Sequence[Tensor | None]], Tensor | None]
    masking: tuple[int, ...] = ()
    flows: bool = True

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        return self.cotangent(node, cotangent, index, masked)

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        return self.tangent(node, tangents)


@dataclass(frozen=True, slots=True, eq=False)
class NoDerivative:
    """An op through which no derivative passes, and why.

    ``zero`` tells a derivative that is zero (almost everywhere) from one that has no meaning, which
    raises where a real-valued path runs into it.
    """

    reason: str
    zero: bool
    flows: bool = False
    masking: tuple[int, ...] = ()

    def vjp(self, node: Tensor, cotangent: Tensor, index: int, masked: bool) -> Tensor | None:
        return None

    def jvp(self, node: Tensor, tangents: Sequence[Tensor | None]) -> Tensor | None:
        return None


def zero(reason: str) -> NoDerivative:
    """The rule of an op whose derivative is zero."""
    return NoDerivative(reason, zero=True)


def not_differentiable(reason: str) -> NoDerivative:
    """The rule of an op that has no derivative."""
    return NoDerivative(reason, zero=False)
