"""Layers that write down which of their functions are called."""

from collections.abc import Callable
from typing import Any

from chainrule import Array, Layer, affine, relu, sequential
from chainrule.layer import Bare


def watched(name: str, layer: Layer[Any, Any], calls: list[str]) -> Layer[Any, Any]:
    """A layer that writes down which of its functions are called."""

    def noted(what: str, f: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            calls.append(f"{name} {what}")
            return f(*args)

        return call

    assert layer.bare is not None
    bare, back = layer.bare, layer.bare.backward

    def bare_backward(xp: Any, params: Any, saved: Any, dout: Array, wants_dx: bool) -> tuple[Array, Any]:
        calls.append(f"{name} bare back" + {True: " and dx", False: ""}[wants_dx])
        return back(xp, params, saved, dout, wants_dx)

    return Layer(
        noted("forward", layer.forward),
        noted("backward", layer.backward),
        noted("grads", layer.grads),
        bare=Bare(noted("bare", bare.forward), bare_backward),
    )


def three(calls: list[str]) -> Layer[Any, Any]:
    """A network that writes down which functions of its layers are called."""
    layers: list[Layer[Any, Any]] = [affine, relu, affine]
    return sequential(*(watched(str(i), layer, calls) for i, layer in enumerate(layers)))
