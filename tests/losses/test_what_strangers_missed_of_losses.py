"""Faults of losses that the checks accepted when strangers planted them, and right losses that they refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Labels, Layer, Loss, Report, check_layer, check_loss, own

RNG = np.random.default_rng
OUT, TARGETS = RNG(1).standard_normal((2, 6, 4))
LABELS = np.array([0, 3, 1, 2, 2, 0])

Forward = Callable[[Array, Array], tuple[Array, Any]]
Backward = Callable[[Any, Any], Any]


def error(out: Array, targets: Array) -> Array:
    return np.asarray(out - np.asarray(targets, out.dtype))


def squares(out: Array, targets: Array) -> Array:
    return np.asarray((error(out, targets) ** 2).mean(-1))


def mean_square(out: Array, targets: Array) -> tuple[Array, Array]:
    return np.asarray(squares(out, targets).mean()), error(out, targets)


def slopes(off: Array, dloss: Any) -> Array:
    return np.asarray(off * np.asarray(2 / off.size, off.dtype) * np.asarray(dloss, off.dtype))


def made(
    forward: Forward = mean_square, backward: Backward = slopes, rows: Callable[[Array, Array], Any] = squares
) -> Loss[Array, Any]:
    return Loss(forward, backward, rows)


def checked(loss: Loss[Any, Any], out: Array = OUT, targets: Any = TARGETS, seed: int = 0) -> Report:
    return check_loss(loss, out, targets, rng=RNG(seed))


def words_of(report: Report) -> list[str]:
    return [f"{each.law}, {each.field}: {each.note}" for each in (*report.failures, *report.undecided)]


# Numbers that are not finite in another dtype than that of out.


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_gradient_that_is_finite_in_float64_alone_is_not_right(dtype: type, number: float) -> None:
    loss = made(backward=lambda c, d: slopes(c, d) * c.dtype.type(number if c.dtype == dtype else 1))
    report = checked(loss)
    (verdict,) = report.failures or report.undecided
    assert (verdict.law, verdict.field, verdict.undecided) == ("loss_precision", "dout", dtype == np.float16)
    assert verdict.note.startswith(f"in {np.dtype(dtype).name} it is not finite where it is in float64")


def test_a_loss_that_is_finite_in_float64_alone_is_wrong() -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        value, off = mean_square(out, targets)
        return np.asarray(value * out.dtype.type(np.inf if out.dtype == np.float32 else 1)), off

    assert [(each.law, each.field) for each in checked(made(forward)).failures] == [("loss_precision", "loss")]


def test_an_eps_that_float32_does_not_have_divides_0_by_0() -> None:
    def by_size(off: Array, dloss: Any) -> Array:
        tiny = off.dtype.type(1e-50)
        return np.asarray(slopes(off, dloss) * (np.abs(off) + tiny) / (np.abs(off) + tiny))

    targets = TARGETS.copy()
    out = OUT.astype(np.float16).astype(float)
    targets[2, 1] = out[2, 1]
    (verdict,) = checked(made(backward=by_size), out, targets).failures
    assert (verdict.law, verdict.index) == ("loss_precision", (2, 1))
    assert verdict.note.endswith("1 of 24 entries are wrong, the others are right")


def scaled_up(off: Array, dloss: Any) -> Array:
    scale = off.dtype.type(2**15)
    return np.asarray(slopes(off * scale, dloss) / scale)


def mean_of_sum(out: Array, targets: Array) -> tuple[Array, Array]:
    off = error(out, targets)
    return np.asarray(np.add.reduce(off * off, axis=None, dtype=out.dtype) / out.dtype.type(off.size)), off


@pytest.mark.parametrize(
    ("loss", "out", "field"),
    [
        (made(backward=scaled_up), OUT, "dout"),
        (made(mean_of_sum), 30 * RNG(1).standard_normal((64, 64)), "loss"),
    ],
    ids=["scaled by 2^15", "a sum before a mean"],
)
def test_what_overflows_in_part_in_float16_cannot_be_told(loss: Loss[Any, Any], out: Array, field: str) -> None:
    report = checked(loss, out, -out)
    assert not report.failures, str(report)
    (verdict,) = report.undecided
    assert (verdict.law, verdict.field) == ("loss_precision", field)
    assert verdict.note.startswith(
        "in float16 it is not finite where it is in float64, a fault if it is meant for float16: "
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_layer_that_is_finite_in_float64_alone_is_not_right(dtype: type) -> None:
    def backward(cache: Array, dout: Array) -> tuple[Array, tuple[()]]:
        return 2 * cache * dout * dout.dtype.type(np.nan if dout.dtype == dtype else 1), ()

    report = check_layer(Layer(lambda _, x: (x * x, own(x)), backward), (), OUT, rng=RNG(0))
    found = report.failures if dtype == np.float32 else report.undecided
    assert {(each.law, each.field) for each in found} == {("precision", "dx")}


def test_a_constant_that_float16_has_not_is_no_fault_of_a_layer_in_float64() -> None:
    def forward(_: tuple[()], x: Array) -> tuple[Array, Array]:
        return np.tanh(x * x.dtype.type(1e5)), own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, tuple[()]]:
        steep = x.dtype.type(1e5)
        return dout * steep * (1 - np.tanh(x * steep) ** 2), ()

    report = check_layer(Layer(forward, backward), (), OUT, rng=RNG(0), only=["precision"])
    assert not report.failures, str(report)


@pytest.mark.parametrize("seed", range(3))
def test_a_plain_exponential_may_overflow_where_numbers_are_made_large(seed: int) -> None:
    def forward(_: tuple[()], x: Array) -> tuple[Array, Array]:
        e = np.exp(x)
        return e / e.sum(-1, keepdims=True), e / e.sum(-1, keepdims=True)

    def backward(y: Array, dout: Array) -> tuple[Array, tuple[()]]:
        return y * (dout - (dout * y).sum(-1, keepdims=True)), ()

    report = check_layer(Layer(forward, backward), (), 3 * OUT, rng=RNG(seed), effort="full", only=["precision"])
    assert not report.failures, str(report)


@pytest.mark.parametrize("size", [1, 200])
@pytest.mark.parametrize("seed", range(3))
def test_squares_that_float16_has_not_are_no_fault_of_a_layer_in_float64(seed: int, size: float) -> None:
    def forward(_: tuple[()], x: Array) -> tuple[Array, Array]:
        return np.log((x * x).sum(-1, keepdims=True)), own(x)

    def backward(x: Array, dout: Array) -> tuple[Array, tuple[()]]:
        return 2 * x * (dout / (x * x).sum(-1, keepdims=True)), ()

    report = check_layer(Layer(forward, backward), (), size * OUT, rng=RNG(seed), only=["precision"])
    assert not [each for each in report.failures if each.field == "out"], str(report)
    assert report.ok == (size == 1), str(report)


# Arguments that are the caller's.


def kept_in_float32(out: Array, targets: Array) -> tuple[Array, Any]:
    return mean_square(out, targets)[0], (out if out.dtype == np.float32 else out.copy(), np.array(targets))


def times_one_in_float32(out: Array, targets: Array) -> tuple[Array, Array]:
    result = mean_square(out, targets)
    if out.dtype == np.float32:
        out *= np.float32(1)
    return result


def written_if_one_row(out: Array, targets: Array) -> tuple[Array, Array]:
    result = mean_square(out, targets)
    if len(out) == 1:
        out -= np.asarray(targets, out.dtype)
    return result


def locks_targets(out: Array, targets: Array) -> tuple[Array, Array]:
    targets.setflags(write=False)
    return mean_square(out, targets)


def doubles_dloss(off: Array, dloss: Any) -> Array:
    given = np.asarray(dloss)
    if given.flags.writeable:
        given *= 2
        return slopes(off, given / 2)
    return slopes(off, given)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (
            made(kept_in_float32, lambda c, d: slopes(error(*c), d)),
            "loss_purity, ownership: in float32: the cache shares the memory of out or targets",
        ),
        (made(times_one_in_float32), "loss_purity, arguments: in float32: read-only ones are refused: ValueError"),
        (made(written_if_one_row), "loss_purity, arguments: with 1 row: a call wrote to one of its arguments"),
        (
            made(locks_targets),
            "loss_purity, arguments: a call made one of its arguments read-only, which is the caller's",
        ),
        (made(backward=doubles_dloss), "loss_purity, arguments: backward wrote to its dloss"),
    ],
    ids=["kept in float32", "written in float32", "written if one row", "locked", "dloss"],
)
def test_what_belongs_to_the_caller_stays_as_it_is(loss: Loss[Any, Any], words: str) -> None:
    (said,) = words_of(checked(loss))
    assert said.startswith(words)


# Rows.


def shares_by_the_largest_of_all(z: Array) -> Array:
    shifted = z - z.max()
    with np.errstate(all="ignore"):
        return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def entropies(z: Array, y: Labels) -> Array:
    return -shares_by_the_largest_of_all(z)[np.arange(len(y)), y]


def entropy(z: Array, y: Labels) -> tuple[Array, Array]:
    shifted = z - z.max(-1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(-1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return np.asarray(entropies(z, y).mean()), p


def test_rows_that_share_a_largest_number_are_coupled() -> None:
    loss = Loss(entropy, lambda c, d: c * np.asarray(d / len(c), c.dtype), entropies)
    (said,) = words_of(checked(loss, targets=LABELS))
    assert said.startswith("mean_of_rows, rows: rows depend on each other where one of them is 1000 away")


def test_rows_in_a_list_are_no_array() -> None:
    (said,) = words_of(checked(made(rows=lambda out, targets: list(squares(out, targets)))))
    assert said == "mean_of_rows, rows: is list, expected an array of shape (6,)"


def test_rows_that_refuse_what_forward_takes_are_wrong() -> None:
    def six(out: Array, targets: Array) -> Array:
        if len(out) != 6:
            raise ValueError("six rows only")
        return squares(out, targets)

    assert any(said.startswith("mean_of_rows, call: ") for said in words_of(checked(made(rows=six))))


# Words.


def test_a_loss_whose_backward_gives_a_tuple_is_told_what_it_must_return() -> None:
    said = words_of(checked(made(backward=lambda c, d: (slopes(c, d), None))))
    assert any("backward must return dout, an array like out, got a tuple of 2" in each for each in said)
    assert not any("grads" in each for each in said)


def test_a_backward_that_writes_to_its_cache_is_told_so() -> None:
    def in_place(off: Array, dloss: Any) -> Array:
        off *= 2 * dloss / off.size
        return off

    assert words_of(checked(made(backward=in_place))) == [
        "loss_state, cache: a second backward on it gives other numbers: does backward write to it?"
    ]


def test_a_backward_that_ignores_dloss_is_told_so() -> None:
    report = checked(made(backward=lambda c, d: slopes(c, 1.0)))
    notes = {each.law: each.note for each in report.failures}
    assert set(notes) >= {"loss_derivative", "loss_values", "loss_targets", "loss_linearity"}
    assert set(notes.values()) == {"it is the same for every dloss: was it ignored?"}


@pytest.mark.parametrize("seed", range(3))
def test_a_nan_at_a_tie_times_0_is_no_number(seed: int) -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        off = error(out, targets)
        with np.errstate(all="ignore"):
            return np.asarray(np.abs(off).mean(-1).mean()), off / np.abs(off)

    targets = TARGETS.copy()
    targets[0, 0] = OUT[0, 0]
    loss = Loss(forward, lambda c, d: c * np.asarray(d / c.size, c.dtype), lambda o, t: np.abs(error(o, t)).mean(-1))
    report = checked(loss, OUT, targets, seed)
    assert not report.failures, str(report)
    assert report.undecided


# Right ones.


def in_float32() -> Loss[Array, Any]:
    def off(out: Array, targets: Array) -> Array:
        return np.asarray(out.astype(np.float32) - targets.astype(np.float32))

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        return np.asarray((off(out, targets) ** 2).mean().astype(out.dtype)), (off(out, targets), out.dtype)

    return made(
        forward,
        lambda c, d: slopes(c[0], d).astype(c[1]),
        lambda out, targets: (off(out, targets) ** 2).mean(-1).astype(out.dtype),
    )


def of_six_rows() -> Loss[Array, Any]:
    def six(out: Array) -> None:
        if len(out) != 6:
            raise ValueError("six rows only")

    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        six(out)
        return mean_square(out, targets)

    def rows(out: Array, targets: Array) -> Array:
        six(out)
        return squares(out, targets)

    return made(forward, rows=rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [made, in_float32, of_six_rows])
def test_a_right_loss_is_right(make: Callable[[], Loss[Array, Any]], seed: int) -> None:
    report = checked(make(), seed=seed)
    assert report.ok, str(report)


def test_rows_of_a_loss_for_six_are_compared_nevertheless() -> None:
    def of_all(out: Array, targets: Array) -> Array:
        if len(out) != 6:
            raise ValueError("six rows only")
        return np.full(6, squares(out, targets).mean(), out.dtype)

    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(of_all(out, targets).mean()), error(out, targets)

    (said,) = words_of(checked(made(forward, rows=of_all)))
    assert said.startswith("mean_of_rows, rows: rows depend on each other")


# How often they are called with many rows, which takes a while where all pairs are compared.


def counted(loss: Loss[Array, Any], calls: list[int]) -> Loss[Array, Any]:
    """The same loss, which notes its numbers of rows."""

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        calls.append(len(out))
        return loss.forward(out, targets)

    return Loss(forward, loss.backward, loss.rows, couples_rows=loss.couples_rows)


def pairs(out: Array, targets: Array) -> Array:
    distances = np.asarray(((out[:, None] - out[None]) ** 2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    return distances


def nearest(out: Array, targets: Array) -> Array:
    return np.asarray(-pairs(out, targets).min(1))


def to_the_anchor_alone(out: Array, targets: Array) -> tuple[Array, Array]:
    distances = pairs(out, targets)
    return np.asarray(-distances.min(1).mean(), out.dtype), -2 * (out - out[distances.argmin(1)])


def test_a_wrong_loss_of_all_pairs_is_found_at_few_rows() -> None:
    loss = Loss(to_the_anchor_alone, lambda c, d: c * np.asarray(d / len(c), c.dtype), nearest, couples_rows=True)
    calls: list[int] = []
    assert any(said.startswith("loss_derivative, dout: ") for said in words_of(checked(counted(loss, calls))))
    assert sum(rows >= 1000 for rows in calls) < 100  # a search for the entry there takes a thousand


def no_more_than_999(off: Array, dloss: Any) -> Array:
    dout = slopes(off, dloss)
    dout[999:] = 0
    return dout


def near_ones(out: Array, targets: Array) -> Array:
    return np.asarray(np.exp(-pairs(out, targets)).sum(1))


def of_near_ones(rows: int) -> Loss[Array, Array]:
    """A loss that compares all pairs of rows, and whose gradient is 0 from a row on."""

    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        near = np.exp(-pairs(out, targets))
        dout = -4 * (near.sum(1)[:, None] * out - near @ out) / len(out)
        dout[rows:] = 0
        return np.asarray(near.sum(1).mean(), out.dtype), np.asarray(dout, out.dtype)

    return Loss(forward, lambda c, d: c * np.asarray(d, c.dtype), near_ones, couples_rows=True)


def spread(out: Array, targets: Array) -> Array:
    return np.asarray(((out - out.mean(0)) ** 2).mean(1))


def spread_of_999(out: Array, targets: Array) -> tuple[Array, Array]:
    dout = 2 * (out - out.mean(0)) / out.size
    dout[999:] = 0
    return np.asarray(spread(out, targets).mean(), out.dtype), np.asarray(dout, out.dtype)


@pytest.mark.parametrize(
    ("loss", "most"),
    [
        (made(backward=no_more_than_999), 4000),
        (Loss(spread_of_999, lambda c, d: c * np.asarray(d, c.dtype), spread, couples_rows=True), 400),
    ],
    ids=["rows alone", "rows that are coupled"],
)
def test_a_fault_from_1000_rows_on_is_found(loss: Loss[Array, Any], most: int) -> None:
    calls: list[int] = []
    (said,) = words_of(check_loss(counted(loss, calls), OUT, TARGETS, rng=RNG(0), only=["loss_targets"]))
    assert said.startswith("loss_targets, dout: with 1000 rows: ")
    assert sum(rows >= 1000 for rows in calls) < most  # of coupled rows no single entry is searched for


@pytest.mark.parametrize("seed", range(3))
def test_a_right_loss_of_all_pairs_is_right(seed: int) -> None:
    report = checked(of_near_ones(1000), seed=seed)
    assert report.ok, str(report)
