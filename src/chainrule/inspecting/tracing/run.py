"""One pass through a network, layer by layer, with a measurement of every array.

It makes the calls of `sequential`, in the same order and with the same arguments, so the numbers are those of the
network. Arrays are freed as in training: a cache when its layer has gone back.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import attrs
from attrs import frozen

from chainrule import tree
from chainrule.arrays.arguments import describe, is_tuple
from chainrule.arrays.types import Array
from chainrule.inspecting.tracing.memory import Ledger
from chainrule.inspecting.tracing.quantity import Quantity, measure
from chainrule.inspecting.tracing.records import LayerTrace, LossTrace, Trace
from chainrule.layer import Layer
from chainrule.loss import Loss
from chainrule.naming import name_of
from chainrule.parts import Chain

Place: TypeAlias = tuple[tuple[int, int], ...]
"""The position of a layer: at each depth, its index from 0 and the number of layers there."""


@frozen(eq=False)
class Link:
    """A layer of the chain, its parameters, and where it stands."""

    layer: Layer[Any, Any]
    params: object
    place: Place

    @property
    def path(self) -> tuple[int, ...]:
        """The positions alone."""
        return tuple(position for position, _ in self.place)


def run(
    network: Layer[Any, Any],
    params: object,
    x: Array,
    loss: Loss[Any, Any] | None,
    targets: object,
    dout: Array | None,
) -> Trace:
    """Run a pass forward, and back if there is a loss or a `dout`; the arguments are those of `chainrule.trace`."""
    chain = list(links(network, params))
    ledger = Ledger(params, x)
    first = measure("x", "x", x)
    layers: list[LayerTrace] = []
    caches: list[object] = []
    seen = first
    for number, link in enumerate(chain, start=1):
        with _noted(link):
            x, cache = link.layer.forward(link.params, x)
            layers.append(_forward(number, link, seen, x, cache, ledger))
        caches.append(cache)
        seen = layers[-1].out
    out = attrs.evolve(seen, name="out")
    of_loss = None
    if loss is not None:
        of_loss, dout = _through(loss, x, targets, ledger)
        last = of_loss.dout
    elif dout is not None:
        last = measure("dout", "dout", dout)
    else:
        return Trace(first, out, tuple(layers))
    del x
    coming = last
    for i in reversed(range(len(chain))):
        with _noted(chain[i]):
            dout, grads = chain[i].layer.backward(caches.pop(), dout)
        layers[i] = _backward(layers[i], coming, dout, grads)
        coming = layers[i].dx or coming
    return Trace(first, out, tuple(layers), of_loss, last, attrs.evolve(coming, name="dx"))


def links(network: Layer[Any, Any], params: object, place: Place = ()) -> Iterator[Link]:
    """List the layers that `sequential` composed, at all depths, with their parameters; for another layer, that layer.

    Parameters of a `sequential` that are no tuple are a TypeError, and a wrong number of them is a ValueError.
    """
    if not isinstance(network.parts, Chain):
        yield Link(network, params, place)
        return
    layers = network.parts.layers
    name = f"params{_indices(tuple(position for position, _ in place))}"
    if not is_tuple(params):
        raise TypeError(f"trace: {name} must be a tuple with an entry for each layer, got {describe(params)}")
    if len(params) != len(layers):
        raise ValueError(f"trace: {len(layers)} layers need {len(layers)} entries in {name}, got {len(params)}")
    for i, (layer, own) in enumerate(zip(layers, params, strict=True)):
        yield from links(layer, own, (*place, (i, len(layers))))


def field_of(at: str) -> str:
    """Name an array in the parameters of a layer: `W` for the path `.W`, `params` for the only one."""
    return at.removeprefix(".") or "params"


def _forward(number: int, link: Link, x: Quantity, out: Array, cache: object, ledger: Ledger) -> LayerTrace:
    name, path = name_of(link.layer), _indices(link.path)
    origin = f"of layer {number} ({name})"
    seen = measure("out", f"out {origin}", out)
    own, shared = ledger.enter(cache)
    count = link.layer.operations
    forward, backward = count(link.params, x.shape, seen.shape) if count is not None else (None, None)
    return LayerTrace(
        number=number,
        path=link.path,
        name=name,
        params=tuple(
            measure(field_of(at), f"params{path}{at} {origin}", leaf) for at, leaf in tree.named_leaves(link.params)
        ),
        x=attrs.evolve(x, name="x"),
        out=seen,
        cache_bytes=own,
        shared_bytes=shared,
        forward_operations=forward,
        backward_operations=backward,
    )


def _backward(layer: LayerTrace, dout: Quantity, dx: Array, grads: object) -> LayerTrace:
    path, origin = _indices(layer.path), f"of layer {layer.number} ({layer.name})"
    return attrs.evolve(
        layer,
        dout=attrs.evolve(dout, name="dout"),
        dx=measure("dx", f"dx {origin}", dx),
        grads=tuple(
            measure(f"d{field_of(at)}", f"grads{path}{at} {origin}", leaf) for at, leaf in tree.named_leaves(grads)
        ),
    )


def _through(loss: Loss[Any, Any], out: Array, targets: object, ledger: Ledger) -> tuple[LossTrace, Array]:
    """Forward and back through the loss."""
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


@contextmanager
def _noted(link: Link) -> Generator[None]:
    """Add to an error the layer in which it was raised, as `sequential` does."""
    try:
        yield
    except Exception as error:
        for position, count in reversed(link.place):
            error.add_note(f"in layer {position + 1} of {count}")
        raise


def _indices(path: tuple[int, ...]) -> str:
    return "".join(f"[{position}]" for position in path)
