"""Layers in bfloat16, which NumPy has not: on torch's tensors, beside torch's own formula."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from catalogue import LAYERS, Subject
from chainrule import Layer, check_against, tree
from untyped import untyped

torch = untyped(pytest.importorskip("torch"))
from chainrule.interop.torch import autograd_function  # noqa: E402  # it needs torch

ELSEWHERE = {
    "attention with a mask": "the mask is an array of NumPy",
    "batch_norm in use": "its statistics are arrays of NumPy",
    "last_of": "its lengths are an array of NumPy",
    "standardise": "its mean and scale are arrays of NumPy",
}
IN_TORCH = [
    each for each in LAYERS if each.torch is not None and isinstance(each.layer, Layer) and each.name not in ELSEWHERE
]


def ours(subject: Subject, params: Any, x: Any, *arrays: Any) -> Any:
    """The layer as a function of x and the arrays of its parameters."""
    given = iter(arrays)
    return autograd_function(subject.layer)(tree.map(lambda _: next(given), params), x)


def theirs(subject: Subject, x: Any, *arrays: Any) -> Any:
    in_torch: Any = subject.torch
    return in_torch(torch, x, *arrays)


@pytest.mark.parametrize("subject", IN_TORCH, ids=lambda subject: subject.name)
def test_every_layer_is_right_in_bfloat16(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), 5, np.float32)
    tensors = [torch.tensor(each.copy()).bfloat16() for each in (x, *tree.leaves(params))]
    f, formula = partial(ours, subject, params), partial(theirs, subject)
    report = check_against(f, formula, *tensors, rng=np.random.default_rng(1))
    assert report.ok, str(report)
