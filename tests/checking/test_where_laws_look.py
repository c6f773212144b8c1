"""The arguments that laws make: a fault that shows at one kind of them alone is found there, and said."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Array, Layer, Verdict, laws, own
from checking.planted import RNG, X, assert_sound

W, B = RNG(3).standard_normal((5, 4)), RNG(5).random(4)
SHARES = RNG(1).random((6, 5))
ALL_POSITIVE, ALL_NEGATIVE, NOTHING = np.abs(X), -np.abs(X), np.zeros_like(X)
FACTOR = "it is 1.5 times what it should be: a constant factor"

Where: TypeAlias = Callable[[Array], Any]
"""True if something is wrong at an array."""


def off(wrong: Any, d: Array) -> Array:
    return d * d.dtype.type(1.5 if wrong else 1)


def copied_but(wrong: Where) -> Layer[Any, Any]:
    """`x`, whose gradient is wrong at some x."""

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return x.copy(), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return off(wrong(x), d), ()

    return Layer(forward, backward)


def affine_but(wrong: Callable[[Array, Array], Any]) -> Layer[Any, Any]:
    """`x @ W + b`, whose gradients are wrong for some W and b."""

    def forward(p: tuple[Array, Array], x: Array) -> tuple[Array, Any]:
        return x @ p[0] + p[1], (own(x), *map(own, p))

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        x, w, b = c
        return d @ w.T, (off(wrong(w, b), x.T @ d), d.sum(0))

    return Layer(forward, backward)


def product_but(wrong: Where) -> Layer[Any, Any]:
    """`x * p`, whose gradient is wrong for some p."""

    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        return x * p, (own(x), own(p))

    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        x, p = c
        return d * p, off(wrong(p), (d * x).sum(0)) if p.ndim else np.asarray(off(wrong(p), (d * x).sum()))

    return Layer(forward, backward)


def the_same(a: Array) -> Where:
    return lambda x: x.shape == a.shape and np.allclose(x, a, rtol=1e-12, atol=0)


def within(low: float, high: float) -> Where:
    """Numbers from low to high, and not all alike."""
    return lambda x: bool(((x >= low) & (x <= high)).all()) and np.ptp(x) > 0.5 * (high - low)


def far_out(x: Array) -> Any:
    return within(20, 40)(np.abs(x)) and np.array_equal(np.sign(x), np.sign(X))


def some_zeros(x: Array) -> Any:
    return 2 <= np.count_nonzero(x == 0) <= 20 and np.array_equal(x[x != 0], X[x != 0]) and bool(x[-1].any())


def but_the_last_row(x: Array) -> Any:
    return np.array_equal(x[:-1], X[:-1]) and not x[-1].any()


def whole_numbers(x: Array) -> Any:
    whole: Any = np.rint(X * (2 / float(np.abs(X).max())))
    return x.tolist() == whole.tolist() and bool(x.any())


def with_ties(x: Array) -> Any:
    step = float(np.abs(X).max()) / 4
    ties: Any = np.rint(X / step) * step
    return x.tolist() == ties.tolist()


def found(verdicts: list[Verdict]) -> set[tuple[str, str]]:
    assert_sound(verdicts)
    return {(each.field, each.note) for each in verdicts if each.wrong}


AT_X: dict[str, tuple[Array, Where]] = {
    "x a thousandth as large": (X, the_same(X / 1000)),
    "x ten times as large": (X, the_same(X * 10)),
    "x a hundred times as large": (X, the_same(X * 100)),
    "x of the other sign": (X, the_same(-X)),
    "x far out": (X, far_out),
    "x from 8 to 12": (X, within(8, 12)),
    "x from -8 to -12": (X, within(-12, -8)),
    "x from 20 to 40": (X, within(20, 40)),
    "x from -20 to -40": (X, within(-40, -20)),
    "x with zeros": (X, some_zeros),
    "x with a row of zeros": (X, but_the_last_row),
    "x of zeros": (X, lambda x: x.shape == X.shape and not x.any()),
    "x of whole numbers": (X, whole_numbers),
    "x of ones": (X, the_same(np.ones_like(X))),
    "x with ties": (X, with_ties),
    "equal rows": (X, the_same(np.repeat(X[:1], 6, 0))),
    "equal columns": (X, the_same(np.repeat(X[:, :1], 5, 1))),
}
"""The case in words, an x, and where the fault is."""

OF_ONE_SIGN: dict[str, tuple[Array, Where]] = {
    "x a hundred times as large": (ALL_POSITIVE, the_same(100 * ALL_POSITIVE)),
    "x far out": (ALL_POSITIVE, within(20, 40)),
    "x of ones": (ALL_POSITIVE, the_same(np.ones_like(X))),
    "x with ties": (ALL_POSITIVE, lambda x: x.shape == X.shape and np.unique(x).tolist() == [ALL_POSITIVE[0, 0]]),
    "x a thousandth as large": (SHARES, the_same(SHARES / 1000)),
    "equal columns": (SHARES, the_same(np.repeat(SHARES[:, :1], 5, 1))),
    "x ten times as large": (ALL_NEGATIVE, the_same(10 * ALL_NEGATIVE)),
    "x of numbers between 0 and 1": (NOTHING, within(0, 1)),
    "x of normal numbers": (NOTHING, lambda x: bool(x.min() < -1 and x.max() > 1)),
}


@pytest.mark.parametrize("words", AT_X)
def test_a_fault_at_another_x_is_found_there(words: str) -> None:
    x, wrong = AT_X[words]
    assert found(laws.other_values(copied_but(wrong), (), x, RNG(0))) == {("dx", f"for {words}: {FACTOR}")}


@pytest.mark.parametrize("words", OF_ONE_SIGN)
def test_a_fault_at_another_x_of_the_same_signs_is_found_there(words: str) -> None:
    x, wrong = OF_ONE_SIGN[words]
    assert found(laws.other_values(copied_but(wrong), (), x, RNG(0))) == {("dx", f"for {words}: {FACTOR}")}


@pytest.mark.parametrize("x", [ALL_POSITIVE, ALL_NEGATIVE], ids=["positive", "negative"])
def test_beyond_the_sign_that_all_of_x_has_a_fault_is_a_note(x: Array) -> None:
    def both_signs(at: Array) -> Any:
        return np.array_equal(np.abs(at), np.abs(x)) and np.count_nonzero(at > 0) == np.count_nonzero(at < 0) == 15

    def some_are_0(at: Array) -> Any:
        return np.array_equal(at[at != 0], x[at != 0]) and 0 < np.count_nonzero(at == 0) < 15 and not at[-1].any()

    for wrong, words in ((both_signs, "of both signs where all had one"), (some_are_0, "with zeros where it had none")):
        (verdict,) = laws.other_values(copied_but(wrong), (), x, RNG(0))
        assert_sound([verdict])
        note = f"for x {words}: {FACTOR}. If this x is not meant, let forward refuse it"
        assert (verdict.field, verdict.ok, verdict.note, verdict.advice) == ("dx", True, note, "")


def test_beyond_shares_a_fault_is_a_note() -> None:
    (verdict,) = laws.other_values(copied_but(the_same(10 * SHARES)), (), SHARES, RNG(0))
    words = "for x ten times as large where all lay between 0 and 1"
    assert (verdict.ok, verdict.note) == (True, f"{words}: {FACTOR}. If this x is not meant, let forward refuse it")


OF_PARAMETERS: dict[str, Callable[[Array, Array], Any]] = {
    "parameters with zeros": lambda w, b: (
        2 <= np.count_nonzero(w == 0) < 15 and np.array_equal(w[w != 0], W[w != 0]) and bool(w[0].any()) and b is not B
    ),
    "parameters of whole numbers": lambda w, b: np.array_equal(w, np.where(np.rint(W) == 0, W, np.rint(W))),
    "params[0] of zeros": lambda w, b: not w.any() and np.array_equal(b, B),
    "params[0] of ones": lambda w, b: bool((w == 1).all()) and np.array_equal(b, B),
    "params[1] of ones": lambda w, b: bool((b == 1).all()) and np.array_equal(w, W),
    "parameters with a row and a column of zeros": lambda w, b: (
        not w[0].any() and not w[:, -1].any() and np.array_equal(w[1:, :-1], W[1:, :-1])
    ),
    "parameters ten times as large": lambda w, b: np.array_equal(w, 10 * W) and np.array_equal(b, B),
    "parameters a hundred times as large": lambda w, b: np.array_equal(w, 100 * W) and np.array_equal(b, B),
    "parameters a thousandth as large": lambda w, b: np.array_equal(w, 1e-3 * W) and np.array_equal(b, B),
    "parameters that are positive": lambda w, b: np.array_equal(w, np.abs(W)),
    "parameters that are negative": lambda w, b: np.array_equal(w, -np.abs(W)),
    "parameters of one sign, three times as large": lambda w, b: np.array_equal(b, 3 * B) and np.array_equal(w, W),
    "other parameters": lambda w, b: bool(
        ((w / W > 1.1) & (w / W < 1.3)).all() and ((b / B > 1.1) & (b / B < 1.3)).all()
    ),
}
"""For a matrix of both signs and a vector of positive numbers, where the gradient of the matrix is wrong."""


@pytest.mark.parametrize("words", OF_PARAMETERS)
def test_a_fault_for_other_parameters_is_found_there(words: str) -> None:
    verdicts = laws.other_values(affine_but(OF_PARAMETERS[words]), (W, B), X, RNG(0))
    assert found(verdicts) == {("grads[0]", f"for {words}: {FACTOR}")}


def test_parameters_of_zeros_are_tried_as_small_positive_ones() -> None:
    def small(p: Array) -> Any:
        return ((p >= 0.1) & (p <= 0.3)).all() and np.ptp(p) > 0

    verdicts = laws.other_values(product_but(small), np.zeros(5), X, RNG(0))
    assert found(verdicts) == {("grads", f"for other parameters: {FACTOR}")}


ONE_NUMBER = np.array(-1.7)
OF_ONE_NUMBER = {f"params of {number:g}": number for number in (-0.5, -1.0, -2.0, -3.0)}


@pytest.mark.parametrize("words", OF_ONE_NUMBER)
def test_a_parameter_of_one_number_is_tried_as_exponents_are(words: str) -> None:
    wrong = OF_ONE_NUMBER[words]
    verdicts = laws.other_values(product_but(lambda p: p.ndim == 0 and p.item() == wrong), ONE_NUMBER, X, RNG(0))
    noted = {each.note.partition(": ")[0] for each in verdicts if each.wrong}
    assert noted == {f"for {words}" if wrong != -2 else "for parameters of whole numbers"}


@pytest.mark.parametrize(("times", "words"), [(0.01, "a hundredth"), (10.0, "ten times")])
def test_parameters_of_one_sign_may_be_small_or_large(times: float, words: str) -> None:
    for p, sure in ((np.array([0.2, 0.4, 0.6, 0.8, 0.9]), times < 1), (np.array([0.2, 0.4, 0.6, 1.8, 2.5]), False)):
        verdicts = laws.other_values(product_but(the_same(times * p)), p, X, RNG(0))
        (verdict,) = (each for each in verdicts if each.field == "grads")
        assert verdict.note == f"for parameters of one sign, {words} as large: {FACTOR}"
        assert (verdict.wrong, verdict.undecided) == (sure, not sure)
        assert bool(verdict.advice) != sure


def test_where_a_vector_of_x_has_as_many_numbers_its_rows_are_tried_as_parameters() -> None:
    p = RNG(3).standard_normal(5)
    verdicts = laws.other_values(at_rows(p), p, X, RNG(0))
    assert found(verdicts) == {("dx", f"for an x with rows of params: {FACTOR}")}


def at_rows(row: Array) -> Layer[Any, Any]:
    made = product_but(lambda p: False)

    def backward(c: Any, d: Array) -> tuple[Array, Array]:
        x, _ = c
        dx, grads = made.backward(c, d)
        return off(np.array_equal(x[0], row) and np.array_equal(x[1:], X[1:]), dx), grads

    return Layer(made.forward, backward)


FAR: dict[str, tuple[str, Where]] = {
    "x around 100 and -100": ("float64", lambda x: within(90, 100)(np.abs(x)) and bool(x.min() < 0 < x.max())),
    "x around -100": ("float32", within(-100, -90)),
    "x around +100": ("float64", within(90, 100)),
    "x around 1000 and -1000": ("float32", lambda x: within(900, 1000)(np.abs(x)) and bool(x.min() < 0 < x.max())),
    "x around -1000": ("float64", within(-1000, -900)),
    "x around +1000": ("float32", within(900, 1000)),
}


@pytest.mark.parametrize("words", FAR)
def test_where_exponentials_overflow_a_nan_is_found(words: str) -> None:
    dtype, there = FAR[words]

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return x.copy(), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return d * d.dtype.type(np.nan if x.dtype == dtype and there(x) else 1), ()

    verdicts = laws.other_values(Layer(forward, backward), (), X.astype(np.float32), RNG(0))
    why = "it is nan where out is finite: does something overflow on the way?"
    assert found(verdicts) == {("dx", f"for {words} in {dtype} {why}")}


DOUTS: dict[str, Where] = {
    "of ones": lambda d: bool((d == 1).all()),
    "of negative numbers": lambda d: bool((d < 0).all()) and np.ptp(d) > 1,
    "of whole numbers": lambda d: bool((d >= 2049).all() and (d < 5000).all()) and np.array_equal(d, np.rint(d)),
    "of 1e-30": lambda d: 1e-30 < np.abs(d).max() < 1e-29,
    "of 1e30": lambda d: 1e30 < np.abs(d).max() < 1e31,
    "with equal numbers": lambda d: bool((d == -0.75).all()),
    "mostly of zeros": lambda d: 1 < np.count_nonzero(d) < 10 and 1 in d and len({*d.reshape(-1)}) > 2,
    "of one entry, (0, 0)": lambda d: d[0, 0] == -1.75 and np.count_nonzero(d) == 1,
    "of one entry, (5, 4)": lambda d: d[5, 4] == 40 and np.count_nonzero(d) == 1,
    "of row 0 alone": lambda d: np.count_nonzero(d) == 5 == np.count_nonzero(d[0]),
    "of row 5 alone": lambda d: np.count_nonzero(d) == 5 == np.count_nonzero(d[-1]),
    "of equal rows": lambda d: bool((d == d[0]).all()) and np.ptp(d) > 0.1,
    "of rows that sum to 0": lambda d: bool((np.abs(d.sum(-1)) < 1e-12).all()) and np.ptp(d) > 0.1,
    "of 1e-110": lambda d: 1e-110 < np.abs(d).max() < 1e-109,
}


@pytest.mark.parametrize("words", DOUTS)
def test_a_fault_for_another_dout_is_found_there(words: str) -> None:
    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return off(DOUTS[words](d), d), ()

    right = copied_but(lambda x: False)
    verdicts = laws.any_dout(Layer(right.forward, backward), (), X, RNG(0))
    assert {(field, note.partition(": ")[0]) for field, note in found(verdicts)} == {("dx", f"for dout {words}")}


Call: TypeAlias = Callable[[Array, Array, Array], Any]
"""True if a call at x, p and dout is one that writes."""

X32, P32 = X.astype(np.float32), RNG(3).standard_normal(5).astype(np.float32)


def writing(where: Call, dtype: str = "float32") -> Layer[Any, Any]:
    """`x * p`, which writes to dout in some calls."""

    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        return x * p, (own(x), own(p))

    def backward(c: Any, d: Array) -> tuple[Array, Array]:
        x, p = c
        results = d * p, (d.astype(np.result_type(d, np.float32)) * x).sum(0).astype(d.dtype)
        if d.dtype == dtype and where(x, p, d):
            d[...] = 3
        return results

    return Layer(forward, backward)


def of_x(change: Callable[[Array], Array]) -> Call:
    return lambda x, p, d: x.shape == X.shape and np.array_equal(x, change(X32)) and d.any() and usual_layout(d)


def of_shape(*shape: int) -> Call:
    return lambda x, p, d: x.shape == shape and bool(np.isin(x, X32).all())


def of_d(kind: Where) -> Call:
    return lambda x, p, d: d.shape == X.shape and kind(d) and np.array_equal(x, X32)


def of_p(kind: Where) -> Call:
    return lambda x, p, d: kind(p) and np.array_equal(x, X32)


def usual_layout(d: Array) -> bool:
    return d.flags.c_contiguous


def the_last_row_of_zeros(x: Array) -> Array:
    changed = x.copy()
    changed[-1] = 0
    return changed


def ends_in_nan(x: Array, p: Array, d: Array) -> Any:
    return x.shape == X.shape and bool(np.isnan(x[-1, -1])) and np.count_nonzero(np.isnan(x)) == 1


CALLS: dict[str, Call] = {
    "x of zeros": of_x(np.zeros_like),
    "x with a row of zeros": of_x(the_last_row_of_zeros),
    "x of the other sign": of_x(np.negative),
    "x of positive numbers": of_x(np.abs),
    "x of negative numbers": of_x(lambda x: -np.abs(x)),
    "x of whole numbers": of_x(lambda x: np.round(3 * x)),
    "x a thousandth as large": of_x(lambda x: (1e-3 * x.astype(np.float64)).astype(np.float32)),
    "x a hundred times as large": of_x(lambda x: (100 * x.astype(np.float64)).astype(np.float32)),
    "x with a nan": ends_in_nan,
    "x with equal rows": of_x(lambda x: np.repeat(x[:1], 6, axis=0)),
    "x with 1 row": of_shape(1, 5),
    "x with 33 rows": of_shape(33, 5),
    "x with 300 rows": of_shape(300, 5),
    "a dout of zeros": of_d(lambda d: not d.any()),
    "a dout of one entry": of_d(lambda d: d[-1, -1] != 0 and np.count_nonzero(d) == 1),
    "a dout of negative numbers": of_d(lambda d: bool((d < 0).all())),
    "a dout that is large": of_d(lambda d: 2**12 < np.abs(d).max() < 2**15),
    "a dout that is small": of_d(lambda d: 0 < np.abs(d).max() < 2**-37),
    "a dout with a nan": of_d(lambda d: 0 < np.count_nonzero(np.isnan(d)) < 30),
    "parameters of whole numbers": of_p(lambda p: np.array_equal(p, np.where(np.rint(P32) == 0, P32, np.rint(P32)))),
    "params of ones": of_p(lambda p: bool((p == 1).all())),
    "params of zeros": of_p(lambda p: not p.any()),
    "parameters ten times as large": of_p(lambda p: 20 < np.abs(p).max() < 30),
    "parameters a hundred times as large": of_p(lambda p: 200 < np.abs(p).max() < 300),
    "parameters a thousandth as large": of_p(lambda p: np.abs(p).max() < 3e-3 and bool(p.any())),
    "parameters that are positive": of_p(lambda p: np.array_equal(p, np.abs(P32))),
    "parameters that are negative": of_p(lambda p: np.array_equal(p, -np.abs(P32))),
    "a Fortran-ordered dout": of_d(lambda d: d.strides == (4, 24)),
    "a strided dout": of_d(lambda d: d.strides == (40, 8)),
    "a row-padded dout": of_d(lambda d: d.strides == (32, 4)),
    "a reversed dout": of_d(lambda d: d.strides == (-20, -4)),
    "a row-reversed dout": of_d(lambda d: d.strides == (-20, 4)),
    "a column-reversed dout": of_d(lambda d: d.strides == (20, -4)),
    "a misaligned dout": of_d(lambda d: not d.flags.aligned),
}


@pytest.mark.parametrize("words", CALLS)
def test_a_write_in_another_call_is_found_there(words: str) -> None:
    def where(x: Array, p: Array, d: Array) -> Any:
        return x.size > 0 and x.dtype == np.float32 and CALLS[words](x, p, d)

    expected = {("dout", f"in float32, for {words}: the call wrote to it")}
    assert found(laws.other_calls(writing(where), P32, X32, RNG(0))) == expected


def test_a_write_in_another_dtype_is_found_there() -> None:
    for dtype in ("float64", "float16"):
        expected = {("dout", f"in {dtype}, for x with 33 rows: the call wrote to it")}
        assert found(laws.other_calls(writing(lambda x, p, d: len(x) == 33, dtype), P32, X32, RNG(0))) == expected


def test_a_write_to_a_dout_in_float16_is_found_in_a_usual_call() -> None:
    expected = {("dout", "in float16: the call wrote to it")}
    assert found(laws.other_calls(writing(lambda x, p, d: True, "float16"), P32, X32, RNG(0))) == expected


COUPLED = (1, 2, 3, 6, 8, 9, 32, 33, 64, 65, 128, 129, 256, 257, 1000)
COLUMNS = (
    *(1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 23, 31, 32, 33, 47),
    *(63, 64, 65, 100, 127, 128, 129, 255, 256, 257),
)
STEPS = (1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 23, 32, 33, 64, 65, 128, 129)


def shapes_seen(x: Array, *, coupled: bool = False) -> set[tuple[int, ...]]:
    seen: dict[tuple[int, ...], Array] = {}

    def note(at: Array) -> bool:
        seen.setdefault(at.shape, at)  # the next one of a shape may have numbers of other sizes
        return False

    made = copied_but(note)
    layer = Layer(made.forward, made.backward, couples_rows=coupled)
    assert [(each.field, each.ok) for each in laws.other_sizes(layer, (), x, RNG(0))] == [("dx", True)]
    for shape, at in seen.items():
        assert at.min() >= x.min()
        assert at.max() <= x.max()
        assert np.unique(at).size == at.size, f"some numbers of {shape} are equal"
    return {*seen}


def test_every_number_of_columns_is_tried() -> None:
    assert shapes_seen(X) == {X.shape, (33, 33), (1, 1), *((6, k) for k in COLUMNS)}


def test_every_number_of_coupled_rows_is_tried() -> None:
    assert shapes_seen(X, coupled=True) == {X.shape, *((n, 5) for n in (*COUPLED, 5)), *((6, k) for k in COLUMNS)}


def test_every_number_of_steps_is_tried() -> None:
    x = RNG(0).standard_normal((3, 4, 2))
    of_steps = {(3, n, 2) for n in (*STEPS, 4 + 1, 4 + 2)}
    assert shapes_seen(x) == {*of_steps, (2, 257, 2), (2, 2, 2), (1, 1, 1), *((3, 4, k) for k in (*COLUMNS, 3, 2))}


@pytest.mark.parametrize("columns", [3, 47, 257])
def test_a_fault_at_a_number_of_columns_is_found_there(columns: int) -> None:
    verdicts = laws.other_sizes(copied_but(lambda x: x.shape == (6, columns)), (), X, RNG(0))
    words = FACTOR if columns < 5 else "it is wrong here"  # of many entries a few are looked at
    assert found(verdicts) == {("dx", f"for x (6, {columns}): {words}")}


def last_column(dx: Array) -> Array:
    return dx[:, 128:]


def three_of_the_last_column(dx: Array) -> Array:
    return dx[:3, 128:]


def one_of_the_last_column(dx: Array) -> Array:
    return dx[1:2, 128:]


def every_second_of_129(dx: Array) -> Array:
    return dx[:, ::2] if dx.shape[1] == 129 else dx[:0]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (last_column, "the last column is wrong, the others are right"),
        (three_of_the_last_column, "3 of 774 entries are wrong, the others are right"),
        (one_of_the_last_column, "it is wrong here"),
        (every_second_of_129, "every second column is wrong, the others are right"),
    ],
)
def test_of_many_entries_the_pattern_of_those_that_are_wrong_is_named(fault: Any, words: str) -> None:
    def backward(cache: Array, dout: Array) -> tuple[Array, tuple[()]]:
        dx = 2 * dout * cache
        fault(dx)[...] *= 1.5
        return dx, ()

    layer = Layer(lambda p, x: (x * x, own(x)), backward)
    assert found(laws.other_sizes(layer, (), X, RNG(0))) == {("dx", f"for x (6, 129): {words}")}


def test_of_a_large_array_the_column_that_is_wrong_is_named_and_no_count_of_what_was_not_tried() -> None:
    def backward(cache: Array, dout: Array) -> tuple[Array, tuple[()]]:
        dx = 2 * dout * cache
        dx[:, 3] *= 1.5
        return dx, ()

    layer = Layer(lambda p, x: (x * x, own(x)), backward)
    verdicts = laws.derivative(layer, (), RNG(1).standard_normal((400, 300)), RNG(0))
    assert found(verdicts) == {("dx", "column 3 is wrong, the others are right")}


def test_every_number_of_rows_is_taken_for_itself() -> None:
    seen: set[int] = set()

    def note(x: Array) -> bool:
        seen.add(len(x))
        return False

    assert all(each.ok for each in laws.independent_rows(copied_but(note), (), X, RNG(0)))
    least = {1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257}
    assert seen == least | {1000, 1025}


ROWS: dict[str, Where] = {
    "row 0 alone": the_same(X[:1]),
    "row 5 alone": the_same(X[5:]),
    "row 3 alone": the_same(X[3:4]),
    "the first half of the rows": the_same(X[:3]),
    "the second half of the rows": the_same(X[3:]),
    "all rows but the last": the_same(X[:5]),
    "the rows in reverse order": the_same(X[::-1]),
    "one row several times": the_same(np.repeat(X[:1], 6, axis=0)),
    "33 rows": lambda x: len(x) == 33,
    "1000 rows": lambda x: len(x) == 1000,
}


@pytest.mark.parametrize("words", ROWS)
def test_a_fault_for_some_rows_is_found_there(words: str) -> None:
    (verdict,) = (each for each in laws.independent_rows(copied_but(ROWS[words]), (), X, RNG(0)) if each.wrong)
    assert_sound([verdict])
    assert verdict.got == pytest.approx(1.5 * verdict.expected)
    assert len(verdict.index) == 2
    few = "1000" not in words and "33" not in words
    assert (verdict.field, verdict.note.partition(":")[0]) == ("dx", f"with {words} its rows are others")
    assert ("couples_rows=True" in verdict.advice) == few


def narrow_but(wrong: Where, by: float = 1.001) -> Layer[Any, Any]:
    """`x`, of which the gradient is off in float32 and float16, for some x."""

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return x.copy(), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return d * d.dtype.type(by if d.dtype != np.float64 and wrong(x) else 1), ()

    return Layer(forward, backward)


def larger_by_half(x: Array) -> Any:
    times = x / X32 if x.shape == X.shape else np.zeros(1)
    return x.dtype == np.float32 and {*np.rint(times).reshape(-1).tolist()} == {1.0, 10.0}


IN_OTHER_DTYPES: dict[str, Where] = {
    "in float32": lambda x: x.dtype == np.float32 and np.array_equal(x, X32),
    "in float32, with 1 row": lambda x: x.shape == (1, 5),
    "in float32, with 129 rows": lambda x: x.shape == (129, 5),
    "in float32, with 257 rows": lambda x: x.shape == (257, 5),
    "in float32, with 33 columns": lambda x: x.shape == (6, 33),
    "in float32, with 129 columns": lambda x: x.shape == (6, 129),
    "in float32, with 257 columns": lambda x: x.shape == (6, 257),
}


@pytest.mark.parametrize("words", IN_OTHER_DTYPES)
def test_a_fault_in_a_narrow_dtype_is_found_there(words: str) -> None:
    (verdict,) = (each for each in laws.precision(narrow_but(IN_OTHER_DTYPES[words]), (), X, RNG(0)) if not each.ok)
    assert_sound([verdict])
    assert (verdict.law, verdict.field, verdict.undecided) == ("precision", "dx", False)
    assert verdict.note.startswith(f"{words} it is off by ")
    assert " units of rounding; " in verdict.note
    assert verdict.got == pytest.approx(1.001 * verdict.expected, rel=1e-6)
    assert verdict.error > 50 * verdict.bound > 0


def test_numbers_ten_times_as_large_are_tried_in_float32() -> None:
    (verdict,) = (each for each in laws.precision(narrow_but(larger_by_half, 1.1), (), X, RNG(0)) if not each.ok)
    assert verdict.note.startswith("in float32, with numbers 10 times as large it is off by ")
    assert "units of rounding; 8000 are allowed" in verdict.note


@pytest.mark.parametrize(("by", "right"), [(1 + 2.0**-22, True), (1 + 2.0**-18, False)])
def test_some_units_of_rounding_are_let_pass(by: float, right: bool) -> None:
    usual = IN_OTHER_DTYPES["in float32"]
    verdicts = laws.precision(narrow_but(usual, by), (), X, RNG(0))
    assert_sound(verdicts)
    assert all(each.ok for each in verdicts) == right
    if right:
        assert all(2**-24 < each.power < 2**-16 for each in verdicts)


def test_what_is_lost_in_float16_is_found_and_what_is_lost_in_float32_is_sure() -> None:
    for dtype, undecided in (("float32", False), ("float16", True)):

        def lost(x: Array, dtype: str = dtype) -> Any:
            return x.dtype == dtype and x.shape == X.shape

        (verdict,) = (each for each in laws.precision(narrow_but(lost, np.inf), (), X, RNG(0)) if not each.ok)
        meant = ", a fault if it is meant for float16" if undecided else ""
        note = f"in {dtype} it is not finite where it is in float64{meant}: does something overflow on the way?"
        assert (verdict.note, verdict.undecided, verdict.index) == (note, undecided, (0, 0))
        assert np.isinf(verdict.got)
        assert np.isfinite(verdict.expected)


def test_a_result_in_another_dtype_or_shape_is_said() -> None:
    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return (x.astype(np.float64) if x.dtype == np.float32 else x.copy()), own(x)

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        return (d[:1] if d.dtype == np.float16 else d).astype(x.dtype), ()

    notes = {each.note for each in laws.precision(Layer(forward, backward), (), X, RNG(0)) if not each.ok}
    assert notes == {"in float32 it comes as float64", "in float16 it is f16[1, 5], in float64 f64[6, 5]"}


PLACES: dict[tuple[int, ...], set[tuple[int, ...]]] = {
    (6, 5): {(5, 1), (1, 6), (10, 2), (8, 1), (-5, -1), (-5, 1), (5, -1), (0, 1), (1, 0)},
    (3, 4, 2): {
        *((8, 2, 1), (1, 3, 12), (16, 4, 2), (20, 5, 1), (-8, -2, -1), (0, 2, 1), (2, 0, 1), (4, 1, 0)),
        *((8, 1, 4), (2, 6, 1), (-8, 2, 1), (8, 2, -1), (8, -2, 1)),
    },
    (2, 3, 4, 5): {
        *((60, 20, 5, 1), (1, 2, 6, 24), (120, 40, 10, 2), (96, 32, 8, 1), (-60, -20, -5, -1)),
        *((0, 20, 5, 1), (20, 0, 5, 1), (15, 5, 0, 1), (12, 4, 1, 0)),
        *((60, 1, 15, 3), (20, 40, 5, 1), (60, 4, 1, 12), (60, 5, 15, 1)),
        *((-60, 20, 5, 1), (60, 20, 5, -1), (60, -20, 5, 1)),
    },
}
"""By the shape of x, the steps in numbers from each to the next along the axes."""


@pytest.mark.parametrize("shape", PLACES, ids=str)
def test_every_layout_of_x_and_dout_is_tried(shape: tuple[int, ...]) -> None:
    seen: dict[str, set[tuple[int, ...]]] = {"x": set(), "dout": set()}

    def note(name: str, array: Array) -> Array:
        if array.flags.aligned and array.dtype == np.float64:
            seen[name].add(tuple(step // 8 for step in array.strides))
        return array.copy()

    layer: Layer[Any, Any] = Layer(lambda p, x: (note("x", x), ()), lambda c, d: (note("dout", d), ()))
    assert all(each.ok for each in laws.any_layout(layer, (), RNG(0).standard_normal(shape), RNG(0)))
    assert seen == {"x": PLACES[shape], "dout": PLACES[shape] | {(0,) * len(shape)}}
