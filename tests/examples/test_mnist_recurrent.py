"""The recurrent network learns to read, goes on where it was broken off, and refuses what it can't do."""

from argparse import Namespace
from itertools import islice
from pathlib import Path

import pytest

from chainrule import tree
from chainrule.datasets import digits
from examples.programs import figure, functions, is_picture, refusal, write_mnist

LINE = r"accuracy (FIGURE) of {n} unseen digits, \d+ s"


def test_it_learns_the_digits_that_come_along_and_draws_them(tmp_path: Path) -> None:
    assert figure("mnist_recurrent", "--epochs=15", folder=tmp_path, line=LINE.format(n=359)) > 0.9
    assert is_picture(tmp_path / "mnist_recurrent.png")


def test_it_learns_from_the_files_of_a_folder(tmp_path: Path) -> None:
    write_mnist(tmp_path, digits(), train=600, test=50)
    options = "--data=.", "--epochs=1", "--picture=here.png"
    assert figure("mnist_recurrent", *options, folder=tmp_path, line=LINE.format(n=50)) > 0.2
    assert is_picture(tmp_path / "here.png")


def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    learn = functions("mnist_recurrent").learn
    options = Namespace(seed=3, epochs=10, save=tmp_path / "run.safetensors")
    assert [run.step for run in islice(learn(digits(), options), 2)] == [0, 100]
    start, *_, end = learn(digits(), options)
    assert start.step == 100
    *_, unbroken = learn(digits(), Namespace(seed=3, epochs=10, save=None))
    assert tree.equal(end, unbroken)


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
    assert sentence in refusal("mnist_recurrent", *options, folder=tmp_path)
