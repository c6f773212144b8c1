"""Data sets to learn from: one that comes along, and the file format of others. Nothing here downloads."""

from chainrule.datasets.dataset import Dataset, Examples
from chainrule.datasets.idx import IdxError, load_idx
from chainrule.datasets.mnist import load_mnist
from chainrule.datasets.optical_digits import digits

__all__ = ["Dataset", "Examples", "IdxError", "digits", "load_idx", "load_mnist"]
