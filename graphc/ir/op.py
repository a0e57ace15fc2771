"""What an op is: a name, a family, a shape-and-dtype rule and a NumPy meaning. Ops are nouns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from graphc.ir.dimension import Shape
from graphc.ir.dtype import DType

if TYPE_CHECKING:
    from graphc.ir.tensor import Tensor

Attrs: TypeAlias = Mapping[str, Any]
Family = Literal[
    "source",
    "random",
    "elementwise",
    "reduction",
    "linear algebra",
    "convolution",
    "shape",
    "indexing",
    "loop",
]
Rule: TypeAlias = "Callable[[tuple[Tensor, ...], Attrs], tuple[Shape, DType]]"


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One kind of node.

    ``infer(inputs, attrs)`` gives the shape and dtype of the result or raises a GraphError whose
    message tells what does not fit. ``evaluate(attrs, *arrays)`` is the op's meaning in NumPy: plain
    and slow is right, it is the oracle that generated code is held against. Attributes that are
    symbolic sizes reach ``evaluate`` as integers. ``ufunc`` names the NumPy ufunc that is the op, if
    one is. ``is_view`` says the result may share memory with the first input.
    """

    name: str
    family: Family
    infer: Rule
    evaluate: Callable[..., np.ndarray[Any, Any]]
    ufunc: np.ufunc | None = None
    is_view: bool = False

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(f"op {self.name} is not pickled; pickle a compiled Function instead")
