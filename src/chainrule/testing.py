"""Hypothesis strategies: draw cases for a layer of one's own, and let every law be tried on them.

    @given(cases(lambda rng, n: (Scale(rng.standard_normal(3)), rng.standard_normal((n, 3)))))
    def test_scale(case):
        assert check_layer(scale, case.params, case.x, rng=case.rng).ok

A strategy draws a seed and a number of rows; a Generator makes the values. Values drawn one by one would gather at
zero, where ReLU has its kink, and repeat each other. Needs Hypothesis: `pip install 'chainrule[testing]'`.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from attrs import frozen
from hypothesis import strategies as st

from chainrule.arrays.types import Array

P = TypeVar("P")


@frozen(eq=False)
class Case(Generic[P]):
    """Something to run a layer on.

    Parameters
    ----------
    params
        Its parameters.
    x
        Its input.
    rng
        A generator of further random numbers.
    """

    params: P
    x: Array
    rng: np.random.Generator


def generators() -> st.SearchStrategy[np.random.Generator]:
    """Draw random generators, by drawing their seeds.

    Returns
    -------
    SearchStrategy[Generator]
        A strategy; a failing example shows the seed.

    Examples
    --------
    >>> from hypothesis import given
    >>> from chainrule.testing import generators
    >>> @given(generators())
    ... def test_normal_numbers_are_finite(rng):
    ...     assert abs(rng.standard_normal()) < 100
    >>> test_normal_numbers_are_finite()
    """
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


def cases(
    make: Callable[[np.random.Generator, int], tuple[P, Array]], *, min_rows: int = 1, max_rows: int = 6
) -> st.SearchStrategy[Case[P]]:
    """Draw parameters and inputs for a layer.

    Parameters
    ----------
    make
        `(rng, n) -> (params, x)`, with n rows in `x`. Let it draw the other sides from `rng` too, so that they differ.
    min_rows, max_rows
        Bounds on n.

    Returns
    -------
    SearchStrategy[Case]
        A strategy for cases of parameters, input and a Generator.

    Examples
    --------
    >>> from hypothesis import given
    >>> from chainrule import check_layer, relu
    >>> from chainrule.testing import cases
    >>> @given(cases(lambda rng, n: ((), rng.standard_normal((n, 3)))))
    ... def test_relu(case):
    ...     assert check_layer(relu, case.params, case.x, rng=case.rng).ok
    >>> test_relu()
    """

    def build(rng: np.random.Generator, n: int) -> Case[P]:
        params, x = make(rng, n)
        return Case(params, x, rng)

    return st.builds(build, generators(), st.integers(min_rows, max_rows))
