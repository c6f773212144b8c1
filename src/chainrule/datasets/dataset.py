"""A data set: images as rows of features with a label each, some to learn from and others to test."""

from attrs import frozen

from chainrule.arrays.arguments import describe, record_of
from chainrule.arrays.records import record
from chainrule.arrays.types import Array, Labels, is_numpy


@frozen(eq=False)
@record
class Examples:
    """Images with their labels.

    Parameters
    ----------
    x
        (n, features): a row for each image. The data sets of this package give float32 from 0 to 1.
    labels
        (n,): the class of each image. The data sets of this package give int64.

    Raises
    ------
    ValueError
        If the shapes are others, or there are not as many labels as images.
    TypeError
        If `x` is no NumPy array of floats, or `labels` is none of integers.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.datasets import Examples
    >>> Examples(x=np.zeros((5, 64), np.float32), labels=np.arange(5))
    Examples(x=f32[5, 64], labels=i64[5])
    """

    x: Array
    labels: Labels

    def __attrs_post_init__(self) -> None:
        x, labels = self.x, self.labels
        if not is_numpy(x) or x.dtype.kind != "f":
            raise TypeError(f"Examples: x must be a NumPy array of floats, got {describe(x)}")
        if not is_numpy(labels) or labels.dtype.kind not in "iu":
            raise TypeError(f"Examples: labels must be a NumPy array of integers, got {describe(labels)}")
        if x.ndim != 2:
            raise ValueError(f"Examples: x must be 2-D (rows of features), got shape {x.shape}")
        if labels.ndim != 1:
            raise ValueError(f"Examples: labels must be 1-D, got shape {labels.shape}")
        if x.shape[0] != labels.shape[0]:
            raise ValueError(f"Examples: {x.shape[0]} images but {labels.shape[0]} labels")


@frozen(eq=False)
@record
class Dataset:
    """A data set in two parts.

    Parameters
    ----------
    train
        The examples to learn from.
    test
        The examples to judge by, which are not shown while learning.
    image_shape
        Height and width, so that `x[i].reshape(image_shape)` is a picture: the rows of pixels follow each other, from
        the top.

    Raises
    ------
    ValueError
        If the images of a part do not have height times width features.
    TypeError
        If a part is no `Examples`.

    Examples
    --------
    >>> from chainrule.datasets import digits
    >>> data = digits()
    >>> data.train.x[0].reshape(data.image_shape).shape
    (8, 8)
    """

    train: Examples
    test: Examples
    image_shape: tuple[int, int]

    def __attrs_post_init__(self) -> None:
        height, width = self.image_shape
        for name, part in (("train", self.train), ("test", self.test)):
            features = record_of(part, Examples, f"Dataset: {name}").x.shape[1]
            if height < 0 or height * width != features:
                raise ValueError(f"Dataset: images are {height}x{width}, but {name} has {features} features")
