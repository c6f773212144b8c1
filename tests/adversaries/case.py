"""Cases for the checker: layers, losses, optimizers, networks and kernels by somebody else, right and wrong ones.

A case is made anew for each check, so that one that keeps state between calls starts afresh.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from chainrule import Encoder, Layer, Loss, Optimizer


@frozen(eq=False)
class LayerCase:
    """A layer, and the arguments that its author would check it on."""

    layer: Layer[Any, Any] | Encoder[Any, Any, Any]
    params: Any
    x: Any
    surrogate: bool = False
    """True if its author declares that backward is meant to differ from the derivative."""


@frozen(eq=False)
class LossCase:
    """A loss, and the arguments that its author would check it on."""

    loss: Loss[Any, Any]
    out: Any
    targets: Any


@frozen(eq=False)
class OptimizerCase:
    """An optimizer, and the arguments that its author would check it on."""

    optimizer: Optimizer[Any, Any]
    params: Any
    grads: Any


@frozen(eq=False)
class NetworkCase:
    """A network with its loss, and the arguments that its author would check it on."""

    network: Layer[Any, Any] | Encoder[Any, Any, Any]
    loss: Loss[Any, Any]
    params: Any
    x: Any
    targets: Any


@frozen(eq=False)
class AgainstCase:
    """A kernel, the plain formula that it should agree with, and the arguments that its author would check it on."""

    f: Any
    reference: Any
    args: tuple[Any, ...]
    frozen: tuple[int | str, ...] = ()
    deterministic: bool = True


@frozen(eq=False)
class Adversary:
    """Something for the checker to judge.

    Parameters
    ----------
    name
        What it is, and if it is wrong, where: unique in its list.
    kind
        The kind of fault, or of odd but right form.
    make
        Makes the case.
    """

    name: str
    kind: str
    make: Callable[[], Any]
