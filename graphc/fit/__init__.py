"""Training: a compiled step and data enter, its parameters are trained in place, a History leaves."""

from graphc.fit.batches import batches
from graphc.fit.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from graphc.fit.early_stopping import EarlyStopping
from graphc.fit.history import History
from graphc.fit.loop import fit

__all__ = ["Checkpoint", "EarlyStopping", "History", "batches", "fit", "load_checkpoint", "save_checkpoint"]
