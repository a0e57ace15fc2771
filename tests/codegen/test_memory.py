"""Laws of the memory plan, each by brute force over random graphs, and of the workspaces made from it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphc as gc
from graphc.codegen.emitters import EMITTERS
from graphc.codegen.footprint import Buffer, evaluated, layout
from graphc.codegen.memory import Plan, plan_memory
from graphc.codegen.schedule import Schedule, schedule
from graphc.codegen.tiling.sizes import TILE_ROWS
from graphc.codegen.views import owner
from graphc.ir.dimension import element_count, evaluate_dim
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.pipelines import PIPELINES, run
from tests.passes.random_graphs import Drawn, graphs

MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def planned(
    inputs: list[Tensor],
    outputs: list[Tensor],
    updates: dict[Tensor, Tensor] | None = None,
    optimize: str = "default",
) -> tuple[Schedule, Plan]:
    graph = Graph(tuple(inputs), tuple(outputs), tuple((updates or {}).items()))
    after, _ = run(graph, PIPELINES[optimize], Verifier())
    order = schedule(after)
    return order, plan_memory(order)


def with_gradients(drawn: Drawn) -> tuple[Schedule, Plan]:
    return planned(drawn.inputs, [drawn.output, *gc.grad(drawn.output, drawn.inputs)])


def places_at(plan: Plan, size: int) -> dict[Buffer, tuple[int, int]]:
    """For each buffer its first byte and its end."""
    spans = evaluated(plan.spans, {"N": size, TILE_ROWS: 3})
    _, offsets = layout(spans)
    return {
        b: (offset, offset + span[2]) for b, offset, span in zip(plan.buffers, offsets, spans, strict=True)
    }


def check_that_every_read_finds_its_value(order: Schedule, plan: Plan, size: int = 5) -> None:
    """Run the plan on names in place of numbers: each byte holds what was last written there."""
    places = places_at(plan, size)
    memory: dict[tuple[int, int], object] = {}  # pieces that do not overlap
    replaced: dict[Tensor, Tensor] = {}  # what stands in a parameter instead of its old value

    def write(buffer: Buffer, value: object) -> None:
        start, end = places[buffer]
        for other in [p for p in memory if p[0] < end and start < p[1]]:
            del memory[other]
        memory[start, end] = value

    def found(value: Tensor) -> bool:
        if value not in plan.buffer:
            return value not in replaced
        start, end = places[plan.buffer[value]]
        return start == end or memory.get((start, end)) is value

    for step in order.steps:
        for operand in step.inputs:
            base = owner(operand)
            assert found(base), f"{step} reads {base}, which is overwritten"
            if base in plan.in_parameter:
                assert replaced[plan.in_parameter[base]] is base
        # A step's scratch is written before all its operands are read, and while it writes its result.
        for scratch in plan.scratch.get(step, ()):
            write(scratch, scratch)
        overwritten = owner(step.inputs[plan.overwrites[step]]) if step in plan.overwrites else None
        for operand in step.inputs:
            assert found(owner(operand)), f"the scratch of {step} lies over {operand}"
        places_of_step = (step in plan.buffer) + (step in plan.fresh) + (step in plan.in_parameter)
        assert places_of_step == 1, f"{step} lives in {places_of_step} places"
        if step in plan.buffer:
            write(plan.buffer[step], step)
            for operand in step.inputs:
                whole = owner(operand)
                assert whole is overwritten or found(whole), f"{step} is written over {operand}"
            for scratch in plan.scratch.get(step, ()):
                start, end = places[scratch]
                assert start == end or memory.get((start, end)) is scratch
        if step in plan.in_parameter:
            replaced[plan.in_parameter[step]] = step
    for output in order.graph.outputs:
        assert found(owner(output))
    for _, new in order.graph.updates:
        assert new in plan.in_parameter or found(new)


def lifetimes(order: Schedule) -> dict[Tensor, tuple[int, int]]:
    """For each step the position where it is made and the last where it is read, counted anew."""
    made = {step: k for k, step in enumerate(order.steps)}
    last = dict(made)
    for k, step in enumerate(order.steps):
        for operand in step.inputs:
            if owner(operand) in made:
                last[owner(operand)] = k
    for kept in (*map(owner, order.graph.outputs), *(new for _, new in order.graph.updates)):
        if kept in made:
            last[kept] = len(order.steps)
    return {step: (made[step], last[step]) for step in order.steps}


def check_overlaps(order: Schedule, plan: Plan, size: int = 5) -> None:
    """No two values that are alive at once overlap, but where one is written over the other in place."""
    life, places = lifetimes(order), places_at(plan, size)
    values = list(plan.buffer)
    for k, a in enumerate(values):
        for b in values[k + 1 :]:
            (start, end), (begin, stop) = places[plan.buffer[a]], places[plan.buffer[b]]
            if start >= stop or begin >= end:
                continue
            first, second = sorted((a, b), key=lambda n: life[n][0])
            if life[first][1] < life[second][0]:
                continue
            assert life[first][1] == life[second][0], f"{first} and {second} are alive at once"
            position = plan.overwrites[second]
            assert owner(second.inputs[position]) is first


def check_overwrites(order: Schedule, plan: Plan) -> None:
    """An overwritten operand has the result's dtype, element for element, and the op can bear it."""
    for step, position in plan.overwrites.items():
        emitter, base = EMITTERS[step.op.name], owner(step.inputs[position])
        assert plan.buffer[step] is plan.buffer[base]
        assert base.dtype == step.dtype
        # Where each operand of that memory would read, were it laid out with sizes that all differ.
        wanted = _places(step.inputs[position], base)
        assert wanted.shape == tuple(_size(s) for s in step.shape)
        np.testing.assert_array_equal(wanted.reshape(-1), np.arange(wanted.size))
        for k, other in enumerate(step.inputs):
            if owner(other) is base:
                assert k in emitter.overwrites(step)
                np.testing.assert_array_equal(_places(other, base), wanted)


def _size(dim: object) -> int:
    return evaluate_dim(dim, {"N": 5})  # type: ignore[arg-type]


def _places(operand: Tensor, base: Tensor) -> np.ndarray:
    """The element of ``base`` that each element of its view ``operand`` is, by the interpreter."""
    numbers = np.arange(_size(element_count(base.shape)), dtype=base.dtype)
    memory = numbers.reshape([_size(s) for s in base.shape])
    (found,) = gc.interpret([operand], {base: memory, gc.input("n", ("N",)): np.zeros(5)})
    return found


def live_bytes(order: Schedule, plan: Plan, size: int) -> int:
    """The most bytes that must be there during one step, counted from the values alone.

    While a step runs, its operands and its result are there, and all that is read later; but an operand
    that it may write over needs no memory beside the result.
    """
    life, most = lifetimes(order), 0
    for k, step in enumerate(order.steps):
        alive = [n for n in plan.buffer if life[n][0] <= k <= life[n][1]]
        if step in plan.overwrites:
            overwritten = owner(step.inputs[plan.overwrites[step]])
            alive = [n for n in alive if n is not overwritten]
        sizes = [(n.shape, n.dtype) for n in alive]
        sizes += [(b.shape, b.dtype) for b in plan.scratch.get(step, ())]
        most = max(most, sum(aligned(s, d, size) for s, d in sizes))
    return most


def aligned(shape: tuple[object, ...], dtype: np.dtype, size: int) -> int:
    count = evaluate_dim(element_count(shape), {"N": size})  # type: ignore[arg-type]
    return -(-count * dtype.itemsize // 64) * 64


def check_size(order: Schedule, plan: Plan) -> None:
    """All buffers together take little more than the values that are alive at once, at every size."""
    for size in (1, 5, 1000):
        planned_bytes, _ = layout(evaluated(plan.spans, {"N": size}))
        bound = live_bytes(order, plan, size)
        assert bound == plan.footprint.alive({"N": size}, 1)
        assert bound <= planned_bytes <= 1.1 * bound


@MANY
@given(drawn=graphs(most=30))
def test_plans_of_random_graphs_keep_the_laws(drawn: Drawn) -> None:
    order, plan = with_gradients(drawn)
    for size in (1, 5, 40):
        check_that_every_read_finds_its_value(order, plan, size)
        check_overlaps(order, plan, size)
    check_overwrites(order, plan)
    check_size(order, plan)


def test_the_checks_find_a_plan_that_is_wrong() -> None:
    """The laws can fail: a plan that puts everything into one buffer breaks them."""
    x = gc.input("x", (3, 3), "float64")
    order, plan = planned([x], [gc.sum(gc.exp(x) @ gc.sin(x) @ gc.cos(x))])
    buffer = plan.buffers[0]
    wrong = Plan((buffer,), dict.fromkeys(plan.buffer, buffer), plan.fresh, {}, {}, {})
    with pytest.raises(AssertionError, match="overwritten"):
        check_that_every_read_finds_its_value(order, wrong)
    with pytest.raises((AssertionError, KeyError)):
        check_overlaps(order, wrong)


def test_a_chain_of_functions_needs_one_buffer() -> None:
    x = gc.input("x", ("N",))
    _, plan = planned([x], [gc.tanh(gc.sin(gc.exp(gc.cos(x)))).sum()])
    assert [str(size) for _, _, size in plan.spans] == ["4*N", "4"]


def test_an_operand_that_is_read_elsewhere_in_the_step_stays() -> None:
    """Neither a transposed second reading nor a condition allows writing over the memory it reads."""
    x = gc.input("x", (3, 3), "float64")
    h = gc.exp(x)
    order, plan = planned([x], [(h + h.T).sum()])
    assert not any(step.op.name == "add" for step in plan.overwrites)
    check_overlaps(order, plan)


def test_an_operand_of_another_dtype_stays() -> None:
    x = gc.input("x", (8,))
    order, plan = planned([x], [(gc.exp(x).astype("float64") * 2.0).sum()])
    (cast,) = [step for step in order.steps if step.op.name == "astype"]
    assert cast not in plan.overwrites


def test_parameters_are_written_in_place_only_when_nothing_reads_them_later() -> None:
    """The two parameters swap: one new value is written straight, the other must wait in a buffer."""
    p, q = (gc.parameter(n, (3,), dtype="float64") for n in "pq")
    updates = {p: q * 2.0, q: p + 1.0}
    order, plan = planned([], [gc.sum(p - q)], updates)
    check_that_every_read_finds_its_value(order, plan)
    assert len(plan.in_parameter) == 1
    f = gc.compile(gc.sum(p - q), [], updates=updates)
    f.params["p"], f.params["q"] = np.array([1.0, 2, 3]), np.array([4.0, 5, 6])
    assert f() == -9
    np.testing.assert_array_equal(f.params["p"], [8, 10, 12])
    np.testing.assert_array_equal(f.params["q"], [2, 3, 4])


def test_results_are_new_arrays_and_workspaces_go_by_size() -> None:
    """Results of earlier calls stay what they were, whatever sizes come later."""
    x = gc.input("x", ("N", 3), "float64")
    h = gc.exp(x)
    f = gc.compile([h, h.T, gc.tanh(h @ h.T), h], [x])
    rng = np.random.default_rng(0)
    seen = []
    for size in (4, 1, 7, 4, 0, 12, 2, 3, 5, 6, 8, 9, 10, 4):
        a = rng.standard_normal((size, 3))
        results = f(a)
        seen.append((a, results, [r.copy() for r in results]))
    for a, results, copies in seen:
        e = np.exp(a)
        for result, copy, expected in zip(results, copies, (e, e.T, np.tanh(e @ e.T), e), strict=True):
            np.testing.assert_array_equal(result, copy)
            np.testing.assert_allclose(result, expected, rtol=1e-12)
    arrays = [r for _, results, _ in seen for r in results]
    assert not any(np.shares_memory(r, s) for k, r in enumerate(arrays) for s in arrays[:k])


def test_the_bytes_of_a_workspace_follow_the_size() -> None:
    x = gc.input("x", ("N", 8))
    f = gc.compile(gc.tanh(x @ x.T).sum(), [x], optimize="exact")  # whole, not in tiles
    assert f.workspace_bytes(N=10) == 448 + 64  # 4 * 10 * 10 and 4, in whole lines of cache
    assert f.workspace_bytes(N=100) == 4 * 100 * 100 + 64


LARGE = 600  # rows and columns of parameters that are worth tiles


def large_parameter(name: str, seed: int) -> gc.Tensor:
    value = np.random.default_rng(seed).standard_normal((LARGE, LARGE))
    return gc.parameter(name, value=value)


def test_a_large_parameter_is_written_in_place_tile_by_tile() -> None:
    """Adam's update of 600 × 600: no buffer of that size, no copy, and NumPy's numbers."""
    w, m, v = (large_parameter(n, k) for k, n in enumerate("wmv"))
    g = gc.input("g", (LARGE, LARGE), "float64")
    m2, v2 = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
    w2 = w - 0.01 * m2 / (gc.sqrt(gc.abs(v2)) + 1e-8)
    f = gc.compile((), [g], updates={w: w2, m: m2, v: v2}, threads=2)
    assert f.stats["regions"] == 1 and f.stats["buffers"] == 0 and "copyto" not in f.source
    old = {n: np.array(f.params[n]) for n in "wmv"}
    array = np.random.default_rng(9).standard_normal((LARGE, LARGE))
    held = {n: f.params[n] for n in "wmv"}
    f(array)
    m3, v3 = 0.9 * old["m"] + 0.1 * array, 0.99 * old["v"] + 0.01 * array * array
    np.testing.assert_allclose(f.params["m"], m3, rtol=1e-12)
    np.testing.assert_allclose(f.params["v"], v3, rtol=1e-12)
    np.testing.assert_allclose(f.params["w"], old["w"] - 0.01 * m3 / (np.sqrt(np.abs(v3)) + 1e-8), rtol=1e-9)
    assert all(f.params[n] is held[n] for n in "wmv")


UPDATES = {
    "the parameters swap": lambda p, q: {p: gc.exp(-gc.abs(q)), q: gc.tanh(p)},
    "one reads the other's rows": lambda p, q: {p: gc.tanh(p) * q, q: gc.sin(q) + p},
    "rows and columns": lambda p, q: {p: gc.tanh(p) + p.T, q: gc.sin(q)},
    "other rows": lambda p, q: {p: gc.tanh(p) + p[::-1], q: gc.sin(q) + p[:1]},
    "a product reads it": lambda p, q: {p: gc.tanh(p + gc.exp(-gc.abs(q)) @ p), q: gc.sin(q)},
    "a sum over all rows": lambda p, q: {p: gc.tanh(p) - p.sum(axis=0), q: gc.sin(q) / gc.exp(p.sum(axis=1))},
    "a scaled sum after it": lambda p, q: {p: gc.tanh(p) * 0.5, q: gc.sin(q) * gc.tanh(p.sum())},
    "the new value twice": lambda p, q: {p: gc.tanh(p), q: gc.tanh(p) + q},
}


@pytest.mark.parametrize("optimize", ["default", "exact"])
@pytest.mark.parametrize("case", UPDATES)
def test_whatever_reads_a_parameter_finds_its_old_value(case: str, optimize: str) -> None:
    p, q = large_parameter("p", 1), large_parameter("q", 2)
    updates = UPDATES[case](p, q)
    f = gc.compile((), [], updates=updates, threads=2, optimize=optimize)
    old = {n: np.array(f.params[n.name]) for n in (p, q)}
    f()
    for parameter, expected in zip(updates, gc.interpret(list(updates.values()), old), strict=True):
        np.testing.assert_allclose(f.params[parameter.name], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=graphs(most=25))
def test_plans_of_tiles_keep_the_laws(drawn: Drawn) -> None:
    """With all work worth a tile, regions are everywhere; a tile's plan is one like any other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphc.codegen.tiling.regions.LEAST", 0.0)
        outputs = [drawn.output, *gc.grad(drawn.output, drawn.inputs)]
        graph, _ = run(Graph(tuple(drawn.inputs), tuple(outputs)), PIPELINES["default"], Verifier())
        order = schedule(graph, tiled=True)
        plan = plan_memory(order)
    assert plan.footprint.planned({"N": 40}, 2) <= 1.1 * plan.footprint.alive({"N": 40}, 2)
    for region, tile in order.regions.items():
        for size in (1, 5):
            check_that_every_read_finds_its_value(tile, plan.regions[region], size)
            check_overlaps(tile, plan.regions[region], size)
