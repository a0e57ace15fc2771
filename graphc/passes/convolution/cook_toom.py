"""The matrices of Winograd's filtering F(m, r): m places of a filter of r elements by m + r − 1 products.

    y = Aᵀ ((G w) ⊙ (Bᵀ x))        x of m + r − 1 elements, w of r, y of m

By Cook and Toom: a product of polynomials is found from its values at m + r − 2 points and at infinity; the
filtering is its transpose. Computed in exact fractions.

Source: A. Lavin, S. Gray, *Fast algorithms for convolutional neural networks*, 2015 (arXiv 1509.09308);
B. Barabasz et al., *Error analysis and improving the accuracy of convolution with Winograd's algorithm*,
2018 (arXiv 1803.10986).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cache, reduce
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Small points and their inverses: few digits, values of like size.
_POINTS = (0, 1, -1, Fraction(1, 2), -2, 2, Fraction(-1, 2))


def _times_root(polynomial: list[Fraction], root: Fraction) -> list[Fraction]:
    """The polynomial (lowest power first) times (x − root)."""
    shifted = [Fraction(0), *polynomial]
    return [s - root * p for s, p in zip(shifted, [*polynomial, Fraction(0)], strict=True)]


def _with_roots(roots: list[Fraction]) -> list[Fraction]:
    return reduce(_times_root, roots, [Fraction(1)])


@cache
def matrices(places: int, elements: int) -> tuple[Array, Array, Array]:
    """Aᵀ (m, n), G (n, r) and Bᵀ (n, n) in float64, where n = m + r − 1."""
    n = places + elements - 1
    points = [Fraction(p) for p in _POINTS[: n - 1]]
    a_t = [[p**i for p in points] + [Fraction(i == places - 1)] for i in range(places)]
    g, b_t = [], []
    for k, p in enumerate(points):
        others = points[:k] + points[k + 1 :]
        scale = reduce(lambda product, q: product * (p - q), others, Fraction(1))
        g.append([p**j / scale for j in range(elements)])
        b_t.append([*_with_roots(others), Fraction(0)])
    g.append([Fraction(j == elements - 1) for j in range(elements)])
    b_t.append(_with_roots(points))
    return _floats(a_t), _floats(g), _floats(b_t)


def _floats(rows: Iterable[Iterable[Fraction]]) -> Array:
    return np.array([[float(v) for v in row] for row in rows])


@cache
def kronecker(places: int, elements: int, rank: int) -> tuple[Array, Array, Array]:
    """The same for windows of ``rank`` axes, each flattened: one matrix in the place of one an axis."""
    a_t, g, b_t = (reduce(np.kron, [m] * rank) for m in matrices(places, elements))
    return a_t, g, b_t
