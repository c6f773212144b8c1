"""Hypothesis strategies: draw cases for a layer, a loss, a network or an optimizer, and let every law be tried on them.

    @tried_on(cases(lambda rng, n: (Scale(rng.standard_normal(3)), rng.standard_normal((n, 3)))))
    def test_scale(case):
        case.check(scale)

A strategy draws a seed and a number of rows; a Generator makes the values. Values drawn one by one would gather at
zero, where ReLU has its kink, and repeat each other. `tried_on` is Hypothesis's `given` without its deadline: a check
takes longer for the first case than for the others, and a deadline would make a test fail at times.

Needs Hypothesis: `pip install 'chainrule[testing]'`. `chainrule.each_law` needs nothing but pytest.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from attrs import frozen

from chainrule.arrays.extras import pip_install
from chainrule.arrays.types import Array
from chainrule.checking.check import check_layer, check_loss, check_network, check_optimizer
from chainrule.checking.effort import Effort
from chainrule.encoder import Encoder
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer

try:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
except ImportError as _missing:
    raise ImportError(f"chainrule.testing needs the package hypothesis: {pip_install('testing')}") from _missing

P = TypeVar("P")
T = TypeVar("T")
D = TypeVar("D")


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

    def check(
        self, layer: Layer[P, Any] | Encoder[P, Any, Array], *, surrogate: bool = False, effort: Effort = "full"
    ) -> None:
        """Raise an AssertionError that holds the report, unless every law of `check_layer` holds."""
        __tracebackhide__ = True
        check_layer(layer, self.params, self.x, rng=self.rng, surrogate=surrogate, effort=effort).raise_if_wrong()


@frozen(eq=False)
class LossCase(Generic[T]):
    """Something to run a loss on.

    Parameters
    ----------
    out
        The output of a network.
    targets
        The targets of the loss.
    rng
        A generator of further random numbers.
    """

    out: Array
    targets: T
    rng: np.random.Generator

    def check(self, loss: Loss[Any, Any], *, effort: Effort = "full") -> None:
        """Raise an AssertionError that holds the report, unless every law of `check_loss` holds."""
        __tracebackhide__ = True
        check_loss(loss, self.out, self.targets, rng=self.rng, effort=effort).raise_if_wrong()


@frozen(eq=False)
class NetworkCase(Generic[P, T]):
    """Something to run a network with its loss on.

    Parameters
    ----------
    params
        The parameters of the network.
    x
        Its input.
    targets
        The targets of the loss.
    rng
        A generator of further random numbers.
    """

    params: P
    x: Array
    targets: T
    rng: np.random.Generator

    def check(
        self, network: Layer[P, Any] | Encoder[P, Any, Array], loss: Loss[Any, Any], *, effort: Effort = "full"
    ) -> None:
        """Raise an AssertionError that holds the report, unless every law of `check_network` holds."""
        __tracebackhide__ = True
        report = check_network(network, loss, self.params, self.x, self.targets, rng=self.rng, effort=effort)
        report.raise_if_wrong()


@frozen(eq=False)
class OptimizerCase(Generic[P]):
    """Something to run an optimizer on.

    Parameters
    ----------
    params
        The parameters.
    grads
        Their gradients.
    rng
        A generator of further random numbers.
    """

    params: P
    grads: P
    rng: np.random.Generator

    def check(self, optimizer: Optimizer[P, Any]) -> None:
        """Raise an AssertionError that holds the report, unless every law of `check_optimizer` holds."""
        __tracebackhide__ = True
        check_optimizer(optimizer, self.params, self.grads, rng=self.rng).raise_if_wrong()


def tried_on(
    strategy: st.SearchStrategy[D], *, examples: int = 10
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test of a function of a case, without a deadline.

    Parameters
    ----------
    strategy
        What draws the cases.
    examples
        How many are drawn: ten, since a check tries many sizes and values by itself.

    Returns
    -------
    Callable
        A decorator, as `hypothesis.given` is. A case that fails is shown as it was drawn: to look for a simpler seed
        would take a minute and help nobody. The other settings are those of the profile that is loaded.

    Examples
    --------
    >>> from chainrule import tanh
    >>> from chainrule.testing import cases, tried_on
    >>> @tried_on(cases(lambda rng, n: ((), rng.standard_normal((n, 3)))), examples=2)
    ... def test_tanh(case):
    ...     case.check(tanh)
    >>> test_tanh()
    """
    patient = settings(
        deadline=None,
        max_examples=examples,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        made: Callable[..., None] = patient(given(strategy)(test))
        return made

    return decorate


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


def loss_cases(
    make: Callable[[np.random.Generator, int], tuple[Array, T]], *, min_rows: int = 1, max_rows: int = 6
) -> st.SearchStrategy[LossCase[T]]:
    """Draw outputs and targets for a loss.

    Parameters
    ----------
    make
        `(rng, n) -> (out, targets)`, with n rows in each.
    min_rows, max_rows
        Bounds on n.

    Returns
    -------
    SearchStrategy[LossCase]
        A strategy for cases of output, targets and a Generator.

    Examples
    --------
    >>> from chainrule import mean_squared_error
    >>> from chainrule.testing import loss_cases, tried_on
    >>> @tried_on(loss_cases(lambda rng, n: (rng.standard_normal((n, 3)), rng.standard_normal((n, 3)))), examples=2)
    ... def test_squares(case):
    ...     case.check(mean_squared_error)
    >>> test_squares()
    """

    def build(rng: np.random.Generator, n: int) -> LossCase[T]:
        out, targets = make(rng, n)
        return LossCase(out, targets, rng)

    return st.builds(build, generators(), st.integers(min_rows, max_rows))


def network_cases(
    make: Callable[[np.random.Generator, int], tuple[P, Array, T]], *, min_rows: int = 1, max_rows: int = 6
) -> st.SearchStrategy[NetworkCase[P, T]]:
    """Draw parameters, inputs and targets for a network with its loss.

    Parameters
    ----------
    make
        `(rng, n) -> (params, x, targets)`, with n rows in `x` and in `targets`.
    min_rows, max_rows
        Bounds on n.

    Returns
    -------
    SearchStrategy[NetworkCase]
        A strategy for cases of parameters, input, targets and a Generator.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, mean_squared_error
    >>> from chainrule.testing import network_cases, tried_on
    >>> def make(rng, n):
    ...     return Affine.init(rng, 3, 2, dtype=np.float64), rng.standard_normal((n, 3)), rng.standard_normal((n, 2))
    >>> @tried_on(network_cases(make), examples=2)
    ... def test_line(case):
    ...     case.check(affine, mean_squared_error)
    >>> test_line()
    """

    def build(rng: np.random.Generator, n: int) -> NetworkCase[P, T]:
        params, x, targets = make(rng, n)
        return NetworkCase(params, x, targets, rng)

    return st.builds(build, generators(), st.integers(min_rows, max_rows))


def optimizer_cases(make: Callable[[np.random.Generator], tuple[P, P]]) -> st.SearchStrategy[OptimizerCase[P]]:
    """Draw parameters and gradients for an optimizer.

    Parameters
    ----------
    make
        `rng -> (params, grads)`, two trees of the same structure.

    Returns
    -------
    SearchStrategy[OptimizerCase]
        A strategy for cases of parameters, gradients and a Generator.

    Examples
    --------
    >>> from chainrule import adam
    >>> from chainrule.testing import optimizer_cases, tried_on
    >>> @tried_on(optimizer_cases(lambda rng: (rng.standard_normal(5), rng.standard_normal(5))))
    ... def test_adam(case):
    ...     case.check(adam(0.001))
    >>> test_adam()
    """

    def build(rng: np.random.Generator) -> OptimizerCase[P]:
        params, grads = make(rng)
        return OptimizerCase(params, grads, rng)

    return st.builds(build, generators())
