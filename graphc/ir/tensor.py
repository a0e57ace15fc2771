"""The node of a graph: one immutable tensor expression, which is its own identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.ir.dimension import Shape, format_shape
from graphc.ir.dtype import DType
from graphc.ir.op import Op
from graphc.ir.operators import Operators
from graphc.ir.origin import Location, Origin


class Tensor(Operators):
    """A tensor expression: an op applied to tensors, with the shape and dtype of its result.

    Built by graphc's functions and by Python's operators, never directly. A node is inert: building
    it computes and simplifies nothing. Two nodes are the same only if they are one object, and
    ``==`` compares elements as in NumPy, so ask ``a is b`` for identity.
    """

    __slots__ = ("__weakref__", "attrs", "dtype", "inputs", "name", "op", "origins", "shape")

    op: Op
    inputs: tuple[Tensor, ...]
    attrs: Mapping[str, Any]
    shape: Shape
    dtype: DType
    name: str | None
    origins: tuple[Origin, ...]

    def __init__(
        self,
        op: Op,
        inputs: tuple[Tensor, ...],
        attrs: Mapping[str, Any],
        shape: Shape,
        dtype: DType,
        name: str | None,
        origins: tuple[Origin, ...],
    ) -> None:
        put = object.__setattr__
        put(self, "op", op)
        put(self, "inputs", inputs)
        put(self, "attrs", attrs)
        put(self, "shape", shape)
        put(self, "dtype", dtype)
        put(self, "name", name)
        put(self, "origins", origins)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a graph node is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a graph node is immutable: cannot delete {name!r}")

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a graph node is not pickled; pickle a compiled Function instead")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def scope(self) -> tuple[str, ...]:
        """The scopes that were open when the user built the node, outermost first."""
        return self.origins[0].scope

    @property
    def location(self) -> Location:
        """The user's line that built the node."""
        return self.origins[0].location

    @property
    def role(self) -> str:
        """Which engine built the node: forward, backward, tangent or update."""
        return self.origins[0].role

    def named(self, name: str) -> Tensor:
        """A node with the same meaning, to be shown and generated under this name.

        >>> import graphc as gc
        >>> x = gc.input("x", (3,))
        >>> (x + 1).named("shifted").name
        'shifted'
        """
        return Tensor(self.op, self.inputs, self.attrs, self.shape, self.dtype, name, self.origins)

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        return f"<{self.op.name}{label}: {self.dtype}{format_shape(self.shape)}>"
