"""The one pass through a network, in which layers with a rule and layers that are a pair alone run alike.

    rule_of(layer)    the layer as a rule: its own, or one made of its pair
    pair_of(layer)    its pair, as a rule: what the pair of a combinator runs

A pass owns all arrays between its first layer and its last, so that rules may write to them. The results of a layer
without a rule are borrowed: they may be a buffer, a field of a cache, or the input itself.
"""

from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import like, two
from chainrule.arrays.libraries import namespace
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.ownership import borrowed, own
from chainrule.arrays.tuned import IN_PAIRS, IN_PASS, IN_PREDICTION, TUNED
from chainrule.arrays.types import Array, is_array
from chainrule.encoder import Encoder
from chainrule.layer import Layer
from chainrule.naming import name_of
from chainrule.rules.rule import Rule

P = TypeVar("P")
C = TypeVar("C")


def rule_of(network: Layer[P, C] | Encoder[P, C, Any]) -> Rule[P, C]:
    """The rule of a layer or an encoder; of one that has none, its pair, whose results count as borrowed."""
    if network.rule is not None:
        return network.rule
    if isinstance(network, Encoder):
        return Rule(partial(_foreign_encoder, network), partial(_foreign_grads, network))
    return Rule(partial(_foreign_forward, network), partial(_foreign_backward, network))


def pair_of(network: Layer[P, C] | Encoder[P, C, Any]) -> Rule[P, C]:
    """The pair of a layer or an encoder in the form of a rule. What has no rule may keep and return what it gets."""
    if network.rule is not None:
        return Rule(partial(_pair_forward, network), partial(_pair_backward, network))
    return Rule(partial(_owned_forward, network), partial(_owned_backward, network))


def in_pass(x: Any, params: Any) -> Namespace:
    """The namespace of a pass over `x`; over that of the parameters where `x` is no array of floats."""
    if type(x) is np.ndarray and x.dtype.kind == "f":
        return IN_PASS
    xp = _namespace(x, params)
    return IN_PASS if xp is TUNED else xp


def in_prediction(x: Any, params: Any) -> Namespace:
    """The namespace of a pass that goes forward alone: NumPy's keeps no caches."""
    xp = in_pass(x, params)
    return IN_PREDICTION if xp is IN_PASS else xp


def in_pairs(x: Any, params: Any) -> Namespace:
    """The namespace of a combinator that calls the pairs of its parts."""
    if type(x) is np.ndarray and x.dtype.kind == "f":
        return IN_PAIRS
    xp = _namespace(x, params)
    return IN_PAIRS if xp is TUNED else xp


def _namespace(x: Any, params: Any) -> Namespace:
    """The namespace of `x`, else of the parameters, else NumPy's: the first layer then says what is wrong."""
    if type(x) is not np.ndarray:
        with suppress(TypeError):  # tokens, a list
            return namespace(x)
    leaves: list[Array] = []
    with suppress(TypeError):  # no tree
        leaves = tree.leaves(params)
    for leaf in leaves:
        with suppress(TypeError):  # a masked array
            return namespace(leaf)
    return TUNED


@frozen(eq=False)
class Crossing:
    """The cache of a layer without a rule, in a pass, and the shape and dtype of its `dx`."""

    cache: Any
    shape: tuple[int, ...]
    dtype: Any


def _called(network: Any, params: Any, x: Any) -> tuple[Array, Any]:
    name = f"{name_of(network)} forward"
    if hasattr(network, "backward") and not is_array(x):  # what an encoder reads may be anything
        namespace(x, name=f"{name}: x")
    out, cache = two(network.forward(params, x), name, "(out, cache)")
    namespace(out, name=f"{name}: out")
    return out, cache


def _transposed(network: Any, cache: Any, dout: Array) -> tuple[Array, Any]:
    given: Any = network.backward(cache, dout)
    pair = given.__class__ is tuple and len(given) == 2
    dx, grads = given if pair else two(given, f"{name_of(network)} backward", "(dx, grads)")
    return dx, grads


def _foreign_forward(layer: Layer[Any, Any], xp: Namespace, params: Any, x: Array) -> tuple[Array, Any]:
    out, cache = _called(layer, params, borrowed(x))
    return own(out), Crossing(cache, x.shape, x.dtype)


def _foreign_backward(
    layer: Layer[Any, Any], xp: Namespace, crossing: Any, dout: Array, wants_dx: bool
) -> tuple[Array | None, Any]:
    if not wants_dx:
        return None, tree.map(own, layer.grads(crossing.cache, borrowed(dout)))
    dx, grads = _transposed(layer, crossing.cache, borrowed(dout))
    like(dx, crossing.shape, crossing.dtype, f"{name_of(layer)} backward: dx", "x")
    return borrowed(dx), tree.map(own, grads)


def _foreign_encoder(encoder: Encoder[Any, Any, Any], xp: Namespace, params: Any, x: Any) -> tuple[Array, Any]:
    out, cache = _called(encoder, params, borrowed(x))
    return own(out), cache


def _foreign_grads(
    encoder: Encoder[Any, Any, Any], xp: Namespace, cache: Any, dout: Array, wants_dx: bool
) -> tuple[Array | None, Any]:
    return None, tree.map(own, encoder.grads(cache, borrowed(dout)))


def _owned_forward(network: Any, xp: Namespace, params: Any, x: Any) -> tuple[Array, Any]:
    out, cache = _called(network, params, own(x))
    return own(out), cache


def _owned_backward(network: Any, xp: Namespace, cache: Any, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    dx, grads = _pair_backward(network, xp, cache, borrowed(dout), wants_dx)
    return own(dx), tree.map(own, grads)


def _pair_forward(network: Any, xp: Namespace, params: Any, x: Any) -> tuple[Array, Any]:
    out, cache = network.forward(params, x)
    return out, cache


def _pair_backward(network: Any, xp: Namespace, cache: Any, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
    if not wants_dx or not hasattr(network, "backward"):  # an encoder has none
        return None, network.grads(cache, dout)
    return _transposed(network, cache, dout)
