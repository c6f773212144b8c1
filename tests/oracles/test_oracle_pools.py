"""Pools of drawn sizes, strides and paddings, as far as torch has them."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chainrule import max_pool, mean_pool
from oracles.in_torch import TORCH
from strategies import generators, normal

torch: Any = import_module("torch")  # it need not be installed where types are checked


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("kind", "pool"), [("max", max_pool), ("avg", mean_pool)])
@given(rng=generators, data=st.data())
def test_pools_are_torchs(kind: str, pool: Any, axes: int, rng: np.random.Generator, data: st.DataObject) -> None:
    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(least, most)) for _ in range(axes))

    size, stride = each(1, 4), each(1, 4)
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in size)  # torch takes no more
    lengths = tuple(data.draw(st.integers(k, 7)) for k in size)  # nor, backward, shorter axes than windows
    assume(np.prod(lengths) <= 200)
    x = normal(rng, 2, *lengths, 3)
    layer = pool(size, stride, padding)
    out, cache = layer.forward((), x)
    dout = normal(rng, *out.shape)
    function = getattr(torch.nn.functional, f"{kind}_pool{axes}d")

    def in_torch(x: Any) -> Any:
        return function(x.movedim(-1, 1), size, stride, padding).movedim(1, -1)

    theirs, (gradient,) = TORCH.pullback(in_torch, [x], dout)
    np.testing.assert_allclose(out, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(layer.backward(cache, dout)[0], gradient, rtol=0, atol=1e-10)
