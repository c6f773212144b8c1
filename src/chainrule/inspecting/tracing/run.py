"""One pass through a network, layer by layer, looking at every array as it goes by.

The network is made again of watched layers, which call the layers and look at what they take and give. So a pass is
that of the network itself: the same calls in the same order, in chains, forks and around, with the same numbers and the
same errors.
"""

from functools import partial
from typing import Any, TypeAlias

import attrs
from attrs import define

from chainrule import tree
from chainrule.arrays.arguments import describe, is_a
from chainrule.arrays.types import Array, is_tuple
from chainrule.encoder import Encoder
from chainrule.inspecting.tracing.memory import Ledger
from chainrule.inspecting.tracing.quantity import Quantity, measure
from chainrule.inspecting.tracing.records import ForkTrace, LayerTrace, LossTrace, Step, Trace
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.naming import can_be_made_again, made_again, name_of
from chainrule.parts import Around, Chain, Fork, Parts, kept_by_joint

Path: TypeAlias = tuple[int, ...]

Watched: TypeAlias = Layer[Any, Any] | Encoder[Any, Any, Any]


def run(
    network: Watched,
    params: object,
    x: Any,
    loss: Loss[Any, Any] | None,
    targets: object,
    dout: Array | None,
) -> Trace:
    """Go forward, and back if there is a loss or a `dout`; the arguments are those of `chainrule.trace`."""
    match_places("trace", network, params, ())
    ledger = Ledger(params, x)
    first = measure("x", "x", x)
    plan = planned(network, (), [0])
    watched = _watched(plan, ledger)
    out_array, cache = watched.forward(params, x)
    out = attrs.evolve(plan.last or first, name="out")
    of_loss = None
    if loss is not None:
        of_loss, dout = _through(loss, out_array, targets, ledger)
        last = of_loss.dout
    elif dout is not None:
        last = measure("dout", "dout", dout)
    else:
        return Trace(first, out, _steps(plan, first, None))
    del out_array
    if is_a(watched, Encoder):
        watched.grads(cache, dout)
        return Trace(first, out, _steps(plan, first, last), of_loss, last)
    watched.backward(cache, dout)
    return Trace(first, out, _steps(plan, first, last), of_loss, last, attrs.evolve(plan.first_dx or last, name="dx"))


@define(eq=False)
class Plan:
    """A layer of a network that is about to run, its parts if it is gone into, and what was seen of it.

    The number is its place among the layers that are not gone into, from 1, and 0 for those that are. The joint is ""
    where no branches are joined.
    """

    layer: Any
    path: Path
    number: int
    joint: str
    inside: "tuple[Plan, ...]"
    fixed: bool
    params: tuple[Quantity, ...] = ()
    out: Quantity | None = None
    bytes: tuple[int, int] = (0, 0)
    counts: tuple[int, int] | None = None
    dx: Quantity | None = None
    grads: tuple[Quantity, ...] = ()

    @property
    def measures(self) -> bool:
        """True if it makes an array of its own: a layer, or a joint."""
        return bool(self.number or self.joint)

    @property
    def last(self) -> Quantity | None:
        """The array that comes out; None if it is what went in."""
        if self.measures:
            return self.out
        return next((last for inner in reversed(self.inside) if (last := inner.last) is not None), None)

    @property
    def first_dx(self) -> Quantity | None:
        """The derivative that goes on; None if it is what came back."""
        if self.measures:
            return self.dx
        return next((first for inner in self.inside if (first := inner.first_dx) is not None), None)

    @property
    def origin(self) -> str:
        """`of layer 3 (affine)`; of a joint `of the joint of residual at params[1]`."""
        if self.number:
            return f"of layer {self.number} ({name_of(self.layer)})"
        return f"of the joint of {name_of(self.layer)} at {place_of(self.path)}"


def planned(layer: Watched, path: Path, count: list[int], *, fixed: bool = False) -> Plan:
    """Go into chains, forks and around, and number what cannot be gone into.

    `count` is a list of one number: of the layers that were numbered before.
    """
    parts: Parts = layer.parts
    if isinstance(parts, tuple) or not can_be_made_again(layer) or (isinstance(parts, Around) and parts.is_whole):
        count[0] += 1
        return Plan(layer, path, count[0], "", (), fixed)
    if isinstance(parts, Around):
        part = planned(parts.layer, path, count, fixed=fixed or parts.fixed)
        return Plan(layer, path, 0, "+" if parts.skip else "", (part,), fixed)
    inside = tuple(planned(part, (*path, i), count, fixed=fixed) for i, part in enumerate(parts.layers))
    return Plan(layer, path, 0, parts.joint if isinstance(parts, Fork) else "", inside, fixed)


def match_places(name: str, layer: Watched, params: object, path: Path) -> None:
    """Refuse parameters that are no tuple, or not as many as layers; messages begin with the name."""
    parts: Parts = layer.parts
    if isinstance(parts, Around):
        if not parts.tied:
            match_places(name, parts.layer, params, path)
    elif isinstance(parts, Chain | Fork):
        what = place_of(path)
        if not is_tuple(params):
            raise TypeError(f"{name}: {what} must be a tuple with an entry for each layer, got {describe(params)}")
        if len(params) != len(parts.layers):
            count = len(parts.layers)
            raise ValueError(f"{name}: {count} layers need {count} entries in {what}, got {len(params)}")
        for i, (part, own) in enumerate(zip(parts.layers, params, strict=True)):
            match_places(name, part, own, (*path, i))


def place_of(path: Path) -> str:
    """The place of parameters in Python's words: `params[1][0]` for the path `(1, 0)`."""
    return f"params{_indices(path)}"


def field_of(at: str) -> str:
    """The name of an array in the parameters of a layer: `W` for the path `.W`, `params` for the only one."""
    return at.removeprefix(".") or "params"


def _watched(plan: Plan, ledger: Ledger) -> Any:
    layer = plan.layer
    if not plan.number:
        layer = made_again(layer, tuple(_watched(inner, ledger) for inner in plan.inside))
    if not plan.measures:
        return layer
    forward, grads = partial(_forward, layer, plan, ledger), partial(_grads, layer, plan)
    if is_a(layer, Encoder):
        return Encoder(forward, grads, name=name_of(layer))
    return Layer(forward, partial(_backward, layer, plan), grads, name=name_of(layer))


def _forward(layer: Watched, plan: Plan, ledger: Ledger, params: Any, x: Any) -> tuple[Array, Any]:
    out, cache = layer.forward(params, x)
    plan.out = measure("out", f"out {plan.origin}", out)
    if plan.layer.operations is not None:
        plan.counts = plan.layer.operations(params, tuple(x.shape), tuple(out.shape))
    plan.bytes = ledger.enter(cache if plan.number else kept_by_joint(plan.layer, cache))
    if plan.number:
        plan.params = tuple(
            measure(field_of(at), f"{place_of(plan.path)}{at} {plan.origin}", leaf)
            for at, leaf in tree.named_leaves(params)
        )
    return out, cache


def _backward(layer: Layer[Any, Any], plan: Plan, cache: Any, dout: Array) -> tuple[Array, Any]:
    dx, grads = layer.backward(cache, dout)
    plan.dx = measure("dx", f"dx {plan.origin}", dx)
    return dx, _kept(plan, grads)


def _grads(layer: Watched, plan: Plan, cache: Any, dout: Array) -> Any:
    return _kept(plan, layer.grads(cache, dout))


def _kept(plan: Plan, grads: Any) -> Any:
    if plan.number and not plan.fixed:
        plan.grads = tuple(
            measure(f"d{field_of(at)}", f"grads{_indices(plan.path)}{at} {plan.origin}", leaf)
            for at, leaf in tree.named_leaves(grads)
        )
    return grads


def _steps(plan: Plan, x: Quantity, dout: Quantity | None) -> tuple[Step, ...]:
    if plan.number:
        return (_layer_step(plan, x, dout),)
    if plan.joint:
        branches = [_steps(inner, x, dout) for inner in plan.inside]
        around = isinstance(plan.layer.parts, Around)
        if around:
            branches.append(())  # x, which goes on as it is
        forward, backward = plan.counts or (None, None)
        return (
            ForkTrace(
                path=plan.path,
                name=name_of(plan.layer),
                joint=plan.joint,
                branches=tuple(branches),
                x=attrs.evolve(x, name="x"),
                out=_seen(plan.out),
                around=around,
                cache_bytes=plan.bytes[0],
                shared_bytes=plan.bytes[1],
                forward_operations=forward,
                backward_operations=backward,
                dout=None if dout is None else attrs.evolve(dout, name="dout"),
                dx=plan.dx,
            ),
        )
    coming = dout
    douts: list[Quantity | None] = []
    for inner in reversed(plan.inside):
        douts.append(coming)
        coming = None if dout is None else inner.first_dx or coming
    steps: list[Step] = []
    for inner in plan.inside:
        steps += _steps(inner, x, douts.pop())
        x = inner.last or x
    return tuple(steps)


def _layer_step(plan: Plan, x: Quantity, dout: Quantity | None) -> LayerTrace:
    forward, backward = plan.counts or (None, None)
    return LayerTrace(
        number=plan.number,
        path=plan.path,
        name=name_of(plan.layer),
        params=plan.params,
        x=attrs.evolve(x, name="x"),
        out=_seen(plan.out),
        cache_bytes=plan.bytes[0],
        shared_bytes=plan.bytes[1],
        forward_operations=forward,
        backward_operations=backward,
        dout=None if dout is None else attrs.evolve(dout, name="dout"),
        dx=plan.dx,
        grads=plan.grads,
    )


def _seen(quantity: Quantity | None) -> Quantity:
    if quantity is None:
        raise AssertionError("a pass goes through every layer")
    return quantity


def _through(loss: Loss[Any, Any], out: Array, targets: object, ledger: Ledger) -> tuple[LossTrace, Array]:
    name = name_of(loss)
    value, cache = loss.forward(out, targets)
    own, shared = ledger.enter(cache)
    dout = loss.backward(cache, 1.0)
    forward, backward = loss.operations(tuple(out.shape)) if loss.operations is not None else (None, None)
    return LossTrace(
        name=name,
        targets=tuple(measure(f"targets{at}", f"targets{at}", leaf) for at, leaf in tree.named_leaves(targets)),
        loss=measure("loss", f"loss of {name}", value),
        dout=measure("dout", f"dout of {name}", dout),
        cache_bytes=own,
        shared_bytes=shared,
        forward_operations=forward,
        backward_operations=backward,
    ), dout


def _indices(path: Path) -> str:
    return "".join(f"[{position}]" for position in path)
