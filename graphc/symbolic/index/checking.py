"""The numeric check of a derivation on tensors: both sides of each step are evaluated at random points.

Node values come from the ops' NumPy meanings, sums in index notation from the dense evaluator, and the
derivative of the output by a node from central differences of the graph along a random direction, so that
each side is computed by other means than the one it is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphc.errors import DifferentiationError, GraphError
from graphc.ir.body import resolved
from graphc.ir.dimension import evaluate_dim, symbols_of
from graphc.ir.dtype import is_float
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import topological_order
from graphc.ops.elementwise import CAST
from graphc.ops.sources import CONSTANT
from graphc.symbolic.index.affine import Affine, Gather
from graphc.symbolic.index.definitions import Definition
from graphc.symbolic.index.derivation import Side, TensorDerivation, TensorStep
from graphc.symbolic.index.evaluation import Array, Evaluator, TooLarge
from graphc.symbolic.index.simplification import KNOWN_SUM
from graphc.symbolic.index.terms import Term, indices_of, reads_of
from graphc.symbolic.local import OUT, exact_number

POINTS = 2
_ATTEMPTS = 40
_TOLERANCE = 1e-6  # central differences in float64 reach about 1e-9 here
_REDUCTIONS: dict[str, Any] = {"max": np.max, "min": np.min, "prod": np.prod}


def checked(derivation: TensorDerivation, seed: int) -> TensorDerivation:
    """The derivation with the difference of both sides at each step.

    Raises DifferentiationError naming the first step whose sides differ, or where no point was found at which
    the graph and its derivatives are finite.
    """
    generator = np.random.default_rng(seed)
    worst: list[float | None] = [None] * len(derivation.steps)
    for _ in range(POINTS):
        point = _regular_point(derivation, generator)
        for position, step in enumerate(derivation.steps):
            error = point.difference(step)
            if error is None:
                continue
            worst[position] = max(error, worst[position] or 0.0)
            if not error <= _TOLERANCE:
                raise DifferentiationError(
                    f"the step '{step.rule}' for {step.label} does not hold: {step.text()} "
                    f"differs by {error:.1e} relatively at a random point",
                    op=step.op, location=step.location,
                    remedy="compare with gc.compare_gradients and report this as a defect of graphc",
                )  # fmt: skip
    return replace(derivation, errors=tuple(worst))


def _regular_point(derivation: TensorDerivation, generator: np.random.Generator) -> _Point:
    for attempt in range(_ATTEMPTS):
        try:
            point = _Point(derivation, generator, attempt)
        except (GraphError, IndexError, ValueError):  # sizes or integers that do not fit
            continue
        if point.is_regular:
            return point
    raise DifferentiationError(
        f"no point was found in {_ATTEMPTS} draws at which the graph is finite and smooth",
        op="symbolic.grad", location=derivation.y.location, remedy="leave out check=True",
    )  # fmt: skip


class _Point:
    """Values of the graph's sources and nodes, and a direction for each node that has a derivative."""

    def __init__(self, derivation: TensorDerivation, generator: np.random.Generator, attempt: int) -> None:
        self._derivation = derivation
        self._generator = generator
        self._order = derivation.order
        dims = [d for n in self._order for d in n.shape]
        self._sizes = {s.name: int(generator.integers(2, 5)) for s in symbols_of(dims)}
        sources = {n: self._drawn(n, attempt) for n in self._order if _is_source(n)}
        if derivation.cotangent is not None:
            outside = topological_order([derivation.cotangent])
            sources |= {n: self._drawn(n, attempt) for n in outside if _is_source(n) and n not in sources}
        for assumption in derivation.assumptions:
            if assumption.tensor in sources:
                sources[assumption.tensor] = _rows_of_one(sources[assumption.tensor], assumption.axis)
        self._values = self._run(self._order, sources)
        self._assumed = all(a.tensor in sources for a in derivation.assumptions)
        self._more: dict[Tensor, Array] = {}

    @property
    def is_regular(self) -> bool:
        """Whether the output is finite and differences of it settle."""
        if not np.isfinite(self._values[self._derivation.y]).all():
            return False
        for w in self._derivation.wrt:
            slope, error = self._slope(w, self._direction(w))
            if not np.all(np.isfinite(slope)) or np.max(error, initial=0) > 1e-7 * max(
                1.0, np.abs(slope).max()
            ):
                return False
        return True

    def _direction(self, node: Tensor) -> Array:
        return np.asarray(self._generator.normal(size=self._values[node].shape))

    def _drawn(self, node: Tensor, attempt: int) -> Array:
        shape = tuple(evaluate_dim(s, self._sizes) for s in node.shape)
        generator = self._generator
        if node.dtype.kind in "iu":
            return np.asarray(generator.integers(0, 2, shape), node.dtype)
        if node.dtype.kind == "b":
            return np.asarray(generator.random(shape) < 0.5)
        if attempt % 3 == 1:
            return np.asarray(generator.uniform(0.1, 0.9, shape))
        return np.asarray(generator.normal(size=shape) * (0.3 if attempt % 3 == 2 else 1.0))

    def _run(self, order: Iterable[Tensor], known: Mapping[Tensor, Array]) -> dict[Tensor, Array]:
        """Values by the ops' NumPy meanings, every float in float64."""
        values = dict(known)
        with np.errstate(all="ignore"):
            for node in order:
                if node in values:
                    continue
                if node.op is CONSTANT:
                    values[node] = _constant(node)
                elif node.op is CAST and is_float(node.dtype):
                    values[node] = np.asarray(values[node.inputs[0]], np.float64)
                else:
                    attrs = {k: resolved(v, self._sizes) for k, v in node.attrs.items()}
                    found = np.asarray(node.op.evaluate(attrs, *(values[i] for i in node.inputs)))
                    values[node] = found.astype(np.float64) if is_float(node.dtype) else found
        return values

    def _value(self, tensor: Tensor) -> Array:
        if tensor in self._values:
            return self._values[tensor]
        if tensor not in self._more:
            known = {**self._values, **self._more}
            self._more |= self._run(topological_order([tensor], stop=known), known)
        return self._more[tensor]

    # -- sides ---------------------------------------------------------------------------------------
    def difference(self, step: TensorStep) -> float | None:
        """The relative difference of a step's sides; None where they cannot be written out."""
        if step.sides is None or (KNOWN_SUM in step.rule and not self._assumed):
            return None  # what was assumed of a computed tensor need not hold at a random point
        first, second = step.sides
        try:
            if first.kind == "derivative":
                return self._along(first, second)
            if first.kind == "moved":
                return self._local(first)
            left, right = self._side(first), self._side(second)
        except TooLarge:
            return None
        return _relative(left, right)

    def _side(self, side: Side) -> Array:
        assert side.node is not None
        if side.kind == "node":
            return self._value(side.node)
        if side.kind == "definition":
            assert side.definition is not None
            return self._defined(side.definition)
        return self._total(side.terms, side.node)

    def _total(self, terms: Sequence[Term], node: Tensor) -> Array:
        shape = (*self._derivation.prefix, *node.shape)
        return Evaluator(self._tensors(terms), self._sizes).total(terms, shape)

    def _tensors(self, terms: Sequence[Term]) -> dict[Tensor, Array]:
        found: dict[Tensor, Array] = {}
        for term in terms:
            for read in reads_of(a for a, _ in term.factors):
                found[read.tensor] = self._value(read.tensor)
            stack: list[Affine] = list(indices_of(term))
            while stack:
                for key in stack.pop().parts:
                    if isinstance(key, Gather):
                        found[key.tensor] = self._value(key.tensor)
                        stack += key.index
                    elif hasattr(key, "value"):
                        stack.append(key.value)
        return found

    def _defined(self, made: Definition) -> Array:
        targets = tuple([Affine({v: 1}) for v in made.variables])
        if made.reduction != "sum":
            axes = tuple(range(len(made.variables), len(made.variables) + len(made.terms[0].bound)))
            (term,) = made.terms
            whole = replace(
                term, bound=(*made.variables, *term.bound),
                target=(*targets, *[Affine({v: 1}) for v in term.bound]),
            )  # fmt: skip
            shape = (*made.node.shape, *[v.size for v in term.bound])
            values = Evaluator(self._tensors([whole]), self._sizes).total([whole], shape)
            return np.asarray(_REDUCTIONS[made.reduction](values, axis=axes))
        terms = [replace(t, bound=(*made.variables, *t.bound), target=targets) for t in made.terms]
        total = Evaluator(self._tensors(terms), self._sizes).total(terms, made.node.shape)
        return np.log(total) if made.equation is not OUT else total

    # -- differences ---------------------------------------------------------------------------------
    def _along(self, first: Side, second: Side) -> float | None:
        """The derivative and the terms, both along one random direction of the node."""
        node = first.node
        assert node is not None
        direction = self._direction(node)
        terms = self._total(second.terms, node)
        rank = terms.ndim - direction.ndim
        found = np.tensordot(terms, direction, (range(rank, terms.ndim), range(direction.ndim)))
        slope, error = self._slope(node, direction)
        if self._derivation.cotangent is not None:
            weights = self._value(self._derivation.cotangent)
            slope, error = np.vdot(weights, slope), np.vdot(np.abs(weights), np.abs(error))
        if not _settles(slope, error):
            return None
        return _relative(np.asarray(found), np.asarray(slope))

    def _local(self, side: Side) -> float | None:
        """A node's own derivative by one operand: its slopes, and differences of its NumPy meaning."""
        node, read = side.node, side.read
        assert node is not None and read is not None
        made = self._derivation.outcome.flow.differentials[node]
        rows = tuple([Affine({v: 1}) for v in made.variables])
        terms = [
            replace(s.term, bound=(*made.variables, *s.term.bound), target=(*rows, *s.term.target))
            for s in made.slots
            if s.tensor is read
        ]
        whole = Evaluator(self._tensors(terms), self._sizes).total(terms, (*node.shape, *read.shape))
        direction = self._direction(read)
        rank = whole.ndim - direction.ndim
        found = np.tensordot(whole, direction, (range(rank, whole.ndim), range(direction.ndim)))
        slope, error = self._moved(lambda h: self._apart(node, read, h * direction))
        return _relative(np.asarray(found), np.asarray(slope)) if _settles(slope, error) else None

    def _apart(self, node: Tensor, read: Tensor, change: Array) -> Array:
        """The node's value with one operand changed and the others held."""
        known = {i: self._values[i] for i in node.inputs}
        known[read] = known[read] + change
        return self._run([node], known)[node]

    def _slope(self, node: Tensor, direction: Array) -> tuple[Any, Any]:
        """The output's derivative along a direction of the node, and its estimated error."""
        at = self._values[node]
        sources = {n: v for n, v in self._values.items() if not n.inputs}
        stopped = {n: self._values[n] for n in self._order if n.op.name == "stop_gradient"}

        def moved(h: float) -> Array:
            known = {**sources, **stopped, node: at + h * direction}
            return self._run(self._order, known)[self._derivation.y]

        return self._moved(moved)

    def _moved(self, value: Callable[[float], Array]) -> tuple[Any, Any]:
        """The derivative of a function of one number at 0, by central differences, and its error."""

        def slope(h: float) -> Any:
            return (value(h) - value(-h)) / (2 * h)

        wide, middle, narrow = (slope(1e-3 / 2**k) for k in range(3))
        once, twice = (4 * middle - wide) / 3, (4 * narrow - middle) / 3
        best = (16 * twice - once) / 15
        return best, np.abs(best - twice)


def _rows_of_one(values: Array, axis: int) -> Array:
    """Positive numbers that add up to 1 along the axis."""
    positive = np.abs(values) + 0.1
    return np.asarray(positive / positive.sum(axis=axis, keepdims=True))


def _settles(slope: Any, error: Any) -> bool:
    """Whether a difference is finite and its error small."""
    return bool(
        np.isfinite(slope).all()
        and np.max(error, initial=0) <= 1e-7 * max(1.0, float(np.abs(slope).max(initial=0)))
    )


def _is_source(node: Tensor) -> bool:
    return node.op.name in ("input", "parameter", "random_uniform", "random_normal")


def _constant(node: Tensor) -> Array:
    value: Array = node.attrs["value"]
    if not is_float(node.dtype):
        return value
    number = exact_number(value) if value.size == 1 and value.shape == () else None
    return np.asarray(float(number)) if number is not None else value.astype(np.float64)


def _relative(left: Array, right: Array) -> float | None:
    if left.size == 0:
        return 0.0
    finite = np.isfinite(left) & np.isfinite(right)
    if not finite.any():
        return None
    scale = max(1.0, float(np.abs(left[finite]).max()), float(np.abs(right[finite]).max()))
    return float(np.abs(left - right)[finite].max() / scale)
