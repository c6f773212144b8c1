"""The example on a single machine learns."""

from pathlib import Path

import numpy as np

from chainrule import Affine, accuracy, two_layer
from chainrule.datasets import digits
from examples.training import trained


def test_it_learns(tmp_path: Path) -> None:
    W1, b1, W2, b2 = trained(tmp_path, "single_machine")
    test = digits().test
    assert accuracy(two_layer.predict((Affine(W1, b1), (), Affine(W2, b2)), test.x), test.labels) > 0.85
    assert np.isfinite(W1).all()
