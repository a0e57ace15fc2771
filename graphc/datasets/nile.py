"""The annual flow of the Nile: nothing enters, years and flows leave."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Nile(NamedTuple):
    """Years and the flow in each of them."""

    years: Array
    flow: Array


def nile() -> Nile:
    """The flow of the Nile at Aswan in each year from 1871 to 1970: a short real time series.

    ``years`` is int64, (100,); ``flow`` is float32, (100,), in 10⁸ m³ a year. About 1898 the flow
    drops, which makes it the standard example of a change point.

    Source: G. W. Cobb, The problem of the Nile: conditional solution to a changepoint problem,
    Biometrika 65 (1978) 243–251; see ``ATTRIBUTION.md`` beside this file.

    >>> import graphc as gc
    >>> years, flow = gc.datasets.nile()
    >>> print(years[0], flow[0], years[-1], flow[-1])
    1871 1120.0 1970 740.0
    """
    with (files("graphc.datasets") / "nile.csv").open("r", encoding="utf-8") as file:
        table = np.loadtxt(file, dtype=np.int64, delimiter=",", skiprows=1)
    return Nile(table[:, 0].copy(), table[:, 1].astype(np.float32))
