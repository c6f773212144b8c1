"""The largest numbers, infinities and nan pass every layer without a warning, whatever becomes of them."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from catalogue import ENCODERS, LAYERS, PARTLY_FIXED, Subject
from chainrule import Array, tree
from strategies import Floating

QUIET = [each for each in (*LAYERS, *PARTLY_FIXED, *ENCODERS) if each.name != "tied"]
"""All but what adds gradients with a function of these tests, in which NumPy warns."""


def filled(like: Array, values: Array) -> Array:
    """An array of some values, over and over."""
    return np.resize(values, like.shape).astype(like.dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("subject", QUIET, ids=lambda subject: subject.name)
def test_extremes_pass_without_a_warning(subject: Subject, dtype: Floating) -> None:
    largest = float(np.finfo(dtype).max)
    params, x = subject.make(np.random.default_rng(0), 5, dtype)
    layer: Any = subject.layer
    for values in ([largest, -largest, 1.0], [largest], [np.inf, 1.0, -1.0], [np.inf, -np.inf], [np.nan, 1.0]):
        numbers = np.array(values, dtype)
        extreme = x if x.dtype.kind in "iu" else filled(x, numbers)
        for given in (params, tree.map(partial(filled, values=numbers), params)):
            out, cache = layer.forward(given, extreme)  # warnings are errors
            for dout in (np.ones_like(out), filled(out, numbers)):
                found = layer.grads(cache, dout) if subject in ENCODERS else layer.backward(cache, dout)
                assert {leaf.dtype for leaf in tree.leaves((out, found))} == {np.dtype(dtype)}
