"""Each op's NumPy statements: a step and its place in the program enter, lines of source leave.

One table keyed by op. Every statement writes its result with ``out=`` or into ``out`` itself, and
makes no temporary arrays. ``overwrites`` lists the operands a step may write over, because each of
its statements reads an element of them before it writes that element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from graphc.ir.dimension import Dim, Shape, element_count, floor_div, same, same_shape, simplified
from graphc.ir.dtype import BOOL, INT64, DType, is_integer
from graphc.ir.tensor import Tensor
from graphc.ops import REGISTRY, convolution

# Runs of zeros that relu compares with: shorter ones cost more to start than they save, longer ones to write.
_SHORTEST_RUN, _LONGEST_RUN = 256, 8192


class At(Protocol):
    """A step's place in the program: how to write its operands, its result and its sizes."""

    step: Tensor
    out: str
    overwritten: int | None

    def operand(self, position: int) -> str:
        """The operand as an expression: a variable, a view, or a literal."""

    def array(self, position: int) -> str:
        """The operand as an expression that is an array, never a Python number."""

    def size(self, size: Dim) -> str:
        """A size as an expression."""

    def scratch(self, number: int) -> str:
        """The variable of a scratch array."""

    def filled(self, shape: Shape, value: float) -> str:
        """The variable of an array of the step's dtype that holds one value for good."""

    def place(self) -> int:
        """The number of a random draw in its graph."""

    def where(self) -> str:
        """The user's line, as a string literal."""

    def loop(self) -> None:
        """Write the step as a loop over the steps of its body."""


Lines = Callable[[At], list[str]]
Positions = Callable[[Tensor], tuple[int, ...]]
Scratch = Callable[[Tensor], list[tuple[Shape, DType]]]


def _nothing(step: Tensor) -> tuple[int, ...]:
    return ()


def _every_operand(step: Tensor) -> tuple[int, ...]:
    return tuple(range(len(step.inputs)))


# Elements behind the windows' axes up to which folding by blocks is the faster way.
_SHORT_RUN = 32


@dataclass(frozen=True)
class Emitter:
    """How one op is written."""

    lines: Lines
    overwrites: Positions = _nothing
    scratch: Scratch = lambda step: []
    kernel: str | None = None  # the name of a function of codegen.kernels that the lines call


def dtype_source(dtype: DType) -> str:
    """The dtype as source, e.g. ``np.float32``."""
    return "np.bool_" if dtype == BOOL else f"np.{dtype.name}"


def tuple_source(items: list[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


_WIDEST = 110  # columns of a line of names


def tuple_lines(before: str, items: list[str], after: str) -> list[str]:
    """Lines with a tuple between two texts: one line where it is short."""
    line = f"{before}{tuple_source(items) if items else '()'}{after}"
    if len(line) <= _WIDEST:
        return [line]
    lines = [f"{before}("]
    line = "   "
    for word in f"{', '.join(items)},".split(" "):  # textwrap looks at each character
        if len(line) + 1 + len(word) > _WIDEST - 4 and not line.isspace():
            lines.append(line)
            line = "   "
        line = f"{line} {word}"
    return [*lines, line, f"){after}"]


def _ufunc(name: str) -> Emitter:
    def lines(at: At) -> list[str]:
        operands = ", ".join(at.operand(k) for k in range(len(at.step.inputs)))
        return [f"np.{name}({operands}, out={at.out})"]

    return Emitter(lines, _every_operand)


def _reduction(ufunc: str) -> Emitter:
    def lines(at: At) -> list[str]:
        step, source = at.step, at.step.inputs[0]
        if not step.attrs["axis"]:  # nothing to reduce: NumPy still converts the dtype
            return [f'np.copyto({at.out}, {at.array(0)}, casting="unsafe")']
        keep = ", keepdims=True" if step.attrs["keepdims"] else ""
        as_dtype = f", dtype={dtype_source(step.dtype)}" if step.dtype != source.dtype else ""
        axis = step.attrs["axis"]
        axes = str(axis[0]) if len(axis) == 1 else str(axis)
        initial = step.attrs.get("initial")
        first = "" if initial is None else f", initial={literal_source(np.asarray(initial))}"
        return [f"np.{ufunc}.reduce({at.array(0)}, axis={axes}{as_dtype}{keep}{first}, out={at.out})"]

    return Emitter(lines)


def _is_by_product(step: Tensor) -> bool:
    return step.attrs.get("by") == "product"


def _along_rows(step: Tensor) -> bool:
    return bool(step.attrs["axis"] == (step.inputs[0].ndim - 1,))


def _sum(at: At) -> list[str]:
    """A sum, or a product with ones (see ``passes.product_sums``)."""
    step, (x,) = at.step, at.step.inputs
    if not _is_by_product(step):
        return _reduction("add").lines(at)
    (ones, lines), source = _filled(at, _one_shape(step), 1.0), at.array(0)
    if _along_rows(step):
        return [*lines, f"np.matmul({source}, {ones}, out={at.out})"]
    if x.ndim == 2:
        return [*lines, f"np.matmul({ones}, {source}, out={at.out})"]
    out = f"{at.out}.reshape(({at.size(x.shape[-1])},))" if step.attrs["keepdims"] else at.out
    rows = f"{source}.reshape(({at.size(element_count(x.shape[:-1]))}, {at.size(x.shape[-1])}))"
    return [*lines, f"np.matmul({ones}, {rows}, out={out})"]


def _one_shape(step: Tensor) -> Shape:
    """The shape of the ones that a sum is a product with."""
    (x,) = step.inputs
    kept = step.attrs["keepdims"]
    if _along_rows(step):
        return (x.shape[-1], 1) if kept else (x.shape[-1],)
    count = simplified(element_count(x.shape[:-1]))
    return (1, count) if kept and x.ndim == 2 else (count,)


def _ones(step: Tensor) -> list[tuple[Shape, DType]]:
    if not _is_by_product(step) or _is_small(_one_shape(step)):
        return []
    return [(_one_shape(step), step.dtype)]


def _is_small(shape: Shape) -> bool:
    """Whether an array of one value may be kept for good."""
    count = element_count(shape)
    return isinstance(count, int) and count <= _LONGEST_RUN


def _filled(at: At, shape: Shape, value: float) -> tuple[str, list[str]]:
    """An array of one value, and the lines that fill it: none where it is kept for good."""
    if _is_small(shape):
        return at.filled(shape, value), []
    scratch = at.scratch(0)
    return scratch, [f"{scratch}.fill({value})"]


def _zero_shape(step: Tensor) -> Shape | None:
    """The last axes, where zeros help: a maximum of two arrays is vectorised, with a number it is not."""
    if step.dtype.kind != "f":
        return None
    for axis in range(step.ndim - 1, -1, -1):
        shape = step.shape[axis:]
        if not all(isinstance(s, int) for s in shape):
            return None
        count = element_count(shape)
        if isinstance(count, int) and count >= _SHORTEST_RUN:
            return None if count > _LONGEST_RUN or same_shape(shape, step.shape) else shape
    return None


def _relu(at: At) -> list[str]:
    shape = _zero_shape(at.step)
    zeros = "0" if shape is None else at.filled(shape, 0.0)
    return [f"np.maximum({at.operand(0)}, {zeros}, out={at.out})"]


def _argument(name: str) -> Emitter:
    def lines(at: At) -> list[str]:
        keep = ", keepdims=True" if at.step.attrs["keepdims"] else ""
        return [f"np.{name}({at.array(0)}, axis={at.step.attrs['axis']}{keep}, out={at.out})"]

    return Emitter(lines)


def _cumsum(at: At) -> list[str]:
    return [
        f"np.add.accumulate({at.array(0)}, axis={at.step.attrs['axis']}, "
        f"dtype={dtype_source(at.step.dtype)}, out={at.out})"
    ]


def _reciprocal(at: At) -> list[str]:
    # NumPy's division has a vector loop for a number over an array, its reciprocal has none.
    if at.step.dtype.kind != "f":
        return [f"np.reciprocal({at.operand(0)}, out={at.out})"]
    return [f"np.divide(1.0, {at.operand(0)}, out={at.out})"]


def _sigmoid(at: At) -> list[str]:
    out = at.out
    return [
        f"np.negative({at.operand(0)}, out={out})",
        f"np.exp({out}, out={out})",
        f"np.add({out}, 1.0, out={out})",
        f"np.divide(1.0, {out}, out={out})",
    ]


def _masked(step: Tensor) -> int | None:
    """Which operand is set to zero where a mask says so: 1 in where(mask, x, 0), 2 in where(mask, 0, x)."""
    for position in (1, 2):
        x, other = step.inputs[position], step.inputs[3 - position]
        if (
            other.op.name == "constant"
            and other.ndim == 0
            and not other.attrs["value"].tobytes().strip(b"\0")
            and x.dtype == other.dtype == step.dtype
            and step.dtype.kind in "fiu"
            and x.ndim > 0
        ):
            return position
    return None


def _where(at: At) -> list[str]:
    masked = _masked(at.step)
    if masked is not None:
        # The bits times 0 or 1: exact for NaN and infinities too, and far faster than a masked copy.
        bits = f".view(np.int{at.step.dtype.itemsize * 8})"
        mask = at.array(0) if masked == 1 else at.scratch(0)
        lines = [] if masked == 1 else [f"np.logical_not({at.array(0)}, out={mask})"]
        return [*lines, f"np.multiply({at.array(masked)}{bits}, {mask}, out={at.out}{bits})"]
    lines = [] if at.overwritten == 2 else [f"np.copyto({at.out}, {at.operand(2)})"]
    return [*lines, f"np.copyto({at.out}, {at.operand(1)}, where={at.array(0)})"]


def _opposite_mask(step: Tensor) -> list[tuple[Shape, DType]]:
    return [(step.inputs[0].shape, BOOL)] if _masked(step) == 2 else []


def _absorbing_multiply(at: At) -> list[str]:
    mask = at.scratch(0)
    return [
        f"np.equal({at.array(0)}, 0, out={mask})",
        f"np.multiply({at.operand(0)}, {at.operand(1)}, out={at.out})",
        f"np.copyto({at.out}, 0, where={mask})",
    ]


def _clip(at: At) -> list[str]:
    return [
        f"np.maximum({at.operand(0)}, {at.operand(1)}, out={at.out})",
        f"np.minimum({at.out}, {at.operand(2)}, out={at.out})",
    ]


def _concatenate(at: At) -> list[str]:
    parts = tuple_source([at.array(k) for k in range(len(at.step.inputs))])
    return [f"np.concatenate({parts}, axis={at.step.attrs['axis']}, out={at.out})"]


def slice_source(
    at: At, starts: tuple[Dim, ...], sizes: tuple[Dim, ...], steps: tuple[int, ...], full: Shape
) -> str:
    """The index that reads, or writes, ``sizes[a]`` elements of axis a from ``starts[a]`` by ``steps[a]``."""
    parts = []
    for start, size, step, whole in zip(starts, sizes, steps, full, strict=True):
        if step == 1 and same(start, 0) and same(size, whole):
            parts.append(":")
            continue
        stop = start + size * step
        if step > 0:
            stride = f":{step}" if step != 1 else ""
            parts.append(f"{'' if same(start, 0) else at.size(start)}:{at.size(stop)}{stride}")
        elif isinstance(stop, int):  # downwards; a stop before the first element is written as nothing
            parts.append(f"{at.size(start)}:{stop if stop >= 0 else ''}:{step}")
        else:
            last = at.size(stop)
            parts.append(f"slice({at.size(start)}, {last} if {last} >= 0 else None, {step})")
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return ", ".join(parts)


def _pad(at: At) -> list[str]:
    source = at.step.inputs[0].shape
    starts = tuple(before for before, _ in at.step.attrs["widths"])
    index = slice_source(at, starts, source, (1,) * len(source), at.step.shape)
    value = literal_source(np.asarray(at.step.attrs["value"], at.step.dtype))
    return [f"{at.out}.fill({value})", f"{at.out}[{index or '...'}] = {at.operand(0)}"]


def _embed(at: At) -> list[str]:
    attrs = at.step.attrs
    index = slice_source(at, attrs["start"], at.step.inputs[0].shape, attrs["step"], at.step.shape)
    return [f"{at.out}.fill(0)", f"{at.out}[{index or '...'}] = {at.operand(0)}"]


def _add_part(at: At) -> list[str]:
    attrs = at.step.attrs
    index = slice_source(at, attrs["start"], at.step.inputs[1].shape, attrs["step"], at.step.shape)
    part = f"{at.out}[{index or '...'}]"
    copied = [] if at.overwritten == 0 else [f"np.copyto({at.out}, {at.operand(0)})"]
    return [*copied, f"np.add({part}, {at.operand(1)}, out={part})"]


def _index_check(at: At) -> list[str]:
    size = at.size(at.step.attrs["size"])
    return [f"check_index({at.array(0)}, {size}, {at.out}, {at.where()})"]


def _take(at: At) -> list[str]:
    # The indices are checked already; with mode="raise" NumPy would buffer the whole output.
    axis = at.step.attrs["axis"]
    return [f'np.take({at.array(0)}, {at.array(1)}, axis={axis}, out={at.out}, mode="wrap")']


def _scatter_add(at: At) -> list[str]:
    axis = at.step.attrs["axis"]
    index = at.array(1) if axis == 0 else f"({'slice(None), ' * axis}{at.array(1)})"
    return [f"{at.out}.fill(0)", f"np.add.at({at.out}, {index}, {at.operand(0)})"]


def _einsum(at: At) -> list[str]:
    operands = ", ".join(at.array(k) for k in range(len(at.step.inputs)))
    return [f'np.einsum("{at.step.attrs["equation"]}", {operands}, out={at.out})']


def _matmul(at: At) -> list[str]:
    return [f"np.matmul({at.array(0)}, {at.array(1)}, out={at.out})"]


def _fold(at: At) -> list[str]:
    attrs = at.step.attrs
    blocks = f", {at.scratch(0)}" if _blocks(at.step) else ""
    windows = f"{attrs['axes']}, {attrs['stride']}, {attrs['dilation']}"
    return [f"fold_into({at.array(0)}, {at.out}, {windows}{blocks})"]


def _blocks(step: Tensor) -> list[tuple[Shape, DType]]:
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


def _max_pool(at: At) -> list[str]:
    return [f"max_pool_into({at.array(0)}, {at.out}, {_windows_source(at)})"]


def _window_index(at: At) -> list[str]:
    scratch = ", ".join([at.scratch(k) for k in range(3)])
    return [f"window_index_into({at.array(0)}, {at.array(1)}, {at.out}, {scratch}, {_windows_source(at)})"]


def _reshape(at: At) -> list[str]:
    source = at.step.inputs[0]
    shape = tuple_source([at.size(s) for s in source.shape]) if source.shape else "()"
    return [f"np.copyto({at.out}.reshape({shape}), {at.array(0)})"]


def _random(method: str) -> Lines:
    def lines(at: At) -> list[str]:
        return [
            f"random_generator(seed, {at.place()}, call)"
            f".{method}(dtype={dtype_source(at.step.dtype)}, out={at.out})"
        ]

    return lines


def _scan(at: At) -> list[str]:
    at.loop()
    return []


def literal_source(value: np.ndarray) -> str:
    """A 0-dimensional array as a Python number that converts back to exactly it."""
    item = value[()]
    if value.dtype == BOOL:
        return str(bool(item))
    if is_integer(value.dtype):
        return str(int(item))
    if np.isnan(item):
        return "np.nan"
    if np.isinf(item):
        return "np.inf" if item > 0 else "-np.inf"
    # The shortest decimal that is this float in its own precision; longer than needed in no dtype.
    return str(item) if "e" in str(item) or "." in str(item) else f"{item}.0"


EMITTERS: dict[str, Emitter] = {
    op.name: _ufunc(op.ufunc.__name__)
    for op in REGISTRY.values()
    if op.family == "elementwise" and op.ufunc is not None
} | {
    "reciprocal": Emitter(_reciprocal, _every_operand),
    "sigmoid": Emitter(_sigmoid, _every_operand),
    "softplus": Emitter(lambda at: [f"np.logaddexp({at.operand(0)}, 0, out={at.out})"], _every_operand),
    "relu": Emitter(_relu, _every_operand),
    "erf": Emitter(lambda at: [f"erf_into({at.array(0)}, {at.out})"], kernel="erf_into"),
    "absorbing_multiply": Emitter(
        _absorbing_multiply, _every_operand, lambda step: [(step.inputs[0].shape, BOOL)]
    ),
    "where": Emitter(_where, lambda step: (_masked(step) or 2,), _opposite_mask),
    "clip": Emitter(_clip, lambda step: (0,)),
    "astype": Emitter(lambda at: [f'np.copyto({at.out}, {at.array(0)}, casting="unsafe")'], _every_operand),
    "copy": Emitter(lambda at: [f"np.copyto({at.out}, {at.array(0)})"], _every_operand),
    "sum": Emitter(_sum, scratch=_ones),
    "prod": _reduction("multiply"),
    "max": _reduction("maximum"),
    "min": _reduction("minimum"),
    "any": _reduction("logical_or"),
    "all": _reduction("logical_and"),
    "argmax": _argument("argmax"),
    "argmin": _argument("argmin"),
    "cumsum": Emitter(_cumsum),
    "matmul": Emitter(_matmul),
    "einsum": Emitter(_einsum),
    "reshape": Emitter(_reshape),
    "concatenate": Emitter(_concatenate),
    "pad": Emitter(_pad),
    "embed": Emitter(_embed),
    "add_part": Emitter(_add_part, lambda step: (0,)),
    "fold": Emitter(_fold, scratch=_blocks, kernel="fold_into"),
    "max_pool": Emitter(_max_pool, kernel="max_pool_into"),
    "window_index": Emitter(
        _window_index,
        scratch=lambda step: [(step.shape, BOOL), (step.shape, BOOL), (step.shape, INT64)],
        kernel="window_index_into",
    ),
    "index_check": Emitter(_index_check, kernel="check_index"),
    "take": Emitter(_take),
    "scatter_add": Emitter(_scatter_add),
    "scan": Emitter(_scan),
    "random_uniform": Emitter(_random("random"), kernel="random_generator"),
    "random_normal": Emitter(_random("standard_normal"), kernel="random_generator"),
}

# Ops that reach no emitter, and why.
NOT_EMITTED: dict[str, str] = {
    **dict.fromkeys(
        ("input", "parameter", "constant", "dimension", "arange"), "has a value before the first step"
    ),
    **dict.fromkeys(("transpose", "broadcast_to", "slice", "flip", "window", "stop_gradient"), "is a view"),
    **dict.fromkeys(("mean", "logsumexp", "softmax", "log_softmax"), "is lowered to simpler ops"),
    **dict.fromkeys([op.name for op in convolution.OPS], "is lowered to a matrix product over windows"),
}
