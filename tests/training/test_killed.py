"""Runs that are killed at any moment end with the bits of one that is left alone.

`python tests/training/killed.py 50` tries as many as one likes.
"""

from pathlib import Path

import numpy as np
import pytest

from chainrule import tree
from training.killed import killed, left_alone

pytest.importorskip("safetensors")


def test_a_run_that_is_killed_three_times_ends_with_the_same_bits(tmp_path: Path) -> None:
    found = killed(tmp_path / "killed", 3, np.random.default_rng(0))
    assert tree.equal(found, left_alone(tmp_path / "alone"))
    assert found.epoch == 6
