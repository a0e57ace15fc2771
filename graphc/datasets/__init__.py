"""Real data shipped with graphc: a name enters, arrays leave; nothing is downloaded."""

from graphc.datasets.digits import Digits, Split, digits
from graphc.fit.batches import batches

__all__ = ["Digits", "Split", "batches", "digits"]
