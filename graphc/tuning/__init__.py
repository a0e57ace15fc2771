"""Tuning: algorithms are chosen by the time they take on this machine, which is kept on disk."""

from graphc.tuning.machine import machine
from graphc.tuning.store import Store, cache_folder
from graphc.tuning.tuner import Measured, Tuner

__all__ = ["Measured", "Store", "Tuner", "cache_folder", "machine"]
