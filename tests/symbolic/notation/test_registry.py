"""Every op of the registry is written, by every pen."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from graphc.symbolic.notation import latex, mathml, matrix_formula, text
from tests.samples import SAMPLES
from tests.symbolic.notation.latex_checker import faults


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_is_written(sample):
    formula = matrix_formula(sample.build(*sample.inputs()))
    assert text(formula)
    assert not faults(latex(formula)), latex(formula)
    ElementTree.fromstring(mathml(formula))
