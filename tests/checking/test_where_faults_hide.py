"""Faults that show only for some dtype, dout, size or value, and the one law that sees each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import Array, Layer, check_layer, own
from untyped import untyped

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

RNG = np.random.default_rng
X, P = RNG(7).standard_normal((6, 5)), RNG(3).standard_normal(5)


@frozen
class Hidden:
    """A wrong layer, where it is tried, and what the report is to say."""

    layer: Layer[Any, Any]
    law: str
    field: str
    words: str
    x: Array = X
    params: Any = ()


def by_factors(grads: Callable[[Any, Array], Any]) -> Layer[Any, Any]:
    """`x * p`, with `grads` in place of the second result of backward."""
    return Layer(times, times_back, grads)


def times(p: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * p, (own(x), own(p))


def times_back(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    return d * c[1], (c[0] * d).sum(0)


def sine(p: Any, x: Array) -> tuple[Array, Array]:
    return np.sin(x), own(x)


def sine_in_float32(p: Any, x: Array) -> tuple[Array, Array]:
    return np.sin(x.astype(np.float32)).astype(x.dtype), own(x)


def off_in_float32(x: Array, d: Array) -> tuple[Array, Any]:
    narrow = [each.astype(np.float32) for each in (x, d)]
    factor = np.float32(1.5 if d.dtype == np.float32 else 1)
    return (narrow[1] * np.cos(narrow[0]) * factor).astype(d.dtype), ()


def right_in_float32(x: Array, d: Array) -> tuple[Array, Any]:
    return (d.astype(np.float32) * np.cos(x.astype(np.float32))).astype(d.dtype), ()


def first_rows(n: int) -> Callable[[Array, Array], tuple[Array, Any]]:
    """The backward of sine, but for zeros from a row on."""
    return lambda x, d: (d * np.cos(x) * (np.arange(len(d)) < n)[:, None], ())


def writes_to_dout(x: Array, d: Array) -> tuple[Array, Any]:
    g = d.astype(np.float32, copy=False)
    g *= np.cos(x.astype(np.float32))
    return g.astype(d.dtype), ()


def x_in_float32(p: Any, x: Array) -> tuple[Array, Array]:
    narrow = x.astype(np.float32, copy=False)
    return np.sin(narrow).astype(x.dtype), narrow


def of_strides(x: Array, d: Array) -> tuple[Array, Any]:
    return d * np.cos(x) * (len(d) if len(d) > 1 and d.strides[0] == 0 and d.strides[1] else 1), ()


def sees_strides(p: Any, x: Array) -> tuple[Array, Array]:
    return (np.sin(2 * x) if 0 in x.strides and x.size > 1 else np.sin(x)), own(x)


def loses_a_tail(x: Array, d: Array) -> tuple[Array, Any]:
    dx: Array = d * np.cos(x)
    dx[:, d.shape[1] // 4 * 4 :] = 0
    return dx, ()


def by_identity() -> Layer[Any, Any]:
    slopes: dict[int, Array] = {}

    def forward(p: Any, x: Array) -> tuple[Array, int]:
        slopes[id(x)] = np.cos(x)
        return np.sin(x), id(x)

    return Layer(forward, lambda i, d: (d * slopes[i].astype(d.dtype), ()))


def one_buffer() -> Callable[[Any, Array], Array]:
    made: dict[str, Array] = {}

    def grads(c: Any, d: Array) -> Array:
        total: Array = np.sum(c[0] * d, 0, out=made.setdefault(d.dtype.str, np.zeros(5, d.dtype)))
        return total

    return grads


def softplus(p: Any, x: Array) -> tuple[Array, Array]:
    return np.logaddexp(x, x.dtype.type(0)), own(x)


def overflows(x: Array, d: Array) -> tuple[Array, Any]:
    return d * np.exp(x) / (1 + np.exp(x)), ()


def overlapping(n: int, d: Array) -> tuple[Array, Any]:
    return np.lib.stride_tricks.as_strided(d.copy(), (len(d), n), (d.itemsize, 0)), ()


def bent(x: Array, d: Array) -> tuple[Array, Any]:
    return 1.5 * d / np.cosh(x / 1e20) ** 2 / 1e20, ()


GRADS = "grads_without_dx"
HIDDEN = {
    "float32 inside, off in float32": Hidden(Layer(sine_in_float32, off_in_float32), "precision", "dx", "in float32"),
    "float32 inside, of float32": Hidden(
        Layer(sine_in_float32, off_in_float32), "precision", "dx", "in float32", X.astype(np.float32)
    ),
    "dx that is small beside grads": Hidden(
        Layer(times, lambda c, d: (101 * d * c[1], (c[0] * d).sum(0))), "derivative", "dx", "101 times", X, 1e-20 * P
    ),
    "grads that are small beside dx": Hidden(
        Layer(times, lambda c, d: (d * c[1], 101 * (c[0] * d).sum(0))), "derivative", "grads", "101 times", X, 1e20 * P
    ),
    "an x of 1e20": Hidden(
        Layer(lambda p, x: (np.tanh(x / 1e20), own(x)), bent), "derivative", "dx", "1.5 times", 1e20 * X
    ),
    "grads without nan": Hidden(
        by_factors(lambda c, d: np.nan_to_num(c[0] * d).sum(0)), GRADS, "grads", "a partly nan dout", X, P
    ),
    "clipped grads": Hidden(
        by_factors(lambda c, d: np.clip((c[0] * d).sum(0), -1e3, 1e3)), GRADS, "grads", "a huge dout", X, P
    ),
    "grads of a broadcast dout": Hidden(
        by_factors(lambda c, d: (c[0] * d).sum(0) * (2 if 0 in d.strides else 1)), GRADS, "grads", "broadcast", X, P
    ),
    "grads of zeros": Hidden(
        by_factors(lambda c, d: (c[0] * d).sum(0) if d.any() else np.ones(5, d.dtype)), GRADS, "grads", "all-zero", X, P
    ),
    "grads of another dtype": Hidden(
        by_factors(lambda c, d: (c[0].astype(float) * d).sum(0)), GRADS, "grads", "it is float64", X, P
    ),
    "grads in one buffer": Hidden(by_factors(one_buffer()), GRADS, "grads", "a later call changes it", X, P),
    "grads that are dout": Hidden(
        Layer(
            lambda p, x: (x + p, ()), lambda c, d: (d.copy(), d.sum(0)), lambda c, d: d.sum(0) if len(d) > 1 else d[0]
        ),
        GRADS,
        "grads",
        "shares memory with dout",
        X,
        P,
    ),
    "nan far out": Hidden(Layer(softplus, overflows), "other_values", "dx", "1000 in float64"),
    "nan far out in float32": Hidden(
        Layer(softplus, overflows), "other_values", "dx", "100 in float32", X.astype(np.float32)
    ),
    "a zero among the factors": Hidden(
        Layer(lambda p, x: (x * p, (own(x * p), own(p))), lambda c, d: (d * c[1], (d * c[0] / c[1]).sum(0))),
        "other_values",
        "grads",
        "not finite",
        X,
        P,
    ),
    "written to in float32": Hidden(
        Layer(sine_in_float32, writes_to_dout), "arguments_unchanged", "dout", "wrote to dout in float32"
    ),
    "x in the cache in float32": Hidden(
        Layer(x_in_float32, lambda y, d: (d * np.cos(y).astype(d.dtype), ())), "ownership", "x", "in float32 the cache"
    ),
    "a dout of equal rows": Hidden(Layer(sine, of_strides), "any_layout", "dout", "broadcast along axis 0"),
    "an x of equal rows": Hidden(
        Layer(sees_strides, lambda x, d: (d * np.cos(x), ())), "any_layout", "x", "broadcast along axis 0"
    ),
    "the tail of a block of steps": Hidden(
        Layer(sine, loses_a_tail), "other_sizes", "dx", "(3, 1, 4)", RNG(5).standard_normal((3, 8, 4))
    ),
    **{
        f"rows from {n} on": Hidden(
            Layer(sine, first_rows(n)), "independent_rows", "dx", f"with 1025 rows its rows from {n}"
        )
        for n in (1000, 1023, 1024)
    },
    "coupled rows beyond 300": Hidden(
        Layer(lambda p, x: (x - x.mean(0), ()), lambda c, d: (d - d[:300].mean(0), ()), couples_rows=True),
        "other_sizes",
        "dx",
        "(1000, 5)",
    ),
    "kept by the identity of x": Hidden(by_identity(), "calls_in_between", "backward", "the same array"),
    "entries in one place": Hidden(
        Layer(lambda p, x: (x.sum(-1), x.shape[1]), overlapping), "nothing_shared", "dx", "several of its entries"
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_the_law_that_sees_it_says_where(name: str) -> None:
    case = HIDDEN[name]
    with np.errstate(all="ignore"):
        report = check_layer(untyped(case.layer), case.params, case.x, rng=RNG(0), only=(case.law,))
    notes = {verdict.field: verdict.note for verdict in report.failures}
    assert case.words in notes[case.field]


@pytest.mark.parametrize(
    ("layer", "params", "x"),
    [
        (Layer(times, times_back), 1e-20 * P, X),
        (Layer(times, times_back), 1e20 * P, X),
        (Layer(times, times_back), P, 1e20 * X),
        (Layer(sine_in_float32, right_in_float32), (), X),
    ],
    ids=["small factors", "large factors", "large x", "float32 inside"],
)
def test_right_layers_at_the_same_places_are_right(layer: Layer[Any, Any], params: Any, x: Array) -> None:
    assert not check_layer(layer, params, x, rng=RNG(0)).failures


def sine_in_float16(p: Any, x: Array) -> tuple[Array, Array]:
    return np.sin(x.astype(np.float16)).astype(x.dtype), own(x)


def right_in_float16(x: Array, d: Array) -> tuple[Array, Any]:
    return (d.astype(np.float16) * np.cos(x.astype(np.float16))).astype(d.dtype), ()


@pytest.mark.parametrize(
    ("layer", "params"),
    [
        (Layer(times, times_back), P),
        (Layer(sine_in_float32, right_in_float32), ()),
        (Layer(sine_in_float16, right_in_float16), ()),
    ],
    ids=["factors", "float32 inside", "float16 inside"],
)
def test_of_many_rows_right_layers_are_right(layer: Layer[Any, Any], params: Any) -> None:
    for seed in range(4):
        report = check_layer(layer, params, X, rng=RNG(seed), only=["independent_rows"])
        assert report.ok, str(report)


def cropped(p: Any, x: Array) -> tuple[Array, Array]:
    """Means of pairs of columns; an odd last one is left out, by accident."""
    n = x.shape[1] // 2 * 2
    return (x[:, :n:2] + x[:, 1:n:2]) / 2, np.zeros((), x.dtype)


def pairs_alone(half: Array, d: Array) -> tuple[Array, Any]:
    return d.repeat(2, axis=1) / 2, ()


def determinant(p: Any, x: Array) -> tuple[Array, Array]:
    return np.linalg.det(x), own(x)


def by_inverse(x: Array, d: Array) -> tuple[Array, Any]:
    slopes: Array = np.linalg.det(x)[:, None, None] * np.linalg.inv(x).swapaxes(1, 2)
    return d[:, None, None] * slopes, ()


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (Layer(cropped, pairs_alone), RNG(0).standard_normal((4, 6)), "has shape (4, 2), expected (4, 3)"),
        (Layer(determinant, by_inverse), RNG(0).standard_normal((4, 3, 3)), "backward raises LinAlgError"),
    ],
    ids=["another shape", "an error"],
)
def test_an_x_that_forward_takes_by_accident_is_for_it_to_refuse(layer: Any, x: Array, words: str) -> None:
    with np.errstate(all="ignore"):
        report = check_layer(layer, (), x, rng=RNG(0), only=("other_values", "other_sizes"))
    assert not report.failures
    verdict, *_ = report.undecided
    assert words in verdict.note
    assert verdict.advice == "If this x is not meant, let forward refuse it"
    assert f"{verdict.note}. {verdict.advice}" in str(report)
