"""The trust in the complex step for a function, at a point."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Layer
from chainrule.laws.of_layers._by_complex_step import analytic
from chainrule.laws.trials.trial import Trial

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.5]])


def refusing(x: Any) -> Array:
    if np.iscomplexobj(x):
        raise TypeError("real numbers alone")
    return 2 * np.asarray(x)


def with_step(x: Any, times: float) -> Any:
    """`x`, whose step, if it has one, is so many times as large."""
    return np.real(x) + 1j * times * np.imag(x) if np.iscomplexobj(x) else x


TRUSTED: dict[str, Callable[[Any], Any]] = {
    "a polynomial": lambda x: x**3 - x,
    "an exponential": np.exp,
    "a constant": lambda x: 0 * x,
    "a small one": lambda x: 1e-9 * np.exp(x),
    "a large one": lambda x: 1e200 * x,
    "a sum": lambda x: x.sum(),
}
OTHERS: dict[str, Callable[[Any], Any]] = {
    "the absolute value, which is real": np.abs,
    "the real part": np.real,
    "what refuses complex numbers": refusing,
    "the square by the conjugate": lambda x: x * np.conj(x),
    "the same, and small": lambda x: 1e-9 * x * np.conj(x),
    "a sign that a complex number has not": lambda x: x * np.where(np.real(x * 1j) == 0, 1.0, 2.0),
    "twice the imaginary part": lambda x: with_step(x, 2),
    "a thousandth more of it": lambda x: with_step(x, 1.001),
}


def is_trusted(f: Callable[[Any], Any], params: Any = (), x: Array = X) -> bool:
    """True if it is trusted for `f(x)`, or `f((x, params))`, which have no backward."""

    def forward(params: Any, x: Array) -> tuple[Array, Any]:
        return f((x, params) if params else x), ()

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        raise AssertionError("it is not asked for")

    trial = Trial.in_float64(Layer(forward, backward), params, x)
    return analytic(trial, np.random.default_rng(0))


@pytest.mark.parametrize("name", TRUSTED)
def test_the_complex_step_is_trusted_where_it_gives_the_derivative(name: str) -> None:
    assert is_trusted(TRUSTED[name])


@pytest.mark.parametrize("name", OTHERS)
def test_differences_are_taken_where_it_does_not(name: str) -> None:
    assert not is_trusted(OTHERS[name])


def test_parameters_are_lifted_too_and_arrays_may_be_of_any_size() -> None:
    def f(at: Any) -> Any:
        x, (W,) = at
        return x @ W

    params = (np.ones((3, 2)),)
    for rows in (0, 2):
        assert is_trusted(f, params, X[:rows])
    assert not is_trusted(lambda at: np.abs(f(at)).astype(at[0].dtype), params)
