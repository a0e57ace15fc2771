"""Statements of the ops that move elements: parts, places and windows."""

from __future__ import annotations

import numpy as np

from graphc.codegen.emitter import At
from graphc.codegen.text import literal_source, slice_source, tuple_source
from graphc.ir.dimension import Shape, element_count, floor_div, simplified
from graphc.ir.dtype import DType
from graphc.ir.tensor import Tensor

# Elements behind the windows' axes up to which folding by blocks is the faster way.
_SHORT_RUN = 32


def concatenate(at: At) -> list[str]:
    parts = tuple_source([at.array(k) for k in range(len(at.step.inputs))])
    return [f"np.concatenate({parts}, axis={at.step.attrs['axis']}, out={at.out})"]


def pad(at: At) -> list[str]:
    source = at.step.inputs[0].shape
    starts = tuple(before for before, _ in at.step.attrs["widths"])
    index = slice_source(at, starts, source, (1,) * len(source), at.step.shape)
    value = literal_source(np.asarray(at.step.attrs["value"], at.step.dtype))
    return [f"{at.out}.fill({value})", f"{at.out}[{index or '...'}] = {at.operand(0)}"]


def embed(at: At) -> list[str]:
    attrs = at.step.attrs
    index = slice_source(at, attrs["start"], at.step.inputs[0].shape, attrs["step"], at.step.shape)
    return [f"{at.out}.fill(0)", f"{at.out}[{index or '...'}] = {at.operand(0)}"]


def add_part(at: At) -> list[str]:
    attrs = at.step.attrs
    index = slice_source(at, attrs["start"], at.step.inputs[1].shape, attrs["step"], at.step.shape)
    part = f"{at.out}[{index or '...'}]"
    copied = [] if at.overwritten == 0 else [f"np.copyto({at.out}, {at.operand(0)})"]
    return [*copied, f"np.add({part}, {at.operand(1)}, out={part})"]


def index_check(at: At) -> list[str]:
    size = at.size(at.step.attrs["size"])
    return [f"check_index({at.array(0)}, {size}, {at.out}, {at.where()})"]


def take(at: At) -> list[str]:
    # The indices are checked already; with mode="raise" NumPy would buffer the whole output.
    axis = at.step.attrs["axis"]
    return [f'np.take({at.array(0)}, {at.array(1)}, axis={axis}, out={at.out}, mode="wrap")']


def scatter_add(at: At) -> list[str]:
    axis = at.step.attrs["axis"]
    index = at.array(1) if axis == 0 else f"({'slice(None), ' * axis}{at.array(1)})"
    return [f"{at.out}.fill(0)", f"np.add.at({at.out}, {index}, {at.operand(0)})"]


def fold(at: At) -> list[str]:
    attrs = at.step.attrs
    scratch = f", {at.scratch(0)}" if blocks(at.step) else ""
    windows = f"{attrs['axes']}, {attrs['stride']}, {attrs['dilation']}"
    return [f"fold_into({at.array(0)}, {at.out}, {windows}{scratch})"]


def blocks(step: Tensor) -> list[tuple[Shape, DType]]:
    """The blocks by which windows are folded where few elements lie together behind them."""
    axes, stride = step.attrs["axes"], step.attrs["stride"]
    run = element_count(step.shape[max(axes) + 1 :])
    dilated = any(d > 1 for d in step.attrs["dilation"])
    if dilated or all(s == 1 for s in stride) or not isinstance(run, int) or run > _SHORT_RUN:
        return []
    shape = list(step.shape)
    for axis, s in zip(axes, stride, strict=True):
        shape[axis] = simplified(floor_div(shape[axis] + s - 1, s))
    return [((*stride, *shape), step.dtype)]


def _windows_source(at: At) -> str:
    """The windows of a pooling, as arguments of its kernels."""
    attrs = at.step.attrs
    sides = [tuple_source([at.size(n) for n in pair]) for pair in attrs["padding"]]
    return f"{attrs['size']}, {attrs['stride']}, {tuple_source(sides)}, {attrs['dilation']}"


def max_pool(at: At) -> list[str]:
    return [f"max_pool_into({at.array(0)}, {at.out}, {_windows_source(at)})"]


def window_index(at: At) -> list[str]:
    scratch = ", ".join([at.scratch(k) for k in range(3)])
    return [f"window_index_into({at.array(0)}, {at.array(1)}, {at.out}, {scratch}, {_windows_source(at)})"]


def reshape(at: At) -> list[str]:
    source = at.step.inputs[0]
    shape = tuple_source([at.size(s) for s in source.shape]) if source.shape else "()"
    return [f"np.copyto({at.out}.reshape({shape}), {at.array(0)})"]
