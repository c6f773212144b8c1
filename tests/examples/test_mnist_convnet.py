"""The convolutional network learns to read, goes on where it was broken off, and refuses what it can't do."""

from argparse import Namespace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from chainrule import tree
from chainrule.datasets import digits
from examples.programs import figure, functions, is_picture, refusal, write_mnist

LINE = r"accuracy (FIGURE) of {n} unseen digits, \d+ s"


def test_it_learns_the_digits_that_come_along_and_draws_them(tmp_path: Path) -> None:
    assert figure("mnist_convnet", "--epochs=15", folder=tmp_path, line=LINE.format(n=359)) > 0.95
    assert is_picture(tmp_path / "mnist_convnet.png")


def test_it_learns_from_the_files_of_a_folder(tmp_path: Path) -> None:
    write_mnist(tmp_path, digits(), train=600, test=50)
    options = "--data=.", "--epochs=1", "--picture=here.png"
    assert figure("mnist_convnet", *options, folder=tmp_path, line=LINE.format(n=50)) > 0.2
    assert is_picture(tmp_path / "here.png")


def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    convnet = functions("mnist_convnet")
    convnet.BATCH = 12  # 118 steps in an epoch
    options = Namespace(seed=3, epochs=2, save=tmp_path / "run.safetensors")
    assert [run.step for run in islice(convnet.learn(digits(), options), 2)] == [0, 100]
    start, *_, end = convnet.learn(digits(), options)
    assert start.step == 100
    *_, unbroken = convnet.learn(digits(), Namespace(seed=3, epochs=2, save=None))
    assert tree.equal(end, unbroken)


def test_images_are_not_shifted_before_the_first_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    convnet = functions("mnist_convnet")
    monkeypatch.delattr(convnet, "shifted")
    assert next(convnet.learn(digits(), Namespace(seed=0, epochs=1, save=None))).step == 0


def test_images_are_shifted_by_a_pixel_at_most() -> None:
    x = np.zeros((200, 4, 5, 1), np.float32)
    x[:, 1, 2] = 1
    found = functions("mnist_convnet").shifted(np.random.default_rng(0), x)
    assert found.shape == x.shape
    places = {(int(row), int(column)) for _, row, column, _ in np.argwhere(found)}
    assert places == {(row, column) for row in (0, 1, 2) for column in (1, 2, 3)}
    assert found.sum() == len(x)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--epochs=-1",), "argument --epochs: must be a whole number, 0 or more, got '-1'"),
        (("--seed=x",), "argument --seed: must be a whole number, 0 or more, got 'x'"),
        (("--picture=none/a.png",), "argument --picture: must be a file in a folder that is there, got 'none/a.png'"),
        (("--data=none",), "none: has no train-images-idx3-ubyte (nor"),
        (("--save=damaged",), "damaged is damaged, or no safetensors file"),
    ],
)
def test_what_it_cannot_do_is_a_sentence(options: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"not a run")
    assert sentence in refusal("mnist_convnet", *options, folder=tmp_path)
