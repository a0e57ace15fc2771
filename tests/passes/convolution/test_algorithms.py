"""Every algorithm of convolution, forced one by one: values and derivatives of two orders are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.graph import Graph
from graphc.ir.tensor import Tensor
from graphc.ir.verifier import Verifier
from graphc.passes.convolution import choice
from graphc.passes.convolution.algorithm import Algorithm
from graphc.passes.lowering import Lowering
from graphc.passes.pipelines import run
from graphc.passes.transposes import Transposes
from tests.passes.convolution.configurations import Configuration, drawn, long_filters

torch = pytest.importorskip("torch")

ALGORITHMS = {a.name: a for a in choice.ALGORITHMS}
CONVOLUTIONS = ("convolution", "transposed_convolution", "filter_gradient")
CASES = {
    "windows": drawn(1, 25),
    "batch_last": drawn(2, 40),
    "depthwise": drawn(3, 40, depthwise=True),
    "winograd_2_3": drawn(4, 25, (3,)),
    "winograd_4_3": drawn(5, 40, (3,)),
    "winograd_2_5": drawn(6, 25, (5,)),
    "winograd_3_2": drawn(7, 25, (2,)),
    "batch_last_by_phases": drawn(8, 25, phases=0),
    "winograd_3_2_by_phases": drawn(9, 25, phases=2),
    "fourier": [*long_filters(), *drawn(10, 20, (4,)), *drawn(11, 10, (5,))],
    "fourier_by_phases": drawn(12, 25, phases=4),
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class _Forced:
    """Lowers by one algorithm where it fits, by windows elsewhere, and counts."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm, self.count = algorithm, 0

    def __call__(self, node: Tensor) -> Tensor:
        if not self.algorithm.fits(node):
            return ALGORITHMS["windows"].lowered(node)
        self.count += 1
        return self.algorithm.lowered(node)


def _outputs(case: Configuration, x: Tensor, w: Tensor, u: Tensor, v: Tensor) -> list[Tensor]:
    y = case.ours(x, w)
    loss = gc.sum(u * (y + y * y / 2))
    gradients = gc.grad(loss, [x, w])
    return [y, *gradients, *gc.grad(gc.sum(gradients[1] * v), [x, w])]


def _expected(case: Configuration, x: Any, w: Any, u: Any, v: Any) -> list[np.ndarray]:
    a, b = (torch.tensor(t, requires_grad=True) for t in (x, w))
    y = case.theirs(a, b)
    gradients = torch.autograd.grad((torch.tensor(u) * (y + y * y / 2)).sum(), (a, b), create_graph=True)
    second = torch.autograd.grad((gradients[1] * torch.tensor(v)).sum(), (a, b), allow_unused=True)
    zeros = [torch.zeros_like(t) if s is None else s for s, t in zip(second, (a, b), strict=True)]
    return [t.detach().numpy() for t in (y, *gradients, *zeros)]


def _close(found: np.ndarray, wanted: np.ndarray, bound: float) -> None:
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert np.abs(found - wanted).max(initial=0) <= bound * (1 + np.abs(wanted).max(initial=0))


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_forced_algorithm_equals_pytorch(name: str, symbolic: bool) -> None:
    forced = _Forced(ALGORITHMS[name])
    lowering = Lowering(dict.fromkeys(CONVOLUTIONS, forced))
    for case in CASES[name][:: 3 if symbolic else 1]:
        x, w = case.arrays()
        batch: Any = "N" if symbolic else case.x[0]
        inputs = [gc.input("x", (batch, *case.x[1:]), "float64"), gc.input("w", case.w, "float64")]
        places = case.ours(*inputs).shape
        inputs += [gc.input("u", places, "float64"), gc.input("v", case.w, "float64")]
        rng = np.random.default_rng(1)
        shape = (case.x[0], *places[1:])
        arrays = [x, w, rng.standard_normal(shape), rng.standard_normal(case.w)]
        before = forced.count
        graph = Graph(tuple(inputs), tuple(_outputs(case, *inputs)))
        after, _ = run(graph, (lowering, Transposes()), Verifier())
        assert forced.count >= before + 3 or not forced.algorithm.fits(case.ours(*inputs[:2])), case
        found = gc.interpret(after.outputs, dict(zip(inputs, arrays, strict=True)))
        for ours, theirs in zip(found, _expected(case, *arrays), strict=True):
            try:
                _close(ours, theirs, 1e-11)
            except AssertionError as error:
                raise AssertionError(f"{name}: {case}") from error
    assert forced.count > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_forced_algorithm_compiles(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = ALGORITHMS[name]

    def candidates(node: Tensor) -> tuple[Algorithm, ...]:
        return (algorithm if algorithm.fits(node) else ALGORITHMS["windows"],)

    monkeypatch.setattr(choice, "candidates", candidates)
    for case in CASES[name][::4]:
        x, w = case.arrays(dtype)
        inputs = [gc.input("x", x.shape, dtype), gc.input("w", w.shape, dtype)]
        u = gc.input("u", case.ours(*inputs).shape, dtype)
        v = gc.input("v", w.shape, dtype)
        rng = np.random.default_rng(1)
        arrays = [
            x,
            w,
            rng.standard_normal(u.shape).astype(dtype),
            rng.standard_normal(w.shape).astype(dtype),
        ]
        f = gc.compile(_outputs(case, *inputs, u, v), [*inputs, u, v])
        for _ in range(2):  # the second call finds used buffers
            found = f(*arrays)
        for ours, theirs in zip(found, _expected(case, *arrays), strict=True):
            _close(ours, theirs, 2e-5 if dtype == "float32" else 1e-11)


@pytest.mark.parametrize("stride", [1, 2])
def test_sizes_that_are_known_at_the_call(stride: int) -> None:
    x, w = gc.input("x", ("N", 3, "H", "W"), "float64"), gc.input("w", (4, 3, 2, 2), "float64")
    y = gc.nn.conv2d(x, w, stride=stride, padding=1)
    outputs = [y, *gc.grad(gc.sum(y * y), [x, w])]
    f = gc.compile(outputs, [x, w])
    rng = np.random.default_rng(0)
    for shape in ((9, 3, 6, 5), (1, 3, 3, 4)):
        arrays = rng.standard_normal(shape), rng.standard_normal((4, 3, 2, 2))
        a, b = (torch.tensor(t, requires_grad=True) for t in arrays)
        result = torch.nn.functional.conv2d(a, b, stride=stride, padding=1)
        wanted = [result, *torch.autograd.grad((result * result).sum(), (a, b))]
        for ours, theirs in zip(f(*arrays), wanted, strict=True):
            _close(ours, theirs.detach().numpy(), 1e-12)


# The largest error over the largest result, as stated in ``winograd`` and ``fourier``; of filters of a size.
BOUNDS = {
    ("winograd_2_3", 3): 2e-6,
    ("winograd_4_3", 3): 1e-5,
    ("winograd_2_5", 5): 1e-5,
    ("winograd_3_2", 2): 2e-6,
    ("fourier", 5): 2e-6,
    ("fourier", 13): 2e-6,
}


@pytest.mark.parametrize("channels", [1, 16, 128])
@pytest.mark.parametrize("name, size", BOUNDS)
def test_the_rounding_of_transformed_tiles(name: str, size: int, channels: int) -> None:
    """Normal data; the truth is PyTorch in float64."""
    case = Configuration((4, channels, 17, 16), (8, channels, size, size), (1, 1), ((1, 1),) * 2, (1, 1), 1)
    for dtype, bound in (("float32", BOUNDS[name, size]), ("float64", 5e-14)):
        x, w = case.arrays(dtype)
        inputs = [gc.input("x", x.shape, dtype), gc.input("w", w.shape, dtype)]
        y = case.ours(*inputs)
        u = gc.input("u", y.shape, dtype)
        cotangent = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
        outputs = (y, *gc.grad(gc.sum(u * y), inputs))
        lowering = Lowering(dict.fromkeys(CONVOLUTIONS, _Forced(ALGORITHMS[name])))
        after = lowering(Graph((*inputs, u), outputs))
        found = gc.interpret(after.outputs, {inputs[0]: x, inputs[1]: w, u: cotangent})
        a, b = (torch.tensor(t.astype("float64"), requires_grad=True) for t in (x, w))
        result = case.theirs(a, b)
        wanted = [
            result,
            *torch.autograd.grad((torch.tensor(cotangent.astype("float64")) * result).sum(), (a, b)),
        ]
        for ours, theirs in zip(found, wanted, strict=True):
            truth = theirs.detach().numpy()
            assert np.abs(ours - truth).max() <= bound * np.abs(truth).max()


def test_masks_are_not_filtered() -> None:
    """A count of elements that are not zero must be zero where there are none."""
    x, w = gc.input("x", (16, 32, 16, 16)), gc.input("w", (32, 32, 3, 3))
    y = gc.nn.conv2d(gc.not_equal(x, 0).astype("float32"), w, padding=1)
    assert ALGORITHMS["winograd_4_3"].fits(gc.nn.conv2d(x, w, padding=1))
    assert not ALGORITHMS["winograd_4_3"].fits(y)
    large = gc.input("large", (32, 32, 5, 5))
    assert ALGORITHMS["fourier"].fits(gc.nn.conv2d(x, large))
    assert not ALGORITHMS["fourier"].fits(gc.nn.conv2d(gc.not_equal(x, 0).astype("float32"), large))
    pair = gc.input("pair", (32, 32, 4, 4))
    by_phases = ALGORITHMS["winograd_3_2_by_phases"]
    assert by_phases.fits(gc.nn.conv2d(x, pair, stride=2))
    assert not by_phases.fits(gc.nn.conv2d(gc.not_equal(x, 0).astype("float32"), pair, stride=2))
