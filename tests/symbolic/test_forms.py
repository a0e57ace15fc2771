"""An index form states value and derivative in one: here its value is held against the op's NumPy meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pytest
import sympy

import graphc as gc
from graphc.ir.dimension import simplified
from graphc.ir.traversal import topological_order
from graphc.runtime.interpreter import bind_sizes, interpret
from graphc.symbolic.index.affine import Affine, Digit, Gather
from graphc.symbolic.index.evaluation import Evaluator
from graphc.symbolic.index.forms import INDEX_FORMS, Case, IndexForm, index
from graphc.symbolic.index.terms import Call, Term
from graphc.symbolic.local import OUT, read_symbol
from tests.nn.convolution_draws import draws
from tests.samples import SAMPLES, Sample
from tests.symbolic.test_symbolic_sizes import GRAPHS

Array = np.ndarray[Any, Any]
Values = Mapping[gc.Tensor, Any]
REDUCTIONS = {"max": np.max, "min": np.min, "prod": np.prod}


def _gathered(indices: Iterable[Affine]) -> list[gc.Tensor]:
    found: list[gc.Tensor] = []
    stack = list(indices)
    while stack:
        for key in stack.pop().parts:
            if isinstance(key, Digit):
                stack.append(key.value)
            elif isinstance(key, Gather):
                found.append(key.tensor)
                stack += key.index
    return found


def _read(form: IndexForm) -> list[gc.Tensor]:
    """Every tensor that the form reads, also to know where to read."""
    found = []
    for case in form.cases:
        found += [r.tensor for r in case.reads]
        found += _gathered([e for r in case.reads for e in r.index] + [g.value for g in case.guards])
    return found


def _term(case: Case, target: tuple[Affine, ...], sizes: Mapping[str, int]) -> Term:
    symbols = {
        read_symbol(k, False): read_symbol(k, r.tensor.dtype.kind == "b") for k, r in enumerate(case.reads)
    }
    body = sympy.sympify(case.body).xreplace(symbols)
    body = body.xreplace({s: sizes[s.name] for s in body.free_symbols - set(symbols.values())})
    bound = tuple(dict.fromkeys([*case.bound, *[v for e in target for v in e.variables]]))
    factors = ((Call(body, case.reads), 1),)
    return Term(factors=factors, guards=frozenset(case.guards), bound=bound, target=target)


def stated(form: IndexForm, values: Values, sizes: Mapping[str, int]) -> Array:
    """The array of what the form says each element is."""
    evaluator = Evaluator(values, sizes)
    place = index(form.variables)
    if form.reduction == "sum":
        return evaluator.total([_term(c, place, sizes) for c in form.cases], form.node.shape)
    (case,) = form.cases
    shape = (*form.node.shape, *[simplified(v.size) for v in case.bound])
    written = evaluator.total([_term(case, (*place, *index(case.bound)), sizes)], shape)
    over = tuple(range(len(place), written.ndim))
    return np.asarray(REDUCTIONS[form.reduction](written, axis=over))


def assert_forms_hold(outputs: list[gc.Tensor], values: Values, sizes: Mapping[str, int]) -> set[str]:
    """Every node's form says what the node is; the names of the ops that were seen."""
    nodes = [n for n in topological_order(outputs) if n.op in INDEX_FORMS]
    forms = [INDEX_FORMS[n.op](n) for n in nodes]
    wanted = list(dict.fromkeys([*nodes, *[t for f in forms for t in _read(f)]]))
    known = dict(zip(wanted, interpret(wanted, values, sizes=sizes), strict=True))
    bound = {**sizes, **bind_sizes([(t, np.shape(v)) for t, v in values.items()])}
    for node, form in zip(nodes, forms, strict=True):
        expected = known[node].astype(np.float64)
        side = sympy.lambdify(OUT, form.equation, "numpy")(expected)
        found = stated(form, known, bound)
        assert found.shape == expected.shape, node.op.name
        tolerance = 1e-6 if node.dtype == np.float32 else 1e-12
        scale = max(1.0, float(np.max(np.abs(side), initial=0.0)))
        np.testing.assert_allclose(found, side, rtol=0, atol=tolerance * scale, err_msg=f"{node!r}")
    return {n.op.name for n in nodes}


def _of_sample(sample: Sample) -> set[str]:
    inputs = sample.inputs()
    values = dict(zip(inputs, sample.arrays(np.random.default_rng(7)), strict=True))
    return assert_forms_hold([sample.build(*inputs)], values, sample.sizes)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_form_is_the_ops_meaning(sample: Sample) -> None:
    _of_sample(sample)


def test_every_form_is_seen() -> None:
    seen = set().union(*[_of_sample(s) for s in SAMPLES if s.op in {op.name for op in INDEX_FORMS}])
    assert seen == {op.name for op in INDEX_FORMS}


@pytest.mark.parametrize("name", GRAPHS)
def test_with_symbolic_sizes_it_is_so_at_every_size(name: str) -> None:
    build, shapes, least = GRAPHS[name]
    inputs = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(shapes)]
    y = build(*inputs)
    for more in (0, 2):
        sizes = {letter: least + more + k for k, letter in enumerate("NML")}
        rng = np.random.default_rng(more)
        arrays = [rng.uniform(0.5, 2.0, [sizes.get(n, n) for n in s]) for s in shapes]
        assert_forms_hold([y], dict(zip(inputs, arrays, strict=True)), sizes)


DRAWN = [
    d
    for kind in ("conv", "conv_transpose")
    for d in islice((d for d in draws(kind, 41) if d.work() <= 3000), 25)
]


@pytest.mark.parametrize("draw", DRAWN, ids=lambda d: f"{d.kind}{d.rank}d")
def test_convolutions_and_their_gradients(draw: Any) -> None:
    inputs = [gc.input(f"x{k}", s, "float64") for k, s in enumerate(draw.shapes)]
    (y, *_) = draw.ours(*inputs)
    gradients = gc.grad(gc.sum(gc.square(y)), inputs)
    assert_forms_hold([y, *gradients], dict(zip(inputs, draw.arrays(), strict=True)), {})


def test_a_wrong_form_would_be_seen() -> None:
    x, w = gc.input("x", (1, 1, 4), "float64"), gc.input("w", (1, 1, 2), "float64")
    values = {x: np.arange(4.0).reshape(1, 1, 4), w: np.array([[[1.0, 3.0]]])}
    y = gc.nn.conv1d(x, w, padding=1)
    node = next(n for n in topological_order([y]) if n.op.name == "convolution")
    form = INDEX_FORMS[node.op](node)
    (case,) = form.cases
    (right,) = interpret([node], values)
    np.testing.assert_array_equal(stated(form, values, {}), right)
    unguarded = IndexForm(node, form.variables, (Case(case.reads, case.body, case.bound),))
    assert np.any(stated(unguarded, values, {}) != right)
