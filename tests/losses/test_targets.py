"""Targets that do not fit their logits, in the words that say so, and what is taken without a word."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chainrule import accuracy, mean_squared_error, sigmoid_cross_entropy, softmax_cross_entropy
from untyped import untyped

strict: Any = import_module("array_api_strict")  # to a type checker, arrays are those of NumPy

FLAT, DEEP = np.zeros((2, 4)), np.zeros((2, 3, 4))
SHARES = np.full((2, 3, 4), 0.25)


class Series:
    """A column of a table, as pandas has it."""

    shape, dtype = (2,), np.dtype(int)


Series.__module__ = "pandas.core.series"


def but(a: Any, place: tuple[int, ...], value: float) -> Any:
    """A copy of an array with another number in one place."""
    other = np.array(a)
    other[place] = value
    return other


OFF = np.array([0.5, 0.5 + 3 * 2**-11], np.float16)  # which sum to 1 and three halves of a last digit

number_them = ": number the classes, e.g. with np.unique(labels, return_inverse=True)[1]"


@pytest.mark.parametrize(
    ("logits", "targets", "kind", "message"),
    [
        (
            FLAT[0],
            0,
            ValueError,
            "logits must have rows of classes (..., k), got shape (4,): add an axis, as logits[None]",
        ),
        (FLAT[:, :0], np.zeros(2, int), ValueError, "logits have no classes, their shape is (2, 0)"),
        (DEEP[:, :, :0], np.zeros((2, 3), int), ValueError, "logits have no classes, their shape is (2, 3, 0)"),
        (
            DEEP[:, :0],
            np.zeros((2, 0), int),
            ValueError,
            "the mean over an empty batch is undefined, logits have shape (2, 0, 4)",
        ),
        (FLAT, Series(), TypeError, "targets must be an array, got pandas' Series: convert it with .to_numpy()"),
        (FLAT, [0, 1], TypeError, "targets must be an array, got list: convert it with np.asarray"),
        (FLAT, (0, 1), TypeError, "targets must be an array, got a tuple of 2: convert it with np.asarray"),
        (FLAT, np.array(["a", "b"]), TypeError, f"targets must be numbers, got <U1{number_them}"),
        (FLAT, np.array([b"a", b"b"]), TypeError, f"targets must be numbers, got |S1{number_them}"),
        (FLAT, np.array([None, 1]), TypeError, f"targets must be numbers, got object{number_them}"),
        (
            FLAT,
            np.array(["a", "b"], np.dtypes.StringDType()),
            TypeError,
            f"targets must be numbers, got StringDType(){number_them}",
        ),
        (
            FLAT,
            np.ma.masked_array([0, 1]),
            TypeError,
            "targets must be a plain array, got MaskedArray: convert it with np.asarray",
        ),
        (
            FLAT,
            strict.asarray([0, 1]),
            TypeError,
            "targets are an array of array_api_strict but the logits are of numpy: convert one of them",
        ),
        (FLAT, np.zeros(2), TypeError, "labels must be integers, got float64"),
        (FLAT, np.zeros(2, bool), TypeError, "labels must be integers, got bool"),
        (FLAT, np.zeros(3, int), ValueError, "2 rows of logits (2, 4), but 3 labels"),
        (DEEP, np.zeros((2, 4), int), ValueError, "logits (2, 3, 4) have rows (2, 3), but labels (2, 4)"),
        (
            DEEP,
            np.zeros((2, 3, 5)),
            ValueError,
            "targets must be labels of shape (2, 3) or probabilities of shape (2, 3, 4), got (2, 3, 5)",
        ),
        (FLAT, np.array([3, -1]), ValueError, "labels must be in [0, 4), got -1 at row 1"),
        (
            DEEP,
            np.array([[3, 0, 3], [1, 4, 7]]),
            ValueError,
            "labels must be in [0, 4), got 4 at row (1, 1)",
        ),
        (
            np.zeros((2, 9, 4)),
            np.full((2, 9), 7),
            ValueError,
            "labels must be in [0, 4), got 7 at row (0, 0)",
        ),
        (FLAT, np.full((2, 4), 1j), TypeError, "target probabilities must be real numbers, got complex128"),
        (FLAT, np.full((2, 4), 0.5), ValueError, "target row 0 sums to 2, expected 1"),
        (FLAT, np.array([[0, 1, 0, 0], [1, 1, 0, 0]]), ValueError, "target row 1 sums to 2, expected 1"),
        (
            FLAT,
            np.array([[0, 1, 0, 0], [0, 1.5, -0.5, 0]]),
            ValueError,
            "target probabilities must be >= 0, got -0.5 in row 1, class 2",
        ),
        (
            FLAT,
            SimpleNamespace(shape=(2,)),
            TypeError,
            "targets must be an array, got SimpleNamespace",
        ),
        (DEEP, but(SHARES, (1, 2, 0), 0.5), ValueError, "target row (1, 2) sums to 1.25, expected 1"),
        (
            DEEP,
            but(but(SHARES, (1, 2, 3), -0.25), (1, 2, 0), 0.75),
            ValueError,
            "target probabilities must be >= 0, got -0.25 in row (1, 2), class 3",
        ),
        (np.zeros((1, 2)), np.full((1, 2), 4e4, np.float16), ValueError, "target row 0 sums to 80000, expected 1"),
        (np.zeros((1, 2)), OFF[None], ValueError, "target row 0 sums to 1.00146, expected 1"),
        (np.zeros((1, 9, 2)), np.tile(OFF, (1, 9, 1)), ValueError, "target row (0, 0) sums to 1.00146, expected 1"),
    ],
)
def test_targets_that_do_not_fit_their_logits_are_refused(
    logits: Any, targets: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as error:
        softmax_cross_entropy.forward(logits, untyped(targets))
    assert str(error.value) == f"softmax_cross_entropy: {message}"


@pytest.mark.parametrize(
    ("out", "targets", "kind", "message"),
    [
        (
            FLAT[0],
            FLAT[0],
            ValueError,
            "out must have rows of numbers (..., k), got shape (4,): add an axis, as out[:, None]",
        ),
        (
            np.array(1.0),
            np.array(1.0),
            ValueError,
            "out must have rows of numbers (..., k), got shape (): add an axis, as out[None, None]",
        ),
        (FLAT[:0], FLAT[:0], ValueError, "the mean over an empty batch is undefined, out has shape (0, 4)"),
        (FLAT[:, :0], FLAT[:, :0], ValueError, "the mean over an empty batch is undefined, out has shape (2, 0)"),
        (FLAT, FLAT[:1], ValueError, "targets must have the shape of out (2, 4), got (1, 4)"),
        (
            FLAT[:, :1],
            FLAT[:, 0],
            ValueError,
            "targets must have the shape of out (2, 1), got (2,): add an axis, as targets[:, None]",
        ),
        (FLAT, FLAT * 1j, TypeError, "targets must be real numbers, got complex128"),
        (FLAT, None, TypeError, "targets must be an array, got NoneType"),
        (
            FLAT,
            strict.asarray(FLAT),
            TypeError,
            "targets are an array of array_api_strict but out is of numpy: convert one of them",
        ),
    ],
)
def test_targets_that_are_not_like_out_are_refused(out: Any, targets: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as error:
        mean_squared_error.forward(out, untyped(targets))
    assert str(error.value) == f"mean_squared_error: {message}"


def test_rounded_rows_may_be_off_by_half_a_last_digit_for_each_number() -> None:
    rounded = np.array([[0.5, 0.5 + 2**-10]], np.float16)
    assert softmax_cross_entropy.rows(np.zeros((1, 2)), rounded).shape == (1,)


def test_the_accuracy_of_an_empty_batch_is_undefined() -> None:
    with pytest.raises(ValueError, match=r"empty") as error:
        accuracy(FLAT[:0], np.zeros(0, int))
    assert str(error.value) == "accuracy: the mean over an empty batch is undefined, logits have shape (0, 4)"


def test_labels_of_another_library_that_are_no_integers_are_refused() -> None:
    with pytest.raises(TypeError) as error:
        softmax_cross_entropy.forward(strict.asarray(FLAT), strict.asarray([0.0, 1.0]))
    assert str(error.value) == "softmax_cross_entropy: labels must be integers, got array_api_strict.float64"


@pytest.mark.parametrize("kind", ["i1", "u1", "i8", "u8", ">i4", "f4", "f8"])
def test_targets_of_any_axes_and_dtype_are_taken(kind: str) -> None:
    labels = np.array([[3, 0, 1], [1, 2, 3]])
    one_hot = np.eye(4)[labels].astype(kind)
    losses = softmax_cross_entropy.rows(DEEP, labels.astype(kind) if kind[-2] in "iu" else one_hot)
    np.testing.assert_allclose(losses, np.full((2, 3), np.log(4)), rtol=1e-15)
    np.testing.assert_array_equal(softmax_cross_entropy.rows(DEEP, one_hot), losses)


@pytest.mark.parametrize(
    ("loss", "beside"), [(mean_squared_error, "out is"), (sigmoid_cross_entropy, "the logits are")]
)
def test_numbers_of_another_library_are_told_from_what_they_stand_beside(loss: Any, beside: str) -> None:
    message = f"targets are an array of array_api_strict but {beside} of numpy: convert one of them"
    with pytest.raises(TypeError, match=f"{loss.name}: {message}"):
        loss.forward(FLAT, strict.zeros((2, 4)))
