"""Functions by name: sums enter; sin, floor, max over an index … of them leave, by the laws of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.dimension import is_nonnegative, same, simplified
from graphc.symbolic.index.affine import Variable, constant, product_of
from graphc.symbolic.normal.arithmetic import Undecided
from graphc.symbolic.normal.atoms import Applied, Atom, Place, Sum, product
from graphc.symbolic.normal.parts import is_integer
from graphc.symbolic.normal.powers import Powers

ODD = frozenset(["sin", "arcsin", "arctan", "arcsinh", "arctanh", "erf", "cbrt", "trunc", "round"])
EVEN = frozenset(["cos"])


class Functions(Powers):
    """Functions kept by name, and every function applied anew."""

    def function(self, name: str, arguments: Sequence[Sum]) -> Sum:
        """A function that is kept by name, with the laws of its parity and of integers."""
        self.check_depth(*arguments)
        if name in ODD or name in EVEN:
            (x,) = arguments
            if name in ODD and not x.terms:
                return Sum(())
            if name in ("trunc", "round") and is_integer(x):
                return x
            lead = self.lead(x)
            if lead is not None and lead.constant.is_negative:
                made = self.atom(Applied(self.numbering, name, [self.scale(x, -1)]))
                return self.scale(made, -1) if name in ODD else made
        if name == "floor":
            (x,) = arguments
            whole = [t for t in x.terms if is_integer(Sum((t,)))]
            rest = [t for t in x.terms if not is_integer(Sum((t,)))]
            if not rest:
                return x
            made = self.atom(Applied(self.numbering, name, [Sum(tuple(rest))]))
            return self.add(Sum(tuple(whole)), made)
        return self.atom(Applied(self.numbering, name, arguments))

    def reduction(self, name: str, body: Sum, bound: Sequence[Variable]) -> Sum:
        """max, min, prod … over indices, as one atom; an index of size 1 is none."""
        self.check_depth(body)
        if name == "min":
            return self.scale(self.reduction("max", self.scale(body, -1), bound), -1)
        if name == "argmin":
            return self.reduction("argmax", self.scale(body, -1), bound)
        ones = {v: constant(0) for v in bound if same(v.size, 1)}
        if ones and name != "argmax":
            return self.reduction(name, self.substituted(body, ones), [v for v in bound if v not in ones])
        if not bound:
            return body
        if name == "max":
            body, outside = self._taken_out(body, bound)
            if not is_nonnegative(simplified(product_of([v.size for v in bound]) - 1)):
                raise Undecided(f"{name} over an axis that may be empty")
            if not body.terms:
                return outside
            return self.add(outside, self.atom(Applied(self.numbering, name, [body], bound)))
        return self.atom(Applied(self.numbering, name, [body], bound))

    def _taken_out(self, body: Sum, bound: Sequence[Variable]) -> tuple[Sum, Sum]:
        """max(a + x_k) = a + max x_k."""
        inside = [t for t in body.terms if not t.free.isdisjoint(bound)]
        outside = [t for t in body.terms if t.free.isdisjoint(bound)]
        return Sum(tuple(inside)), Sum(tuple(outside))

    def again(self, atom: Atom, exponent: Any) -> Sum:
        """An atom to a power, made anew from its arguments."""
        if isinstance(atom, Place):
            return self.power(self.place(atom.index), exponent)
        if not isinstance(atom, Applied):
            return Sum((product([(atom, exponent)]),))
        arguments = [self.renewed(s) for s in atom.arguments]
        if atom.name == "exp":
            return self.exp(self.scale(arguments[0], exponent))
        if atom.name == "value":
            return self.power(arguments[0], exponent)
        if atom.name == "power" and (r := arguments[1].number) is not None:
            return self.power(self.power(arguments[0], r), exponent)
        if atom.name == "log":
            return self.power(self.log(arguments[0]), exponent)
        if atom.name == "positive":
            return self.power(self.positive(arguments[0]), exponent)
        if atom.name == "zero":
            return self.power(self.zero(arguments[0]), exponent)
        if atom.bound:
            return self.power(self.reduction(atom.name, arguments[0], atom.bound), exponent)
        return self.power(self.function(atom.name, arguments), exponent)
