"""A training step: the gradient of a loss, and an optimizer's step along it, as one pure function.

loss, grads = value_and_grad(network, loss)(params, x, targets)
params, state = optimizer.step(state, params, grads)

Between the two lines nobody else holds the gradients. So an optimizer made by `chainrule.rules.optimizer` takes its
step in their memory, and a factor by which it would multiply them rides in `dloss`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from chainrule.arrays.arguments import describe, like, remedy
from chainrule.arrays.types import Array
from chainrule.encoder import Trainable, seeded
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer
from chainrule.parts import has_fixed, unmoved
from chainrule.rules.counterparts import tree_misfit
from chainrule.rules.optimizers import ArrayOptimizer
from chainrule.training.gradient import Pass, locked

P = TypeVar("P")
S = TypeVar("S")
T = TypeVar("T")
X = TypeVar("X")
Seed = TypeVar("Seed")

GENTLE = (1e-6, 1e6)
"""The smallest and the largest factor that may ride: others, far from 1, might make `dout` underflow or overflow."""


ERRORS = (AttributeError, TypeError, ValueError)
"""The errors that an optimizer may raise of gradients that it can't take."""

ABSENT: Any = object()
"""In the place of an argument that is not given: the call is then refused in words of the step."""


@overload
def training_step(
    network: Trainable[P, X],
    loss: Loss[T, Any],
    optimizer: Optimizer[P, S],
    *,
    adjust: Callable[[P], P] | None = ...,
) -> Callable[[P, S, X, T], tuple[P, S, Array]]: ...
@overload
def training_step(
    network: Callable[[Seed], Trainable[P, X]],
    loss: Loss[T, Any],
    optimizer: Optimizer[P, S],
    *,
    adjust: Callable[[P], P] | None = ...,
) -> Callable[[P, S, X, T, Seed], tuple[P, S, Array]]: ...
def training_step(
    network: Any, loss: Loss[Any, Any], optimizer: Optimizer[Any, Any], *, adjust: Callable[[Any], Any] | None = None
) -> Callable[..., tuple[Any, Any, Array]]:
    """Make the function that takes one step of training.

    Parameters
    ----------
    network
        A layer, usually made by `sequential`, or an encoder; or, for a random network, a function of a seed that
        returns one.
    loss
        The loss, which compares its output with the targets.
    optimizer
        The optimizer, such as `sgd(0.1)`.
    adjust
        From gradients to gradients, before the optimizer sees them, such as `clip_by_global_norm(1.0)`.

    Returns
    -------
    Callable
        `(params, state, x, targets) -> (params, state, loss)`. The loss is that before the step. For a function of a
        seed the step takes the seed as its last argument. It raises what the network, the loss and the optimizer raise.

    Raises
    ------
    TypeError
        If the network is no `Layer`, `Encoder` or function, the loss no `Loss`, or the optimizer lacks `init` or
        `step`, or is a class.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import sgd, softmax_cross_entropy, training_step, two_layer
    >>> optimizer = sgd(0.1)
    >>> step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    >>> params = two_layer.init(np.random.default_rng(0), 4, 3, 2)
    >>> state = optimizer.init(params)
    >>> params, state, loss = step(params, state, np.ones((5, 4), np.float32), np.array([0, 1, 1, 0, 1]))
    >>> print(f"{loss:.4f}")
    0.6931
    """
    if isinstance(optimizer, type) or not (hasattr(optimizer, "init") and hasattr(optimizer, "step")):
        got = f"{describe(optimizer)}{remedy(optimizer)}"
        raise TypeError(f"training_step: optimizer must have init and step, as sgd(0.1) has, got {got}")
    if adjust is not None and not callable(adjust):
        raise TypeError(f"training_step: adjust must be a function of the gradients, got {describe(adjust)}")
    if callable(network) and not isinstance(network, type):
        uncalled = remedy(network)
        if uncalled:
            raise TypeError(f"training_step: network must be a Layer or an Encoder, got {describe(network)}{uncalled}")
        return partial(_seeded, network, loss, optimizer, adjust)
    return _step_of(network, loss, optimizer, adjust)


def _step_of(
    network: Any, loss: Loss[Any, Any], optimizer: Optimizer[Any, Any], adjust: Callable[[Any], Any] | None
) -> Callable[..., tuple[Any, Any, Array]]:
    both = Pass.of("training_step", network, loss)
    still = network if has_fixed(network) else None
    if type(optimizer) is not ArrayOptimizer:  # nor what is made from it, which may step in its own way
        return partial(_step, both, optimizer, adjust, still)
    return partial(_fused, both, optimizer, adjust, still)


def _seeded(
    network: Callable[[Any], Any],
    loss: Loss[Any, Any],
    optimizer: Optimizer[Any, Any],
    adjust: Callable[[Any], Any] | None,
    params: Any = ABSENT,
    state: Any = ABSENT,
    x: Any = ABSENT,
    targets: Any = ABSENT,
    seed: Any = ABSENT,
    *more: Any,
) -> tuple[Any, Any, Array]:
    if more or seed is ABSENT:
        given = (params, state, x, targets, seed, *more)
        raise _misfit(", seed", given, ": the network is a function of a seed, which comes last")
    return _step_of(seeded("training_step", network, seed), loss, optimizer, adjust)(params, state, x, targets)


def _misfit(seed: str, given: tuple[Any, ...], reason: str = "") -> TypeError:
    count, expected = sum(each is not ABSENT for each in given), 5 if seed else 4
    return TypeError(f"step(params, state, x, targets{seed}) takes {expected} arguments, got {count}{reason}")


def _check_adjusted(given: Any, adjusted: Any) -> None:
    """Refuse gradients of `adjust` that are not like those that it got: an optimizer has not taken them."""
    whole = "training_step: adjust must return a tree like the gradients that it gets"
    error = tree_misfit(whole, _refuse_other, given, adjusted)
    if error is not None:
        raise error from None


def _refuse_other(grad: Array, adjusted: Array) -> None:
    like(adjusted, grad.shape, grad.dtype, "training_step: a gradient that adjust returns", "the one that it gets")


def _step(
    both: Pass,
    optimizer: Optimizer[Any, Any],
    adjust: Callable[[Any], Any] | None,
    still: Any,
    params: Any = ABSENT,
    state: Any = ABSENT,
    x: Any = ABSENT,
    targets: Any = ABSENT,
    *more: Any,
) -> tuple[Any, Any, Array]:
    if more or targets is ABSENT:
        raise _misfit("", (params, state, x, targets, *more))
    value, grads, _ = both.run(params, x, targets)
    given = locked(grads)
    grads = given if adjust is None else adjust(given)
    try:
        new, state = optimizer.step(state, params, grads)
    except ERRORS:
        _check_adjusted(given, grads)
        raise
    return (new if still is None else unmoved(still, params, new)), state, value


def _fused(
    both: Pass,
    optimizer: ArrayOptimizer,
    adjust: Callable[[Any], Any] | None,
    still: Any,
    params: Any = ABSENT,
    state: Any = ABSENT,
    x: Any = ABSENT,
    targets: Any = ABSENT,
    *more: Any,
) -> tuple[Any, Any, Array]:
    if more or targets is ABSENT:
        raise _misfit("", (params, state, x, targets, *more))
    rate = optimizer.rate(state)
    factor = None if optimizer.factor is None else optimizer.factor(rate)
    steady = adjust is None and rate is optimizer.learning_rate  # which a schedule's is not
    may_ride = steady and isinstance(factor, float) and GENTLE[0] <= abs(factor) <= GENTLE[1]
    value, grads, rode = both.run(params, x, targets, factor if may_ride else None)
    given = grads if adjust is None else locked(grads)
    grads = given if adjust is None else adjust(given)
    try:
        new, state = optimizer.applied(state, params, grads, rate, None if rode else factor, lent=adjust is not None)
    except ERRORS:
        _check_adjusted(given, grads)
        raise
    return (new if still is None else unmoved(still, params, new)), state, value
