"""Right layers with kinks and steps: at a kink they return a subgradient, on a step 0, and surrogates are declared."""

from typing import Any, TypeAlias

import numpy as np

from adversaries.case import Adversary
from adversaries.right_parts import (
    Draw,
    Function,
    Vjp,
    given,
    member,
    normal,
    of_x,
    places,
    pointwise,
    sigmoid_slope,
    softmax_of,
    softmax_vjp,
    tanh_slope,
    where,
    with_values,
)
from chainrule import Layer, own

SOME = normal(5, 4)
Kinked: TypeAlias = tuple[str, Function, Function, tuple[float, ...]]
"""Its name in words, the function, its slope, and the places of its kinks."""

SELU, ALPHA = 1.0507009873554805, 1.6732632423543772

KINKED: list[Kinked] = [
    ("relu, slope 0 at 0", lambda x: np.maximum(x, 0), lambda x: x > 0, (0.0,)),
    ("relu, slope 1 at 0", lambda x: np.maximum(x, 0), lambda x: x >= 0, (0.0,)),
    ("relu, slope 1/2 at 0", lambda x: np.maximum(x, 0), lambda x: 0.5 + 0.5 * np.sign(x), (0.0,)),
    ("relu by where", lambda x: where(x > 0, x, 0), lambda x: x > 0, (0.0,)),
    ("relu by a product", lambda x: x * (x > 0), lambda x: x > 0, (0.0,)),
    ("relu by |x|", lambda x: (x + np.abs(x)) / 2, lambda x: (1 + np.sign(x)) / 2, (0.0,)),
    ("abs, slope 0 at 0", np.abs, np.sign, (0.0,)),
    ("abs, slope 1 at 0", np.abs, lambda x: where(x >= 0, 1, -1), (0.0,)),
    ("abs, slope -1 at 0", np.abs, lambda x: where(x > 0, 1, -1), (0.0,)),
    ("leaky relu", lambda x: where(x > 0, x, 0.1 * x), lambda x: where(x > 0, 1, 0.1), (0.0,)),
    ("leaky relu by maximum", lambda x: np.maximum(x, 0.2 * x), lambda x: where(x >= 0, 1, 0.2), (0.0,)),
    ("a slope that changes its sign", lambda x: where(x > 0, x, -3 * x), lambda x: where(x > 0, 1, -3), (0.0,)),
    ("clip", lambda x: np.clip(x, -0.5, 0.5), lambda x: np.abs(x) < 0.5, (-0.5, 0.5)),
    ("clip, slope 1 at the ends", lambda x: np.clip(x, -0.5, 0.5), lambda x: np.abs(x) <= 0.5, (-0.5, 0.5)),
    ("hinge", lambda x: np.maximum(1 - x, 0), lambda x: -1.0 * (x < 1), (1.0,)),
    ("squared hinge", lambda x: np.maximum(1 - x, 0) ** 2, lambda x: -2 * np.maximum(1 - x, 0), (1.0,)),
    ("hard tanh", lambda x: np.minimum(np.maximum(x, -1), 1), lambda x: np.abs(x) < 1, (-1.0, 1.0)),
    ("hard sigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1), lambda x: (np.abs(x) < 3) / 6, (-3.0, 3.0)),
    (
        "hard swish",
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        lambda x: where(np.abs(x) < 3, x / 3 + 0.5, x >= 3),
        (-3.0, 3.0),
    ),
    ("relu6", lambda x: np.clip(x, 0, 6), lambda x: (x > 0) & (x < 6), (0.0, 6.0)),
    ("soft threshold", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), lambda x: np.abs(x) > 0.5, (-0.5, 0.5)),
    ("dead zone squared", lambda x: np.maximum(np.abs(x) - 1, 0) ** 2, lambda x: 2 * (x - np.clip(x, -1, 1)), (1.0,)),
    (
        "huber",
        lambda x: where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5),
        lambda x: np.clip(x, -1, 1),
        (1.0, -1.0, 0.0),
    ),
    (
        "elu",
        lambda x: where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.exp(np.minimum(x, 0)),
        (0.0,),
    ),
    (
        "selu",
        lambda x: SELU * where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x: SELU * where(x > 0, 1, ALPHA * np.exp(np.minimum(x, 0))),
        (0.0,),
    ),
    ("square of relu", lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), (0.0,)),
    ("relu to the power 1.5", lambda x: np.maximum(x, 0) ** 1.5, lambda x: 1.5 * np.sqrt(np.maximum(x, 0)), (0.0,)),
    ("exp(-|x|)", lambda x: np.exp(-np.abs(x)), lambda x: -np.sign(x) * np.exp(-np.abs(x)), (0.0,)),
    ("maximum of x and x²", lambda x: np.maximum(x, x * x), lambda x: where(x > x * x, 1, 2 * x), (0.0, 1.0)),
    ("triangle", lambda x: np.maximum(1 - np.abs(x), 0), lambda x: -np.sign(x) * (np.abs(x) < 1), (0.0, 1.0, -1.0)),
]
FLAT: list[tuple[str, Function]] = [
    ("floor", np.floor),
    ("ceil", np.ceil),
    ("rint", np.rint),
    ("trunc", np.trunc),
    ("sign", np.sign),
    ("step", lambda x: np.heaviside(x, 0)),
    ("step by a comparison", lambda x: (x > 0).astype(x.dtype)),
    ("quantised to tenths", lambda x: np.floor(10 * x) / 10),
    ("floor division", lambda x: x // 0.5),
    ("parity", lambda x: np.floor(x) % 2),
    ("one-hot of the argmax", lambda x: (x == x.max(axis=-1, keepdims=True)).astype(x.dtype)),
    ("ranks", lambda x: np.argsort(np.argsort(x, axis=-1, kind="stable"), axis=-1, kind="stable").astype(x.dtype)),
    ("count of positive features", lambda x: (x > 0).sum(axis=-1, keepdims=True).astype(x.dtype)),
]
PIECES: list[Kinked] = [
    ("fractional part", lambda x: x - np.floor(x), lambda x: x * 0 + 1, ()),
    ("distance to the nearest whole number", lambda x: np.abs(x - np.rint(x)), lambda x: np.sign(x - np.rint(x)), ()),
    ("x times the step", lambda x: x * (x > 0.5), lambda x: x > 0.5, ()),
    ("x + floor", lambda x: x + np.floor(x), lambda x: x * 0 + 1, ()),
    ("sawtooth of squares", lambda x: (x - np.floor(x)) ** 2, lambda x: 2 * (x - np.floor(x)), ()),
]
SURROGATES: list[tuple[str, Function, Vjp, Draw]] = [
    ("straight-through round", np.rint, lambda x, d: d + 0, SOME),
    ("straight-through floor", np.floor, lambda x, d: d + 0, SOME),
    ("straight-through sign, cut at 1", np.sign, lambda x, d: d * (np.abs(x) <= 1), SOME),
    (
        "step with the slope of a sigmoid",
        lambda x: (x > 0).astype(x.dtype),
        lambda x, d: d * sigmoid_slope(4 * x),
        SOME,
    ),
    ("step with the slope of tanh", lambda x: (x > 0).astype(x.dtype), lambda x, d: d * tanh_slope(x), SOME),
    ("reversed gradient", lambda x: x + 0, lambda x, d: -d, SOME),
    ("gradient scaled by 1/10", lambda x: x + 0, lambda x, d: d / 10, SOME),
    ("stopped gradient", np.sin, lambda x, d: 0 * d, SOME),
    ("gate whose gradient is stopped", lambda x: x * np.tanh(x), lambda x, d: d * np.tanh(x), SOME),
    ("relu with a leak backward", lambda x: np.maximum(x, 0), lambda x, d: where(x > 0, d, 0.01 * d), SOME),
    (
        "one-hot forward, softmax backward",
        lambda x: (x == x.max(axis=-1, keepdims=True)).astype(x.dtype),
        lambda x, d: softmax_vjp(softmax_of(x), d),
        SOME,
    ),
]
TIED = given([[1.0, 2, 2, 0], [3, 3, -1, 1], [0, 1, 5, 5], [0.5, 0, 0, -2]])


def first_of(x: Any, best: Any) -> Any:
    """1 at the first entry of each row that equals the row's best."""
    hit = x == best
    return hit & (np.cumsum(hit, axis=-1) == 1)


def last_of(x: Any, best: Any) -> Any:
    return first_of(x[..., ::-1], best)[..., ::-1]


def shared(x: Any, best: Any) -> Any:
    hit = x == best
    return hit / hit.sum(axis=-1, keepdims=True).astype(x.dtype)


def max_layer(choose: Any, *, lowest: bool = False) -> Layer[Any, Any]:
    def best(x: Any) -> Any:
        return x.min(axis=-1, keepdims=True) if lowest else x.max(axis=-1, keepdims=True)

    return of_x(best, lambda x, dout: dout * choose(x, best(x)))


def sorted_layer(pick: slice | None = None) -> Layer[Any, Any]:
    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        order = np.argsort(x, axis=-1, kind="stable")[..., pick or slice(None)]
        return np.take_along_axis(x, order, axis=-1), (own(order), x.shape)

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        order, shape = cache
        dx = np.zeros(shape, dout.dtype.newbyteorder("="))
        np.put_along_axis(dx, order, dout, axis=-1)
        return dx, ()

    return Layer(forward, backward)


def median_layer() -> Layer[Any, Any]:
    """Of an odd number of features: the one in the middle."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        if x.shape[-1] % 2 == 0:
            raise ValueError("median: an odd number of features is needed")
        middle = np.argsort(x, axis=-1, kind="stable")[..., x.shape[-1] // 2, None]
        return np.take_along_axis(x, middle, axis=-1), (own(middle), x.shape)

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        middle, shape = cache
        return dout * (places(shape[-1]) == middle), ()

    return Layer(forward, backward)


def pairs_of(x: Any) -> Any:
    if x.shape[-1] % 2:
        raise ValueError("an even number of features is needed")
    return x.reshape(*x.shape[:-1], -1, 2)


def pooled_layer() -> Layer[Any, Any]:
    """The larger of each two neighbours."""
    return of_x(
        lambda x: pairs_of(x).max(axis=-1),
        lambda x, d: (d[..., None] * first_of(pairs_of(x), pairs_of(x).max(axis=-1, keepdims=True))).reshape(x.shape),
    )


def maxout_layer() -> Layer[Any, Any]:
    """The larger of the first and the second half."""

    def vjp(x: Any, dout: Any) -> Any:
        a, b = np.split(x, 2, axis=-1)
        return np.concatenate([dout * (a >= b), dout * (a < b)], axis=-1)

    return of_x(lambda x: np.maximum(*np.split(x, 2, axis=-1)), vjp)


def kink_layers() -> list[Adversary]:
    members: list[Adversary] = []
    for name, f, slope, kinks in KINKED:
        layer = _pointwise(f, slope)
        members.append(member(f"kink: {name}", "kink", layer, SOME))
        at = with_values(SOME, *kinks, 1.7, *kinks)
        members.append(member(f"kink: {name}, with some at the kink", "at a kink", layer, at))
    for name, f in FLAT:
        members.append(member(f"flat: {name}", "flat", _flat(f), normal(5, 4, scale=2)))
    for name, f, slope, _ in PIECES:
        members.append(member(f"pieces: {name}", "pieces", _pointwise(f, slope), normal(5, 4, scale=2)))
    for name, f, vjp, x in SURROGATES:
        members.append(member(f"surrogate: {name}", "surrogate", _of_x(f, vjp), x, surrogate=True))
    choices: dict[str, tuple[Any, bool]] = {
        "maximum, the first": (first_of, False),
        "maximum, the last": (last_of, False),
        "maximum, shared among equal ones": (shared, False),
        "minimum, the first": (first_of, True),
        "minimum, shared among equal ones": (shared, True),
    }
    for name, (choose, lowest) in choices.items():
        layer = _max(choose, lowest=lowest)
        members += [
            member(f"choice: {name}", "choice", layer, SOME),
            member(f"choice: {name}, of ties", "tie", layer, TIED),
            member(f"choice: {name}, of equal features", "tie", layer, given(np.ones((4, 3)))),
        ]
    members += [
        member("choice: sort", "choice", sorted_layer, SOME),
        member("choice: sort, of ties", "tie", sorted_layer, TIED),
        member("choice: the two largest", "choice", lambda: sorted_layer(slice(-2, None)), normal(5, 5)),
        member(
            "choice: the two smallest, descending", "choice", lambda: sorted_layer(slice(1, None, -1)), normal(5, 4)
        ),
        member("choice: median", "choice", median_layer, normal(5, 5)),
        member("choice: median, of ties", "tie", median_layer, given([[1.0, 2, 2], [4, 0, 4], [3, 1, 2]])),
        member("choice: max pool of neighbours", "choice", pooled_layer, normal(5, 6)),
        member("choice: max pool of neighbours, of ties", "tie", pooled_layer, TIED),
        member("choice: maxout of halves", "choice", maxout_layer, normal(5, 6)),
        member("choice: maxout of halves, of ties", "tie", maxout_layer, given([[1.0, 2, 1, 3], [0, 0, 0, 0]])),
    ]
    return members


def _pointwise(f: Function, slope: Function) -> Any:
    return lambda: pointwise(f, slope)


def _flat(f: Function) -> Any:
    return lambda: of_x(f, lambda x, dout: np.zeros(x.shape, x.dtype))


def _of_x(f: Function, vjp: Vjp) -> Any:
    return lambda: of_x(f, vjp)


def _max(choose: Any, *, lowest: bool) -> Any:
    return lambda: max_layer(choose, lowest=lowest)
