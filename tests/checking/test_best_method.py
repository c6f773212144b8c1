"""Whether the complex step may be trusted for a function, at a point."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import Array
from chainrule.laws.trials.oracle import best_method

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.5]])


def refusing(x: Any) -> Array:
    if np.iscomplexobj(x):
        raise TypeError("real numbers alone")
    return 2 * np.asarray(x)


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
    "twice the imaginary part": lambda x: np.real(x) + 2j * np.imag(x),
    "a thousandth more of it": lambda x: np.real(x) + 1.001j * np.imag(x),
}


@pytest.mark.parametrize("name", TRUSTED)
def test_the_complex_step_is_trusted_where_it_gives_the_derivative(name: str) -> None:
    assert best_method(TRUSTED[name], X, np.random.default_rng(0)) == "complex"


@pytest.mark.parametrize("name", OTHERS)
def test_differences_are_taken_where_it_does_not(name: str) -> None:
    assert best_method(OTHERS[name], X, np.random.default_rng(0)) == "central"


def test_the_point_may_be_a_tree_of_arrays_of_any_size() -> None:
    def f(at: Any) -> Any:
        x, (W,) = at
        return x @ W

    for rows in (0, 2):
        at = (X[:rows], (np.ones((3, 2)),))
        assert best_method(f, at, np.random.default_rng(0)) == "complex"
    assert best_method(lambda at: np.abs(f(at)) + 0j, (X, (np.ones((3, 2)),)), np.random.default_rng(0)) == "central"
