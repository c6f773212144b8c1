"""Masks and tables of angles are held for the next call, as long as they are small."""

import gc
import tracemalloc

import numpy as np
import pytest

from chainrule import Attention, attention, rotary


def in_use() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("steps", [64, 600])
def test_what_is_held_of_calls_of_many_lengths_is_less_than_a_mebibyte(steps: int) -> None:
    rng = np.random.default_rng(0)
    tracemalloc.start()
    before = in_use()
    for t in range(steps, steps + 12):
        rotary().forward((), np.ones((t, 64)))
        attention(1, causal=True).forward(Attention.init(rng, 4), np.ones((1, t, 4), np.float32))
    held = in_use() - before
    tracemalloc.stop()
    assert held < 2**20
