"""The data of the demo: the digits that come along, or a folder of the user's."""

from pathlib import Path

from chainrule.datasets import Dataset, IdxError, digits, load_mnist
from chainrule.demo.errors import UsageError


def load(folder: Path | None) -> Dataset:
    """Read a folder of IDX files in the form of MNIST, or without one the digits that come along.

    A UsageError says which file is missing or damaged, or that there are no images.
    """
    if folder is None:
        return digits()
    if not folder.exists():
        raise UsageError(f"{folder}: there is no such folder")
    try:
        data = load_mnist(folder)
    except (OSError, IdxError) as error:
        raise UsageError(str(error)) from None
    if not (data.train.x.size and data.test.x.size):
        raise UsageError(f"{folder}: there are no images to learn from, or none to test on")
    return data


def classes(data: Dataset) -> int:
    """The number of classes in the labels of both parts."""
    return 1 + int(max(data.train.labels.max(), data.test.labels.max()))
