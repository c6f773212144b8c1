"""The laws of a network with its loss: training follows the gradient of the loss, however it takes its steps."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
from attrs import evolve

from chainrule import tree
from chainrule.arrays.types import Array
from chainrule.checking.numerical_gradient import Method, numerical_gradient
from chainrule.checking.verdict import Verdict, compare
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._by_complex_step import analytic, nothing_said
from chainrule.laws.of_layers.derivative import judged_by_ratios
from chainrule.laws.of_layers.linearity import ROUNDING, least_of
from chainrule.laws.trials.copies import in_float64, targets_in_float64, writable
from chainrule.laws.trials.directions import by_directions
from chainrule.laws.trials.hints import hint
from chainrule.laws.trials.trial import Checked, Trial, measured
from chainrule.loss import Loss
from chainrule.optimizers.sgd import sgd
from chainrule.parts import unmoved
from chainrule.training.gradient import value_and_grad
from chainrule.training.objective import Objective
from chainrule.training.step import training_step

P = TypeVar("P")
T = TypeVar("T")

BOUNDS: dict[Method, tuple[float, float]] = {
    # Rounding of sums of up to a thousand products; and 1e-10 of an entry, so that one part in 10^9 is seen.
    "complex": (256 * 2.0**-52, 1e-10),
    # h^2 and eps / h are some 4e-11 each for h = 6e-6; times third derivatives and sums, some thousand times that.
    "central": (1e-7, 1e-6),
}
"""The error that a right derivative may have: relative to the largest entry, and to the entry itself."""

NetworkLaw: TypeAlias = Callable[[Checked[Any, Any], Loss[Any, Any], Any, Any, Any, np.random.Generator], list[Verdict]]


def network_gradient(
    network: Checked[P, Any], loss: Loss[T, Any], params: P, x: Any, targets: T, rng: np.random.Generator
) -> list[Verdict]:
    """`value_and_grad(network, loss)` gives the gradient of the loss with respect to every parameter.

    It is computed in float64 on copies: by complex step where network and loss are analytic, by central differences
    elsewhere. The gradients of fixed parameters are zeros.

    Parameters
    ----------
    network, loss, params, x, targets
        The network with its loss, and the arguments to run them on.
    rng
        The generator of the direction in which the two methods are compared first.

    Returns
    -------
    list[Verdict]
        For each array of the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> params, x, targets = Affine.init(rng, 3, 2, dtype=np.float64), rng.standard_normal((4, 3)), np.ones((4, 2))
    >>> all(verdict.ok for verdict in laws.network_gradient(affine, mean_squared_error, params, x, targets, rng))
    True
    """
    params, x, targets = in_float64(params), in_float64(x), targets_in_float64(targets)
    objective = Objective(network, loss, x, targets)
    _, grads = value_and_grad(network, loss)(params, x, targets)
    trial = Trial.of(_with_loss(network, loss, targets), params, x)
    rows = len(tree.leaves(x)[0])

    def gradient_by(method: Method) -> list[Array]:
        with nothing_said():
            expected = numerical_gradient(objective, params, method=method)
        return tree.leaves(unmoved(network, tree.map(np.zeros_like, params), expected))

    def judged_by(method: Method, name: str, got: Array, exact: Array) -> Verdict:
        # What a batch norm undoes, as a bias before it, has the rounding of what cancels.
        least = least_of(tree.leaves(grads)) * (8 if method == "complex" else 1)
        return _compared(name, got, exact, *BOUNDS[method], rows=rows, least=least)

    method: Method = "complex" if analytic(trial, rng) else "central"
    names = [f"grads{path}" for path, _ in tree.named_leaves(params)]
    found = list(zip(names, tree.leaves(grads), gradient_by(method), strict=True))
    verdicts = [judged_by(method, *each) for each in found]
    if method == "complex" and any(each.wrong for each in verdicts):
        # A part whose results have the dtype of its x drops the step where its parameters alone have one.
        for i, ((name, got, lifted), exact) in enumerate(zip(found, gradient_by("central"), strict=True)):
            if not judged_by("central", name, lifted, exact).ok:
                verdicts[i] = judged_by("central", name, got, exact)
    if not any(each.undecided for each in verdicts):
        return verdicts
    along = by_directions("network_gradient", measured(trial, rng), [np.ones_like(trial.out)], rng)
    decided = {each.field: each for each in along}
    return [decided.get(each.field, each) if each.undecided else each for each in verdicts]


def _compared(
    name: str, got: Array, expected: Array, bound: float, slack: float, *, rows: int, least: float
) -> Verdict:
    """The verdict on a gradient that is known to within a bound, with a hint if it is wrong."""
    if got.shape != expected.shape:
        return judged_by_ratios("network_gradient", name, got, expected, np.zeros(0), partial(hint, rows=rows))
    if expected.size and np.isnan(expected).all():
        note = "every entry is at a kink: choose other arguments"
        return Verdict("network_gradient", name, ok=False, undecided=True, note=note)
    verdict = compare("network_gradient", name, got, expected, bound, slack=slack, least=least)
    return verdict if verdict.ok else evolve(verdict, note=hint(got, expected, rows))


def _with_loss(network: Checked[Any, Any], loss: Loss[Any, Any], targets: Any) -> Encoder[Any, Any, Any]:
    gradient = value_and_grad(network, loss)

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        value, _ = loss.forward(network.forward(params, x)[0], targets)
        return np.asanyarray(value), (params, x)

    def grads(cache: Any, dout: Any) -> Any:
        params, x = cache
        return tree.map(lambda leaf: leaf * dout, gradient(params, x, targets)[1])

    return Encoder(forward, grads)


def descent(
    network: Checked[P, Any], loss: Loss[T, Any], params: P, x: Any, targets: T, rng: np.random.Generator
) -> list[Verdict]:
    """`training_step` with `sgd` equals `value_and_grad` followed by the optimizer's step, but for rounding.

    Parameters
    ----------
    network, loss, params, x, targets
        The network with its loss, and the arguments to run them on: in float64, on copies.
    rng
        The generator that draws the learning rate.

    Returns
    -------
    list[Verdict]
        For arguments, the loss and each array of the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws, mean_squared_error
    >>> rng = np.random.default_rng(0)
    >>> params, x, targets = Affine.init(rng, 3, 2, dtype=np.float64), rng.standard_normal((4, 3)), np.ones((4, 2))
    >>> all(verdict.ok for verdict in laws.descent(affine, mean_squared_error, params, x, targets, rng))
    True
    """
    params, x, targets = in_float64(params), in_float64(x), targets_in_float64(targets)
    optimizer: Any = sgd(float(rng.random()))
    value, grads = value_and_grad(network, loss)(params, x, targets)
    state = optimizer.init(params)
    expected, _ = optimizer.step(state, params, grads)
    before = writable((params, x, targets))
    got, _, loss_before = training_step(network, loss, optimizer)(params, state, x, targets)
    untouched = tree.equal(before, (params, x, targets))
    least = max((float(np.abs(leaf).max(initial=0)) for leaf in tree.leaves(expected)), default=0.0) / 128
    return [
        Verdict("descent", "arguments", untouched, "" if untouched else "the step wrote to one of its arguments"),
        compare("descent", "loss", np.asarray(loss_before), np.asarray(value), ROUNDING),
        *(
            compare("descent", f"params{path}", stepped, leaf, ROUNDING, least=least)
            for (path, leaf), stepped in zip(tree.named_leaves(expected), tree.leaves(got), strict=True)
        ),
    ]


NETWORK_LAWS: dict[str, NetworkLaw] = {"network_gradient": network_gradient, "descent": descent}
"""All laws of networks, by name.

Examples
--------
>>> from chainrule import laws
>>> sorted(laws.NETWORK_LAWS)[:2]
['descent', 'network_gradient']
"""
