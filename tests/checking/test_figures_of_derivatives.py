"""The figures of the verdict on a derivative: what was got and expected, where, how far off, and what was seen."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Affine, Array, Encoder, Layer, Verdict, affine, fixed, laws, own, sequential
from checking.planted import RNG, X, assert_sound


def analytic(p: Any, x: Array) -> tuple[Array, Array]:
    return x * x * x, own(x)


def of_sizes(p: Any, x: Array) -> tuple[Array, Array]:
    """The same but for the sign, by a function that has no complex step."""
    return np.abs(x) * x * x, own(x)


def slope(x: Array, d: Array) -> Array:
    return 3 * x * x * d


def slope_of_sizes(x: Array, d: Array) -> Array:
    return 3 * x * np.abs(x) * d


WAYS = {"by complex steps": (analytic, slope), "by differences": (of_sizes, slope_of_sizes)}


def changed(way: str, change: Callable[[Array], Array]) -> Layer[Any, Any]:
    forward, right = WAYS[way]
    return Layer(forward, lambda x, d: (change(right(x, d)), ()))


def verdict_on(layer: Any, params: Any = (), x: Any = X) -> Verdict:
    verdicts = laws.derivative(layer, params, x, RNG(0))
    assert_sound(verdicts)
    return verdicts[0]


def one_off(factor: float) -> Callable[[Array], Array]:
    def change(dx: Array) -> Array:
        dx = dx.copy()
        dx[2, 3] *= factor
        return dx

    return change


@pytest.mark.parametrize("way", WAYS)
def test_of_a_right_one_it_is_said_how_small_an_error_would_be_seen(way: str) -> None:
    verdict = verdict_on(changed(way, lambda dx: dx))
    assert (verdict.law, verdict.field, verdict.ok, verdict.note) == ("derivative", "dx", True, "")
    assert 0 <= verdict.error < 1e-9
    assert 1e-17 < verdict.power < 1e-6


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("factor", [1 + 1e-7, 1.25, -1.0])
def test_one_entry_that_is_off_is_shown_with_its_error(way: str, factor: float) -> None:
    verdict = verdict_on(changed(way, one_off(factor)))
    assert verdict.note == "1 of 30 entries are wrong, the others are right"
    assert verdict.index == (2, 3)
    assert verdict.got == pytest.approx(factor * verdict.expected, rel=1e-9)
    largest = np.abs(slope(X, laws_dout())).max()
    assert verdict.error == pytest.approx(abs(factor - 1) * abs(verdict.expected) / largest, rel=1e-2)
    assert 0 < verdict.bound < 1e-7
    assert verdict.point is not None


def laws_dout() -> Array:
    """The `dout` that the law draws."""
    seen: list[Array] = []

    def backward(x: Array, d: Array) -> tuple[Array, Any]:
        seen.append(d.copy())
        return slope(x, d), ()

    laws.derivative(Layer(analytic, backward), (), X, RNG(0))
    return seen[0]


ALL: dict[str, tuple[Callable[[Array], Array], str]] = {
    "sign": (lambda dx: -dx, "the sign is wrong"),
    "twice": (lambda dx: 2 * dx, "it is twice what it should be: is it added twice, or from an earlier call?"),
    "half": (lambda dx: dx / 2, "it is half of what it should be: a missing factor of 2?"),
    "zero": (lambda dx: 0 * dx, "it is 0: was it computed?"),
    "mean": (lambda dx: dx / 6, "it is 6 times too small, the number of rows: a mean for a sum?"),
    "sum": (lambda dx: dx * 6, "it is 6 times too large, the number of rows: a sum for a mean?"),
    "constant": (lambda dx: dx * 1.3, "it is 1.3 times what it should be: a constant factor"),
    "row": (lambda dx: np.concatenate([dx[:-1], 0 * dx[-1:]]), "the last row is wrong, the others are right"),
    "columns": (lambda dx: dx * [1, 0, 1, 0, 1], "every second column is wrong, the others are right"),
    "nan": (lambda dx: np.where(dx == dx.max(), np.nan, dx), "it is not finite"),
    "shape": (lambda dx: dx.T.copy(), "has shape (5, 6), expected (6, 5)"),
    "fewer": (lambda dx: dx[:1], "has shape (1, 5), expected (6, 5)"),
}


@pytest.mark.parametrize("name", ALL)
def test_what_it_looks_like_is_said(name: str) -> None:
    change, note = ALL[name]
    verdict = verdict_on(changed("by differences" if name in {"twice", "row", "nan"} else "by complex steps", change))
    assert (verdict.wrong, verdict.note) == (True, note)


def test_where_there_are_no_numbers_nothing_can_be_told() -> None:
    verdict = verdict_on(changed("by complex steps", lambda dx: dx), x=np.zeros((0, 5)))
    note = "out has shape (0, 5) for an x of shape (0, 5): nothing can be compared"
    assert (verdict.field, verdict.undecided, verdict.note) == ("dx", True, note)


def test_where_forward_gives_a_nan_that_is_said() -> None:
    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        return np.full_like(x, np.nan), own(x)

    verdict = verdict_on(Layer(forward, lambda x, d: (slope(x, d), ())))
    assert verdict.undecided
    assert verdict.note == "forward gives nan in out[0, 0] and 29 more of its entries"


def test_a_fixed_part_has_no_gradient() -> None:
    rng = RNG(0)
    params = (Affine.init(rng, 5, 3, dtype=np.float64), Affine.init(rng, 3, 2, dtype=np.float64))
    network = sequential(fixed(affine), affine)
    assert all(each.ok for each in laws.derivative(network, params, X, rng))

    def grads_of_all(cache: Any, dout: Array) -> tuple[Array, Any]:
        dx, grads = sequential(affine, affine).backward(cache, dout)
        return dx, grads

    wrong = Layer(sequential(affine, affine).forward, grads_of_all, parts=network.parts)
    verdicts = laws.derivative(wrong, params, X, rng)
    assert_sound(verdicts)
    assert {(each.field, each.note) for each in verdicts if each.wrong} == {
        ("grads[0].W", "the part is fixed"),
        ("grads[0].b", "the part is fixed"),
    }


def test_an_encoder_has_no_dx() -> None:
    tokens = np.array([[0, 1, 2], [2, 2, 1]])
    table = RNG(3).standard_normal((3, 4))

    def grads(cache: Any, d: Array) -> Array:
        made = np.zeros((3, 4), d.dtype)
        np.add.at(made, cache.reshape(-1), d.reshape(-1, 4))
        return made

    right: Encoder[Any, Any, Any] = Encoder(lambda p, t: (p[t], t.copy()), grads)
    (verdict,) = laws.derivative(right, table, tokens, RNG(0))
    assert (verdict.field, verdict.ok) == ("grads", True)
    wrong: Encoder[Any, Any, Any] = Encoder(lambda p, t: (p[t], t.copy()), lambda c, d: 2 * grads(c, d))
    (verdict,) = laws.derivative(wrong, table, tokens, RNG(0))
    assert verdict.note.startswith("it is 2 times too large, the number of rows")
    assert verdict.got == pytest.approx(2 * verdict.expected)


def test_a_large_field_is_searched_for_the_entry_that_is_wrong() -> None:
    x = RNG(0).standard_normal((100, 60))

    def last_is_off(dx: Array) -> Array:
        dx = dx.copy()
        dx[-1, -1] *= 1.5
        return dx

    for way in WAYS:
        verdict = verdict_on(changed(way, last_is_off), x=x)
        assert (verdict.wrong, verdict.index) == (True, (99, 59))
        assert verdict.got == pytest.approx(1.5 * verdict.expected, rel=1e-5)
    verdict = verdict_on(changed("by complex steps", lambda dx: dx), x=x)
    assert verdict.note == "2796 of 6000 entries were tried one by one, all along 8 directions"


def test_a_quick_check_tries_few_entries() -> None:
    (verdict,) = laws.derivative(changed("by complex steps", lambda dx: dx), (), X, RNG(0), most=7)
    assert verdict.note == "7 of 30 entries were tried one by one, all along 8 directions"
    assert math.isfinite(verdict.power)
