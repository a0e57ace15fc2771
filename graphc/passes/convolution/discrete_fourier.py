"""The matrices of Fourier's filtering: tiles of n elements along each axis, as values at their frequencies.

With θ = 2π/n, and c the number of frequencies that k stands for (k and n − k say the same of real numbers, so
the first axis keeps n // 2 + 1 of them), the trilinear form of correlation is

    Σ_{p, r} x[p + r] w[r] u[p] = Σ_k Re(X_k · conj(W_k) c_k / n · conj(U_k)),    X_k = Σ_j x[j] e^{−iθjk}

Complex numbers are pairs of real ones; a filter's a + ib multiplies them as the matrix [[a, −b], [b, a]].
A long axis is taken in two factors, n = s·q: first along every q-th element, then, for each frequency of
those, along the q parts, with Cooley and Tukey's twiddle factors within the matrices.

Source: J. W. Cooley, J. W. Tukey, *An algorithm for the machine calculation of complex Fourier series*, 1965;
A. Zlateski et al., *FFT convolutions are faster than Winograd on modern CPUs, here is why*, 2018
(arXiv 1809.07851).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# conj(a + ib) as the matrix by which it multiplies, flattened.
_AS_MATRIX = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.0, 0.0]])


def _turned(turns: Array) -> Array:
    """e^{−2πi t}, of t taken to within one turn before it is rounded."""
    angles = 2 * np.pi * (turns - np.round(turns))
    found: Array = np.cos(angles) - 1j * np.sin(angles)
    return found


def _halved(n: int, used: int) -> Array:
    """Real elements to pairs at half of the frequencies: rows (frequency, pair), columns the elements."""
    numbers = _turned(np.outer(np.arange(n // 2 + 1), np.arange(used)) % n / n)
    return np.stack([numbers.real, numbers.imag], axis=1).reshape(-1, used)


def _paired(numbers: Array) -> Array:
    """A complex matrix (…, rows, columns) on pairs: rows (row, pair), columns (pair, column)."""
    by_real = np.stack([numbers.real, numbers.imag], axis=-2)
    by_imaginary = np.stack([-numbers.imag, numbers.real], axis=-2)
    found = np.concatenate([by_real, by_imaginary], axis=-1)
    return found.reshape(*found.shape[:-3], -1, found.shape[-1])


@cache
def stages(factors: tuple[int, ...], used: tuple[int, ...], split: bool) -> tuple[Array, ...]:
    """A matrix a stage, for axes of so many elements of which the first few are ``used``, the rest zeros.

    With ``split`` two factors are one axis, the second stage with a matrix for each frequency of the first.
    """
    found = [_halved(factors[0], used[0])]
    for n, columns in zip(factors[1:], used[1:], strict=True):
        frequencies = np.arange(n)[:, None]
        turns = frequencies * np.arange(columns) % n / n
        if split:
            first = np.arange(factors[0] // 2 + 1)[:, None, None]
            whole = factors[0] * n
            turns = (first + factors[0] * frequencies) * np.arange(columns) % whole / whole
        found.append(_paired(_turned(turns)))
    return tuple(found)


@cache
def weighted_stages(factors: tuple[int, ...], used: tuple[int, ...], split: bool) -> tuple[Array, ...]:
    """The same for the filter: conjugate, weighted, and with matrices of 2 × 2 for pairs."""
    first, *others = stages(factors, used, split)
    n = factors[0]
    weights = np.full(n // 2 + 1, 2.0)
    weights[0] = 1.0
    if n % 2 == 0:
        weights[-1] = 1.0
    found = [first * np.repeat(weights, 2)[:, None] / math.prod(factors), *others]
    last = found[-1]
    pairs = last.reshape(*last.shape[:-2], -1, 2, last.shape[-1])
    found[-1] = (_AS_MATRIX @ pairs).reshape(*last.shape[:-2], -1, last.shape[-1])
    return tuple(found)
