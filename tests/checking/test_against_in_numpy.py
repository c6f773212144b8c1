"""Checks by `check_against` of a pair of functions of NumPy's: faults that show in one call alone, several at once."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Array, Layer, Report, check_against, own
from checking.planted import RNG, assert_sound

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

X, W = (RNG(seed).standard_normal(shape).astype(np.float32) for seed, shape in ((7, (6, 5)), (3, (5,))))
Y = RNG(7).standard_normal((3, 4, 2)).astype(np.float32)

Where: TypeAlias = Callable[[Array, Array, Array], Any]
"""True if a result is wrong at x, w and dout, of which out has none."""

NO_DOUT = np.zeros(())


def never(x: Array, w: Array, d: Array) -> bool:
    return False


def product(out: Where = never, dx: Where = never, dw: Where = never, by: float = 1.5) -> Layer[Any, Any]:
    """`x * w`, whose results are off by a factor in some calls."""

    def off(wrong: Any, result: Array) -> Array:
        return result * result.dtype.type(by) if wrong else result

    def forward(w: Array, x: Array) -> tuple[Array, Any]:
        return off(out(x, w, NO_DOUT), x * w), (x.copy("A"), own(w))

    def backward(cache: Any, d: Array) -> tuple[Array, Array]:
        x, w = cache
        by_w = (d * x).reshape(-1, w.size).sum(0, dtype=np.result_type(d, np.float32)).astype(d.dtype)
        return off(dx(x, w, d), d * w), off(dw(x, w, d), by_w)

    return Layer(forward, backward)


def checked(f: Layer[Any, Any], reference: Layer[Any, Any] | None = None, x: Array = X, w: Array = W) -> Report:
    return check_against(f, reference or product(), x, w, rng=RNG(0))


def said(report: Report) -> dict[tuple[str, str], str]:
    """Of each failure, the words before the figures."""
    assert_sound(report.verdicts)
    return {(each.law, each.field): each.note.partition(": rms")[0] for each in report.failures}


def of_shape(*shape: int) -> Where:
    return lambda x, w, d: x.shape == shape


def of_rows(count: int) -> Where:
    return of_shape(count, 5)


def of_columns(count: int) -> Where:
    return of_shape(6, count)


def of_strides(*strides: int) -> Where:
    return lambda x, w, d: x.shape == X.shape and x.strides == strides


def of_dout(*strides: int) -> Where:
    return lambda x, w, d: d.shape == X.shape and d.strides == strides


def like(numbers: Array) -> Where:
    return lambda x, w, d: x.shape == numbers.shape and np.array_equal(x, numbers)


def dout_within(low: float, high: float) -> Where:
    return lambda x, w, d: x.shape == X.shape and ((low <= d) & (d <= high)).all() and np.ptp(d) > 0.4 * (high - low)


def dout_of(number: float) -> Where:
    return lambda x, w, d: d.shape == X.shape and (d == number).all() and d.strides[0] != 0


def weights_of(*strides: int) -> Where:
    return lambda x, w, d: w.strides == strides and w.shape == W.shape


def test_numbers_of_rows_and_columns_at_the_edges_of_blocks_are_tried() -> None:
    seen: set[tuple[int, ...]] = set()

    def note(x: Array, w: Array, d: Array) -> Any:
        seen.add(x.shape)
        return False

    assert checked(product(dx=note)).ok
    rows, columns = (1, 7, 8, 9, 31, 32, 33, 127, 128, 129, 257, 1000), (31, 33, 65, 127, 130, 255, 257, 3, 1)
    assert seen == {X.shape, *((n, 5) for n in rows), *((6, n) for n in columns), (129, 129)}


@pytest.mark.parametrize(("count", "words"), [(1, "1 row"), (257, "257 rows, and not with 129")])
def test_a_fault_in_a_number_of_rows_is_found_there(count: int, words: str) -> None:
    assert said(checked(product(of_rows(count)))) == {("rows", "out"): f"with {words}"}


def test_a_fault_in_a_number_of_columns_is_found_there() -> None:
    assert said(checked(product(of_columns(31), of_columns(1), of_shape(129, 129)))) == {
        ("columns", "out"): "with 31 columns",
        ("columns", "dx"): "with 1 column",
        ("columns", "dparams[0]"): "with 129 rows and columns",
    }


def test_every_kind_of_dout_and_of_x_is_tried() -> None:
    report = checked(product(like(X / 1024), dout_within(0.5, 1.5), dout_of(1)))
    assert said(report) == {
        ("values", "out"): "for x / 1024",
        ("gradients", "dx"): "for dout of positive numbers",
        ("gradients", "dparams[0]"): "for dout of ones",
    }
    assert [each.law for each in report.verdicts if each.field == "out"][:2] == ["dtypes", "values"]


def test_large_and_small_douts_are_those_of_half_the_range() -> None:
    def large(x: Array, w: Array, d: Array) -> Any:
        return 2**60 < np.abs(d).max(initial=0) < 2**63

    def small(x: Array, w: Array, d: Array) -> Any:
        return 0 < np.abs(d).max(initial=0) < 2**-58

    assert said(checked(product(like(4 * X), large, small))) == {
        ("values", "out"): "for 4 x",
        ("gradients", "dx"): "for dout of 1e+18",
        ("gradients", "dparams[0]"): "for dout of 9e-19",
    }


def test_weights_that_are_all_equal_are_tried_as_others() -> None:
    ones = np.ones_like(W)

    def others(x: Array, w: Array, d: Array) -> Any:
        return bool(((w >= 1.1) & (w <= 1.5)).all()) and np.ptp(w) > 0.05

    assert said(checked(product(others, dw=others), w=ones)) == {
        ("values", "out"): "for other parameters",
        ("gradients", "dparams[0]"): "for other parameters",
    }
    assert checked(product(others)).ok


LAYOUTS = {
    "strided": (of_strides(40, 8), of_dout(40, 8), weights_of(8), "for a strided dout"),
    "Fortran-ordered": (of_strides(4, 24), of_dout(4, 24), None, "for a Fortran-ordered dout"),
    "row-padded": (of_strides(32, 4), of_dout(32, 4), None, "for a row-padded dout"),
    "reversed": (of_strides(-20, -4), of_dout(-20, -4), weights_of(-4), "for a reversed dout"),
    "row-reversed": (of_strides(-20, 4), of_dout(-20, 4), None, "for a row-reversed dout"),
    "column-reversed": (of_strides(20, -4), of_dout(20, -4), None, "for a column-reversed dout"),
}
"""The places where out, dx and the gradient of w are wrong."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_tried(layout: str) -> None:
    def keeping(out: Where, dx: Where, dw: Where) -> Layer[Any, Any]:
        made = product(out, dx, dw)

        def forward(w: Array, x: Array) -> tuple[Array, Any]:
            result, _ = made.forward(w, x)
            return result, (x, w)

        return Layer(forward, made.backward)

    of_x, of_d, of_w, words = LAYOUTS[layout]
    expected = {("layouts", "out"): f"for a {layout} x", ("layouts", "dx"): words}
    if of_w is not None:
        expected |= {("layouts", "dparams[0]"): f"for {layout} parameters"}
    found = said(checked(keeping(of_x, of_d, of_w or never)))
    assert {key: text for key, text in found.items() if key[0] == "layouts"} == expected


def test_a_dout_that_is_one_number_or_one_row_or_column_is_tried() -> None:
    report = checked(product(dx=of_dout(0, 4), dw=of_dout(4, 0)))
    assert said(report) == {
        ("layouts", "dx"): "for a dout expanded over rows",
        ("layouts", "dparams[0]"): "for a dout expanded over columns",
    }
    words = "for a broadcast dout, as sum().backward() gives it"
    assert said(checked(product(dx=of_dout(0, 0)))) == {("layouts", "dx"): words}


def test_a_layout_of_dout_may_not_be_refused_but_one_of_x_may() -> None:
    def refusing(of_x: Where, of_d: Where) -> Layer[Any, Any]:
        made = product()

        def forward(w: Array, x: Array) -> tuple[Array, Any]:
            if of_x(x, w, NO_DOUT):
                raise BufferError("not dense")
            return made.forward(w, x)

        def backward(cache: Any, d: Array) -> tuple[Array, Any]:
            if of_d(cache[0], cache[1], d):
                raise BufferError("not dense")
            return made.backward(cache, d)

        return Layer(forward, backward)

    assert checked(refusing(of_strides(40, 8), never)).ok
    assert said(checked(refusing(never, of_dout(40, 8)))) == {
        ("layouts", "dout"): "for a strided dout: raised BufferError: not dense"
    }


def test_zeros_and_numbers_far_out_are_tried() -> None:
    def zeros(x: Array, w: Array, d: Array) -> Any:
        alternate = x[2].tolist() == (X[2] * [0, 1, 0, 1, 0]).tolist() if len(x) > 2 and x.shape == X.shape else False
        return bool(alternate and not x[0].any() and (x[1] == X[1, 0]).all())

    def last(x: Array, w: Array, d: Array) -> Any:
        far = x[::2, -1].tolist() == (100 * np.sign(X[::2, -1])).tolist()
        return x.shape == X.shape and far and np.array_equal(x[1::2], X[1::2])

    def several(x: Array, w: Array, d: Array) -> Any:
        flat = np.abs(x).reshape(-1)
        return x.shape == X.shape and (flat[::7] == 100).all() and np.count_nonzero(flat == 20) == 5

    words = "it is NaN or infinite where that of the formula is finite"
    assert said(checked(product(zeros, last, by=np.nan))) == {
        ("extremes", "out"): f"for x with zeros and equal numbers: {words}",
        ("extremes", "dx"): f"for x with 100 in the last column: {words}",
    }
    assert said(checked(product(dw=several))) == {("extremes", "dparams[0]"): "for x with 20 and 100"}
    assert checked(product(dw=several, by=1 + 2e-6)).ok


def test_steps_of_other_numbers_are_tried() -> None:
    seen: set[int] = set()

    def at_129(x: Array, w: Array, d: Array) -> Any:
        seen.add(x.shape[1])
        return x.shape == (3, 129, 2)

    assert said(checked(product(of_shape(3, 5, 2), of_shape(3, 33, 2), at_129), x=Y, w=W[:2])) == {
        ("lengths", "out"): "with 5 places on axis 1",
        ("lengths", "dx"): "with 33 places on axis 1",
        ("lengths", "dparams[0]"): "with 129 places on axis 1",
    }
    seen.clear()
    assert checked(product(never, never, lambda x, w, d: at_129(x, w, d) and False), x=Y, w=W[:2]).ok
    assert seen == {4, 5, 11, 33, 65, 100, 129}  # nor others, as in the search for a small case of what is wrong


def test_a_nan_may_not_be_lost_nor_appear() -> None:
    def of_x(x: Array, w: Array, d: Array) -> Any:
        return bool(np.isnan(x[3]).all()) if x.shape == X.shape else False

    def of_d(x: Array, w: Array, d: Array) -> Any:
        return bool(np.isnan(d[3]).all()) if d.shape == X.shape else False

    made = product()

    def forward(w: Array, x: Array) -> tuple[Array, Any]:
        out, cache = made.forward(w, x)
        return np.nan_to_num(out) if of_x(x, w, NO_DOUT) else out, cache

    def backward(cache: Any, d: Array) -> tuple[Array, Array]:
        dx, dw = made.backward(cache, d)
        if of_d(cache[0], cache[1], d):
            dx[0] = np.nan
        return dx, np.nan_to_num(dw) if of_x(cache[0], cache[1], d) else dw

    lost, wild = "it is a number where that of the formula is NaN", "it is NaN where that of the formula is a number"
    assert said(checked(Layer(forward, backward))) == {
        ("not_a_number", "out"): f"for NaN in row 3 of x {lost}",
        ("not_a_number", "dx"): f"for NaN in row 3 of dout {wild}",
        ("not_a_number", "dparams[0]"): f"for NaN in row 3 of x {lost}",
    }


def test_the_figures_are_those_of_the_largest_error() -> None:
    first = product(dx=dout_within(0.5, 1.5), by=1.25)
    (verdict,) = checked(first).failures
    assert verdict.got == pytest.approx(1.25 * verdict.expected, rel=1e-6)
    assert abs(verdict.got) > 2
    assert verdict.index[1] == int(np.argmax(np.abs(W)))
    assert verdict.error == pytest.approx(0.25, rel=1e-6)
    assert verdict.bound == pytest.approx(4.6e-7, rel=0.1)
    assert verdict.power == pytest.approx(1.2e-6, rel=0.1)
    words = "for dout of positive numbers: rms error 2.5e-01 (at most 2 * "
    assert verdict.note.startswith(words)
    assert ", largest error 2.5e-01 (at most 2 * " in verdict.note


CACHES: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "the caller's x": lambda x, w: (x, own(w)),
    "the caller's w": lambda x, w: (own(x), w),
}


def remembering(what: str) -> Layer[Any, Any]:
    """`x * w` that keeps, writes or changes what is not its own."""
    made, kept = product(), list[Array]()

    def forward(w: Array, x: Array) -> tuple[Array, Any]:
        out, cache = made.forward(w, x)
        kept.append(own(x))
        if what == "every other call":
            out = out * out.dtype.type(1 + 2.0**-22 * (len(kept) % 2))
        return out, CACHES[what](x, w) if what in CACHES else cache

    def backward(cache: Any, d: Array) -> tuple[Array, Any]:
        x, w = cache
        if what == "the last x" and kept[-1].shape == x.shape:
            x = kept[-1]
        dx, dw = made.backward((x, w), d)
        if what == "dout" and d.flags.writeable:
            d *= 0
        if what == "its cache" and x.flags.writeable:
            x *= 2
        return dx.astype(np.float64) if what == "dout in float64" else dx, dw

    return Layer(forward, backward)


WORDS = {
    "the caller's x": {
        ("kept", "x"): "what is written to x after forward changes dparams[0]: keep a copy, or save it by ctx"
    },
    "the caller's w": {
        ("kept", "params[0]"): "what is written to params[0] after forward changes dx: keep a copy, or save it by ctx"
    },
    "the last x": {("repeated", "dparams[0]"): "another call between forward and backward changes it"},
    "every other call": {
        ("repeated", "out"): "the same call gives other bits: name deterministic=False if sums are taken in any order"
    },
    "dout": {
        ("unchanged", "dout"): "it is written to",
        ("repeated", "dx"): "a call with 1 row between forward and backward changes it",
        ("repeated", "dparams[0]"): "a call with 1 row between forward and backward changes it",
    },
    "dout in float64": {("dtypes", "dx"): "it is float64, and that of its argument is float32"},
    "its cache": {
        ("repeated", "dparams[0]"): "the second backward of one call gives another: is what was saved written to?"
    },
}


@pytest.mark.parametrize("what", WORDS)
def test_what_is_kept_written_or_changed_is_named(what: str) -> None:
    assert said(checked(remembering(what))) == WORDS[what]
