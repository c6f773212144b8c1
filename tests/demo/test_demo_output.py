"""The output of the demo, in order, and its exit status, in one process with few steps."""

import gzip
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import Affine, Layer, sequential, two_layer
from chainrule.arrays.types import Array
from chainrule.demo.main import main
from chainrule.demo.networks import NETWORKS, Choice, Network
from chainrule.layers.activations.relu import relu
from chainrule.layers.affine import AffineCache, affine

QUICK = ["--steps", "40", "--hidden", "12"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def idx(array: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def folder(path: Path, n: int = 30, shape: tuple[int, int] = (6, 4)) -> Path:
    """A data set in MNIST's form: images of two kinds, bright above or bright below; the first test image is blank."""
    path.mkdir()
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        labels = np.arange(n, dtype=np.uint8) % 2
        images = rng.integers(0, 100, (n, *shape), dtype=np.uint8)
        images[labels == 0, : shape[0] // 2] += 100
        images[labels == 1, shape[0] // 2 :] += 100
        if part == "t10k":
            images[:1] = 0
        (path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return path


def picture_size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", header[16:])
    return width, height


def files() -> list[str]:
    return [path.name for path in Path().iterdir()]


def one_line(text: str) -> str:
    assert text.startswith("chainrule: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text


def test_the_defaults_read_the_digits_that_come_along(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quiet", "--no-picture"]) == 0
    said, errors = capsys.readouterr()
    share = re.search(r"accuracy +(\d+\.\d+)% of the test images: (\d+) of (\d+)", said)
    assert share
    assert float(share[1]) == pytest.approx(100 * int(share[2]) / int(share[3]), abs=0.01)
    assert float(share[1]) >= 97
    assert errors == ""


def test_everything_is_said_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(QUICK) == 0
    said, errors = capsys.readouterr()
    assert errors == ""
    assert "\x1b" not in said
    assert "\r" not in said
    order = [
        "learns from examples",
        "images of 8 x 8",
        "1,438 to learn from, 359 to test",
        "64 - 12 - 10: affine, relu, affine",
        "910 parameters",
        "40 steps",
        "step  4 ",
        "step 40 ",
        "against two other methods",
        "W1 64 x 12",
        "b1 12",
        "W2 12 x 10",
        "b2 10",
        "complex step",
        "in float64, on 3 test images",
        "accuracy  ",
        "mistakes  ",
        "picture   chainrule.png",
    ]
    places = [said.index(words) for words in order]
    assert places == sorted(places)
    assert len(re.findall(r"(?m)^step ", said)) == 10
    assert len(re.findall(r"right *$", said, re.MULTILINE)) == 8
    assert re.search(r"mistakes +an? \d was read as an? \d in \d+ of \d+ cases\n", said)
    assert max(len(line) for line in said.splitlines()) <= 80
    width, height = picture_size(Path("chainrule.png"))
    assert 1000 <= width <= 1500
    assert 900 <= height <= 1500
    assert files() == ["chainrule.png"]


def test_the_same_words_give_the_same_result(capsys: pytest.CaptureFixture[str]) -> None:
    results: list[str] = []
    for seed in ("1", "1", "2"):
        assert main([*QUICK, "--quiet", "--no-picture", "--seed", seed]) == 0
        results.append(capsys.readouterr().out)
    assert results[0] == results[1] != results[2]


def test_quiet_says_the_results_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--quiet", "--picture", "p.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["gradients", "accuracy", "mistakes", "picture"]
    assert lines[0].startswith("gradients right: largest errors ")
    assert files() == ["p.png"]


def test_sigmoid_learns_a_folder_of_other_images(capsys: pytest.CaptureFixture[str]) -> None:
    folder(Path("data"))
    words = "--data data --activation sigmoid --hidden 5 --rate 1 --batch 10 --steps 600 --no-picture"
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    assert "data      data: images of 6 x 4," in said
    assert "24 - 5 - 2: affine, sigmoid, affine" in said
    assert "kinks" not in said
    assert re.search(r"accuracy +(96.67|100.00)%", said)


def test_kinks_are_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder(Path("data"))  # The first test image is blank, so the hidden units see their biases alone: 0, a kink.
    monkeypatch.setattr("chainrule.demo.run.NETWORKS", {"relu": Choice(two_layer.network, std=1.0)})
    assert main("--data data --hidden 5 --rate 1e-30 --steps 1 --no-picture".split()) == 0
    assert "kinks     5 of the 5 entries of b1 stand at a kink" in capsys.readouterr().out


def test_a_wider_bound_is_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder(Path("data"))  # With tiny weights behind it, the first layer moves the loss less than differences see.
    weak = Choice(NETWORKS["sigmoid"].network, std=1e-6)
    monkeypatch.setattr("chainrule.demo.run.NETWORKS", {"sigmoid": weak})
    assert main("--data data --activation sigmoid --hidden 5 --rate 1e-30 --steps 1 --no-picture".split()) == 0
    assert "bound     wider where" in capsys.readouterr().out


def test_no_mistakes_is_a_result_too(capsys: pytest.CaptureFixture[str]) -> None:
    data = folder(Path("data"), n=4)
    images = data / "train-images-idx3-ubyte"
    (data / "t10k-images-idx3-ubyte").write_bytes(images.read_bytes())
    assert main(["--data", "data", "--rate", "1", "--steps", "300", "--hidden", "3", "--picture", "p.png"]) == 0
    said = capsys.readouterr().out
    assert "accuracy  100.00% of the test images: 4 of 4" in said
    assert "mistakes  not one was misread" in said
    picture_size(Path("p.png"))


def wrong_grads(cache: AffineCache, dout: Array) -> Affine:
    right = affine.grads(cache, dout)
    return Affine(W=right.W * np.float64(1.001).astype(right.W.dtype), b=right.b)


def test_a_wrong_gradient_is_shown_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken: Network = sequential(Layer(affine.forward, affine.backward, wrong_grads), relu, affine)
    monkeypatch.setattr("chainrule.demo.run.NETWORKS", {"relu": Choice(broken, std=0.01)})
    assert main([*QUICK, "--no-picture"]) == 1
    said, errors = capsys.readouterr()
    assert re.findall(r"(\w\w) .* WRONG", said) == ["W1", "W1"]
    assert "accuracy" in said
    assert one_line(errors) == "chainrule: gradients are wrong: W1 by central differences, W1 by complex step\n"
    assert main([*QUICK, "--no-picture", "--quiet"]) == 1
    assert capsys.readouterr().out.startswith("gradients WRONG: largest errors 1.0e-03")


@pytest.mark.parametrize("rate", ["20", "1e6", "1e38"])
def test_diverging_training_ends_in_one_line(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rate", rate]) == 1
    errors = one_line(capsys.readouterr().err)
    assert re.match(r"chainrule: loss is \S+ at step \d+: try a smaller --rate$", errors)
    assert files() == []


def test_a_missing_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "nowhere"]) == 2
    assert one_line(capsys.readouterr().err) == "chainrule: nowhere: there is no such folder\n"


def test_an_empty_folder_and_a_file_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(["--data", "empty"]) == 2
    assert "empty: has no train-images-idx3-ubyte" in one_line(capsys.readouterr().err)
    Path("file").touch()
    assert main(["--data", "file"]) == 2
    assert "file: is not a directory" in one_line(capsys.readouterr().err)


def test_a_damaged_file_is_refused_before_anything_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    images = folder(Path("data")) / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    assert main(["--data", "data"]) == 2
    said, errors = capsys.readouterr()
    assert said == ""
    assert "train-images-idx3-ubyte" in one_line(errors)
    assert files() == ["data"]


def test_a_data_set_without_images_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    folder(Path("data"), n=0)
    assert main(["--data", "data"]) == 2
    assert "no images to learn from" in one_line(capsys.readouterr().err)


def test_a_picture_that_cannot_be_written_is_refused_before_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--picture", "missing/p.png"]) == 2
    said, errors = capsys.readouterr()
    assert said == ""
    assert "cannot write missing/p.png: No such file or directory" in one_line(errors)


@pytest.mark.parametrize("hidden", ["1000000000000", "1" + 30 * "0"])
def test_a_network_beyond_memory_is_refused(hidden: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hidden", hidden]) == 2
    assert one_line(capsys.readouterr().err) == f"chainrule: --hidden {hidden} needs more memory than there is\n"


def test_a_number_of_many_digits_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hidden", "9" * 400]) == 2
    said = one_line(capsys.readouterr().err)
    assert said == "chainrule: --hidden 999999999999999999...9999999999999999999 needs more memory than there is\n"


def test_without_rich_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(QUICK) == 2
    said, errors = capsys.readouterr()
    assert said == ""
    assert one_line(errors) == "chainrule: the demo needs rich: pip install 'chainrule[demo]'\n"


def test_without_matplotlib_there_is_no_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([*QUICK, "--quiet"]) == 0
    said, errors = capsys.readouterr()
    assert said.splitlines()[-1] == "picture   none, for want of matplotlib: pip install 'chainrule[demo]'"
    assert errors == ""
    assert files() == []


def test_without_threadpoolctl_all_is_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert main([*QUICK, "--quiet", "--no-picture"]) == 0
    assert capsys.readouterr().err == ""


def test_an_interruption_ends_with_status_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chainrule.demo.run.check", interrupt)
    assert main(QUICK) == 130
    assert one_line(capsys.readouterr().err) == "chainrule: interrupted\n"
    assert files() == []


def test_relu_and_sigmoid_are_what_can_be_asked_for() -> None:
    assert list(NETWORKS) == ["relu", "sigmoid"]
