"""Noise flows into the face, training goes on where it was broken off, and what can't be done is refused."""

from argparse import Namespace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from chainrule import tree
from examples.programs import figure, functions, is_picture, refusal

LINE = r"on the face (FIGURE) of 4000 points that were noise, \d+ s"


def test_noise_flows_into_a_face_and_is_drawn(tmp_path: Path) -> None:
    before = figure("smile", "--epochs=0", folder=tmp_path, line=LINE)
    after = figure("smile", "--epochs=1", "--save=run", folder=tmp_path, line=LINE)
    assert before < 0.2
    assert after > 0.6
    assert is_picture(tmp_path / "smile.png")


def test_a_velocity_that_is_known_is_followed_to_its_end(tmp_path: Path) -> None:
    smile = functions("smile")
    start = next(smile.learn(Namespace(seed=0, epochs=1, save=None))).params
    constant = tree.map(np.zeros_like, start)
    last = type(start[-1])(constant[-1].W, np.array([1.0, -2.0], np.float32))
    path = smile.flow((*constant[:-1], last), np.ones((3, 2), np.float32))
    np.testing.assert_allclose(path[-1], [[2.0, -1.0]] * 3, rtol=1e-5)  # 50 sums in float32
    assert smile.shares(path[-1], np.array([[2.0, -1.02]], np.float32)) == 1


def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    smile = functions("smile")
    smile.LINES = 300 * smile.BATCH
    options = Namespace(seed=3, epochs=1, save=tmp_path / "run.safetensors")
    assert [run.step for run in islice(smile.learn(options), 2)] == [0, 250]
    start, *_, end = smile.learn(options)
    assert start.step == 250
    *_, unbroken = smile.learn(Namespace(seed=3, epochs=1, save=None))
    assert tree.equal(end, unbroken)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--epochs=two",), "argument --epochs: must be a whole number, 0 or more, got 'two'"),
        (("--picture=.",), "argument --picture: must be a file in a folder that is there, got '.'"),
        (("--save=damaged",), "damaged is damaged, or no safetensors file"),
    ],
)
def test_what_it_cannot_do_is_a_sentence(options: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"not a run")
    assert sentence in refusal("smile", *options, folder=tmp_path)
