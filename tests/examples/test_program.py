"""The programs go on with their own files alone, say what is missing, and end in words where they are broken off."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import program
import pytest
from attrs import evolve

import chainrule
from chainrule import save, tree
from chainrule.datasets import digits
from examples.programs import ended, functions, refusal

TRAINED = "mnist_convnet", "mnist_recurrent", "smile"


def start(example: str, path: Path) -> Any:
    """The start of a run with seed 0, which is in a file now."""
    data = () if example == "smile" else (digits(),)
    return next(functions(example).learn(*data, Namespace(seed=0, epochs=1, save=path)))


@pytest.mark.parametrize("example", TRAINED)
def test_a_file_of_other_options_is_refused(example: str, tmp_path: Path) -> None:
    run = start(example, tmp_path / "run")
    assert "run is of --seed 0, not of 5" in refusal(example, "--seed=5", "--save=run", folder=tmp_path)
    save(tmp_path / "run", program.Kept(evolve(run, epoch=3), 0))
    assert "run has 3 epochs, more than --epochs 1" in refusal(example, "--epochs=1", "--save=run", folder=tmp_path)


@pytest.mark.parametrize("example", ["mnist_convnet", "mnist_recurrent"])
def test_the_rate_is_not_zero_before_the_last_step(example: str) -> None:
    trained, data = functions(example), digits()
    few = evolve(data, train=evolve(data.train, x=data.train.x[:61], labels=data.train.labels[:61]))
    trained.BATCH = 59  # of 60 images: an epoch has two steps, and little more than one full batch
    *_, before, last = trained.learn(few, Namespace(seed=0, epochs=150, save=None))
    assert not tree.equal(before.params, last.params)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    start("smile", tmp_path / "run")
    found = refusal("mnist_recurrent", "--save=run", folder=tmp_path)
    assert "run is of another --data or program: " in found


@pytest.mark.parametrize("example", [*TRAINED, "diabetes"])
def test_what_is_broken_off_says_how_it_goes_on(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, tree: object) -> None:
        save(path, tree)
        raise KeyboardInterrupt

    monkeypatch.setattr(chainrule, "save", interrupted)
    code, said = ended(example, "--save=run", folder=tmp_path)
    assert code == 130
    assert said.splitlines()[-1] == "broken off: the same command goes on from run"


@pytest.mark.parametrize("example", [*TRAINED, "diabetes"])
def test_a_package_that_is_missing_is_named_with_its_extra(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert "pip install 'chainrule[files]'" in refusal(example, "--save=run", folder=tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'chainrule[examples]'" in refusal(example, "--help", folder=tmp_path)


def test_a_picture_has_the_form_of_its_name_or_cannot_be_written(tmp_path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415

    for name, begin in (("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a.png", b"\x89PNG")):
        program.write_picture(Figure(), tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)
    with pytest.raises(SystemExit, match=r"--picture: .*missing"):
        program.write_picture(Figure(), tmp_path / "missing" / "a.png")


@pytest.mark.parametrize("example", [*TRAINED, "diabetes"])
def test_a_picture_of_another_form_is_refused(example: str, tmp_path: Path) -> None:
    said = refusal(example, "--picture=a.gif", folder=tmp_path)
    assert said.endswith("argument --picture: must end in .png, .svg or .pdf, got 'a.gif'")
