"""The digits that come along are those of the original, all of them, split as documented."""

import hashlib
from importlib.resources import files

import numpy as np

from chainrule.datasets import Dataset, digits


def in_file_order(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Both parts put together again as pixels 0 to 16 and labels: four to learn from, then one to test."""
    n = len(data.train.labels) + len(data.test.labels)
    fifth = np.arange(n) % 5 == 4
    pixels, labels = np.empty((n, 64), np.uint8), np.empty(n, np.uint8)
    for rows, part in ((~fifth, data.train), (fifth, data.test)):
        pixels[rows], labels[rows] = part.x * 16, part.labels
    return pixels, labels


def test_shapes_and_types_are_as_documented() -> None:
    data = digits()
    assert (
        repr(data)
        == "Dataset(train=Examples(x=f32[1438, 64], labels=i64[1438]), test=Examples(x=f32[359, 64], labels=i64[359]), "
        "image_shape=(8, 8))"
    )


def test_values_are_sixteenths_from_0_to_1() -> None:
    for part in (digits().train, digits().test):
        assert part.x.min() == 0
        assert part.x.max() == 1
        np.testing.assert_array_equal(part.x * 16, np.round(part.x * 16))
        assert set(part.labels.tolist()) == set(range(10))


def test_there_are_as_many_of_each_digit_as_its_documentation_says() -> None:
    data = digits()
    labels = np.concatenate([data.train.labels, data.test.labels])
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_pixels_and_labels_are_those_of_the_original_file() -> None:
    pixels, labels = in_file_order(digits())
    lines = np.column_stack([pixels, labels])  # as in scikit-learn's digits.csv
    digest = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"
    assert hashlib.sha256(lines.tobytes()).hexdigest() == digest


def test_the_first_image_is_an_upright_zero() -> None:
    data = digits()
    picture = data.train.x[0].reshape(data.image_shape) > 0.5
    assert data.train.labels[0] == 0
    assert ["".join(".#"[int(ink)] for ink in row) for row in picture] == [
        "...##...",
        "..####..",
        "..#..#..",
        "..#.....",
        ".....#..",
        "..#..#..",
        "..#.##..",
        "...##...",
    ]


def test_the_parts_share_no_image() -> None:
    data = digits()
    train, test = ({row.tobytes() for row in part.x} for part in (data.train, data.test))
    assert len(train) == 1438
    assert len(test) == 359
    assert not train & test


def test_every_call_gives_the_same_values_and_nobody_can_write_them() -> None:
    first, second = digits(), digits()
    for a, b in ((first.train, second.train), (first.test, second.test)):
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.labels, b.labels)
        assert not a.x.flags.writeable
        assert not a.labels.flags.writeable


def test_the_notices_come_along() -> None:
    notices = files("chainrule.datasets").joinpath("digits.LICENSE.txt").read_text("utf-8")
    for words in ("E. Alpaydin and C. Kaynak", "10.24432/C50P49", "CC BY 4.0", "What was changed", "BSD 3-Clause"):
        assert words in notices
