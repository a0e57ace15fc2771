"""TOPICS rows 11 to 13: convolution from signal processing, along a real series and over real photographs."""

import numpy as np
import pytest
from scipy import signal

import graphc as gc

F64 = "float64"
DECAY = np.array([1.0, 0.5, 0.25])  # the weights of the notes: a signal's echo after 0, 1 and 2 steps
MODES = ("full", "same", "valid")


def _values(output: gc.Tensor, at: dict[gc.Tensor, np.ndarray]) -> np.ndarray:
    """The value by the interpreter; both compiled forms must give the same."""
    (expected,) = gc.interpret([output], at)
    needed = set(gc.to_networkx(output).nodes)
    inputs = [x for x in at if x in needed]
    for level in ("none", "default"):
        found = gc.compile(output, inputs, optimize=level)(*[at[x] for x in inputs])
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    return expected


# -- row 11: convolution from signal processing ----------------------------------------------------------
def test_the_received_signal_is_the_sum_of_its_echoes() -> None:
    """y_t = Σ_k w_k x_{t−k+1} with w = 1, 1/2, 1/4: counted from 1 as in the notes, 0 before the start."""
    x = np.random.default_rng(0).standard_normal(12)
    expected = np.zeros(14)
    for t in range(1, 15):
        for k in range(1, 4):
            if 1 <= t - k + 1 <= 12:
                expected[t - 1] += DECAY[k - 1] * x[t - k + 1 - 1]
    source = gc.input("x", ("T",), F64)
    np.testing.assert_allclose(_values(gc.convolve(source, DECAY), {source: x}), expected, rtol=1e-13)
    # One pulse comes back as the weights themselves, each halved: the filter is the response to a pulse.
    pulse = np.zeros(6)
    pulse[2] = 1
    echo = _values(gc.convolve(source, DECAY), {source: pulse})
    np.testing.assert_array_equal(echo, [0, 0, 1, 0.5, 0.25, 0, 0, 0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("m", "k"), [(9, 3), (9, 4), (8, 3), (8, 4), (5, 5), (3, 7), (4, 9), (1, 1), (6, 1), (1, 4)]
)
def test_narrow_wide_and_equal_width_are_numpys_modes(m: int, k: int, mode: str) -> None:
    rng = np.random.default_rng(m * 10 + k)
    a, v = rng.standard_normal(m), rng.standard_normal(k)
    x, w = gc.input("x", (m,), F64), gc.input("w", (k,), F64)
    y = gc.convolve(x, w, mode)
    sizes = {"full": m + k - 1, "same": max(m, k), "valid": max(m, k) - min(m, k) + 1}
    assert y.shape == (sizes[mode],)
    np.testing.assert_allclose(_values(y, {x: a, w: v}), np.convolve(a, v, mode), rtol=1e-12, atol=1e-14)
    y = gc.correlate(x, w, mode)
    np.testing.assert_allclose(_values(y, {x: a, w: v}), np.correlate(a, v, mode), rtol=1e-12, atol=1e-14)


def test_convolution_and_correlation_differ_but_for_a_turned_filter() -> None:
    rng = np.random.default_rng(1)
    a, even = rng.standard_normal(20), np.array([1.0, -2.0, 1.0])
    x = gc.input("x", ("T",), F64)
    convolved = lambda w: _values(gc.convolve(x, w, "valid"), {x: a})  # noqa: E731
    correlated = lambda w: _values(gc.correlate(x, w, "valid"), {x: a})  # noqa: E731
    assert np.abs(convolved(DECAY) - correlated(DECAY)).max() > 0.5
    np.testing.assert_allclose(convolved(DECAY), correlated(DECAY[::-1]), rtol=1e-13)
    np.testing.assert_allclose(convolved(even), correlated(even), rtol=1e-13)
    # What deep learning calls convolution does not turn the filter.
    layer = gc.nn.conv1d(gc.reshape(x, (1, 1, -1)), gc.constant(DECAY.reshape(1, 1, -1)))
    np.testing.assert_allclose(_values(layer, {x: a})[0, 0], correlated(DECAY), rtol=1e-13)


def test_convolution_commutes_and_is_associative_where_correlation_is_neither() -> None:
    rng = np.random.default_rng(2)
    a, v, u = rng.standard_normal(9), rng.standard_normal(4), rng.standard_normal(3)
    x, w, z = gc.input("x", (9,), F64), gc.input("w", (4,), F64), gc.input("z", (3,), F64)
    at = {x: a, w: v, z: u}
    outputs = [
        op(first, second, "full") for op in (gc.convolve, gc.correlate) for first, second in ((x, w), (w, x))
    ]
    ab, ba, correlated, turned = gc.interpret(outputs, at)
    np.testing.assert_allclose(ab, ba, rtol=1e-12)
    np.testing.assert_allclose(correlated, turned[::-1], rtol=1e-12)
    assert np.abs(correlated - turned).max() > 0.5
    once = _values(gc.convolve(gc.convolve(x, w), z), at)
    np.testing.assert_allclose(once, _values(gc.convolve(x, gc.convolve(w, z)), at), rtol=1e-12, atol=1e-14)


def test_the_gradient_by_a_filter_is_a_correlation_with_the_signal() -> None:
    """L = Σ c_t y_t with y = w ⊗ x narrow: ∂L/∂x is c wide with w turned round, ∂L/∂w a correlation."""
    rng = np.random.default_rng(3)
    a, v, c = rng.standard_normal(11), rng.standard_normal(4), rng.standard_normal(8)
    x, w, weight = gc.input("x", (11,), F64), gc.input("w", (4,), F64), gc.input("c", (8,), F64)
    loss = (gc.convolve(x, w, "valid") * weight).sum()
    by_x, by_w = (_values(g, {x: a, w: v, weight: c}) for g in gc.grad(loss, [x, w]))
    np.testing.assert_allclose(by_x, np.convolve(c, v[::-1], "full"), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(by_w, np.correlate(a, c, "valid")[::-1], rtol=1e-12, atol=1e-14)


# -- row 12: one-dimensional convolution, on the flow of the Nile -----------------------------------------
def _filtered(series: np.ndarray, weights: list[float] | np.ndarray, mode: str = "valid") -> np.ndarray:
    x = gc.input("x", ("T",), F64)
    return _values(gc.convolve(x, np.asarray(weights, float), mode), {x: series})


def test_a_mean_of_three_smooths_the_nile() -> None:
    _, flow = gc.datasets.nile()
    flow = flow.astype(float)
    smooth = _filtered(flow, [1 / 3, 1 / 3, 1 / 3])
    by_hand = [(flow[t - 1] + flow[t] + flow[t + 1]) / 3 for t in range(1, 99)]
    np.testing.assert_allclose(smooth, by_hand, rtol=1e-12)
    assert smooth.var() < 0.7 * flow.var()
    assert np.diff(smooth).std() < 0.5 * np.diff(flow).std(), "the change from year to year falls more"
    assert abs(smooth.mean() - flow.mean()) < 5, "the weights' sum is 1: the level stays"


def test_second_differences_are_blind_to_straight_lines() -> None:
    t = np.arange(40.0)
    np.testing.assert_allclose(_filtered(3.7 - 2.2 * t, [1, -2, 1]), np.zeros(38), atol=1e-12)
    np.testing.assert_allclose(_filtered(t**2, [1, -2, 1]), np.full(38, 2.0), atol=1e-11)
    bent = np.maximum(t, 17)  # level, then rising: the filter answers at the bend alone
    np.testing.assert_array_equal(np.flatnonzero(_filtered(bent, [1, -2, 1])) + 1, [17])


def test_second_differences_find_the_droughts_of_the_nile() -> None:
    """The strongest answers are at the two driest years of their neighbourhoods, 1877 and 1913."""
    years, flow = gc.datasets.nile()
    change = _filtered(flow.astype(float), [1, -2, 1])
    middle = years[1:-1]
    assert set(middle[np.argsort(change)[-2:]].tolist()) == {1877, 1913}
    assert years[flow.argmin()] == 1913 and years[flow[:17].argmin()] == 1877
    assert change.max() == 1230 - 2 * 813 + 1160


@pytest.mark.parametrize("width", [5, 7, 10, 15])
def test_a_step_filter_finds_the_change_of_1898(width: int) -> None:
    """Mean after minus mean before: the filter that change of level answers to, whatever its width."""
    years, flow = gc.datasets.nile()
    weights = np.r_[np.full(width, 1 / width), np.full(width, -1 / width)]  # turned round by the convolution
    change = _filtered(flow.astype(float), weights)
    last_year_before = years[width - 1 : len(years) - width]
    assert last_year_before[np.abs(change).argmax()] == 1898
    assert change.min() < -240, "it falls by some 250 · 10⁸ m³ a year"


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("s", [1, 2, 3])
def test_the_output_has_m_minus_k_plus_2p_over_s_plus_1_elements(k: int, s: int) -> None:
    """Rounded down where the stride does not divide; the oracle counts the places where the filter fits."""
    w = gc.constant(np.ones((1, 1, k)))
    for p in (0, 1, 2):
        signal_of_any_size = gc.input("x", (1, 1, "M"), F64)
        f = gc.compile(gc.nn.conv1d(signal_of_any_size, w, stride=s, padding=p), [signal_of_any_size])
        for m in (1, 2, 7, 28, 100):
            x = gc.input("x", (1, 1, m), F64)
            if m + 2 * p < k:
                with pytest.raises(gc.ShapeError, match=f"the filter spans {k}"):
                    gc.nn.conv1d(x, w, stride=s, padding=p)
                continue
            places = [start for start in range(0, m + 2 * p, s) if start + k <= m + 2 * p]
            assert (m - k + 2 * p) // s + 1 == len(places)
            assert gc.nn.conv1d(x, w, stride=s, padding=p).shape == (1, 1, len(places))
            assert f(np.ones((1, 1, m))).shape == (1, 1, len(places))


# -- row 13: two-dimensional convolution, on photographs ---------------------------------------------------
def _gaussian(size: int, sigma: float) -> np.ndarray:
    line = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
    return np.outer(line, line) / line.sum() ** 2


SOBEL = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
LAPLACE = np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
FILTERS = {
    "gaussian": _gaussian(7, 1.5),
    "sobel": SOBEL,
    "sobel, turned": SOBEL.T,
    "laplace": LAPLACE,
    "sharpen": np.array([[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]),
    "motion": np.eye(6) / 6,
    "uneven": np.arange(10.0).reshape(2, 5),
}


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    """A part of the pavilion in grey, of odd height and even width."""
    image = gc.datasets.photographs()["china"][40:121, 60:188] / 255
    return image @ [0.299, 0.587, 0.114]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FILTERS)
def test_filters_of_a_photograph_are_scipys(name: str, mode: str, grey: np.ndarray) -> None:
    x = gc.input("x", ("H", "W"), F64)
    found = _values(gc.convolve(x, FILTERS[name], mode), {x: grey})
    expected = signal.convolve2d(grey, FILTERS[name], mode)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("boundary", "pad"), [("fill", "constant"), ("wrap", "wrap"), ("symm", "symmetric")])
def test_edges_of_the_photograph_are_continued_as_scipy_does(
    boundary: str, pad: str, grey: np.ndarray
) -> None:
    x = gc.input("x", ("H", "W"), F64)
    found = _values(gc.convolve(gc.pad(x, 3, pad), FILTERS["gaussian"], "valid"), {x: grey})
    expected = signal.convolve2d(grey, FILTERS["gaussian"], "same", boundary)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_a_layer_with_the_turned_filter_gives_the_same_picture(grey: np.ndarray) -> None:
    """Three colours at once, each by itself: a depthwise layer is three filters of signal processing."""
    image = gc.datasets.photographs()["flower"].transpose(2, 0, 1)[None, :, :60, :71] / 255.0
    x = gc.input("x", (1, 3, "H", "W"), F64)
    weights = np.repeat(FILTERS["uneven"][None, None, ::-1, ::-1], 3, axis=0).copy()
    found = _values(gc.nn.conv2d(x, weights, groups=3), {x: image})
    for colour in range(3):
        expected = signal.convolve2d(image[0, colour], FILTERS["uneven"], "valid")
        np.testing.assert_allclose(found[0, colour], expected, rtol=1e-11)


def test_a_gaussian_smooths_and_edge_filters_answer_to_edges_alone(grey: np.ndarray) -> None:
    x = gc.input("x", ("H", "W"), F64)
    apply = lambda image, w: _values(gc.convolve(x, w, "valid"), {x: image})  # noqa: E731
    steepness = lambda image: np.abs(np.diff(image, axis=1)).mean()  # noqa: E731
    smooth = apply(grey, FILTERS["gaussian"])
    assert steepness(smooth) < 0.6 * steepness(grey) and abs(smooth.mean() - grey.mean()) < 0.02
    flat, step = np.full((9, 9), 0.7), np.repeat((np.arange(9) > 4).astype(float)[None], 9, axis=0)
    ramp = np.add.outer(np.arange(9.0), 3 * np.arange(9.0))
    for name in ("sobel", "sobel, turned", "laplace"):
        np.testing.assert_allclose(apply(flat, FILTERS[name]), 0, atol=1e-14)
    np.testing.assert_allclose(apply(ramp, LAPLACE), 0, atol=1e-12)
    # ∂/∂x of the step is 4 beside it and 0 elsewhere; the turned filter, ∂/∂y, sees no vertical edge.
    np.testing.assert_array_equal(apply(step, SOBEL), np.tile([0, 0, 0, 4, 4, 0, 0], (7, 1)))
    np.testing.assert_array_equal(apply(step, SOBEL.T), np.zeros((7, 7)))


def test_a_gaussian_is_two_passes_and_smoothing_may_go_into_the_edge_filter(grey: np.ndarray) -> None:
    line = np.exp(-0.5 * (np.arange(-3, 4) / 1.5) ** 2)
    line /= line.sum()
    x = gc.input("x", ("H", "W"), F64)
    at = {x: grey}
    whole = _values(gc.convolve(x, FILTERS["gaussian"]), at)
    passes = gc.convolve(gc.convolve(x, line[:, None]), line[None])
    np.testing.assert_allclose(_values(passes, at), whole, rtol=1e-11, atol=1e-14)
    edges = _values(gc.convolve(gc.convolve(x, FILTERS["gaussian"]), SOBEL), at)
    merged = signal.convolve2d(FILTERS["gaussian"], SOBEL)
    np.testing.assert_allclose(_values(gc.convolve(x, merged), at), edges, rtol=1e-9, atol=1e-12)
