"""The data set that comes with the library: small pictures of handwritten digits."""

from importlib.resources import files
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from chainrule.arrays.ownership import read_only
from chainrule.arrays.types import Mask
from chainrule.datasets.dataset import Dataset, Examples


def digits() -> Dataset:
    """Read the optical digits: 1,797 pictures of handwritten digits, 8 by 8 pixels each.

    Forms filled in by hand were scanned to 32 by 32 black and white pixels; a pixel here is the number of black ones in
    a square of 4 by 4, divided by 16. This is the test part of the "Optical Recognition of Handwritten Digits" of
    E. Alpaydin and C. Kaynak (UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0); the
    file beside this module, `digits.LICENSE.txt`, has the notices.

    Every fifth example is for testing. 13 people wrote these digits, and as nothing says who wrote which, no split can
    keep them apart: expect the same hands in both parts. That makes this test easier than the original one, whose
    digits come from people of whom nothing was seen while learning; accuracies on the two are not to be compared.

    Returns
    -------
    Dataset
        1,438 examples to learn from and 359 to test. `x` is float32, 64 features that are multiples of 1/16 from 0 to
        1; `labels` is int64, 0 to 9. All arrays are read-only.

    Examples
    --------
    >>> from chainrule.datasets import digits
    >>> digits().train
    Examples(x=f32[1438, 64], labels=i64[1438])
    """
    packed = files("chainrule.datasets").joinpath("digits.npz").read_bytes()
    with np.load(BytesIO(packed), allow_pickle=False) as arrays:
        images: NDArray[np.uint8] = arrays["images"]
        labels: NDArray[np.uint8] = arrays["labels"]
    n, height, width = images.shape
    x = images.reshape(n, height * width).astype(np.float32) / np.float32(16)
    fifth: Mask = np.arange(len(labels)) % 5 == 4
    train, test = (Examples(read_only(x[part]), read_only(labels[part].astype(np.int64))) for part in (~fifth, fifth))
    return Dataset(train, test, (height, width))
