"""Where zeros of a cotangent must win: a walk in reverse enters, a yes or no for each node leaves.

Behind a ``where`` the cotangent of a branch is zero wherever the branch was not taken, and there a
partial derivative may be infinite or undefined: that of √x at 0. Zero times that is NaN, so products
must let the zero win. That costs a comparison, so it is asked for only where both hold:

- every path from the outputs to the node leads through a branch. What both branches of one condition
  read, as x in ``where(x > 0, x, 0.1 * x)``, is taken everywhere.
- the node or one of its operands may be infinite or undefined. Functions with a pole or a bounded
  domain may, and so may data, an input with NaN for a missing value, and all that is made of these.
  Parameters are taken for finite.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from graphc.autodiff.rule import Rule
from graphc.ir.body import bodies_of, with_bodies
from graphc.ir.dtype import is_float
from graphc.ir.op import Op
from graphc.ir.tensor import Tensor
from graphc.ops.sources import CONSTANT

# Functions that finite numbers take to infinity or NaN, or whose derivative does.
_WITH_POLES = frozenset(
    [
        "log",
        "log2",
        "log10",
        "log1p",
        "exp",
        "exp2",
        "expm1",
        "sqrt",
        "cbrt",
        "reciprocal",
        "divide",
        "remainder",
        "floor_divide",
        "power",
        "tan",
        "arcsin",
        "arccos",
        "arccosh",
        "arctanh",
        "arctan2",
        "sinh",
        "cosh",
    ]
)

# One way to a node: the branches that lie on it, each as its condition and its number.
Way = frozenset[tuple[Any, int]]
_EVERYWHERE: Way = frozenset()
# More ways, or more branches on one, are not told apart; the zeros then win, which is never wrong.
_MOST_WAYS = 16
_SOMEWHERE: Way = frozenset({(None, 0)})


class Masking:
    """Follows a reverse sweep over ``order`` and tells where zeros must win.

    ``masked`` are those of the outputs whose cotangents came through a branch already.
    """

    def __init__(
        self, order: Sequence[Tensor], outputs: Iterable[Tensor], masked: Collection[Tensor] = ()
    ) -> None:
        self._risk = _risks(order)
        self._ways: dict[Tensor, set[Way]] = {
            o: {_SOMEWHERE if o in masked else _EVERYWHERE} for o in outputs
        }
        self._through: set[Way] = set()

    def enter(self, node: Tensor) -> bool:
        """Whether zeros of the node's cotangent must win; called for each node before its operands."""
        self._through = _merged(self._ways.pop(node, {_EVERYWHERE}))
        if _EVERYWHERE in self._through:
            return False
        return any(self._risk[n] for n in (*node.inputs, node))

    def is_masked(self, node: Tensor) -> bool:
        """Whether all ways that led to the node so far go through a branch."""
        ways = self._ways.get(node)
        return ways is not None and _EVERYWHERE not in _merged(ways)

    def descend(self, node: Tensor, index: int, rule: Rule, masked: bool = False) -> None:
        """A cotangent goes on to an operand of the node that was entered last.

        ``masked`` says that on its way through the node it came through a branch of the node's own graph.
        """
        through = {_SOMEWHERE} if masked else self._through
        if index in rule.masking and not node.attrs.get("unguarded"):
            key = node.inputs[0] if node.op.name == "where" else node
            through = {way | {(key, index)} for way in through}
            if any(len(way) > _MOST_WAYS for way in through):
                through = {_SOMEWHERE}
        ways = self._ways.setdefault(node.inputs[index], set())
        ways |= through
        if len(ways) > _MOST_WAYS and _EVERYWHERE not in ways:
            ways.clear()
            ways.add(_SOMEWHERE)


def has_branches(node: Tensor, rule_of: Callable[[Op], Rule]) -> bool:
    """Whether the op's own graph has an op that may leave operands out, as ``where`` does."""
    inside = [n for body in bodies_of(node) for n in with_bodies(body.order)]
    return any(n.inputs and rule_of(n.op).masking and not n.attrs.get("unguarded") for n in inside)


def _merged(ways: set[Way]) -> set[Way]:
    """The ways with both branches of a condition joined: together they lead everywhere."""
    ways = set(ways)
    changed = True
    while changed and _EVERYWHERE not in ways:
        changed = False
        for way in list(ways):
            for key, branch in way:
                rest = way - {(key, branch)}
                other = rest | {(key, 3 - branch)}
                if key is not None and branch in (1, 2) and other in ways:
                    ways -= {way, other}
                    ways.add(rest)
                    changed = True
                    break
            if changed:
                break
    return ways


def _risks(order: Sequence[Tensor]) -> dict[Tensor, bool]:
    risk: dict[Tensor, bool] = {}
    for node in order:
        if not is_float(node.dtype):
            risk[node] = False
        elif not node.inputs:
            risk[node] = node.op.name == "input"
        elif node.op.name in _WITH_POLES and not _is_tame(node):
            risk[node] = True
        else:
            risk[node] = any(risk.get(i, True) for i in node.inputs)
    return risk


def _is_tame(node: Tensor) -> bool:
    """A division by a number that is not zero, or a power with a positive whole exponent."""
    if node.op.name not in ("divide", "power"):
        return False
    second = node.inputs[1]
    while second.op.name == "broadcast_to":
        second = second.inputs[0]
    if second.op.name == "dimension":
        return node.op.name == "divide"
    if second.op is not CONSTANT:
        return False
    value = second.attrs["value"]
    if node.op.name == "divide":
        return bool((value != 0).all())
    return bool(((value >= 1) & (value == value.astype(int))).all()) if value.size else True
