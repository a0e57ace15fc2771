"""Laws of the memory plan, each by brute force over random graphs, and of the workspaces made from it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import graphc as gc
from graphc.codegen.emitters import EMITTERS
from graphc.codegen.memory import Block, Plan, plan_memory, total_bytes
from graphc.codegen.schedule import Schedule, schedule
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


def check_that_every_read_finds_its_value(order: Schedule, plan: Plan) -> None:
    """Run the plan on names in place of numbers: each block holds the value that was last written there."""
    holds: dict[Block, Tensor] = {}
    replaced: dict[Tensor, Tensor] = {}  # what stands in a parameter instead of its old value

    def found(value: Tensor) -> bool:
        block = plan.block.get(value)
        return holds[block] is value if block is not None else value not in replaced

    for step in order.steps:
        for operand in step.inputs:
            base = owner(operand)
            assert found(base), f"{step} reads {base}, which is overwritten"
            if base in plan.in_parameter:
                assert replaced[plan.in_parameter[base]] is base
        for scratch, _, _ in plan.scratch.get(step, ()):
            assert not any(plan.block.get(owner(i)) is scratch for i in step.inputs)
            assert plan.block.get(step) is not scratch
            holds.pop(scratch, None)
        places = (step in plan.block) + (step in plan.fresh) + (step in plan.in_parameter)
        assert places == 1, f"{step} lives in {places} places"
        if step in plan.block:
            holds[plan.block[step]] = step
        if step in plan.in_parameter:
            replaced[plan.in_parameter[step]] = step
    for output in order.graph.outputs:
        assert found(owner(output))
    for _, new in order.graph.updates:
        assert new in plan.in_parameter or holds[plan.block[new]] is new


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


def check_overlaps(order: Schedule, plan: Plan) -> None:
    """Two values of one block are not alive at once; one step is shared only where it writes in place."""
    life = lifetimes(order)
    members: dict[Block, list[Tensor]] = {}
    for step, block in plan.block.items():
        members.setdefault(block, []).append(step)
    for values in members.values():
        for k, a in enumerate(values):
            for b in values[k + 1 :]:
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
        assert plan.block[step] is plan.block[base]
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


def check_size(order: Schedule, plan: Plan) -> None:
    """A block holds its largest value; all blocks together are no larger than all values together."""
    held = [(n.shape, n.dtype) for n in plan.block]
    held += [(shape, dtype) for extra in plan.scratch.values() for _, shape, dtype in extra]
    for size in (1, 5, 1000):
        sizes = [evaluate_dim(element_count(s), {"N": size}) * d.itemsize for s, d in held]
        planned_bytes = total_bytes(plan.block_sizes, {"N": size})
        assert max(sizes, default=0) <= planned_bytes <= sum(sizes)
        for block in plan.blocks:
            largest = max(evaluate_dim(s, {"N": size}) for s in block.sizes)
            for shape, dtype in block.types:
                assert evaluate_dim(element_count(shape), {"N": size}) * dtype.itemsize <= largest


@MANY
@given(drawn=graphs(most=30))
def test_plans_of_random_graphs_keep_the_laws(drawn: Drawn) -> None:
    order, plan = with_gradients(drawn)
    check_that_every_read_finds_its_value(order, plan)
    check_overlaps(order, plan)
    check_overwrites(order, plan)
    check_size(order, plan)


def test_the_checks_find_a_plan_that_is_wrong() -> None:
    """The laws can fail: a plan that puts everything into one block breaks them."""
    x = gc.input("x", (3, 3), "float64")
    order, plan = planned([x], [gc.sum(gc.exp(x) @ gc.sin(x) @ gc.cos(x))])
    block = plan.blocks[0]
    wrong = Plan((block,), dict.fromkeys(plan.block, block), plan.fresh, {}, {}, {})
    with pytest.raises(AssertionError, match="overwritten"):
        check_that_every_read_finds_its_value(order, wrong)
    with pytest.raises((AssertionError, KeyError)):
        check_overlaps(order, wrong)


def test_a_chain_of_functions_needs_one_block() -> None:
    x = gc.input("x", ("N",))
    _, plan = planned([x], [gc.tanh(gc.sin(gc.exp(gc.cos(x)))).sum()])
    assert [list(map(str, b)) for b in plan.block_sizes] == [["4*N"], ["4"]]


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
    f = gc.compile(gc.tanh(x @ x.T).sum(), [x])
    assert f.workspace_bytes(N=10) == 4 * 10 * 10 + 4
    assert f.workspace_bytes(N=100) == 4 * 100 * 100 + 4
