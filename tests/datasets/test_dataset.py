"""The records: images and labels that belong together and cannot be written."""

from typing import Any

import attrs
import numpy as np
import pytest

from chainrule.datasets import Dataset, Examples


def examples(n: int = 5, features: int = 6, **changed: Any) -> Examples:
    arrays: dict[str, Any] = {"x": np.ones((n, features), np.float32), "labels": np.arange(n)}
    return Examples(**arrays | changed)


def test_records_hold_what_they_are_given() -> None:
    train, test = examples(5), examples(2)
    data = Dataset(train, test, (2, 3))
    assert data.train is train
    assert data.test is test
    assert data.image_shape == (2, 3)
    assert repr(test) == "Examples(x=f32[2, 6], labels=i64[2])"


def test_other_float_and_integer_types_are_kept() -> None:
    part = examples(x=np.ones((5, 6)), labels=np.arange(5, dtype=np.uint8))
    assert part.x.dtype == np.float64
    assert part.labels.dtype == np.uint8


def test_no_examples_are_examples() -> None:
    assert Dataset(examples(0), examples(0), (2, 3)).train.x.shape == (0, 6)


def test_nothing_can_be_written() -> None:
    x, labels = np.ones((5, 6), np.float32), np.arange(5)
    part = Examples(x, labels)
    x[:] = 7
    labels[:] = 7
    assert part.x.max() == 1
    assert part.labels.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="read-only"):
        part.x[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        part.labels[0] = 0
    for record in (part, Dataset(part, part, (2, 3))):
        for name in attrs.fields_dict(type(record)):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(record, name, None)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"labels": np.arange(4)}, ValueError, "Examples: 5 images but 4 labels"),
        ({"labels": np.zeros((5, 1), np.int64)}, ValueError, r"Examples: labels must be 1-D, got shape \(5, 1\)"),
        ({"x": np.ones((5, 2, 3))}, ValueError, r"Examples: x must be 2-D \(rows of features\), got shape \(5, 2, 3\)"),
        ({"x": np.ones((5, 6), np.uint8)}, TypeError, r"Examples: x must be a NumPy array of floats, got u8\[5, 6\]"),
        ({"x": [[1.0]] * 5}, TypeError, "Examples: x must be a NumPy array of floats, got list"),
        ({"labels": np.ones(5)}, TypeError, r"Examples: labels must be a NumPy array of integers, got f64\[5\]"),
        ({"labels": np.ones(5, np.bool_)}, TypeError, r"labels must be a NumPy array of integers, got bool\[5\]"),
        ({"labels": range(5)}, TypeError, "Examples: labels must be a NumPy array of integers, got range"),
    ],
)
def test_images_and_labels_that_do_not_belong_together_are_refused(
    changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        examples(**changed)


def test_images_have_height_times_width_features() -> None:
    with pytest.raises(ValueError, match="Dataset: images are 2x3, but train has 8 features"):
        Dataset(examples(features=8), examples(), (2, 3))
    with pytest.raises(ValueError, match="Dataset: images are 2x3, but test has 8 features"):
        Dataset(examples(), examples(features=8), (2, 3))
    with pytest.raises(ValueError, match="Dataset: images are -2x-3, but train has 6 features"):
        Dataset(examples(), examples(), (-2, -3))


def test_parts_are_examples() -> None:
    pair: Any = (np.ones((5, 6)), np.arange(5))
    with pytest.raises(TypeError, match="Dataset: test must be Examples, got a tuple of 2"):
        Dataset(examples(), pair, (2, 3))
