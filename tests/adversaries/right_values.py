"""Right layers on unusual inputs: sizes, axes, layouts, values, and dtypes; and some that compute in less precision."""

from collections.abc import Callable
from typing import Any

import numpy as np

from adversaries.case import Adversary
from adversaries.right_features import glu, glu_vjp, layer_norm, layer_norm_vjp, rms_norm, rms_norm_vjp
from adversaries.right_forms import affine_by
from adversaries.right_kinks import first_of, max_layer, sorted_layer
from adversaries.right_parameters import hidden_vjp, scale
from adversaries.right_parts import (
    Draw,
    given,
    member,
    normal,
    of_both,
    of_x,
    pointwise,
    several,
    sigmoid_of,
    sigmoid_slope,
    signed_powers,
    softmax_of,
    softmax_vjp,
    sum_rows,
    tanh_slope,
    uniform,
)
from chainrule import Layer, own
from chainrule.arrays.types import is_tuple
from strategies import Floating


def tanh() -> Layer[Any, Any]:
    return pointwise(np.tanh, tanh_slope)


def sigmoid() -> Layer[Any, Any]:
    return pointwise(sigmoid_of, sigmoid_slope)


def relu() -> Layer[Any, Any]:
    return pointwise(lambda x: np.maximum(x, 0), lambda x: x > 0)


def square() -> Layer[Any, Any]:
    return pointwise(lambda x: x * x, lambda x: 2 * x)


def sine() -> Layer[Any, Any]:
    return pointwise(np.sin, np.cos)


def softmax() -> Layer[Any, Any]:
    return of_x(softmax_of, lambda x, d: softmax_vjp(softmax_of(x), d))


def norm() -> Layer[Any, Any]:
    return of_x(layer_norm, layer_norm_vjp)


def root_norm() -> Layer[Any, Any]:
    return of_x(rms_norm, rms_norm_vjp)


def gated() -> Layer[Any, Any]:
    return of_x(glu, glu_vjp)


def scaled() -> Layer[Any, Any]:
    return of_both(scale, lambda p, x, d: (d * p, sum_rows(d * x)))


def plain_affine() -> Layer[Any, Any]:
    return affine_by(lambda x, W, d: (d @ W.T, x.T @ d, d.sum(axis=0)))


def hidden() -> Layer[Any, Any]:
    return of_both(lambda p, x: np.tanh(x @ p[0] + p[1]) @ p[2] + p[3], hidden_vjp)


Makers = dict[str, Callable[[], Layer[Any, Any]]]

ANY_SHAPE: Makers = {"tanh": tanh, "relu": relu, "square": square}
OF_FEATURES: Makers = {"softmax": softmax, "layer norm": norm, "rms norm": root_norm}
SHAPES: dict[str, Draw] = {
    "one number a row": normal(7),
    "one row": normal(1, 4),
    "one column": normal(5, 1),
    "one number": normal(1, 1),
    "pictures": normal(2, 3, 2, 2),
    "sentences": normal(3, 4, 2),
    "as many rows as columns": normal(4, 4),
    "65 rows": normal(65, 2),
    "129 columns": normal(2, 129),
}
VALUES: dict[str, Draw] = {
    "zeros": given(np.zeros((4, 3))),
    "ones": given(np.ones((4, 3))),
    "equal rows": given(np.outer(np.ones(4), [0.5, -1.5, 2.0])),
    "equal columns": given(np.outer([0.5, -1.5, 2.0, 0.1], np.ones(3))),
    "zeros of both signs": given([[0.0, -0.0, 1.0], [-0.0, 2.0, 0.0], [-1.0, -0.0, 0.0]]),
    "whole numbers": given([[1, -2, 3], [0, 4, -5], [2, 2, -1]]),
    "ties": given([[1.5, 1.5, -1], [2, -2, 2], [0.5, 0.5, 0.5]]),
    "tiny": normal(5, 4, scale=1e-6),
    "large": normal(5, 4, scale=1e6),
    "1e-8 beside 1e8": lambda rng: rng.standard_normal((5, 4)) * np.array([1e-8, 1.0, 1e8, 1e-8]),
    "of all sizes": signed_powers(-8, 2, 5, 4),
    "mostly zeros": lambda rng: rng.standard_normal((5, 4)) * (rng.random((5, 4)) < 0.2),
    "with an outlier": lambda rng: np.where(np.eye(5, 4) * np.arange(4) == 2, 1e5, rng.standard_normal((5, 4))),
    "saturated": lambda rng: rng.choice([-1.0, 1.0], (5, 4)) * rng.uniform(20, 40, (5, 4)),
}
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "in Fortran order": np.asfortranarray,
    "every second column": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[::-1, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[0], a.shape),
}
DTYPES: dict[str, Floating] = {"float32": np.float32, "float16": np.float16, "longdouble": np.longdouble}


def of_dtypes(dtype: Floating) -> dict[str, tuple[Callable[[], Layer[Any, Any]], Draw, Draw | None]]:
    some = normal(5, 4, dtype=dtype)
    W, b = normal(4, 3, dtype=dtype), normal(3, dtype=dtype)
    return {
        "tanh": (tanh, some, None),
        "sigmoid": (sigmoid, some, None),
        "sine": (sine, some, None),
        "relu": (relu, some, None),
        "square of positive numbers": (square, uniform(0.1, 4, 5, 4, dtype=dtype), None),
        "log": (lambda: pointwise(np.log, lambda x: 1 / x), uniform(0.1, 4, 5, 4, dtype=dtype), None),
        "softmax": (softmax, some, None),
        "layer norm": (norm, some, None),
        "gated linear unit": (gated, some, None),
        "maximum": (lambda: max_layer(first_of), some, None),
        "sort": (sorted_layer, some, None),
        "floor": (lambda: of_x(np.floor, lambda x, d: np.zeros(x.shape, x.dtype)), some, None),
        "scale": (scaled, some, normal(4, dtype=dtype)),
        "affine": (plain_affine, some, several(W, b)),
        "two layers in one": (hidden, some, several(normal(4, 3, dtype=dtype), b, normal(3, 3, dtype=dtype), b)),
    }


def computed_in(dtype: Any, layer: Layer[Any, Any]) -> Layer[Any, Any]:
    """The layer, computed in another dtype than that of x, in which the cache stays: backward goes forward again."""

    def cast(value: Any, kind: Any) -> Any:
        return tuple(cast(each, kind) for each in value) if is_tuple(value) else np.asarray(value, kind)

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return layer.forward(cast(params, dtype), x.astype(dtype))[0].astype(x.dtype), own((params, x))

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        params, x = cache
        dx, grads = layer.backward(layer.forward(cast(params, dtype), x.astype(dtype))[1], dout.astype(dtype))
        return dx.astype(x.dtype), cast(grads, x.dtype)

    return Layer(forward, backward)


def half_computed(dtype: Any) -> Layer[Any, Any]:
    """sin x in the dtype of x, and its gradient in another."""
    return Layer(
        lambda params, x: (np.sin(x), own(x)),
        lambda x, dout: ((np.cos(x.astype(dtype)) * dout.astype(dtype)).astype(x.dtype), ()),
    )


def value_layers() -> list[Adversary]:
    members = [
        member(f"shape: {name} of {what}", "shape", layer, x)
        for what, x in SHAPES.items()
        for name, layer in (ANY_SHAPE if x is SHAPES["one number a row"] else ANY_SHAPE | OF_FEATURES).items()
    ]
    members += [
        member(f"value: {name} of {what}", "value", layer, x)
        for what, x in VALUES.items()
        for name, layer in (ANY_SHAPE | OF_FEATURES | {"sigmoid": sigmoid}).items()
    ]
    members += [_laid_out(name, what, layer) for what in LAYOUTS for name, layer in ANY_SHAPE.items()]
    members += [
        member(f"{kind}: {name}", kind, layer, x, params)
        for kind, dtype in DTYPES.items()
        for name, (layer, x, params) in of_dtypes(dtype).items()
    ]
    for kind in (np.float32, np.float16, np.longdouble):
        for name, (layer, x, params) in of_dtypes(np.float64).items():
            if name in INSIDE:
                what = f"inside: {name} in {kind.__name__} for float64"
                members.append(member(what, "computes in another dtype", _inside(kind, layer), x, params))
    for name, (layer, x, params) in of_dtypes(np.float16).items():
        what = f"inside: {name} in float32 for float16"
        members.append(member(what, "computes in another dtype", _inside(np.float32, layer), x, params))
    for name, (layer, x, params) in of_dtypes(np.float32).items():
        what = f"inside: {name} in float64 for float32"
        members.append(member(what, "computes in another dtype", _inside(np.float64, layer), x, params))
    members += [
        member(
            "inside: the gradient alone in longdouble",
            "computes in another dtype",
            lambda: half_computed(np.longdouble),
            normal(5, 4),
        ),
    ]
    return members


INSIDE = ("tanh", "sine", "square of positive numbers", "log", "softmax", "affine", "two layers in one", "relu")


def _inside(kind: Any, layer: Callable[[], Layer[Any, Any]]) -> Callable[[], Layer[Any, Any]]:
    return lambda: computed_in(kind, layer())


def _laid_out(name: str, what: str, layer: Callable[[], Layer[Any, Any]]) -> Adversary:
    return member(
        f"layout: {name} of x {what}", "layout", layer, lambda rng: LAYOUTS[what](rng.standard_normal((5, 4)))
    )
