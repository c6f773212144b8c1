"""Layers that take float64, made of those that refuse it."""

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from chainrule import tree
from chainrule.encoder import Encoder
from chainrule.laws.trials.copies import in_dtype, in_float64, writable
from chainrule.laws.trials.process import put_back
from chainrule.layer import Layer


def in_its_dtype(layer: Any, params: Any, x: Any) -> Any:
    """The layer itself if it takes float64; else one that takes float64 and computes in the dtype that it is given in.

    The laws then see by its noise in what precision it computes.
    """
    dtypes = {leaf.dtype for leaf in _floats((params, x))}
    if len(dtypes) != 1 or (dtype := dtypes.pop()).itemsize >= 8:
        return layer
    try:
        with put_back():
            layer.forward(writable(in_float64(params)), writable(in_float64(x)))
    except Exception:  # it refuses float64
        return _narrowed(layer, dtype)
    return layer


def _floats(value: Any) -> Iterator[Any]:
    yield from (leaf for leaf in tree.leaves(value) if leaf.dtype.kind == "f")


@attrs.frozen(eq=False)
class _Wide:
    cache: Any
    wide: bool


def _narrowed(layer: Any, dtype: np.dtype[Any]) -> Any:
    def forward(params: Any, x: Any) -> Any:
        if not any(leaf.dtype == np.float64 for leaf in _floats((params, x))):
            out, cache = layer.forward(params, x)
            return out, _Wide(cache, False)
        out, cache = layer.forward(in_dtype(params, dtype), in_dtype(x, dtype))
        return out.astype(np.float64), _Wide(cache, True)

    def backward(cache: _Wide, dout: Any) -> Any:
        if not cache.wide:
            return layer.backward(cache.cache, dout)
        dx, grads = layer.backward(cache.cache, dout.astype(dtype))
        return dx.astype(np.float64), in_float64(grads)

    def grads(cache: _Wide, dout: Any) -> Any:
        if not cache.wide:
            return layer.grads(cache.cache, dout)
        return in_float64(layer.grads(cache.cache, dout.astype(dtype)))

    if isinstance(layer, Encoder):
        return Encoder(forward, grads, couples_rows=layer.couples_rows, event_axes=layer.event_axes)
    traits = {"couples_rows": layer.couples_rows, "event_axes": layer.event_axes, "elementwise": layer.elementwise}
    return Layer(forward, backward, grads, **traits)
