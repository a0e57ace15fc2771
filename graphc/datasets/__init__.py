"""Real data, shipped with graphc or with an installed package: arrays leave; nothing is downloaded."""

from graphc.datasets.digits import Digits, Split, digits
from graphc.datasets.mnist import mnist
from graphc.datasets.nile import Nile, nile
from graphc.datasets.photographs import photographs
from graphc.fit.batches import batches

__all__ = ["Digits", "Nile", "Split", "batches", "digits", "mnist", "nile", "photographs"]
