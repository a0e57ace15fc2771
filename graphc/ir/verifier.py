"""The verifier: a graph enters, and an error leaves if any node does not say what its op infers."""

from __future__ import annotations

from graphc.errors import GraphError
from graphc.ir.body import bodies_of
from graphc.ir.dimension import format_shape, same_shape
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor


class Verifier:
    """Checks graphs; a node that was found sound is never looked at again, since nodes are immutable.

    Neither is one that is a sound node over operands of the same types, as passes carry most nodes over: what
    an op infers hangs on its attributes and on the shapes and dtypes of its operands alone.
    """

    def __init__(self) -> None:
        self._sound: set[Tensor] = set()
        self._with: dict[int, Tensor] = {}  # the last sound node with these attributes, by their identity

    def verify(self, graph: Graph, stage: str = "graph") -> None:
        """Raise GraphError naming the stage and the first unsound node."""
        sound, known = self._sound, self._with
        for node in [n for n in graph.nodes if n not in sound]:
            like = known.get(id(node.attrs))
            if like is None or not _of_the_same_types(node, like):
                self._check(node, stage)
                for body in bodies_of(node):
                    self.verify(body.graph, f"{stage}, body of a loop")
                known[id(node.attrs)] = node
            sound.add(node)
        inputs = set(graph.inputs)
        for node in [n for n in graph.nodes if not n.inputs and n.op.name == "input"]:
            if node not in inputs:
                raise GraphError(
                    f"input {node.name!r} is used but not among the graph's inputs",
                    op=stage,
                    location=node.location,
                )
        for parameter, new in graph.updates:
            if not same_shape(parameter.shape, new.shape) or parameter.dtype != new.dtype:
                raise GraphError(
                    f"the update of {parameter.name!r} has type {new.dtype}{format_shape(new.shape)}, "
                    f"the parameter {parameter.dtype}{format_shape(parameter.shape)}",
                    op=stage,
                    location=new.location,
                )

    def _check(self, node: Tensor, stage: str) -> None:
        try:
            shape, dtype = node.op.infer(node.inputs, node.attrs)
        except GraphError as error:
            raise GraphError(
                f"{stage} left a node that cannot be built: {error.message}",
                op=node.op.name,
                location=node.location,
            ) from error
        if not same_shape(shape, node.shape) or dtype != node.dtype:
            raise GraphError(
                f"{stage} left a node that says {node.dtype}{format_shape(node.shape)} "
                f"where its op infers {dtype}{format_shape(shape)}",
                op=node.op.name,
                location=node.location,
            )


def _of_the_same_types(node: Tensor, like: Tensor) -> bool:
    """Whether two nodes are the same op with the same attributes and types, also of their operands."""
    if node.op is not like.op or node.attrs is not like.attrs or len(node.inputs) != len(like.inputs):
        return False
    if node.dtype != like.dtype or node.shape != like.shape:
        return False
    for a, b in zip(node.inputs, like.inputs, strict=True):
        if a is not b and (a.dtype != b.dtype or a.shape != b.shape):
            return False
    return True
