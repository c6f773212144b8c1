"""The contract of an encoder: a layer whose input can't be differentiated, such as tokens.

    forward(params, x)    -> (out, cache)
    grads  (cache,  dout) -> grads

There is no `dx`: the input is whole numbers, categories, or a record of several inputs. An encoder comes first in a
network (`chainrule.encoded`).
"""

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any, Generic, Protocol, TypeVar

from attrs import field, frozen

from chainrule.arrays.arguments import check_functions, describe, is_a, remedy
from chainrule.arrays.types import Array
from chainrule.layer import Layer, Shape
from chainrule.naming import paged, reduced, title_of
from chainrule.parts import Parts
from chainrule.rules.in_torch import InTorch
from chainrule.rules.inference import Inference
from chainrule.rules.onnx_graph import Onnx
from chainrule.rules.rule import Rule

P = TypeVar("P")
C = TypeVar("C")
X = TypeVar("X")
X_contra = TypeVar("X_contra", contravariant=True)


@paged
@frozen(eq=False, repr=False)
class Encoder(Generic[P, C, X]):
    """An encoder: a record of pure functions. `P` is the type of its parameters, `C` of its cache, `X` of its input.

    Parameters
    ----------
    forward
        `(params, x) -> (out, cache)`.
    grads
        `(cache, dout) -> grads`: the derivative of a scalar with respect to the parameters, from that with respect to
        `out`.
    name, parts, couples_rows, event_axes, in_torch, operations, inference, onnx, rule
        As of `Layer`. The event axes are those of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Array, Encoder, Labels
    >>> def forward(params: Array, x: Labels) -> tuple[Array, tuple[Array, Labels]]:
    ...     return params[x], (params, x)
    >>> def grads(cache: tuple[Array, Labels], dout: Array) -> Array:
    ...     params, x = cache
    ...     gradient = np.zeros_like(params)
    ...     np.add.at(gradient, x, dout)
    ...     return gradient
    >>> scores = Encoder(forward, grads)
    >>> out, cache = scores.forward(np.array([0.5, 1.5]), np.array([1, 1, 0]))
    >>> out, scores.grads(cache, np.ones(3))
    (array([1.5, 1.5, 0.5]), array([1., 2.]))
    """

    forward: Callable[[P, X], tuple[Array, C]]
    grads: Callable[[C, Array], P]
    name: str | None = field(default=None, kw_only=True)
    parts: Parts = field(default=(), kw_only=True)
    couples_rows: bool = field(default=False, kw_only=True)
    event_axes: int | None = field(default=None, kw_only=True)
    in_torch: InTorch | None = field(default=None, kw_only=True)
    operations: Callable[[P, Shape, Shape], tuple[int, int]] | None = field(default=None, kw_only=True)
    inference: Inference | None = field(default=None, kw_only=True)
    onnx: Onnx[P] | None = field(default=None, kw_only=True)
    rule: Rule[P, C] | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_functions(self, "forward", "grads")

    def __repr__(self) -> str:
        """Its name, and the names of what it is made of: `Encoder(encoded(embedding, affine))`."""
        return f"Encoder({title_of(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a module's value by its name, and an encoder with options by its constructor and options."""
        return reduced(self)


class Network(Protocol[P]):
    """A layer or an encoder with parameters of type `P`, for annotations: whatever its cache is, and what x it takes.

    Examples
    --------
    >>> from chainrule import Affine, Network, Unit, affine, dropout, sequential
    >>> def network(seed: int) -> Network[tuple[Affine, Unit]]:
    ...     return sequential(affine, dropout(0.5, seed))
    """

    @property
    def forward(self) -> Callable[[P, Any], tuple[Array, Any]]:
        """`(params, x) -> (out, cache)`."""
        ...

    @property
    def grads(self) -> Callable[[Any, Array], P]:
        """`(cache, dout) -> grads`."""
        ...


class Trainable(Network[P], Protocol[P, X_contra]):
    """A network with the type of its input: a layer's is `Array`."""

    @property
    def forward(self) -> Callable[[P, X_contra], tuple[Array, Any]]:
        """`(params, x) -> (out, cache)`."""
        ...


def checked_network(
    name: str,
    network: Any,
    *,
    what: str = "network",
    combinator: str = "sequential",
    instead: str = "network(seed)",
) -> Any:
    """Return a layer or an encoder; anything else, called `what`, is a TypeError that begins with `name`.

    The message has a hint if it is a list of layers: to give them to `combinator`; and if it is a function of a seed:
    to give `instead`.
    """
    if is_a(network, Layer, Encoder):
        return network
    hint = remedy(network, combinator) or seed_hint(network, instead)
    raise TypeError(f"{name}: {what} must be a Layer or an Encoder, got {describe(network)}{hint}")


def seeded(name: str, network: Callable[[Any], Any], seed: Any) -> Any:
    """The network of a seed; a TypeError that begins with `name` if it is none."""
    made = network(seed)
    if not is_a(made, Layer, Encoder):
        raise TypeError(f"{name}: network(seed) must be a Layer or an Encoder, got {describe(made)}")
    return made


def network_of_some_seed(name: str, network: Any) -> Any:
    """A network itself; of a function of a seed, the network of one seed, for what is the same with all of them.

    What is neither is a TypeError that begins with `name`.
    """
    return seeded(name, network, 0) if callable(network) else checked_network(name, network)


def seed_hint(network: Any, instead: str = "network(seed)") -> str:
    """The advice to give `instead` of what may be a function of a seed, where a network is asked for; else nothing.

    A function of ours that makes a layer is to be called first.
    """
    is_function = isinstance(network, (FunctionType, partial))  # and not a ufunc, or a module of another library
    return remedy(network) or (f": give it {instead}" if is_function else "")
