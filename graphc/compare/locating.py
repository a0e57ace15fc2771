"""Locating a fault: where engines disagree, each node's own derivative is tested by itself.

A node is rebuilt over fresh inputs that hold its operands' values; its reverse, forward and symbolic
derivative along a random direction is held against central differences of its NumPy meaning. So a
wrong rule is named, whatever else the graph does, and one that breaks as well. Where nothing is found, each
operand is moved as one: an engine that composes forms may be wrong only where several elements meet below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from graphc import autodiff, symbolic
from graphc.compare.point import Point
from graphc.errors import DifferentiationError, UnsupportedError
from graphc.ir.build import apply, rebuilt
from graphc.ir.dtype import is_float
from graphc.ir.origin import Location
from graphc.ir.tensor import Tensor
from graphc.ir.traversal import depends_on
from graphc.ops.elementwise import STOP_GRADIENT
from graphc.ops.sources import INPUT
from graphc.runtime.interpreter import Array, interpret

_SECONDS = 10.0  # a graph of many thousand nodes repeats its ops: each is tested early
_TOLERANCE = 1e-5
_STEPS = (1e-4, 1e-5)


@dataclass(frozen=True, slots=True)
class Fault:
    """An engine whose derivative of one node differs from central differences of that node alone.

    ``error`` is the message of an engine that breaks there; ``relative`` is then infinite.
    """

    engine: str
    op: str
    location: Location
    relative: float
    error: str = ""

    def __str__(self) -> str:
        what = f"fails: {self.error}" if self.error else f"is off by {self.relative:.1e} relatively"
        return f"{self.engine}: the derivative of {self.op} at {self.location} {what}"


def faults_of(point: Point, engines: Sequence[str], seed: int) -> list[Fault]:
    """The nodes at which an engine's local derivative is wrong, one for each op and engine."""
    moving = depends_on(point.order, [p.tensor for p in point.parameters])
    generator = np.random.default_rng(seed)
    nodes = _each_op_early(n for n in point.order if n.inputs and n in moving and is_float(n.dtype))
    found: dict[tuple[str, str], Fault] = {}
    start = perf_counter()
    for moved_as_one in (False, True):
        for node in nodes:
            open_ = [e for e in engines if (e, node.op.name) not in found]
            for engine, error, message in _LocalTest(point, node, moving, generator, moved_as_one).errors(
                open_
            ):
                if error > _TOLERANCE:
                    key = (engine, node.op.name)
                    found[key] = Fault(engine, node.op.name, node.location, error, message)
            if perf_counter() - start > _SECONDS:
                break
        if found:
            break
    return list(found.values())


def _each_op_early(nodes: Iterable[Tensor]) -> list[Tensor]:
    """The first node of each op, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for node in nodes:
        turns.append((seen[node.op.name], node))
        seen[node.op.name] += 1
    return [node for _, node in sorted(turns, key=lambda turn: turn[0])]


class _LocalTest:
    """One node over fresh inputs, with a random direction and a random cotangent."""

    def __init__(
        self,
        point: Point,
        node: Tensor,
        moving: set[Tensor],
        generator: np.random.Generator,
        moved_as_one: bool,
    ) -> None:
        operands = list(dict.fromkeys(node.inputs))
        fresh = {
            o: apply(INPUT, (), f"operand {i}", name=f"operand {i}", shape=o.shape, dtype=o.dtype)
            for i, o in enumerate(operands)
        }
        self._point = point
        self._values = {fresh[o]: point.base[o] for o in operands}
        open_ = [o for o in operands if o in moving and is_float(o.dtype)]
        if moved_as_one:
            shifts = {
                o: apply(INPUT, (), f"shift {i}", name=f"shift {i}", shape=(), dtype=o.dtype)
                for i, o in enumerate(open_)
            }
            self._values |= {s: np.zeros((), s.dtype) for s in shifts.values()}
            fresh |= {o: fresh[o] + s for o, s in shifts.items()}
            self._wrt = list(shifts.values())
        else:
            self._wrt = [fresh[o] for o in open_]
        self._node = rebuilt(node, tuple(fresh[o] for o in node.inputs))
        self._directions = [np.asarray(generator.normal(size=self._values[w].shape)) for w in self._wrt]
        self._cotangent = np.asarray(generator.normal(size=point.base[node].shape))

    def _run(self, outputs: Sequence[Tensor], extra: dict[Tensor, Array] | None = None) -> list[Array]:
        return interpret(outputs, self._values | (extra or {}), sizes=self._point.sizes)

    def _difference(self, step: float) -> float:
        if self._node.op is STOP_GRADIENT:
            return 0.0  # by definition, whatever its value does
        sides = []
        for sign in (1, -1):
            moved = {
                w: self._values[w] + sign * step * d for w, d in zip(self._wrt, self._directions, strict=True)
            }
            sides.append(self._run([self._node], moved)[0])
        return float(np.vdot(self._cotangent, (sides[0] - sides[1]) / (2 * step)))

    def errors(self, engines: Sequence[str]) -> list[tuple[str, float, str]]:
        """Each engine's relative error here, and what broke it; nothing where differences do not settle."""
        if not self._wrt or not engines:
            return []
        wide, narrow = map(self._difference, _STEPS)
        scale = max(abs(narrow), 1e-3)
        if not abs(wide - narrow) <= 0.1 * _TOLERANCE * scale:
            return []
        found = []
        for engine in engines:
            try:
                value = self._value(engine)
            except (UnsupportedError, DifferentiationError):
                continue  # no rule here: the comparison has said so already
            except Exception as error:  # whatever a wrong rule may do
                found.append((engine, np.inf, first_line(error)))
                continue
            if value is not None:
                off = abs(value - narrow) / scale if np.isfinite(value) else np.inf
                found.append((engine, off, ""))
        return found

    def _value(self, engine: str) -> float | None:
        if engine == "forward":
            tangents = [
                apply(INPUT, (), f"tangent {i}", name=f"tangent {i}", shape=w.shape, dtype=w.dtype)
                for i, w in enumerate(self._wrt)
            ]
            output = autodiff.jvp(self._node, self._wrt, tangents)
            extra = dict(zip(tangents, self._directions, strict=True))
            return float(np.vdot(self._cotangent, self._run([output], extra)[0]))
        shape, dtype = self._node.shape, self._node.dtype
        cotangent = apply(INPUT, (), "cotangent", name="cotangent", shape=shape, dtype=dtype)
        extra = {cotangent: self._cotangent}
        factor = 1.0
        if engine == "reverse":
            gradients = list(autodiff.vjp(self._node, self._wrt, cotangent))
        elif engine == "symbolic" and not shape:  # scalars have an engine of their own
            gradients = list(symbolic.grad(self._node, self._wrt).gradients)
            factor = float(self._cotangent)
        elif engine == "symbolic":
            gradients = list(symbolic.vjp(self._node, self._wrt, cotangent).gradients)
        else:
            return None
        arrays = self._run(gradients, extra)
        return factor * sum(float(np.vdot(d, a)) for d, a in zip(self._directions, arrays, strict=True))


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
