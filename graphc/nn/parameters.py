"""The parameters below some tensors: outputs enter, a list of parameter nodes leaves."""

from __future__ import annotations

from graphc.errors import GraphError
from graphc.ir.origin import user_location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order


def parameters(*outputs: Tensor, trainable: bool | None = True) -> list[Tensor]:
    """The trainable parameters that the outputs need, in order of first use.

    ``trainable=False`` gives the others (running statistics, frozen weights), None gives all.
    Raises GraphError where two different parameters bear one name: they could not be told apart in
    ``f.params``.

    >>> import graphc as gc
    >>> x = gc.input("x", ("N", 4))
    >>> y = gc.nn.Dense(4, 2, name="out")(x)
    >>> [p.name for p in gc.parameters(y)]
    ['out/weight', 'out/bias']
    """
    for output in outputs:
        if not isinstance(output, Tensor):
            raise GraphError(
                f"a tensor is needed, but {type(output).__name__} was given",
                op="parameters", location=user_location(),
                remedy="write gc.parameters(loss), or gc.parameters(y, z)",
            )  # fmt: skip
    found = [node for node in topological_order(outputs) if node.op.name == "parameter"]
    check_names(found)
    return [p for p in found if trainable is None or p.attrs["trainable"] is trainable]


def check_names(found: list[Tensor]) -> None:
    """Raise GraphError where two different parameters bear one name."""
    seen: dict[str | None, Tensor] = {}
    for parameter in found:
        other = seen.setdefault(parameter.name, parameter)
        if other is not parameter:
            raise GraphError(
                f"two parameters are called {parameter.name!r}; the other is made at {other.location}",
                op="parameters", location=parameter.location,
                remedy='name the layers, e.g. gc.nn.Dense(…, name="hidden"), or put them under gc.scope(…)',
            )  # fmt: skip
