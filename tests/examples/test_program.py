"""The programs go on with their own files alone, say what is missing, and end in words where they are broken off."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import program
import pytest
from attrs import evolve

from chainrule import Run, save, tree
from chainrule.datasets import digits
from examples.programs import ended, functions, ran, refusal, write_mnist

TRAINED = "mnist_convnet", "mnist_recurrent", "smile"


def start(example: str, path: Path) -> Any:
    """The start of a run with seed 0, which is in a file now."""
    data = () if example == "smile" else (digits(),)
    return next(functions(example).learn(*data, Namespace(seed=0, epochs=1, save=path)))


@pytest.mark.parametrize("example", TRAINED)
def test_a_file_of_other_options_is_refused(example: str, tmp_path: Path) -> None:
    start(example, tmp_path / "run")
    assert "run is of --seed 0, not of 5" in refusal(example, "--seed=5", "--save=run", folder=tmp_path)
    assert "run is of --epochs 1, not of 2" in refusal(example, "--epochs=2", "--save=run", folder=tmp_path)


@pytest.mark.parametrize("example", ["mnist_convnet", "mnist_recurrent"])
def test_a_file_of_other_data_is_refused(example: str, tmp_path: Path) -> None:
    write_mnist(tmp_path, digits(), train=1437, test=10)  # the digits but one, in the same shapes
    start(example, tmp_path / "run")
    found = refusal(example, "--epochs=1", "--data=.", "--save=run", folder=tmp_path)
    assert found.endswith("run is of another --data or program: it has learned from other data")


@pytest.mark.parametrize("example", ["mnist_convnet", "mnist_recurrent"])
def test_images_may_have_labels_that_are_tested_alone(example: str, tmp_path: Path) -> None:
    data = digits()
    few = data.train.labels < 5
    part = evolve(data.train, x=data.train.x[few], labels=data.train.labels[few])
    write_mnist(tmp_path, evolve(data, train=part), train=300, test=50)
    assert ran(example, "--data=.", "--epochs=1", folder=tmp_path).returncode == 0


@pytest.mark.parametrize("example", ["mnist_convnet", "mnist_recurrent"])
@pytest.mark.parametrize(("train", "test"), [(0, 10), (300, 0)])
def test_images_to_learn_from_and_to_test_on_are_needed(example: str, train: int, test: int, tmp_path: Path) -> None:
    write_mnist(tmp_path, digits(), train, test)
    said = refusal(example, "--data=.", folder=tmp_path)
    assert said.endswith(". has no images to learn from, or none to test on")


def test_two_pools_take_images_of_four_pixels_each_way(tmp_path: Path) -> None:
    data = digits()
    train, test = (evolve(part, x=part.x[:, :12]) for part in (data.train, data.test))
    write_mnist(tmp_path, evolve(data, train=train, test=test, image_shape=(4, 3)), train=300, test=10)
    said = refusal("mnist_convnet", "--data=.", folder=tmp_path)
    assert said.endswith(". has images of (4, 3) pixels: 4 each way are needed")


def test_the_work_is_done_on_one_core(tmp_path: Path) -> None:
    threadpoolctl: Any = import_module("threadpoolctl")  # which has no types
    seen = list[int]()

    def work(options: Namespace) -> program.Ending:
        seen.extend(each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas")
        return "done", lambda: None

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        program.carry_out(work, Namespace(save=None, picture=tmp_path / "a.png"))
    assert set(seen) == {1}


def test_a_run_and_a_picture_are_two_files(tmp_path: Path) -> None:
    said = refusal("smile", "--save=a.png", "--picture=a.png", folder=tmp_path)
    assert said == "smile.py: error: --save and --picture are both a.png"


def test_a_mistake_in_training_is_not_taken_for_a_refusal(tmp_path: Path) -> None:
    def following(start: Run[Any, Any]) -> Iterator[Run[Any, Any]]:
        yield start
        raise ValueError("a mistake")

    options = Namespace(save=tmp_path / "another", seed=0, epochs=1)
    with pytest.raises(ValueError, match="a mistake"):
        list(program.records(options, (), start("smile", tmp_path / "run"), following))


@pytest.mark.parametrize(("example", "length"), [*((each, "--epochs=1") for each in TRAINED), ("adder", "--steps=2")])
def test_a_disk_that_is_full_in_training_is_a_sentence(
    example: str, length: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, tree: tuple[program.Kept[Any, Any], float]) -> None:
        if tree[0].run.step:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(program, "save", full)
    said = refusal(example, length, "--save=run", folder=tmp_path)
    assert said.endswith(f"{example}.py: error: [Errno 28] No space left on device")


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
    assert found.endswith("run is of another --data or program: it holds other arrays")


@pytest.mark.parametrize("example", [*TRAINED, "diabetes"])
def test_what_is_broken_off_says_how_it_goes_on(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, tree: object) -> None:
        save(path, tree)
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "save", interrupted)
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
    assert "pip install 'chainrule[examples]', or `make examples`" in refusal(example, "--help", folder=tmp_path)


def test_a_picture_has_the_form_of_its_name(tmp_path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415  # an extra

    for name, begin in (("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a.PNG", b"\x89PNG")):
        assert program.picture(str(tmp_path / name)).name == name
        program.write_picture(Figure(), tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)


@pytest.mark.parametrize("example", [*TRAINED, "diabetes"])
def test_a_picture_of_another_form_is_refused(example: str, tmp_path: Path) -> None:
    said = refusal(example, "--picture=a.gif", folder=tmp_path)
    assert said.endswith("argument --picture: must end in .png, .svg or .pdf, got 'a.gif'")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is full")
@pytest.mark.parametrize(
    ("example", "length", "figure"),
    [
        ("mnist_convnet", "--epochs=0", "accuracy 0."),
        ("mnist_recurrent", "--epochs=0", "accuracy 0."),
        ("smile", "--epochs=0", "on the face 0."),
        ("diabetes", "--splits=2", "error "),
        ("adder", "--steps=1", "accuracy 0."),
    ],
)
def test_the_figure_is_said_where_the_picture_cannot_be_written(
    example: str, length: str, figure: str, tmp_path: Path
) -> None:
    (tmp_path / "a.png").symlink_to("/dev/full")
    run = ran(example, length, "--picture=a.png", folder=tmp_path)
    assert run.returncode == 2
    *_, said = run.stderr.splitlines()
    assert said.startswith(f"{example}.py: error: --picture: a.png can't be written: ")
    *_, last = run.stdout.splitlines()
    assert last.startswith(figure)
    assert "drawn in" not in run.stdout


def test_a_file_that_we_may_not_write_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, mode: int) -> bool:
        return False

    monkeypatch.setattr("os.access", refused)  # root, whom tests may run as, may write anywhere
    for option in ("--picture=a.png", "--save=a.png"):
        said = refusal("smile", option, folder=tmp_path)
        assert said.endswith(f"argument {option.split('=')[0]}: must be a file that we may write, got 'a.png'")


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("gpt", "is the model, which adder.py trains: make examples NAME=adder"),
        ("program", "is what the programs beside it have in common, and does nothing by itself"),
    ],
)
def test_what_is_no_program_says_so(module: str, sentence: str, tmp_path: Path) -> None:
    assert refusal(module, folder=tmp_path) == f"{module}.py: error: {sentence}"


def test_the_seconds_before_a_run_was_broken_off_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, clock = tmp_path / "run.safetensors", program.CLOCK
    monkeypatch.setattr(clock, "began", clock.began - 1000)
    before = clock.seconds
    program.keep(kept, np.ones(3))
    monkeypatch.setattr(clock, "began", clock.began + before)
    assert np.array_equal(program.loaded(kept, np.zeros(3), "program"), np.ones(3))
    assert before <= clock.seconds < before + 1000
