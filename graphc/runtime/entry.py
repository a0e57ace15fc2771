"""The door of a compiled function: what a caller passes enters, checked arrays and their sizes leave.

The checks of a good call are a few comparisons in generated code; everything else happens in the
functions here, which either convert the value or refuse it with an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from graphc.errors import DTypeError, GraphError, ShapeError
from graphc.ir.dimension import Shape, dim_source, format_shape
from graphc.ir.dtype import DType
from graphc.ir.origin import Location
from graphc.ir.tensor import Tensor

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Argument:
    """One argument of a compiled function, as declared."""

    name: str
    variable: str
    shape: Shape
    dtype: DType
    location: Location

    def admit(self, value: object) -> Array:
        """The value as a C-contiguous array of the declared dtype; an error where it cannot be one."""
        if isinstance(value, Tensor):
            raise GraphError(
                f"argument {self.name!r} is the symbolic {value!r}", op="call", location=self.location,
                remedy="call with arrays; build graphs before compiling",
            )  # fmt: skip
        bare = isinstance(value, (bool, int, float, list, tuple))
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ShapeError(
                f"argument {self.name!r} is no array: {error}", op="call", location=self.location,
                remedy="pass a NumPy array",
            ) from None  # fmt: skip
        if array.size and not np.can_cast(array.dtype, self.dtype, "same_kind" if bare else "safe"):
            raise DTypeError(
                f"argument {self.name!r} is declared {self.dtype}, the value has dtype {array.dtype}",
                op="call", location=self.location,
                remedy=f"convert it with .astype({self.dtype.name!r}), or declare the input {array.dtype}",
            )  # fmt: skip
        if array.ndim != len(self.shape):
            raise ShapeError(
                f"argument {self.name!r} is declared {format_shape(self.shape)}, "
                f"the value has shape {array.shape}",
                op="call", location=self.location,
                remedy=f"pass an array of {len(self.shape)} axes",
            )  # fmt: skip
        return np.array(array, self.dtype, order="C", copy=None).reshape(array.shape)

    def admit_number(self, value: object) -> float:
        """The value as a Python float."""
        return float(self.admit(value))


def entry_source(arguments: tuple[Argument, ...], symbols: tuple[tuple[str, str], ...], draws: bool) -> str:
    """Source of ``entry``: checks, sizes, a function with its workspace from the pool, the call."""
    variables = dict(symbols)
    names = [a.variable for a in arguments]
    lines = [f"def entry({', '.join(names)}):"]
    bound: set[str] = set()
    for k, a in enumerate(arguments):
        lines.append(
            f"    if {a.variable}.__class__ is not ndarray or {a.variable}.dtype != dtypes[{k}] "
            f"or {a.variable}.ndim != {len(a.shape)} or not {a.variable}.flags.c_contiguous:"
        )
        lines.append(f"        {a.variable} = arguments[{k}].admit({a.variable})")
        for axis, size in enumerate(a.shape):
            if not isinstance(size, int) and size.is_Symbol and size.name not in bound:
                bound.add(size.name)
                lines.append(f"    {variables[size.name]} = {a.variable}.shape[{axis}]")
    if arguments:
        tests = []
        for a in arguments:
            shape = "".join(f"{dim_source(s, variables)}, " for s in a.shape)
            tests.append(f"{a.variable}.shape != ({shape.strip()})")
        lines.append(f"    if {' or '.join(tests)}:")
        lines.append(f"        refuse_shapes(({''.join(f'{n}, ' for n in names)}))")
    sizes = "".join(f"{v}, " for _, v in symbols)
    lines.append(f"    sizes = ({sizes.strip()})")
    extra = "seed, next_call(), " if draws else ""
    lines += [
        "    free = pool.get(sizes)",
        "    compute = free.pop() if free else new_workspace(sizes)",
        "    try:",
        '        with errstate(all="ignore"):',
        f"            return compute(params, {extra}{', '.join(names)})",
        "    finally:",
        "        give_back(sizes, compute)",
    ]
    return "\n".join(lines) + "\n"


def scalar_entry_source(arguments: tuple[Argument, ...]) -> str:
    """Source of the entry of a function on plain numbers."""
    names = [a.variable for a in arguments]
    lines = [f"def entry({', '.join(names)}):"]
    for k, name in enumerate(names):
        lines.append(f"    if {name}.__class__ is not float:")
        lines.append(f"        if getattr({name}, 'dtype', None) == dtypes[{k}] and {name}.ndim == 0:")
        lines.append(f"            {name} = float({name})")
        lines.append("        else:")
        lines.append(f"            {name} = arguments[{k}].admit_number({name})")
    lines += [
        "    try:",
        f"        return compute(params, {', '.join(names)})",
        "    except (ArithmeticError, ValueError):",  # Python raises where NumPy gives inf or nan
        f"        return array_entry({', '.join(names)})",
    ]
    return "\n".join(lines) + "\n"


def refuse_shapes(arguments: tuple[Argument, ...], values: tuple[Array, ...]) -> NoReturn:
    """Tell which argument's shape does not fit, and the sizes that were bound before it."""
    sizes: dict[str, tuple[int, str]] = {}
    for argument, value in zip(arguments, values, strict=True):
        for axis, (size, seen) in enumerate(zip(argument.shape, value.shape, strict=True)):
            if isinstance(size, int):
                if size != seen:
                    _refuse(argument, value, f"axis {axis} must have size {size}")
            elif size.is_Symbol:
                known, where = sizes.setdefault(size.name, (seen, argument.name))
                if known != seen:
                    _refuse(argument, value, f"{size} is {known} by argument {where!r}, but {seen} here")
    argument, value = arguments[-1], values[-1]
    raise _mismatch(argument, value, "its size does not follow from the others'")


def _mismatch(argument: Argument, value: Array, why: str) -> ShapeError:
    return ShapeError(
        f"argument {argument.name!r} is declared {format_shape(argument.shape)}, "
        f"the value has shape {value.shape}: {why}",
        op="call", location=argument.location, remedy="pass an array of the declared shape",
    )  # fmt: skip


def _refuse(argument: Argument, value: Array, why: str) -> NoReturn:
    raise _mismatch(argument, value, why)
