"""Each op's NumPy statements: a step and its place in the program enter, lines of source leave.

One table keyed by op. Every statement writes its result with ``out=`` or into ``out`` itself, and
makes no temporary arrays. ``overwrites`` lists the operands a step may write over, because each of
its statements reads an element of them before it writes that element.
"""

from __future__ import annotations

import numpy as np

from graphc.codegen import part_emitters as parts
from graphc.codegen.emitter import At, Emitter, Lines
from graphc.codegen.text import dtype_source, literal_source
from graphc.ir.dimension import Shape, element_count, same_shape, simplified
from graphc.ir.dtype import BOOL, INT64, DType
from graphc.ir.tensor import Tensor
from graphc.ops import REGISTRY, convolution

# Runs of zeros that relu compares with: shorter ones cost more to start than they save, longer ones to write.
_SHORTEST_RUN, _LONGEST_RUN = 256, 8192
_MOST_KEPT = 8192  # elements of an array of one value that is kept for good


def _every_operand(step: Tensor) -> tuple[int, ...]:
    return tuple(range(len(step.inputs)))


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
    return isinstance(count, int) and count <= _MOST_KEPT


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


def _einsum(at: At) -> list[str]:
    operands = ", ".join(at.array(k) for k in range(len(at.step.inputs)))
    return [f'np.einsum("{at.step.attrs["equation"]}", {operands}, out={at.out})']


def _matmul(at: At) -> list[str]:
    return [f"np.matmul({at.array(0)}, {at.array(1)}, out={at.out})"]


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
    "reshape": Emitter(parts.reshape),
    "concatenate": Emitter(parts.concatenate),
    "pad": Emitter(parts.pad),
    "embed": Emitter(parts.embed),
    "add_part": Emitter(parts.add_part, lambda step: (0,)),
    "fold": Emitter(parts.fold, scratch=parts.blocks, kernel="fold_into"),
    "max_pool": Emitter(parts.max_pool, kernel="max_pool_into"),
    "window_index": Emitter(
        parts.window_index,
        scratch=lambda step: [(step.shape, BOOL), (step.shape, BOOL), (step.shape, INT64)],
        kernel="window_index_into",
    ),
    "index_check": Emitter(parts.index_check, kernel="check_index"),
    "take": Emitter(parts.take),
    "scatter_add": Emitter(parts.scatter_add),
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
