"""Python operators and methods of a tensor, each forwarded to the function that builds the node.

The functions live in ``graphc.ops``, which stands below: ``OPERATORS`` is the socket it plugs into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.dimension import element_count
from graphc.ir.origin import user_location

if TYPE_CHECKING:
    from graphc.ir.dimension import Dim, Shape
    from graphc.ir.tensor import Tensor

OPERATORS: dict[str, Callable[..., Tensor]] = {}
# NumPy's own functions and ufuncs, by the function graphc answers them with.
NUMPY_FUNCTIONS: dict[Any, Callable[..., Any]] = {}


Axis: TypeAlias = "int | tuple[int, ...] | None"


class Operators:
    """The behaviour of Tensor that is spelled with operators, indexing and methods."""

    __slots__ = ()
    shape: Shape

    # -- arithmetic ------------------------------------------------------------------------------
    def __add__(self, other: object) -> Tensor:
        return OPERATORS["add"](self, other)

    def __radd__(self, other: object) -> Tensor:
        return OPERATORS["add"](other, self)

    def __sub__(self, other: object) -> Tensor:
        return OPERATORS["subtract"](self, other)

    def __rsub__(self, other: object) -> Tensor:
        return OPERATORS["subtract"](other, self)

    def __mul__(self, other: object) -> Tensor:
        return OPERATORS["multiply"](self, other)

    def __rmul__(self, other: object) -> Tensor:
        return OPERATORS["multiply"](other, self)

    def __truediv__(self, other: object) -> Tensor:
        return OPERATORS["divide"](self, other)

    def __rtruediv__(self, other: object) -> Tensor:
        return OPERATORS["divide"](other, self)

    def __floordiv__(self, other: object) -> Tensor:
        return OPERATORS["floor_divide"](self, other)

    def __rfloordiv__(self, other: object) -> Tensor:
        return OPERATORS["floor_divide"](other, self)

    def __mod__(self, other: object) -> Tensor:
        return OPERATORS["remainder"](self, other)

    def __rmod__(self, other: object) -> Tensor:
        return OPERATORS["remainder"](other, self)

    def __pow__(self, other: object) -> Tensor:
        return OPERATORS["power"](self, other)

    def __rpow__(self, other: object) -> Tensor:
        return OPERATORS["power"](other, self)

    def __matmul__(self, other: object) -> Tensor:
        return OPERATORS["matmul"](self, other)

    def __rmatmul__(self, other: object) -> Tensor:
        return OPERATORS["matmul"](other, self)

    def __neg__(self) -> Tensor:
        return OPERATORS["negative"](self)

    def __pos__(self) -> Tensor:
        return self  # type: ignore[return-value]

    def __abs__(self) -> Tensor:
        return OPERATORS["abs"](self)

    # -- comparison and logic, elementwise as in NumPy ---------------------------------------------
    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return OPERATORS["equal"](self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return OPERATORS["not_equal"](self, other)

    def __lt__(self, other: object) -> Tensor:
        return OPERATORS["less"](self, other)

    def __le__(self, other: object) -> Tensor:
        return OPERATORS["less_equal"](self, other)

    def __gt__(self, other: object) -> Tensor:
        return OPERATORS["greater"](self, other)

    def __ge__(self, other: object) -> Tensor:
        return OPERATORS["greater_equal"](self, other)

    def __invert__(self) -> Tensor:
        return OPERATORS["logical_not"](self)

    def __and__(self, other: object) -> Tensor:
        return OPERATORS["logical_and"](self, other)

    def __rand__(self, other: object) -> Tensor:
        return OPERATORS["logical_and"](other, self)

    def __or__(self, other: object) -> Tensor:
        return OPERATORS["logical_or"](self, other)

    def __ror__(self, other: object) -> Tensor:
        return OPERATORS["logical_or"](other, self)

    def __xor__(self, other: object) -> Tensor:
        return OPERATORS["logical_xor"](self, other)

    def __rxor__(self, other: object) -> Tensor:
        return OPERATORS["logical_xor"](other, self)

    # -- what a symbol cannot do -------------------------------------------------------------------
    def __bool__(self) -> NoReturn:
        self._refuse(
            GraphError,
            "a symbolic tensor has no truth value: its elements are not known while the graph is declared",
            "choose elementwise with gc.where(condition, a, b), or branch on shapes, which are known",
        )

    def __int__(self) -> NoReturn:
        self._refuse(
            GraphError,
            "a symbolic tensor is no Python integer: its value is not known while the graph is declared",
            "sizes of shapes are ints or names such as 'N'; compile the graph to get values",
        )

    __index__ = __int__

    def __float__(self) -> NoReturn:
        self._refuse(
            GraphError,
            "a symbolic tensor is no Python float: its value is not known while the graph is declared",
            "compile the graph with gc.compile and call it to get values",
        )

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse(
            DTypeError,
            "a symbolic tensor cannot become a NumPy array: it has no values yet",
            "use graphc's function of the same name, or compile the graph and call it",
        )

    def __setitem__(self, index: object, value: object) -> NoReturn:
        self._refuse(
            GraphError,
            "a symbolic tensor cannot be assigned into: nodes are immutable",
            "build a new tensor, e.g. with gc.where or gc.concatenate",
        )

    def _refuse(self, kind: type[GraphError], message: str, remedy: str) -> NoReturn:
        raise kind(message, op=repr(self), remedy=remedy, location=user_location())

    def __len__(self) -> int:
        if not self.shape:
            self._refuse(ShapeError, "a 0-dimensional tensor has no length", "ask for .shape or .ndim")
        if not isinstance(self.shape[0], int):
            self._refuse(
                ShapeError,
                f"the length is the symbolic size {self.shape[0]}",
                "use .shape[0], which may be symbolic",
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # -- indexing, attributes and methods -----------------------------------------------------------
    def __getitem__(self, index: object) -> Tensor:
        return OPERATORS["getitem"](self, index)

    @property
    def T(self) -> Tensor:  # noqa: N802  (NumPy's name)
        """The tensor with its axes reversed."""
        return OPERATORS["transpose"](self)

    @property
    def mT(self) -> Tensor:  # noqa: N802  (NumPy's name)
        """The tensor with its last two axes exchanged."""
        return OPERATORS["swapaxes"](self, -1, -2)

    @property
    def size(self) -> Dim:
        """The number of elements: an int or a symbolic size."""
        return element_count(self.shape)

    def astype(self, dtype: object) -> Tensor:
        """The elements converted to another dtype."""
        return OPERATORS["astype"](self, dtype)

    def reshape(self, *shape: Any) -> Tensor:
        """The elements in C order under another shape; one size may be -1."""
        return OPERATORS["reshape"](self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes permuted; reversed if none are given."""
        chosen = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return OPERATORS["transpose"](self, chosen or None)

    def flatten(self) -> Tensor:
        """The elements as one axis, in C order."""
        return OPERATORS["reshape"](self, (-1,))

    ravel = flatten

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Sum over axes."""
        return OPERATORS["sum"](self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Arithmetic mean over axes."""
        return OPERATORS["mean"](self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Product over axes."""
        return OPERATORS["prod"](self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Largest element over axes; a tie shares the gradient evenly."""
        return OPERATORS["max"](self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Smallest element over axes; a tie shares the gradient evenly."""
        return OPERATORS["min"](self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """Variance over axes, divided by the count less ``ddof``."""
        return OPERATORS["var"](self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """Standard deviation over axes, from the count less ``ddof``."""
        return OPERATORS["std"](self, axis=axis, ddof=ddof, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether any element over axes is true."""
        return OPERATORS["any"](self, axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether all elements over axes are true."""
        return OPERATORS["all"](self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Index of the first largest element along an axis."""
        return OPERATORS["argmax"](self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Index of the first smallest element along an axis."""
        return OPERATORS["argmin"](self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Cumulative sum along an axis, or of the flattened tensor."""
        return OPERATORS["cumsum"](self, axis=axis)

    def clip(self, low: object = None, high: object = None) -> Tensor:
        """Elements limited to an interval."""
        return OPERATORS["clip"](self, low, high)

    def round(self) -> Tensor:
        """Elements rounded to the nearest integer, halves to even."""
        return OPERATORS["round"](self)

    def dot(self, other: object) -> Tensor:
        """NumPy's dot product."""
        return OPERATORS["dot"](self, other)

    def squeeze(self, axis: Axis = None) -> Tensor:
        """The tensor without axes of size 1."""
        return OPERATORS["squeeze"](self, axis=axis)

    def swapaxes(self, first: int, second: int) -> Tensor:
        """Two axes exchanged."""
        return OPERATORS["swapaxes"](self, first, second)

    def repeat(self, repeats: int, axis: int | None = None) -> Tensor:
        """Each element repeated along an axis."""
        return OPERATORS["repeat"](self, repeats, axis=axis)

    def take(self, indices: object, axis: int | None = None) -> Tensor:
        """Elements at integer indices along an axis."""
        return OPERATORS["take"](self, indices, axis=axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The diagonal of two axes."""
        return OPERATORS["diagonal"](self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """The sum of the diagonal of two axes."""
        return OPERATORS["trace"](self, offset, axis1, axis2)

    # -- NumPy's functions on graphc's tensors -------------------------------------------------------
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = NUMPY_FUNCTIONS.get(ufunc)
        if function is None or method != "__call__":
            call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            self._refuse(GraphError, f"numpy.{call} has no graphc counterpart", "see the functions of graphc")
        return function(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        function = NUMPY_FUNCTIONS.get(func)
        if function is None:
            self._refuse(
                GraphError, f"numpy.{func.__name__} has no graphc counterpart", "see the functions of graphc"
            )
        return function(*args, **kwargs)
