"""Aligned text tables."""

from graphc.compare.table import aligned, count, number, seconds, size, width


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
    assert count(2**4096) == "> 1e1233"
    assert (count(None), seconds(None), size(None)) == ("—", "—", "—")
    assert seconds(2.5e-5) == "25.0 µs"
    assert [size(n) for n in (12, 1234, 5_600_000)] == ["12 B", "1.2 kB", "5.6 MB"]


def test_columns_of_numbers_with_units_are_set_to_the_right():
    lines = aligned(["n"], [["12 B"], ["1.2 kB"], ["—"], ["> 1e1233"]]).splitlines()[2:]
    assert [len(line) for line in lines] == [8, 8, 8, 8]
