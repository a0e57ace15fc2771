"""Random draws by number: a seed, a call and the draw's place in the graph enter, an array leaves.

Counter-based (Philox), so that a draw does not depend on which thread asks first or what was drawn
before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def draw(
    kind: str, shape: tuple[int, ...], dtype: Any, seed: int, place: int, call: int
) -> np.ndarray[Any, Any]:
    """The ``place``-th draw of the graph in the ``call``-th call of a function with this seed."""
    generator = np.random.Generator(np.random.Philox(key=[seed, place], counter=[0, 0, 0, call]))
    if kind == "random_uniform":
        return generator.random(shape, dtype=dtype)
    return generator.standard_normal(shape, dtype=dtype)
