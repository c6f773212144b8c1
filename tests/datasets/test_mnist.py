"""Folders in the form of MNIST: every spelling is found, every disagreement is named."""

import gzip
import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule.datasets import Dataset, IdxError, load_mnist

STEMS = {"train-images": 3, "train-labels": 1, "t10k-images": 3, "t10k-labels": 1}
SPELLINGS = list(product("-.", ("", ".gz")))
REAL = Path(os.environ.get("CHAINRULE_MNIST", Path(__file__).parents[2].parent / "shared" / "data" / "mnist"))


def contents(n_train: int = 7, n_test: int = 3, height: int = 4, width: int = 5) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {
        "train-images": rng.integers(0, 256, (n_train, height, width), np.uint8),
        "train-labels": rng.integers(0, 256, n_train, np.uint8),
        "t10k-images": rng.integers(0, 256, (n_test, height, width), np.uint8),
        "t10k-labels": rng.integers(0, 256, n_test, np.uint8),
    }


def idx(array: NDArray[Any]) -> bytes:
    code = {"uint8": 0x08, "int8": 0x09}[array.dtype.name]
    return bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write(folder: Path, arrays: dict[str, NDArray[Any]], mark: str = "-", end: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in arrays.items():
        data = idx(array)
        (folder / f"{stem}{mark}idx{STEMS[stem]}-ubyte{end}").write_bytes(gzip.compress(data) if end else data)
    return folder


def assert_holds(data: Dataset, arrays: dict[str, NDArray[Any]]) -> None:
    for part, stem in ((data.train, "train"), (data.test, "t10k")):
        images, labels = arrays[f"{stem}-images"], arrays[f"{stem}-labels"]
        assert part.x.dtype == np.float32
        assert part.labels.dtype == np.int64
        expected = images.reshape(len(images), data.image_shape[0] * data.image_shape[1]).astype(np.float64) / 255
        np.testing.assert_array_equal(part.x, expected.astype(np.float32))
        np.testing.assert_array_equal(part.labels, labels)
        assert not part.x.flags.writeable
        assert not part.labels.flags.writeable


@given(n_train=st.integers(0, 3), n_test=st.integers(0, 3), height=st.integers(0, 4), width=st.integers(0, 4))
def test_images_of_any_number_and_size(
    tmp_path_factory: pytest.TempPathFactory, n_train: int, n_test: int, height: int, width: int
) -> None:
    arrays = contents(n_train, n_test, height, width)
    data = load_mnist(write(tmp_path_factory.getbasetemp() / "any-size", arrays))
    assert data.image_shape == (height, width)
    assert_holds(data, arrays)


@pytest.mark.parametrize(("mark", "end"), SPELLINGS)
def test_every_spelling_is_found(tmp_path: Path, mark: str, end: str) -> None:
    arrays = contents()
    assert_holds(load_mnist(write(tmp_path, arrays, mark, end)), arrays)
    assert_holds(load_mnist(str(tmp_path)), arrays)


def test_spellings_may_be_mixed_and_the_first_is_read(tmp_path: Path) -> None:
    arrays = contents()
    for (stem, array), (mark, end) in zip(arrays.items(), SPELLINGS, strict=True):
        write(tmp_path, {stem: array}, mark, end)
    assert_holds(load_mnist(tmp_path), arrays)
    other = {stem: 255 - array for stem, array in arrays.items()}
    for mark, end in reversed(SPELLINGS):
        write(tmp_path / "all", other, mark, end)
    write(tmp_path / "all", arrays)
    assert_holds(load_mnist(tmp_path / "all"), arrays)


def test_a_folder_with_the_name_of_a_file_is_passed_over(tmp_path: Path) -> None:
    arrays = contents()
    write(tmp_path, arrays, ".")
    (tmp_path / "train-images-idx3-ubyte").mkdir()  # as some programs unpack it
    assert_holds(load_mnist(tmp_path), arrays)


def test_the_real_files_too_where_they_are(tmp_path: Path) -> None:
    for folder, images, digits in (
        (write(tmp_path, contents(60, 10, 28, 28)), (60, 10), None),
        (REAL, (60_000, 10_000), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
    ):
        if folder.is_dir():
            data = load_mnist(folder)
            assert (data.train.x.shape, data.test.x.shape) == ((images[0], 784), (images[1], 784))
            assert data.image_shape == (28, 28)
            assert (float(data.train.x.min()), float(data.train.x.max())) == (0, 1)
            assert digits in (None, np.bincount(data.train.labels).tolist())


@pytest.mark.parametrize("stem", STEMS)
def test_a_missing_file_is_named_in_all_its_spellings(tmp_path: Path, stem: str) -> None:
    write(tmp_path, {name: array for name, array in contents().items() if name != stem})
    d = STEMS[stem]
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: has no {stem}-idx{d}-ubyte "
        f"(nor {stem}-idx{d}-ubyte.gz, {stem}.idx{d}-ubyte, {stem}.idx{d}-ubyte.gz)"
    )


def test_a_missing_folder_has_no_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: has no train-images-idx3-ubyte"):
        load_mnist(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="train-images-idx3-ubyte: is not a directory"):
        load_mnist(path)


@pytest.mark.parametrize(
    ("stem", "array", "message"),
    [
        ("train-labels", np.zeros(5, np.uint8), r": 7 images but 5 labels"),
        ("t10k-images", np.zeros((5, 4, 5), np.uint8), r": 5 images but 3 labels"),
        (
            "t10k-images",
            np.zeros((3, 2, 10), np.uint8),
            r": images are 4x5 in train-.*-ubyte but 2x10 in t10k-.*-ubyte",
        ),
        ("train-images", np.zeros((7, 20), np.uint8), r"idx3-ubyte: expected u8\[n, height, width\], got u8\[7, 20\]"),
        ("t10k-images", np.zeros((3, 4, 5), np.int8), r"expected u8\[n, height, width\], got i8\[3, 4, 5\]"),
        ("t10k-labels", np.zeros((3, 1), np.uint8), r"idx1-ubyte: expected u8\[n\], got u8\[3, 1\]"),
        ("train-labels", np.zeros(7, np.int8), r"idx1-ubyte: expected u8\[n\], got i8\[7\]"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, stem: str, array: NDArray[Any], message: str
) -> None:
    write(tmp_path, contents() | {stem: array})
    with pytest.raises(IdxError, match=message):
        load_mnist(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, contents())
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IdxError, match="t10k-images-idx3-ubyte: declares 3x4x5 = 60 bytes, has 59"):
        load_mnist(tmp_path)
