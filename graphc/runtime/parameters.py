"""The parameters of compiled functions: a dict of arrays that is written in place, never swapped."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.tensor import Tensor

Array = np.ndarray[Any, Any]


class Parameters(dict[str, Array]):
    """Arrays by parameter name, shared by every function compiled with them.

    Setting an entry writes into its array, so that all functions that share it see the new value:
    ``f.params["dense1/weight"] = array``. Names cannot be removed.
    """

    def __init__(self) -> None:
        super().__init__()
        # Functions that update parameters run one at a time.
        self.lock = threading.RLock()

    def declare(self, parameters: Iterable[Tensor], seed: int) -> None:
        """Make the arrays of parameters that have none yet.

        Each is drawn from a generator of its own, seeded by ``seed`` and its name: adding a layer
        does not change the others' first values.
        """
        for node in parameters:
            name = node.name or ""
            if name in self:
                self._check(name, node.shape, node.dtype, node)
            else:
                super().__setitem__(name, initial_value(node, seed))

    def _check(self, name: str, shape: tuple[Any, ...], dtype: np.dtype[Any], node: Tensor | None) -> None:
        known = self[name]
        location = node.location if node is not None else None
        if known.shape != shape:
            raise ShapeError(
                f"parameter {name!r} has shape {known.shape}, not {shape}", op="params", location=location,
                remedy="give an array of the parameter's shape, or another name to another parameter",
            )  # fmt: skip
        if known.dtype != dtype and (node is not None or not np.can_cast(dtype, known.dtype, "same_kind")):
            raise DTypeError(
                f"parameter {name!r} has dtype {known.dtype}, not {dtype}", op="params", location=location,
                remedy="convert the array with .astype",
            )  # fmt: skip

    def __setitem__(self, name: str, value: object) -> None:
        if name not in self:
            raise GraphError(
                f"there is no parameter {name!r}",
                op="params",
                remedy=f"the names are {', '.join(map(repr, self))}",
            )
        array = np.asarray(value)
        self._check(name, array.shape, array.dtype, None)
        with self.lock:
            self[name][...] = array

    def update(self, *others: Any, **more: Any) -> None:
        """Write several entries."""
        for name, value in dict(*others, **more).items():
            self[name] = value

    def copy(self) -> dict[str, Array]:
        """A plain dict of copies: the values as they are now."""
        with self.lock:
            return {name: value.copy() for name, value in self.items()}

    def _refuse(self, *args: object) -> NoReturn:
        raise GraphError("a parameter cannot be removed", op="params", remedy="compile the function anew")

    __delitem__ = _refuse
    clear = _refuse
    pop = _refuse
    popitem = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (dict(self),)


def _restored(values: Mapping[str, Array]) -> Parameters:
    parameters = Parameters()
    for name, value in values.items():
        dict.__setitem__(parameters, name, value)
    return parameters


def initial_value(node: Tensor, seed: int) -> Array:
    """The first value of a parameter: from its array, its number, or its initialiser."""
    init, shape, dtype = node.attrs["init"], node.shape, node.dtype
    if callable(init):
        name = zlib.crc32((node.name or "").encode("utf-8", "surrogatepass"))
        value = np.asarray(init(shape, dtype, np.random.default_rng([seed, name])))
    else:
        value = np.asarray(0 if init is None else init)
        value = np.broadcast_to(value, shape) if value.ndim == 0 else value
    if value.shape != shape:
        raise ShapeError(
            f"the initialiser of {node.name!r} gave shape {value.shape}, not {shape}",
            op="parameter", location=node.location, remedy="return an array of the shape it is asked for",
        )  # fmt: skip
    return np.array(value, dtype=dtype, order="C")
