"""`combinator`: make a layer of layers, from one arithmetic over its parts.

    forward (parts, xp, params, x)              -> (out, caches)
    backward(parts, xp, caches, dout, wants_dx) -> (dx, grads)

The parts are rules. In the pair of the combinator they call the pairs of its layers, which check their arguments. In a
pass they are the layers' rules, so that networks of any nesting run as one.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import describe, remedy
from chainrule.arrays.libraries import can_meet
from chainrule.arrays.namespace import Namespace
from chainrule.arrays.types import Array, is_array, is_numpy, is_tuple
from chainrule.encoder import Encoder, checked_network, seed_hint
from chainrule.layer import Layer
from chainrule.naming import options_of, public, titled
from chainrule.parts import Chain, Parts, check_depth
from chainrule.rules.largest import largest_first
from chainrule.rules.passes import in_pairs, pair_of, rule_of
from chainrule.rules.rule import Rule, refuse_no_dx

Rules: TypeAlias = tuple[Rule[Any, Any], ...]
Caches: TypeAlias = list[Any]
"""The caches of the parts, in order. Backward uses them up, last first, so that memory is free as soon as it may be."""

Forward: TypeAlias = Callable[[Rules, Namespace, Any, Array], tuple[Array, Caches]]
Backward: TypeAlias = Callable[[Rules, Namespace, Caches, Array, bool], tuple[Array | None, Any]]


def combinator(
    name: str,
    parts: Parts,
    layers: tuple[Layer[Any, Any], ...],
    forward: Forward,
    backward: Backward,
    *,
    quiet: bool = False,
    **traits: Any,
) -> Layer[Any, Any]:
    """Make a layer of layers.

    Parameters
    ----------
    name
        What the module calls the function that makes it.
    parts
        How the layers stand to each other, for the trait `parts`.
    layers
        The layers.
    forward
        `(parts, xp, params, x) -> (out, caches)`, with a list of caches, one for each part.
    backward
        `(parts, xp, caches, dout, wants_dx) -> (dx, grads)`.
    quiet
        True if NumPy has nothing to warn of but in the layers, as in `sequential`, which computes nothing itself.
    **traits
        As of `Layer`. By default rows are coupled if a part couples them, the event axes are the most of any part's,
        and the whole is elementwise if all parts are. `operations` counts those of the joint alone.

    Returns
    -------
    Layer
        The pair and its rule.

    Raises
    ------
    TypeError
        If one of `layers` is no layer; with a hint if it is an encoder.
    ValueError
        If layers are nested deeper than Python's recursion limit allows.

    Examples
    --------
    >>> from chainrule import add, relu, rules, tanh
    >>> isinstance(add(relu, tanh).rule, rules.Rule)  # `add` is made by it
    True
    """
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            is_encoder = isinstance(layer, Encoder)
            hint = (
                ": encoded(encoder, layer) puts a layer behind it"
                if is_encoder
                else remedy(layer, name) or seed_hint(layer)
            )
            raise TypeError(f"{name}: argument {i + 1} must be a Layer, got {describe(layer)}{hint}")
    made: Layer[Any, Any] = layer_or_encoder(name, parts, layers, forward, backward, quiet=quiet, **traits)
    return made


def layer_or_encoder(
    name: str,
    parts: Parts,
    layers: tuple[Any, ...],
    forward: Forward,
    backward: Backward,
    *,
    quiet: bool = False,
    **traits: Any,
) -> Any:
    """Make a layer of layers, as `combinator` does; if the first is an encoder, make one, which gives None for `dx`."""
    if not isinstance(parts, tuple):
        check_depth(name, parts)
    of_pairs = Combination(name, tuple(pair_of(layer) for layer in layers), forward, backward)
    of_rules = tuple(rule_of(layer) for layer in layers)
    of_quiet = tuple(each.quiet for each in of_rules if each.quiet is not None)
    if isinstance(parts, Chain):
        of_rules, of_quiet = largest_first(of_rules), largest_first(of_quiet)
    in_quiet = _rule_over(of_quiet, forward, backward) if quiet and len(of_quiet) == len(of_rules) else None
    axes = [layer.event_axes for layer in layers]
    general: dict[str, Any] = {
        "name": titled(name, options_of(forward)),
        "parts": parts,
        "rule": _rule_over(of_rules, forward, backward, in_quiet),
        "couples_rows": any(layer.couples_rows for layer in layers),
        "event_axes": None if None in axes else max([0, *(each for each in axes if each is not None)]),
        **traits,
    }
    if layers and isinstance(layers[0], Encoder):
        return Encoder(of_pairs.forward, of_pairs.grads, **general)
    general.setdefault("elementwise", all(layer.elementwise for layer in layers))
    return Layer(of_pairs.forward, of_pairs.backward, of_pairs.grads, **general)


def checked_part(name: str, layer: Any) -> Any:
    """Return a layer or an encoder that is to be a part; anything else is a TypeError that begins with `name`."""
    return checked_network(name, layer, what="argument 1", combinator=name)


def _rule_over(
    parts: Rules, forward: Forward, backward: Backward, quiet: Rule[Any, Any] | None = None
) -> Rule[Any, Any]:
    """The rule of a combinator over rules; closures are called in less time than partials."""

    def rule_forward(xp: Namespace, params: Any, x: Array) -> tuple[Array, Caches]:
        return forward(parts, xp, params, x)

    def rule_backward(xp: Namespace, caches: Caches, dout: Array, wants_dx: bool) -> tuple[Array | None, Any]:
        return backward(parts, xp, caches, dout, wants_dx)

    return Rule(rule_forward, rule_backward, forward, quiet)


@frozen(eq=False)
class Combination:
    """The pair of a combinator."""

    name: str
    parts: Rules
    arithmetic: Forward
    transpose: Backward

    @public("forward")
    def forward(self, params: Any, x: Array) -> tuple[Array, tuple[Any, ...]]:
        """The public forward."""
        out, caches = self.arithmetic(self.parts, in_pairs(x, params), params, x)
        return out, tuple(caches)

    @public("backward")
    def backward(self, caches: tuple[Any, ...], dout: Array) -> tuple[Array, Any]:
        """The public backward."""
        each = self.each(caches, dout)
        dx, grads = self.transpose(self.parts, in_pairs(dout, caches), each, dout, True)
        if dx is None:
            refuse_no_dx(self.name, "a part")
        return dx, grads

    @public("grads")
    def grads(self, caches: tuple[Any, ...], dout: Array) -> Any:
        """The public backward without dx."""
        each = self.each(caches, dout)
        return self.transpose(self.parts, in_pairs(dout, caches), each, dout, False)[1]

    def each(self, caches: Any, dout: Any) -> Caches:
        """The caches as a list. A dout is refused that is no array, or of another library than NumPy's caches."""
        counted(self.name, "caches", caches, len(self.parts))
        if not is_numpy(dout):
            name = f"{self.name} backward: dout"
            if not is_array(dout):
                raise TypeError(f"{name} must be an array, got {describe(dout)}")
            kept = _arrays_of(caches)
            if kept and all(map(is_numpy, kept)):
                can_meet(name, dout, "out", kept[0])
        return list(caches)


def _arrays_of(caches: Any) -> list[Array]:
    """The arrays of caches; none if they are no tree, as that of a part without a rule need not be."""
    with suppress(TypeError):
        return tree.leaves(caches)
    return []


def counted(name: str, what: str, records: Any, count: int) -> None:
    """Check that `records` is a tuple with an entry for each of `count` layers."""
    if not is_tuple(records):
        raise TypeError(f"{name}: {what} must be a tuple with an entry for each layer, got {describe(records)}")
    if len(records) != count:
        raise ValueError(f"{name}: {count} layers need {count} {what}, got {len(records)}")


def placed(error: Exception, i: int, parts: tuple[object, ...], kind: str = "layer") -> None:
    """Note on an error in which layer, or branch, it was raised."""
    error.add_note(f"in {kind} {i + 1} of {len(parts)}")
