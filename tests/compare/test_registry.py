"""Every op with a scalar form, and every activation: both engines' derivatives agree with differences."""

import numpy as np
import pytest

from graphc.compare import compare_gradients
from graphc.ir.dtype import is_float
from graphc.nn.activation_table import ACTIVATIONS
from graphc.ops.sources import input
from tests.symbolic.test_scalar import OPS, node_of, points_of

SMOOTH = [op for op in OPS if is_float(node_of(op).dtype)]


@pytest.mark.parametrize("op", SMOOTH, ids=lambda op: op.name)
def test_engines_agree_on_every_scalar_op(op):
    node = node_of(op)
    wrt = [i for i in node.inputs if is_float(i.dtype)]
    for point in points_of(op.name):
        report = compare_gradients(node * 1.5, wrt, dict(zip(node.inputs, point, strict=True)))
        assert report.ok, report.table()
        assert {"symbolic", "forward", "central differences"} <= set(report.costs)


@pytest.mark.parametrize("name", [n for n, a in ACTIVATIONS.items() if a.is_plain])
def test_engines_agree_on_every_activation(name):
    x = input("x", (), "float64")
    y = ACTIVATIONS[name].function(x)
    for at in (-7.3, -1.7, -0.3, 0.2, 1.1, 8.9):
        report = compare_gradients(y, x, {"x": np.float64(at)})
        assert report.ok, report.table()
