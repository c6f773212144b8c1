"""Faults of losses that the checks once accepted, and right losses that they once refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Labels, Layer, Loss, Report, check_layer, check_loss, laws, own
from strategies import seeded

RNG = np.random.default_rng
OUT, TARGETS = RNG(1).standard_normal((2, 6, 4))
LABELS = np.array([0, 3, 1, 2, 2, 0])

Forward = Callable[[Array, Array], tuple[Array, Any]]
Backward = Callable[[Any, Any], Any]

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


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
    loss: Array = np.add.reduce(off * off, axis=None, keepdims=True, dtype=out.dtype) / out.dtype.type(off.size)
    return loss.reshape(()), off


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
        (made(written_if_one_row), "loss_purity, arguments: with 1 row: a call wrote to out"),
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
    overflow, coupled = words_of(checked(loss, targets=LABELS))
    assert overflow.startswith("loss_values, loss: for out of 1e+03 it is not finite, though the loss is ")
    assert coupled.startswith("mean_of_rows, rows: rows depend on each other where one of them is 1000 away")


def test_rows_in_a_list_are_no_array() -> None:
    (said,) = words_of(checked(made(rows=lambda out, targets: list(squares(out, targets)))))
    assert said == "mean_of_rows, rows: is list, expected an array of shape (6,)"


def test_rows_that_refuse_what_forward_takes_are_wrong() -> None:
    def six(out: Array, targets: Array) -> Array:
        if len(out) != 6:
            raise ValueError("six rows only")
        return squares(out, targets)

    assert any(said.startswith("mean_of_rows, call: ") for said in words_of(checked(made(rows=six))))


# Targets.


def clipped(off: Array, most: float) -> Array:
    return np.clip(off, -most, most)


def without_small(off: Array, least: float) -> Array:
    return np.where(np.abs(off) < least, 0, off)


FAR_OUT = "loss_values, dout: for out around 2000"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (partial(clipped, most=500.0), "for targets a hundred thousand times as large"),
        (partial(clipped, most=5e4), "for targets a hundred thousand times as large"),
        (partial(without_small, least=1e-4), "where out is close to the targets: it is 0: "),
    ],
    ids=["clipped at 500", "clipped at 50,000", "0 below 1e-4"],
)
@pytest.mark.parametrize("seed", range(3))
def test_errors_of_every_size_are_tried(spoil: Callable[[Array], Array], words: str, seed: int) -> None:
    loss = made(backward=lambda c, d: slopes(np.asarray(spoil(c), c.dtype), d))
    *far_out, said = words_of(checked(loss, seed=seed))
    assert said.startswith(f"loss_targets, dout: {words}")
    assert all(each.startswith(("loss_values, dout: for out of 1e+0", FAR_OUT)) for each in far_out)


def test_targets_of_ones_are_tried() -> None:
    def rows(out: Array, targets: Array) -> Array:
        return np.asarray((np.logaddexp(0, out) - np.asarray(targets, out.dtype) * out).mean(-1))

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        return np.asarray(rows(out, targets).mean()), (own(out), own(np.asarray(targets, out.dtype)))

    def backward(cache: Any, dloss: Any) -> Array:
        out: Array = cache[0]
        targets: Array = cache[1]
        slope: Array = np.exp(-np.logaddexp(0, -out)) - targets * (0.5 if targets.all() else 1)
        return np.asarray(slope * np.asarray(float(dloss) / out.size, out.dtype))

    (said,) = words_of(checked(Loss(forward, backward, rows), targets=np.eye(6, 4, 1) + np.eye(6, 4)))
    assert said.startswith("loss_targets, dout: for targets of ones")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
def test_labels_in_other_dtypes_have_the_same_gradient(dtype: str) -> None:
    def forward(out: Array, labels: Labels) -> tuple[Array, Any]:
        value, p = entropy(out, labels)
        return value, p * (2 if labels.dtype == dtype else 1)

    loss = Loss(forward, lambda c, d: c * np.asarray(d / len(c), c.dtype), entropies)
    said = words_of(checked(loss, targets=LABELS))
    assert f"loss_targets, dout: for targets in {dtype} it is another, though the loss is the same" in said


def test_places_that_a_byte_does_not_count_are_tried() -> None:
    def forward(out: Array, labels: Labels) -> tuple[Array, Any]:
        value, p = entropy(out, labels)
        places = np.arange(len(out)).astype(labels.dtype) * labels.dtype.type(out.shape[-1]) + labels
        wrong = places.astype(int) != np.arange(len(out)) * out.shape[-1] + labels
        return value, p * np.where(wrong, 2, 1)[:, None]

    with np.errstate(over="ignore"):
        loss = Loss(forward, lambda c, d: c * np.asarray(d / len(c), c.dtype), entropies)
        said = words_of(checked(loss, targets=LABELS))
    assert "loss_targets, dout: for targets in int8 it is another, though the loss is the same" in said


def huber(at_the_border: float) -> Loss[Array, Any]:
    """Huber's loss, whose slope at an error of 1 is a share of what it should be."""

    def rows(out: Array, targets: Array) -> Array:
        size = np.abs(out - targets.astype(out.dtype))
        losses: Array = np.where(size < 1, size * size / 2, size - np.asarray(0.5, out.dtype)).mean(-1)
        return losses

    def forward(out: Array, targets: Array) -> tuple[Array, Any]:
        return np.asarray(rows(out, targets).mean()), own(out - targets.astype(out.dtype))

    def backward(off: Array, dloss: Any) -> Array:
        slopes = np.clip(off, -1, 1) * np.where(np.abs(off) == 1, at_the_border, 1)
        return np.asarray(slopes * (dloss / off.size), off.dtype)

    return Loss(forward, backward, rows)


@pytest.mark.parametrize("seed", range(3))
def test_errors_of_whole_numbers_are_tried(seed: int) -> None:
    assert checked(huber(1.0), seed=seed).ok
    (said,) = words_of(checked(huber(0.0), seed=seed))
    assert said.startswith("loss_targets, dout: where out is off the targets by halves and whole numbers")


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


# Losses that are made for their number of columns, and targets whose columns belong together.


def over_rows(slopes: Array, dloss: Any) -> Array:
    return slopes * np.asarray(dloss * slopes.shape[-1] / slopes.size, slopes.dtype)


def of_rows(
    both: Callable[[Array, Any], tuple[Array, Array]],
    of_slopes: Callable[[Array, Array, Any], Array] = lambda slopes, out, targets: slopes,
    *,
    back: Callable[[Array, Any], Array] = over_rows,
) -> Loss[Any, Array]:
    """A loss by the losses of rows and their slopes, which the second function may change."""

    def forward(out: Array, targets: Any) -> tuple[Array, Array]:
        losses, slopes = both(out, targets)
        return np.asarray(losses.mean()), of_slopes(slopes, out, targets)

    return Loss(forward, back, lambda out, targets: both(out, targets)[0])


def square(out: Array, targets: Array) -> tuple[Array, Array]:
    off = error(out, targets)
    return np.asarray((off * off).sum(-1)), 2 * off


def log_shares(out: Array) -> Array:
    shifted = out - out.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def of_labels(out: Array, labels: Labels) -> tuple[Array, Array]:
    logs = log_shares(out)
    chosen = np.equal(labels[..., None], np.array(range(out.shape[-1])))
    return -np.take_along_axis(logs, labels[..., None], -1)[..., 0], np.exp(logs) - chosen.astype(out.dtype)


def of_shares(out: Array, targets: Array) -> tuple[Array, Array]:
    logs, shares = log_shares(out), targets.astype(out.dtype)
    return -(shares * logs).sum(-1), np.exp(logs) - shares


def of_logits(out: Array, targets: Array) -> tuple[Array, Array]:
    t = targets.astype(out.dtype)
    small = np.exp(-np.abs(out))
    p = np.where(out >= 0, 1, small) / (1 + small)
    return np.asarray((np.logaddexp(0, out) - t * out).sum(-1)), np.asarray(p - t, out.dtype)


def of_one_score(out: Array, targets: Array) -> tuple[Array, Array]:
    losses, slopes = of_logits(out[:, :1], targets[:, None])
    return losses, slopes


def of_one_number(out: Array, targets: Array) -> tuple[Array, Array]:
    off = error(out[:, 0], targets)
    return off * off, 2 * off[:, None]


def of_one_margin(out: Array, targets: Array) -> tuple[Array, Array]:
    t = targets.astype(out.dtype)
    margin = 1 - t * out[..., 0]
    return np.maximum(margin, 0), np.where(margin > 0, -t, 0).astype(out.dtype)[..., None]


def of_two_scores(out: Array, targets: Array) -> tuple[Array, Array]:
    t = targets.astype(out.dtype)
    margin = np.asarray(0.5, out.dtype) - t * (out[:, 0] - out[:, 1])
    slopes = np.where(margin > 0, -t, 0).astype(out.dtype)
    return np.maximum(margin, 0), np.stack([slopes, -slopes], 1)


def of_mean_and_variance(out: Array, targets: Array) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):
        off, logs = error(out[:, 0], targets), out[:, 1]
        inverse = np.exp(-logs)
        return (logs + off * off * inverse) / 2, np.stack([off * inverse, (1 - off * off * inverse) / 2], 1)


def of_an_order(out: Array, order: Labels) -> tuple[Array, Array]:
    """The likelihood of an order by Plackett and Luce."""
    sorted_scores = np.take_along_axis(out, order, 1)
    rest = np.logaddexp.accumulate(sorted_scores[:, ::-1], axis=1)[:, ::-1]
    k = out.shape[1]
    places = np.array(range(k))
    later = np.greater_equal(places[:, None], places)
    shares = np.exp(np.where(later, sorted_scores[:, :, None] - rest[:, None, :], -np.inf)).sum(2)
    slopes = np.zeros_like(out)
    np.put_along_axis(slopes, order, (shares - 1).astype(out.dtype), 1)
    return (rest - sorted_scores).sum(1), slopes


SIGNS, ORDERS = np.array([1.0, -1, 1, 1, -1, -1]), np.array([RNG(k).permutation(4) for k in range(6)])
SHARES = np.abs(TARGETS) / np.abs(TARGETS).sum(-1, keepdims=True)
SEQUENCE = RNG(3).standard_normal((3, 5, 4)), RNG(3).integers(0, 4, (3, 5))
RIGHT_ONES: dict[str, tuple[Callable[..., Any], Array, Any]] = {
    "one score": (of_one_score, OUT[:, :1], np.array([0, 1, 1, 0, 1, 0])),
    "one number": (of_one_number, OUT[:, :1], TARGETS[:, 0]),
    "one margin": (of_one_margin, OUT[:, :1], SIGNS),
    "two scores": (of_two_scores, OUT[:, :2], SIGNS),
    "a mean and a variance": (of_mean_and_variance, OUT[:, :2], TARGETS[:, 0]),
    "orders": (of_an_order, OUT, ORDERS),
    "shares": (of_shares, OUT, SHARES),
    "one class of each row": (of_shares, OUT, np.eye(4)[LABELS]),
    "one class of each row, in whole numbers": (of_shares, OUT, np.eye(4, dtype=int)[LABELS]),
    "one class of two": (of_shares, OUT[:, :2], np.eye(2, dtype=int)[LABELS % 2]),
    "labels": (of_labels, OUT, LABELS),
    "labels of sequences": (of_labels, *SEQUENCE),
    "bits": (of_logits, OUT, (TARGETS > 0).astype(float)),
    "squares": (square, OUT, TARGETS),
}


@pytest.mark.parametrize(("name", "seed"), seeded(RIGHT_ONES))
def test_a_right_loss_of_rows_is_right(name: str, seed: int) -> None:
    both, out, targets = RIGHT_ONES[name]
    report = checked(of_rows(both), out, targets, seed)
    assert report.ok, str(report)


def test_of_a_loss_for_three_columns_more_of_them_cannot_be_told() -> None:
    def of_three(out: Array, targets: Array) -> tuple[Array, Array]:
        return square(out[:, :3], targets[:, None])

    report = checked(of_rows(of_three), OUT[:, :3], TARGETS[:, 0])
    (verdict,) = report.undecided
    assert not report.failures
    assert verdict.law == "loss_targets"
    assert verdict.note == "with 4 columns: has shape (6, 3), expected (6, 4)"
    assert verdict.advice.startswith("If this out is not meant, ")


# A nan, and cases of a loss: each is the gradient of one of them.


def squared_margin(out: Array, targets: Array) -> tuple[Array, Array]:
    margin = 1 - targets.astype(out.dtype) * out
    slopes = np.where(margin > 0, -2 * targets.astype(out.dtype) * margin, 0).astype(out.dtype)
    return (np.maximum(margin, 0) ** 2).sum(1), slopes


def absolute(out: Array, targets: Array) -> tuple[Array, Array]:
    off = error(out, targets)
    return np.abs(off).sum(1), np.where(off >= 0, 1, -1).astype(out.dtype)


def rounded_at_0(out: Array, targets: Array) -> tuple[Array, Array]:
    off = error(out, targets)
    size = np.abs(off)
    straight = np.where(off > 0, 1, -1)
    return np.where(size < 1, off * off / 2, size - 0.5).astype(out.dtype).sum(1), np.where(
        size < 1, off, straight
    ).astype(out.dtype)


def of_three_points(out: Array, targets: Array) -> tuple[Array, Array]:
    if out.shape[1] != 6:
        raise ValueError("an anchor, a friend and a stranger, of two numbers each")
    a, b, c = np.split(out, 3, 1)
    margin = ((a - b) ** 2).sum(1) - ((a - c) ** 2).sum(1) + 1
    on = (margin > 0)[:, None].astype(out.dtype)
    return np.maximum(margin, 0), 2 * on * np.concatenate([c - b, b - a, a - c], 1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("both", "targets"),
    [
        (squared_margin, np.where(TARGETS > 0, 1.0, -1.0)),
        (absolute, TARGETS),
        (rounded_at_0, TARGETS),
        (of_three_points, np.arange(6)),
    ],
    ids=["squared margin", "absolute", "rounded at 0", "three points"],
)
def test_where_a_nan_leads_to_one_of_several_cases_it_need_not_show(
    both: Callable[..., Any], targets: Array, seed: int
) -> None:
    out = RNG(4).standard_normal((6, 6)) if both is of_three_points else OUT
    report = checked(of_rows(both), out, targets, seed)
    assert report.ok, str(report)


# Wrong for some calls alone.


def for_columns(columns: int, factor: float = 0.999) -> Callable[[Array, Array, Any], Array]:
    return lambda slopes, out, targets: slopes * out.dtype.type(factor if out.shape[-1] == columns else 1)


def for_rows(dtype: type, rows: Callable[[int], bool], factor: float) -> Callable[[Array, Array, Any], Array]:
    return lambda slopes, out, targets: slopes * out.dtype.type(factor if out.dtype == dtype and rows(len(out)) else 1)


def for_length(lengths: Callable[[int], bool]) -> Callable[[Array, Array, Any], Array]:
    return lambda slopes, out, targets: slopes * out.dtype.type(2 if lengths(out.shape[1]) else 1)


def zero_where(which: Callable[[Array, Any], Any], *dtypes: type) -> Callable[[Array, Array, Any], Array]:
    def fault(slopes: Array, out: Array, targets: Any) -> Array:
        zeros = np.asarray(which(out, targets)) & (not dtypes or out.dtype.type in dtypes)
        return np.where(zeros, 0, slopes).astype(out.dtype)

    return fault


MIDDLE = np.array([1, 2, 1, 2, 1, 2])


@pytest.mark.parametrize(
    ("both", "fault", "out", "targets", "words"),
    [
        (of_logits, for_columns(1, 0), OUT, TARGETS > 0, "loss_targets, dout: with 1 column: it is 0"),
        (of_labels, for_columns(2), OUT, LABELS, "loss_targets, dout: with 2 columns: "),
        (square, for_columns(2), OUT, TARGETS, "loss_targets, dout: with 2 columns: "),
        (of_shares, for_columns(3), OUT, SHARES, "loss_targets, dout: with 3 columns: "),
        (of_an_order, for_columns(3), OUT, ORDERS, "loss_targets, dout: with 3 columns: "),
        (of_labels, for_length(lambda n: n == 1), *SEQUENCE, "loss_targets, dout: with a length of 1 along axis 1: "),
        (of_labels, for_length(lambda n: n > 16), *SEQUENCE, "loss_targets, dout: with a length of 17 along axis 1: "),
        (of_labels, for_length(lambda n: n > 64), *SEQUENCE, "loss_targets, dout: with a length of 65 along axis 1: "),
        (
            of_labels,
            for_length(lambda n: n > 256),
            *SEQUENCE,
            "loss_targets, dout: with a length of 257 along axis 1: ",
        ),
        (square, zero_where(lambda o, t: t > 5), OUT, TARGETS, "loss_targets, dout: for targets ten times as large: "),
        (
            square,
            zero_where(lambda o, t: t > 100),
            OUT,
            TARGETS,
            "loss_targets, dout: for targets a hundred times as large: ",
        ),
        (
            of_labels,
            for_rows(np.float32, lambda n: n > 100, 0.99),
            OUT,
            LABELS,
            "loss_precision, dout: in float32, with 128 rows it is off",
        ),
        (
            of_labels,
            for_rows(np.float32, lambda n: n == 1, 0.9),
            OUT,
            LABELS,
            "loss_precision, dout: in float32, with 1 row it is off",
        ),
        (
            of_labels,
            for_rows(np.float16, lambda n: n > 100, 0.5),
            OUT,
            LABELS,
            "loss_precision, dout: in float16, with 129 rows it is off",
        ),
        (
            square,
            zero_where(lambda o, t: np.abs(o) > 50, np.float32),
            OUT,
            TARGETS,
            "loss_precision, dout: in float32, for out a hundred times as large it is off",
        ),
        (
            of_labels,
            zero_where(lambda o, y: (y == 0)[:, None], np.float32),
            OUT,
            MIDDLE,
            "loss_precision, dout: in float32, ",
        ),
    ],
    ids=[
        "one column",
        "two columns",
        "two columns of targets",
        "three columns of shares",
        "three columns of orders",
        "a length of 1",
        "lengths beyond 16",
        "a length of 65",
        "a length of 257",
        "targets above 5",
        "targets above 100",
        "many rows in float32",
        "one row in float32",
        "many rows in float16",
        "large out in float32",
        "label 0 in float32",
    ],
)
def test_a_gradient_that_is_wrong_in_some_calls_alone_is_found(
    both: Callable[..., Any], fault: Callable[..., Array], out: Array, targets: Any, words: str
) -> None:
    said = words_of(checked(of_rows(both, fault), out, targets))
    assert any(each.startswith(words) for each in said), said


def given_if_one_row(slopes: Array, dloss: Any) -> Array:
    scale = np.asarray(dloss / len(slopes), slopes.dtype)
    return slopes if scale == 1 else slopes * scale


def in_order_of_memory(out: Array, targets: Array) -> tuple[Array, Array]:
    off = out.ravel(order="K") - np.asarray(targets, out.dtype).ravel(order="K")
    return (off * off).reshape(out.shape).sum(1), 2 * off.reshape(out.shape)


def of_first_labels() -> Loss[Any, Array]:
    """A loss that keeps the classes of the first labels of each shape."""
    kept: dict[Any, Array] = {}

    def both(out: Array, labels: Labels) -> tuple[Array, Array]:
        chosen = kept.setdefault((labels.shape, out.shape[1]), np.eye(out.shape[1])[labels])
        losses, slopes = of_shares(out, chosen)
        return losses, slopes

    loss = of_rows(both)
    return Loss(loss.forward, loss.backward, lambda out, labels: of_labels(out, labels)[0])


@pytest.mark.parametrize(
    ("loss", "targets", "words"),
    [
        (
            of_rows(of_labels, back=given_if_one_row),
            LABELS,
            "loss_memory, dout: it is writable, and shares memory with the cache, with 1 row",
        ),
        (
            of_rows(in_order_of_memory),
            TARGETS,
            "loss_memory, dout: a Fortran-ordered out with targets in the same layout gives another one",
        ),
        (of_first_labels(), LABELS, "mean_of_rows, loss: "),
        (
            of_rows(square, back=lambda s, d: np.nan_to_num(s * np.asarray(d / len(s), s.dtype))),
            TARGETS,
            "loss_values, dout: a nan in out",
        ),
        (
            of_rows(square, back=lambda s, d: s * np.asarray(np.nan_to_num(d) / len(s), s.dtype)),
            TARGETS,
            "loss_linearity, dout: a dloss of nan does not show in it: is it replaced by a number?",
        ),
    ],
    ids=["its cache for one row", "order of memory", "first labels", "a nan in out", "a nan in dloss"],
)
def test_a_fault_beside_the_gradient_is_found(loss: Loss[Any, Any], targets: Any, words: str) -> None:
    said = words_of(checked(loss, targets=targets))
    assert any(each.startswith(words) for each in said), said


# A gradient that is an array of another class.


@pytest.mark.parametrize("kind", [np.matrix, np.ma.MaskedArray])
def test_a_gradient_of_another_class_of_arrays_is_wrong(kind: type[Array]) -> None:
    report = checked(made(backward=lambda c, d: slopes(c, d).view(kind)))
    note = f"loss_structure, dout: is a {kind.__name__}, expected an ordinary array"
    assert note in words_of(report)


def test_a_gradient_that_is_squeezed_at_one_column_is_wrong() -> None:
    def forward(out: Array, targets: Array) -> tuple[Any, Array]:
        return np.square(out - targets).mean(), own(out - targets)

    def backward(off: Array, dloss: Any) -> Array:
        dout = off * (2 * dloss / off.size)
        return np.asarray(dout if dout.shape[-1] > 1 else dout[:, 0])

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray(np.square(out - targets).mean(axis=-1))

    (verdict,) = laws.loss_targets(Loss(forward, backward, rows), OUT, TARGETS, RNG(0))
    assert verdict.wrong
    assert verdict.note == "with 1 column: has shape (6,), expected (6, 1): is an axis of 1 squeezed away?"
