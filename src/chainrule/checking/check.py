"""Check a layer, a loss or a network of one's own against the whole contract, and say exactly what is wrong.

The laws are in `chainrule.laws`, and run one after another. Errors that the code under test raises are part of the
report, and the report prints as a table. The laws are imported by the first check, so that `import chainrule` takes no
time for them.
"""
# ruff: noqa: PLC0415  # laws are imported where they are run: asking for a name must not wait for them

from collections.abc import Collection
from typing import Any, TypeVar

from chainrule.arrays.types import Array, Generator
from chainrule.checking.effort import Effort
from chainrule.checking.report import Report
from chainrule.encoder import Encoder, Trainable
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.optimizer import Optimizer

P = TypeVar("P")
C = TypeVar("C")
T = TypeVar("T")
S = TypeVar("S")
X = TypeVar("X")


def check_layer(
    layer: Layer[P, C] | Encoder[P, C, X],
    params: P,
    x: Array | X,
    *,
    rng: Generator,
    surrogate: bool = False,
    effort: Effort = "full",
    only: Collection[str] | None = None,
) -> Report:
    """Check a layer, or an encoder, against every law, for every field.

    Parameters
    ----------
    layer
        The layer or the encoder.
    params, x
        The arguments to run it on: of any float dtype, with two rows or more, and of a size that shows mistakes (sides
        that differ, some tens of numbers). They are not written to. Parameters may also be in dictionaries, lists,
        named tuples and dataclasses, which hold records but are in none. An encoder's `x` is a tree of arrays.
    rng
        The generator of random derivatives `dout`.
    surrogate
        Whether backward is meant to differ from the derivative, as that of a straight-through estimator does. Then all
        other laws are checked.
    effort
        `"quick"` leaves out what is not about the arguments as they are given: other values, sizes and dtypes, every
        kind of `dout`, and threads. For an affine layer of 32 rows that takes a quarter of the time from 64 to 32, and
        less than a half from 784 to 1,000: 0.15 s and 9 s of an Intel Xeon.
    only
        The names of the laws to check; by default all of that effort. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors of the layer are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Layer, Unit, check_layer, own
    >>> def forward(params: Unit, x: Array) -> tuple[Array, Array]:
    ...     return x * x, own(x)
    >>> def backward(cache: Array, dout: Array) -> tuple[Array, Unit]:
    ...     return dout * cache, ()  # the 2 is missing
    >>> rng = np.random.default_rng(0)
    >>> report = check_layer(Layer(forward, backward), (), rng.standard_normal((3, 2)), rng=rng)
    >>> report.ok
    False
    >>> print(report.failures[0].note)
    it is half of what it should be: a missing factor of 2?
    """
    from chainrule.laws.reports import layer_report

    return layer_report(layer, params, x, rng=rng, surrogate=surrogate, effort=effort, only=only)


def check_loss(
    loss: Loss[T, C],
    out: Array,
    targets: T,
    *,
    rng: Generator,
    effort: Effort = "full",
    only: Collection[str] | None = None,
) -> Report:
    """Check a loss against every law.

    Parameters
    ----------
    loss
        The loss.
    out, targets
        The arguments to run it on: of any float dtype, with two rows or more. They are not written to.
    rng
        The generator of random numbers.
    effort
        `"quick"` leaves out `loss_values` and `loss_targets`, which try other outputs and targets than those given.
    only
        The names of the laws to check; by default all of that effort. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors of the loss are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_loss, softmax_cross_entropy
    >>> rng = np.random.default_rng(0)
    >>> print(check_loss(softmax_cross_entropy, rng.standard_normal((3, 4)), np.array([0, 3, 1]), rng=rng).ok)
    True
    """
    from chainrule.laws.reports import loss_report

    return loss_report(loss, out, targets, rng=rng, effort=effort, only=only)


def check_network(
    network: Trainable[P, X],
    loss: Loss[T, Any],
    params: P,
    x: X,
    targets: T,
    *,
    rng: Generator,
    effort: Effort = "full",
    only: Collection[str] | None = None,
) -> Report:
    """Check a network with its loss: the laws of layers and of losses, and the gradient that training follows.

    Parameters
    ----------
    network, loss
        The network and its loss.
    params, x, targets
        The arguments to run them on. They are not written to.
    rng
        The generator of random numbers.
    effort
        As that of `check_layer` and `check_loss`.
    only
        The names of the laws to check; by default all of that effort. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_network, softmax_cross_entropy, two_layer
    >>> rng = np.random.default_rng(0)
    >>> params = two_layer.init(rng, 4, 3, 2, std=0.5)
    >>> x, labels = rng.random((5, 4), np.float32), np.array([0, 1, 1, 0, 1])
    >>> check_network(two_layer.network, softmax_cross_entropy, params, x, labels, rng=rng).ok
    True
    """
    from chainrule.laws.reports import network_report

    return network_report(network, loss, params, x, targets, rng=rng, effort=effort, only=only)


def check_optimizer(
    optimizer: Optimizer[P, S], params: P, grads: P, *, rng: Generator, only: Collection[str] | None = None
) -> Report:
    """Check an optimizer: that it is pure, keeps structure and dtype, and treats each number alone.

    Parameters
    ----------
    optimizer
        The optimizer.
    params, grads
        The arguments to run it on. They are not written to.
    rng
        The generator of random numbers.
    only
        The names of the laws to check; by default all. A name that is none of theirs is a ValueError.

    Returns
    -------
    Report
        A verdict for each law and field. Errors of the optimizer are part of it and not raised.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import check_optimizer, sgd
    >>> rng = np.random.default_rng(0)
    >>> check_optimizer(sgd(0.1), rng.standard_normal(5), rng.standard_normal(5), rng=rng).ok
    True
    """
    from chainrule.laws.reports import optimizer_report

    return optimizer_report(optimizer, params, grads, rng=rng, only=only)
