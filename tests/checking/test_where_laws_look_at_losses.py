"""The outputs and targets that laws of losses make: a fault at one kind of them alone is found there, and said."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Array, Loss, Verdict, laws, own, softmax_cross_entropy
from checking.planted import RNG, assert_sound

OUT, TARGETS = RNG(7).standard_normal((2, 6, 5))
LABELS = np.array([0, 1, 2, 3, 4, 2])
SHARES = RNG(1).dirichlet(np.ones(5), 6)
HITS = (RNG(1).random((6, 5)) < 0.5).astype(float)
FACTOR = "it is 1.5 times what it should be: a constant factor"

Where: TypeAlias = Callable[[Array, Any], Any]


def off(wrong: Any, dout: Array) -> Array:
    return dout * dout.dtype.type(1.5 if wrong else 1)


def squares_but(wrong: Where) -> Loss[Any, Any]:
    """The mean of half the squared distances of rows, whose gradient is wrong in some cases."""

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray(((out - targets) ** 2).reshape(len(out), -1).sum(axis=1) / 2)

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        if out.shape != targets.shape:
            raise ValueError("targets must be like out")
        return np.asarray(rows(out, targets).mean(), out.dtype), (own(out), own(targets))

    def backward(cache: Any, dloss: Any) -> Array:
        out, targets = cache
        return np.asarray(off(wrong(out, targets), (out - targets) * (float(dloss) / len(out))), out.dtype)

    return Loss(forward, backward, rows)


def entropy_but(wrong: Where) -> Loss[Any, Any]:
    """A softmax with cross entropy, whose gradient is wrong in some cases."""

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        loss, cache = softmax_cross_entropy.forward(out, targets)
        return loss, (cache, own(out), own(targets))

    def backward(cache: Any, dloss: Any) -> Array:
        inner, out, targets = cache
        return off(wrong(out, targets), softmax_cross_entropy.backward(inner, dloss))

    return Loss(forward, backward, softmax_cross_entropy.rows)


def found(verdicts: list[Verdict]) -> set[tuple[str, str]]:
    assert_sound(verdicts)
    return {(each.field, each.note.partition(": ")[0]) for each in verdicts if each.wrong}


def seen_by(make: Callable[[Where], Loss[Any, Any]], out: Array, targets: Array) -> list[tuple[Array, Array]]:
    """All that a right loss is tried with."""
    seen: list[tuple[Array, Array]] = []

    def note(out: Array, targets: Array) -> bool:
        seen.append((out, targets))
        return False

    assert [(each.field, each.ok) for each in laws.loss_targets(make(note), out, targets, RNG(0))] == [("dout", True)]
    return seen


ROWS = (1, 2, 3, 5, 7, 8, 9, 10, 16, 17, 31, 32, 33, 63, 64, 65, 100, 128, 129, 256, 257, 1000)


def test_every_size_of_an_output_is_tried() -> None:
    seen = seen_by(squares_but, OUT, TARGETS)
    columns = (1, 2, 3, 6, 7, 8, 9, 10, 16, 17, 32, 33, 64, 65, 100, 128, 129, 256, 257)
    assert {out.shape for out, _ in seen} == {OUT.shape, *((n, 5) for n in ROWS), *((6, k) for k in columns)}
    for out, targets in seen:
        times = np.isin(targets[0, :5] / TARGETS[:, : targets.shape[1]], (0, 1, 10, 100, 1e5))
        assert times.any() or (targets == 1).all()
        if len(out) != 6:  # each row stays with its own targets, and is moved by a hundredth at most
            (which,) = np.nonzero((targets[0] == TARGETS).all(axis=1))
            assert ((out[0] / OUT[which] >= 1) & (out[0] / OUT[which] < 1.01)).all()


def test_every_length_between_rows_and_columns_is_tried() -> None:
    out, targets = RNG(7).standard_normal((2, 3, 4, 2))
    shapes = {each.shape for each, _ in seen_by(squares_but, out, targets)}
    lengths = (1, 4, 5, 17, 33, 65, 129, 257)
    assert {shape for shape in shapes if shape[0] == 3 and shape[2] == 2} == {(3, n, 2) for n in lengths}


def test_labels_and_shares_go_with_other_columns() -> None:
    columns = {1, 2, 3, 5, 6, 7, 8, 9, 10, 16, 17, 32, 33, 64, 65, 100, 128, 129, 256, 257}
    for out, targets in (seen := seen_by(entropy_but, OUT, LABELS)):
        assert targets.max() < out.shape[1]
        if out.shape == (6, 3):
            assert targets.tolist() == [0, 1, 2, 0, 1, 2]
    assert {out.shape[1] for out, _ in seen} == columns
    seen = seen_by(entropy_but, OUT, SHARES)
    assert {out.shape[1] for out, _ in seen} == columns
    for out, targets in seen:
        np.testing.assert_allclose(targets.sum(axis=1), 1)
        if out.shape[1] > 5:
            assert not targets[:, 5:].any()
        if out.shape[1] == 3:
            np.testing.assert_allclose(targets, SHARES[:, :3] / SHARES[:, :3].sum(axis=1, keepdims=True))


OF_SQUARES: dict[str, Where] = {
    "with 1 row": lambda out, targets: len(out) == 1,
    "with 33 rows": lambda out, targets: len(out) == 33,
    "with 1 column": lambda out, targets: out.shape == (6, 1) and np.array_equal(targets, TARGETS[:, :1]),
    "with 3 columns": lambda out, targets: out.shape == (6, 3) and np.array_equal(out, OUT[:, :3]),
    "with 257 columns": lambda out, targets: out.shape == (6, 257) and np.array_equal(out[:, :5], OUT),
    "for equal rows": lambda out, targets: len(out) == 6 and (out == OUT[0]).all() and (targets == TARGETS[0]).all(),
    "for targets of zeros": lambda out, targets: targets.shape == OUT.shape and not targets.any(),
    "for targets with zeros": lambda out, targets: (
        targets.shape == OUT.shape and 0 < np.count_nonzero(targets.any(axis=1)) < 6 and out.shape == OUT.shape
    ),
    "for targets ten times as large": lambda out, targets: targets[0, 0] == 10 * TARGETS[0, 0],
    "for targets a hundred times as large": lambda out, targets: targets[0, 0] == 100 * TARGETS[0, 0],
    "for targets a hundred thousand times as large": lambda out, targets: targets[0, 0] == 1e5 * TARGETS[0, 0],
    "where out is close to the targets": lambda out, targets: (
        out.shape == OUT.shape and 1e-6 < np.abs(out - targets).max() < 1e-4 and np.array_equal(targets, TARGETS)
    ),
}


@pytest.mark.parametrize("words", OF_SQUARES)
def test_a_fault_for_other_targets_or_sizes_is_found_there(words: str) -> None:
    assert found(laws.loss_targets(squares_but(OF_SQUARES[words]), OUT, TARGETS, RNG(0))) == {("dout", words)}


OF_ENTROPY: dict[str, tuple[Array, Where]] = {
    "for labels of 0": (
        LABELS,
        lambda out, targets: out.shape == OUT.shape and not targets.any() and np.ptp(out[:, 0]) > 0,
    ),
    "for labels of 4": (LABELS, lambda out, targets: (targets == 4).all() and len(targets) == 6),
    "for targets that are all the first class": (
        SHARES,
        lambda out, targets: (
            targets[:, 0].all() and targets.sum() == 6 and (targets[:, 0] == 1).all() and out.shape == OUT.shape
        ),
    ),
    "for targets that are all the last class": (
        SHARES,
        lambda out, targets: (targets[:, -1] == 1).all() and out.shape == OUT.shape,
    ),
}


@pytest.mark.parametrize("words", OF_ENTROPY)
def test_a_fault_for_other_labels_or_shares_is_found_there(words: str) -> None:
    targets, wrong = OF_ENTROPY[words]
    assert found(laws.loss_targets(entropy_but(wrong), OUT, targets, RNG(0))) == {("dout", words)}


def test_hits_are_all_turned_to_ones_and_never_made_larger() -> None:
    seen = seen_by(squares_but, OUT, HITS)
    same = [targets for out, targets in seen if np.array_equal(out, OUT)]
    assert any((targets == 1).all() for targets in same)
    assert any(not targets.any() for targets in same)
    assert max(float(targets.max()) for _, targets in seen) == 1


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_labels_are_tried_in_other_dtypes(dtype: str) -> None:
    wrong = entropy_but(lambda out, targets: targets.dtype == dtype)
    (verdict,) = (each for each in laws.loss_targets(wrong, OUT, LABELS, RNG(0)) if each.wrong)
    assert verdict.note == f"for targets in {dtype} it is another, though the loss is the same"


def test_between_targets_of_0_and_1_a_fault_tells_nothing_for_sure() -> None:
    """Labels may be smoothed, unless the loss is for hard ones, which it should then say."""

    def loss(of_targets: Callable[[Array], Array]) -> Loss[Any, Any]:
        def rows(out: Array, targets: Array) -> Array:
            return np.asarray((np.logaddexp(0, out) - out * targets).mean(-1))

        def forward(out: Array, targets: Array) -> tuple[Array, Any]:
            dout = (1 / (1 + np.exp(-out)) - of_targets(targets)) / out.size
            return np.asarray(rows(out, targets).mean(), out.dtype), dout.astype(out.dtype)

        return Loss(forward, lambda dout, dloss: dout * np.asarray(dloss, dout.dtype), rows)

    (verdict,) = laws.loss_targets(loss(np.round), OUT, HITS, RNG(0))
    assert_sound([verdict])
    assert (verdict.undecided, verdict.note) == (True, "for targets of 0.1 and 0.9")
    assert verdict.advice == "If these targets are not meant, let forward refuse them"
    (verdict,) = laws.loss_targets(loss(own), OUT, HITS, RNG(0))
    assert verdict.ok, verdict


def test_a_loss_that_writes_to_other_targets_is_found_there() -> None:
    made = squares_but(lambda out, targets: False)

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        result = made.forward(out, targets)
        if out.shape == OUT.shape and not targets.any():
            targets[0, 0] = 1
        return result

    (verdict,) = (
        each for each in laws.loss_targets(Loss(forward, made.backward, made.rows), OUT, TARGETS, RNG(0)) if each.wrong
    )
    assert (verdict.law, verdict.field) == ("loss_targets", "targets")
    assert verdict.note.startswith("for targets of zeros: ")


def test_a_gradient_of_another_shape_for_other_columns_can_not_be_told() -> None:
    made = squares_but(lambda out, targets: False)

    def backward(cache: Any, dloss: Any) -> Array:
        dout = made.backward(cache, dloss)
        return dout if dout.shape[1] == 5 else np.concatenate([dout, dout], axis=1)

    (verdict,) = laws.loss_targets(Loss(made.forward, backward, made.rows), OUT, TARGETS, RNG(0))
    assert (verdict.field, verdict.undecided) == ("dout", True)
    assert verdict.note == "with 6 columns: has shape (6, 12), expected (6, 6)"
    assert verdict.advice == "If this out is not meant, let forward refuse it"


OVERFLOWING = {
    "for out of 1e+03 it is not finite, though the loss is 30000: an exponential that overflows": (1e3, np.inf, 1.0),
    "for out of 1e+04 it is not finite": (1e4, 1.0, np.inf),
    "for out of 1e+03 it is another than in a wider format": (1e3, 1.0, 1.5),
}


@pytest.mark.skipif(np.finfo(np.longdouble).maxexp <= 1024, reason="a long double is a double here")
@pytest.mark.parametrize("words", OVERFLOWING)
def test_what_overflows_in_float64_is_compared_with_a_wider_format(words: str) -> None:
    size, of_loss, of_dout = OVERFLOWING[words]

    def at(out: Array) -> bool:
        return out.dtype == np.float64 and np.abs(out).min() == size == np.abs(out).max()

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray((np.abs(out).sum(axis=1) + out.sum(axis=1)) * 2)

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        loss = np.asarray(np.abs(out).mean() * 30, out.dtype)
        return np.asarray(loss * of_loss if at(out) else loss, out.dtype), own(out)

    def backward(out: Array, dloss: Any) -> Array:
        dout = np.sign(out) * out.dtype.type(30 / out.size) * dloss
        return np.asarray(dout * of_dout if at(out) else dout, out.dtype)

    verdicts = laws.loss_values(Loss(forward, backward, rows), OUT, TARGETS, RNG(0))
    (verdict,) = (each for each in verdicts if each.wrong)
    assert verdict.note.partition("?")[0] == words
    assert_sound([verdict])
    assert not np.isnan([verdict.got, verdict.expected]).all() or "another" not in words
    if size == 1e3:
        assert verdict.got == pytest.approx(verdict.expected * max(of_loss, of_dout))


def test_a_nan_that_does_not_show_in_its_row_is_found() -> None:
    made = squares_but(lambda out, targets: False)

    def backward(cache: Any, dloss: Any) -> Array:
        out, targets = cache
        return made.backward((np.nan_to_num(out, nan=0.3), targets), dloss)

    (verdict,) = (
        each for each in laws.loss_values(Loss(made.forward, backward, made.rows), OUT, TARGETS, RNG(0)) if each.wrong
    )
    assert verdict.field == "dout"
    assert verdict.note.startswith("a nan in out[")
    assert verdict.note.endswith("] makes the loss nan and does not show in that row: is it replaced by a number?")
