"""A memory budget: the plan fits, the results stay what they are, or the error says how little is enough."""

import runpy

import numpy as np
import pytest

import graphc as gc
from graphc.bench.peers.own import declared
from graphc.bench.workloads import WORKLOADS
from graphc.codegen.footprint import evaluated, layout
from graphc.errors import GraphError

Case = tuple[list[gc.Tensor], list[gc.Tensor]]


def deep_perceptron(depth: int = 30, width: int = 32, batch: int = 256) -> Case:
    x = gc.input("x", (batch, width))
    h, weights = x, []
    for k in range(depth):
        w, b = gc.parameter(f"w{k}", (width, width)), gc.parameter(f"b{k}", (width,))
        weights += [w, b]
        h = gc.tanh(h @ w + b)
    loss = (h * h).mean()
    return [loss, *gc.grad(loss, weights)], [x]


def residual_network() -> Case:
    x = gc.input("x", (4, 3, 8, 8))
    net = gc.nn.Sequential(
        gc.nn.Conv2d(3, 8, 3, padding=1), *[gc.nn.ResidualBlock(8, 8) for _ in range(6)],
        gc.nn.GlobalAvgPool(), gc.nn.Dense(8, 5),
    )  # fmt: skip
    loss = (net(x) ** 2).mean()
    return [loss, *gc.grad(loss, list(gc.parameters(loss)))], [x]


def attention_block() -> Case:
    x = gc.input("x", ("N", 16, 32))
    loss = (gc.nn.TransformerBlock(32, 4, 64)(x) ** 2).mean()
    return [loss, *gc.grad(loss, list(gc.parameters(loss)))], [x]


def u_net() -> Case:
    def layer(name, channels, out):
        return gc.nn.Conv2d(channels, out, 3, padding=1, name=name)

    x = gc.input("x", (2, 3, 16, 16))
    wide = gc.nn.relu(layer("a", 3, 8)(x))
    low = gc.nn.relu(layer("b", 8, 16)(gc.nn.max_pool2d(wide, 2)))
    up = gc.nn.ConvTranspose2d(16, 8, 2, stride=2, name="up")(low)
    y = layer("c", 16, 4)(gc.concatenate([up, wide], axis=1))
    loss = (y * y).mean()
    return [loss, *gc.grad(loss, list(gc.parameters(loss)))], [x]


def of_workload(name: str) -> Case:
    workload = WORKLOADS[name]
    return declared(workload, workload.data(False), workload.rate)


NETWORKS = {
    "perceptron": deep_perceptron,
    "residual": residual_network,
    "attention": attention_block,
    "u-net": u_net,
}


def arguments(inputs: list[gc.Tensor], size: int = 6) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = [[s if isinstance(s, int) else size for s in i.shape] for i in inputs]
    return [generator.standard_normal(s).astype(i.dtype) for s, i in zip(shapes, inputs, strict=True)]


@pytest.mark.parametrize("optimize", ["exact", "default"])
@pytest.mark.parametrize("name", [*NETWORKS, *WORKLOADS])
def test_the_plan_is_near_the_bound_of_what_is_alive(name: str, optimize: str) -> None:
    outputs, inputs = NETWORKS[name]() if name in NETWORKS else of_workload(name)
    f = gc.compile(outputs, inputs, optimize=optimize, threads=2)
    assert 0 < f.stats["live_bytes"] <= f.stats["planned_bytes"] <= 1.1 * f.stats["live_bytes"]


@pytest.mark.parametrize("share", [0.75, 0.5])
@pytest.mark.parametrize("name", ["perceptron", "residual"])
def test_results_are_bit_for_bit_those_without_a_budget(name: str, share: float) -> None:
    """With "exact" no sum is divided into tiles: the same steps run, some of them twice."""
    outputs, inputs = NETWORKS[name]()
    whole = gc.compile(outputs, inputs, optimize="exact")
    budget = int(whole.stats["planned_bytes"] * share)
    f = gc.compile(outputs, inputs, optimize="exact", memory_budget=budget, params=whole.params)
    assert f.stats["planned_bytes"] == f.workspace_bytes() <= budget
    assert f.stats["computed_again"] > 0
    given = arguments(inputs)
    for value, expected in zip(f(*given), whole(*given), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_much_less_memory_than_the_values_of_the_forward_pass_is_enough() -> None:
    """About the square root of the number of layers is kept: T. Chen et al. 2016."""
    outputs, inputs = deep_perceptron(depth=64)
    whole = gc.compile(outputs, inputs, optimize="exact")
    f = gc.compile(outputs, inputs, optimize="exact", memory_budget=whole.stats["planned_bytes"] * 3 // 10)
    assert f.stats["computed_again"] > 64


@pytest.mark.parametrize("name", ["perceptron", "residual", "attention", "resblock"])
def test_half_of_the_memory_is_enough_in_tiles_also(name: str) -> None:
    outputs, inputs = NETWORKS[name]() if name in NETWORKS else of_workload(name)
    whole = gc.compile(outputs, inputs, threads=2)
    budget = whole.stats["planned_bytes"] // 2
    f = gc.compile(outputs, inputs, threads=2, memory_budget=budget, params=whole.params)
    assert f.stats["planned_bytes"] <= budget
    for size in (64, 6, 1):
        given = arguments(inputs, size)
        scale = max(float(np.abs(v).max()) for v in whole(*given))
        for value, expected in zip(f(*given), whole(*given), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6 * scale)


def test_the_memory_in_use_is_the_memory_planned() -> None:
    """Every buffer that a call touches is counted, the threads' too."""
    outputs, inputs = deep_perceptron()
    f = gc.compile(outputs, inputs, threads=2)
    compute = f._new_workspace(())
    f._give_back((), compute)
    f(*arguments(inputs))
    buffers = [cell.cell_contents for cell in compute.__closure__]
    bases = {id(b.base): b.base for b in buffers if isinstance(b, np.ndarray)}
    threads = [b for b in buffers if not isinstance(b, np.ndarray)]
    held = sum(b.nbytes for b in bases.values())
    held += sum(len(p._memory) for t in threads for p in t._free)
    assert held <= f.workspace_bytes() + 64 * (len(bases) + 4)


def test_draws_are_not_drawn_again() -> None:
    x = gc.input("x", (64, 16))
    h, weights = x, []
    for k in range(12):
        w = gc.parameter(f"w{k}", (16, 16))
        weights.append(w)
        h = gc.nn.dropout(gc.tanh(h @ w), 0.5)
    loss = (h * h).mean()
    outputs = [loss, *gc.grad(loss, weights)]
    whole = gc.compile(outputs, [x], seed=3, optimize="exact")
    budget = whole.stats["planned_bytes"] * 7 // 10
    f = gc.compile(outputs, [x], seed=3, optimize="exact", memory_budget=budget, params=whole.params)
    assert f.stats["computed_again"] > 0
    assert f.source.count("random_generator(") == whole.source.count("random_generator(")
    given = arguments([x])
    for _ in range(3):
        for value, expected in zip(f(*given), whole(*given), strict=True):
            np.testing.assert_array_equal(value, expected)


def test_a_budget_that_nothing_fits_is_refused_with_what_is_enough() -> None:
    outputs, inputs = deep_perceptron(depth=8)
    with pytest.raises(GraphError, match=r"at least ([\d,]+) bytes .* memory_budget=1,000") as caught:
        gc.compile(outputs, inputs, memory_budget=1000, threads=1)
    enough = int(str(caught.value).split("at least ")[1].split(" bytes")[0].replace(",", ""))
    f = gc.compile(outputs, inputs, memory_budget=enough, threads=1)
    assert f.stats["planned_bytes"] <= enough
    with pytest.raises(GraphError, match="at least"):
        gc.compile(outputs, inputs, memory_budget=enough - 1, threads=1)


def test_fewer_threads_are_used_where_each_takes_too_much() -> None:
    outputs, inputs = deep_perceptron(depth=8, batch=4096)
    whole = gc.compile(outputs, inputs, threads=1)
    with pytest.raises(GraphError) as caught:
        gc.compile(outputs, inputs, memory_budget=1000, threads=1)
    enough = int(str(caught.value).split("at least ")[1].split(" bytes")[0].replace(",", ""))
    f = gc.compile(outputs, inputs, memory_budget=enough, threads=4, params=whole.params)
    assert f.workspace_bytes() <= enough
    given = arguments(inputs)
    for value, expected in zip(f(*given), whole(*given), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)


def test_symbolic_sizes_count_as_given() -> None:
    outputs, inputs = attention_block()
    small = gc.compile(outputs, inputs, sizes={"N": 8}, threads=1, optimize="exact")
    large = gc.compile(outputs, inputs, sizes={"N": 64}, threads=1, optimize="exact")
    assert large.stats["planned_bytes"] == large.workspace_bytes(N=64) > 4 * small.stats["planned_bytes"]
    budget = large.stats["planned_bytes"] * 3 // 4
    f = gc.compile(outputs, inputs, sizes={"N": 64}, threads=1, optimize="exact", memory_budget=budget)
    assert f.workspace_bytes(N=64) <= budget


@pytest.mark.parametrize(("budget", "sizes"), [(0, {}), (-5, {}), (1.5, {}), (True, {}), (10**9, {"N": 0})])
def test_what_is_no_budget_is_refused(budget, sizes) -> None:
    x = gc.input("x", ("N",))
    with pytest.raises(GraphError, match="positive whole number"):
        gc.compile(gc.exp(x), [x], memory_budget=budget, sizes=sizes)


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("name", ["perceptron", "attention"])
def test_sums_in_lanes_are_those_of_the_interpreter(name: str, lanes: int, monkeypatch) -> None:
    """Each tile adds its part to that of its lane; on any number of threads the same bits come out."""
    monkeypatch.setattr("graphc.codegen.schedule._MOST_PARTS", 0)
    monkeypatch.setattr("graphc.codegen.schedule._LANES", lanes)
    monkeypatch.setattr("graphc.codegen.tiling.sizes._CACHE", 1 << 14)
    monkeypatch.setattr("graphc.codegen.tiling.sizes._OVERHEAD", 1.0)
    outputs, inputs = NETWORKS[name]()
    f = gc.compile(outputs, inputs, threads=2)
    assert f"lanes={lanes}, sums=(" in f.source
    one = gc.compile(outputs, inputs, threads=1, params=f.params)
    for size in (64, 5):
        given = arguments(inputs, size)
        known = dict(zip(inputs, given, strict=True)) | _parameters(outputs, f)
        expected = gc.interpret(outputs, known)
        scale = max(float(np.abs(v).max()) for v in expected)
        for value, wanted, again in zip(f(*given), expected, one(*given), strict=True):
            np.testing.assert_allclose(value, wanted, rtol=2e-4, atol=1e-6 * scale)
            np.testing.assert_array_equal(value, again)


def test_a_saved_file_packs_and_adds_up_by_itself(tmp_path, monkeypatch) -> None:
    """Symbolic sizes, threads' memory and lanes, without graphc."""
    monkeypatch.setattr("graphc.codegen.schedule._MOST_PARTS", 0)
    monkeypatch.setattr("graphc.codegen.schedule._LANES", 2)
    monkeypatch.setattr("graphc.codegen.tiling.sizes._CACHE", 1 << 14)
    monkeypatch.setattr("graphc.codegen.tiling.sizes._OVERHEAD", 1.0)
    outputs, inputs = attention_block()
    f = gc.compile(outputs, inputs)
    assert "lanes=2" in f.source and "packed(" in f.source
    f.save(tmp_path / "step.py")
    text = (tmp_path / "step.py").read_text()
    assert "import graphc" not in text and "from graphc" not in text
    module = runpy.run_path(str(tmp_path / "step.py"))
    for size in (64, 5):
        given = arguments(inputs, size)
        for value, expected in zip(module["call"](*given), f(*given), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)


def _parameters(outputs: list[gc.Tensor], f: gc.Function) -> dict[gc.Tensor, np.ndarray]:
    return {p: f.params[p.name] for o in outputs for p in gc.parameters(o)}


def test_sizes_of_a_symbolic_workspace_are_packed_at_the_call() -> None:
    """The same plan at several sizes: no two of its buffers in use at once overlap."""
    outputs, inputs = attention_block()
    spans = gc.compile(outputs, inputs, optimize="exact")._compiled.footprint.spans
    for size in (1, 3, 64, 1000):
        found = evaluated(spans, {"N": size})
        total, offsets = layout(found)
        for k, (first, last, bytes_) in enumerate(found):
            assert offsets[k] + bytes_ <= total
            for j, (begin, end, other) in enumerate(found[:k]):
                if first <= end and begin <= last:
                    assert offsets[k] + bytes_ <= offsets[j] or offsets[j] + other <= offsets[k]
