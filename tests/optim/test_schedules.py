from __future__ import annotations

import math

import numpy as np
import pytest

from graphc import ops
from graphc.errors import GraphError
from graphc.optim import schedules
from graphc.runtime.interpreter import interpret

STEPS = np.arange(0, 40)


def _rates(schedule):
    step = ops.input("step", (), "float64")
    rate = schedule(step)
    assert rate.shape == () and rate.dtype == np.float64
    return np.array([interpret([rate], {step: n})[0] for n in STEPS])


def _torchs(make, lr=0.3):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in STEPS:
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize(
    "schedule, make",
    [
        (schedules.constant(0.3), lambda s, o: s.ConstantLR(o, factor=1.0)),
        (schedules.step_decay(0.3, 7, 0.5), lambda s, o: s.StepLR(o, 7, 0.5)),
        (schedules.exponential_decay(0.3, 0.9), lambda s, o: s.ExponentialLR(o, 0.9)),
        (
            schedules.piecewise_constant([5, 20], [0.3, 0.03, 0.003]),
            lambda s, o: s.MultiStepLR(o, [5, 20], 0.1),
        ),
        (
            schedules.linear_warmup(0.3, 10, start=0.2),
            lambda s, o: s.LinearLR(o, start_factor=0.2, total_iters=10),
        ),
    ],
)
def test_torchs_schedulers(schedule, make):
    np.testing.assert_allclose(_rates(schedule), _torchs(make), rtol=1e-12)


def test_cosine_is_torchs_until_its_end_and_stays_there():
    found = _rates(schedules.cosine_decay(0.3, 25, 0.01))
    expected = _torchs(lambda s, o: s.CosineAnnealingLR(o, 25, 0.01))
    np.testing.assert_allclose(found[:26], expected[:26], rtol=1e-9)
    np.testing.assert_allclose(found[25:], 0.01, rtol=1e-12)


def test_closed_forms():
    np.testing.assert_allclose(_rates(schedules.inverse_time_decay(0.3, 0.1)), 0.3 / (1 + 0.1 * STEPS))
    expected = [0.3 * min((n + 1) / 8, math.sqrt(8 / (n + 1))) for n in STEPS]
    np.testing.assert_allclose(_rates(schedules.inverse_sqrt(0.3, 8)), expected)
    warm = schedules.linear_warmup(schedules.exponential_decay(0.3, 0.9), 4)
    np.testing.assert_allclose(_rates(warm), [0.3 * 0.9**n * min(n / 4, 1) for n in STEPS])


def test_errors():
    with pytest.raises(GraphError, match="step_size = 0 is not positive"):
        schedules.step_decay(0.1, 0)
    with pytest.raises(GraphError, match="do not fit"):
        schedules.piecewise_constant([1, 2], [0.1, 0.2])
    with pytest.raises(GraphError, match="do not fit"):
        schedules.piecewise_constant([2, 1], [0.1, 0.2, 0.3])
