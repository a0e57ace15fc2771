"""Changes of state that a forward pass brings: outputs enter, a dict from parameter to new value leaves.

A node is immutable and a graph has no side effects, so a layer that keeps running statistics
announces its changes: each is tied to a node of the layer's own computation, and `state_updates`
finds those below the outputs it is given. The table does not keep a graph alive.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from graphc.ir.origin import Origin, current_origins, inheriting
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order


@dataclass(frozen=True, slots=True)
class _Change:
    """A parameter's next value as a function of its present one, and when it was announced."""

    number: int
    parameter: Tensor
    step: Callable[[Tensor], Tensor]
    origins: tuple[Origin, ...]


class _Anchor(weakref.ref[Tensor]):
    """A weak reference that knows its place in the table.

    WeakKeyDictionary does not serve: it compares keys with ``==``, which builds a node.
    """

    __slots__ = ("key",)
    key: int


_changes: dict[int, tuple[_Anchor, list[_Change]]] = {}
_numbers = count()


def announce(anchor: Tensor, parameter: Tensor, step: Callable[[Tensor], Tensor]) -> None:
    """Record that computing ``anchor`` moves ``parameter`` to ``step(parameter)``.

    What ``step`` refers to must not itself need ``anchor``, or both would live for ever. The nodes
    that ``step`` builds bear the scope and the user's line of now, in the role "update".
    """
    change = _Change(next(_numbers), parameter, step, current_origins())
    known = _changes.get(id(anchor))
    if known is not None:
        known[1].append(change)
        return
    reference = _Anchor(anchor, _forget)
    reference.key = id(anchor)
    _changes[reference.key] = (reference, [change])


def _forget(reference: weakref.ref[Tensor]) -> None:
    assert isinstance(reference, _Anchor)
    _changes.pop(reference.key, None)


def state_updates(*outputs: Tensor) -> dict[Tensor, Tensor]:
    """The new values of all state that changes when the outputs are computed in training.

    Give it the loss, and the result, beside the optimiser's, to ``gc.compile(…, updates=…)``. A
    layer called several times moves its state once for each call, in that order.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 4))
    >>> y = gc.nn.BatchNorm(4, name="norm")(x, training=True)
    >>> [p.name for p in gc.nn.state_updates(y)]
    ['norm/running_mean', 'norm/running_var']
    """
    found: list[_Change] = []
    for node in topological_order(outputs):
        known = _changes.get(id(node))
        if known is not None and known[0]() is node:
            found.extend(known[1])
    updates: dict[Tensor, Tensor] = {}
    for change in sorted(found, key=lambda c: c.number):
        with inheriting(change.origins, "update"):
            updates[change.parameter] = change.step(updates.get(change.parameter, change.parameter))
    return updates
