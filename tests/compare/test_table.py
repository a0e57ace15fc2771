"""Aligned text tables."""

from graphc.compare.report import count, number, seconds
from graphc.compare.table import aligned, width


def test_columns_align_whatever_the_cells_hold():
    lines = aligned(["name", "n"], [["变量", "1"], ["w\nx", "12"]]).splitlines()
    assert len(lines) == 4
    assert len({width(line) for line in lines[1:]}) == 1


def test_numbers_and_counts_read_well():
    assert number(0.0) == "0"
    assert number(1.25e-13) == "1.2e-13"
    assert seconds(0.0123) == "12.3 ms"
    assert seconds(2.5) == "2.50 s"
    assert count(1234567) == "1 234 567"
    assert count(2**2000) == "1e602"
