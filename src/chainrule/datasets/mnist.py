"""MNIST and the data sets in its form: Fashion-MNIST, KMNIST, or one's own, as four IDX files in a folder."""

import os
from pathlib import Path

import numpy as np

from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.ownership import read_only
from chainrule.datasets.dataset import Dataset, Examples
from chainrule.datasets.idx import IdxError, load_idx


def load_mnist(directory: str | os.PathLike[str]) -> Dataset:
    """Read a data set in the form of MNIST (http://yann.lecun.com/exdb/mnist).

    The folder holds images and labels to learn from, `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and
    others to test, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`. Each may be spelled with a dot,
    `train-images.idx3-ubyte`, and may be compressed, with `.gz` at its end. Where several spellings are there, the
    first of these is read: hyphen, hyphen compressed, dot, dot compressed. There may be any number of images of any
    size.

    Parameters
    ----------
    directory
        The folder.

    Returns
    -------
    Dataset
        `x` is float32, the bytes of the images divided by 255, a row of height times width features for each; `labels`
        is int64. All arrays are read-only.

    Raises
    ------
    FileNotFoundError
        If one of the four files is there under none of its names.
    TypeError
        If `directory` is no path.
    NotADirectoryError
        If `directory` is something else.
    IdxError
        If a file is damaged, images are not 3-D bytes or labels not 1-D bytes, or images and labels do not belong
        together: their numbers differ within a part, or the sizes of the images differ between the parts.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from chainrule.datasets import load_mnist
    >>> images = bytes.fromhex("00000803 00000002 00000001 00000001 00 ff")  # two, of 1x1
    >>> labels = bytes.fromhex("00000801 00000002 00 01")
    >>> with TemporaryDirectory() as folder:
    ...     for part in "train", "t10k":
    ...         _ = Path(folder, f"{part}-images-idx3-ubyte").write_bytes(images)
    ...         _ = Path(folder, f"{part}-labels-idx1-ubyte").write_bytes(labels)
    ...     load_mnist(folder).train.x
    array([[0.],
           [1.]], dtype=float32)
    """
    if not is_a(directory, str, os.PathLike):
        raise TypeError(f"load_mnist: directory must be a str or a path, got {describe(directory)}")
    folder = Path(directory)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is not a directory")
    train_images, train_labels = _find(folder, "train-images", 3), _find(folder, "train-labels", 1)
    test_images, test_labels = _find(folder, "t10k-images", 3), _find(folder, "t10k-labels", 1)
    train, train_shape = _examples(train_images, train_labels)
    test, test_shape = _examples(test_images, test_labels)
    if train_shape != test_shape:
        sizes = ["{}x{}".format(*shape) for shape in (train_shape, test_shape)]
        raise IdxError(f"{folder}: images are {sizes[0]} in {train_images.name} but {sizes[1]} in {test_images.name}")
    return Dataset(train, test, train_shape)


def _find(folder: Path, stem: str, ndim: int) -> Path:
    spellings = [f"{stem}{mark}idx{ndim}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    for name in spellings:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{folder}: has no {spellings[0]} (nor {', '.join(spellings[1:])})")


def _examples(images_path: Path, labels_path: Path) -> tuple[Examples, tuple[int, int]]:
    images, labels = load_idx(images_path), load_idx(labels_path)
    for path, array, ndim, sides in (
        (images_path, images, 3, "n, height, width"),
        (labels_path, labels, 1, "n"),
    ):
        if array.dtype != np.uint8 or array.ndim != ndim:
            raise IdxError(f"{path}: expected u8[{sides}], got {describe(array)}")
    n, height, width = images.shape
    if n != labels.shape[0]:
        raise IdxError(f"{images_path.parent}: {n} images but {labels.shape[0]} labels")
    x = np.divide(images.reshape(n, height * width), np.float32(255), dtype=np.float32)
    return Examples(read_only(x), read_only(labels.astype(np.int64))), (height, width)
