"""Nodes with windows enter, their labels leave: ``conv 3×3 /2``, with only what differs from the usual."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from graphc.ir.dimension import Dim, Shape, same
from graphc.ir.tensor import Tensor

_NAMES = MappingProxyType(
    {
        "convolution": "conv",
        "transposed_convolution": "convᵀ",
        "filter_gradient": "filter gradient",
        "max_pool": "max pool",
        "window": "windows",
        "fold": "fold",
        "window_index": "place of max",
    }
)
WINDOWED = frozenset(_NAMES)


def spatial_label(node: Tensor, padding: bool = True) -> str:
    """The op, the size of its window and, where they differ from the usual, stride, dilation and the rest.

    A stride is written ``/2``; that of a pooling is the window's size where nothing is written.
    """
    name, attrs = node.op.name, node.attrs
    size = window_size(node)
    usual: Sequence[Dim] = size if name in ("max_pool", "window_index") else [1] * len(size)
    words = [_NAMES[name], by(size)]
    if not _all_same(attrs["stride"], usual):
        words.append(f"/{_one_or_all(attrs['stride'])}")
    if any(d != 1 for d in attrs["dilation"]):
        words.append(f"dilated {_one_or_all(attrs['dilation'])}")
    groups = attrs.get("groups", 1)
    if not same(groups, 1):
        channels = node.inputs[0].shape[1]
        words.append("depthwise" if same(groups, channels) else f"{groups} groups")
    sides = attrs.get("padding", ())
    if padding and any(not same(n, 0) for pair in sides for n in pair):
        even = all(same(before, after) for before, after in sides)
        amounts = [before if even else f"{before}+{after}" for before, after in sides]
        words.append(f"pad {_one_or_all(amounts)}")
    return " ".join(words)


def window_size(node: Tensor) -> Shape:
    """The sizes of the node's window, or of its filter."""
    match node.op.name:
        case "convolution" | "transposed_convolution":
            return node.inputs[1].shape[2:]
        case "fold":
            (y,) = node.inputs
            return y.shape[y.ndim - len(node.attrs["axes"]) :]
    size: Shape = node.attrs["size"]
    return size


def by(sizes: Sequence[object]) -> str:
    """Sizes as ``3×3``."""
    return "×".join(map(format_size, sizes))


def format_size(value: object) -> str:
    """One size, symbolic ones as they are written by hand."""
    return str(value).replace("**", "^").replace("*", "·")


def format_maps(shape: Shape) -> str:
    """Channels and their sizes as papers write them: ``16 @ 14×14``."""
    return f"{format_size(shape[0])} @ {by(shape[1:])}"


def _one_or_all(values: Sequence[object]) -> str:
    return str(values[0]) if len(set(map(str, values))) == 1 else by(values)


def _all_same(values: Sequence[Dim], others: Sequence[Dim]) -> bool:
    return all(same(a, b) for a, b in zip(values, others, strict=True))
