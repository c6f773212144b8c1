"""Right layers, and ways to plant a fault in one, so that lists of wrong layers read like tables."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from attrs import evolve, frozen

from adversaries.case import Adversary, LayerCase
from chainrule import Affine, Array, Layer, own, record, tree

# Arrays, masks and trees of them: what a layer does to them is its own affair, so they are untyped here.
Pull: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]
Fault: TypeAlias = Callable[["Base"], Layer[Any, Any]]
Step: TypeAlias = Callable[[Any, list[Any], Any, Any], Any]


# NumPy's, without the types that pyright can't tell for untyped arguments.
where: Callable[[Any, Any, Any], Any] = np.where
to_whole: Callable[..., Any] = np.round
interpolated: Callable[..., Any] = np.interp


def uniform(rng: Any, like: Any) -> Any:
    """Random numbers below 1 in the shape of an array."""
    return rng.random(like.shape)


@frozen(eq=False)
class Base:
    """A right layer as two functions of its arguments, and how to draw those.

    Parameters
    ----------
    name
        Its name.
    fields
        The names of its parameters' arrays, in order.
    draw
        `(rng, rows) -> (params, x)`, in float64.
    out
        `(params, x) -> out`.
    pull
        `(params, x, dout) -> (dx, grads)`.
    couples_rows
        Whether it declares that rows depend on each other.
    """

    name: str
    fields: str
    draw: Callable[[Any, int], tuple[Any, Any]]
    out: Callable[[Any, Any], Any]
    pull: Pull
    couples_rows: bool = False

    def but(self, *, out: Callable[[Any, Any], Any] | None = None, pull: Pull | None = None) -> "Base":
        """The same with another function."""
        return evolve(self, out=out or self.out, pull=pull or self.pull)

    def place(self, name: str) -> int:
        """The place of a result among dx and all gradients."""
        return ("dx", *(f"d{each}" for each in self.fields.split())).index(name)


@frozen(eq=False)
class Call:
    """A call of backward: what it is given, and what it is about to return, dx first."""

    params: Any
    x: Any
    dout: Any
    results: list[Any]


def layer_of(base: Base) -> Layer[Any, Any]:
    """The right layer."""

    def forward(params: Any, x: Any) -> tuple[Any, Any]:
        return base.out(params, x), own((params, x))

    def backward(cache: Any, dout: Any) -> tuple[Any, Any]:
        return base.pull(cache[0], cache[1], dout)

    return Layer(forward, backward, couples_rows=base.couples_rows)


def altered(change: Callable[[Call], object]) -> Fault:
    """The results are changed at the end of backward."""

    def fault(base: Base) -> Layer[Any, Any]:
        def pull(params: Any, x: Any, dout: Any) -> tuple[Any, Any]:
            dx, grads = base.pull(params, x, dout)
            call = Call(params, x, dout, [dx, *(leaf.copy() for leaf in tree.leaves(grads))])
            change(call)
            return call.results[0], tree.replace(grads, call.results[1:])

        return layer_of(base.but(pull=pull))

    return fault


def always(call: Call) -> bool:
    return True


def off(name: str, where: Any = ..., factor: float = 2.0, when: Callable[[Call], Any] = always) -> Fault:
    """A result is multiplied by a factor at some entries (an index, or a function that gives one), on some calls."""

    def fault(base: Base) -> Layer[Any, Any]:
        place = base.place(name)

        def change(call: Call) -> None:
            if when(call):
                result: Any = np.array(call.results[place])
                at: Any = where(call) if callable(where) else where
                result[at] *= factor
                call.results[place] = result

        return altered(change)(base)

    return fault


def pulling(pull: Pull) -> Fault:
    """Another backward."""
    return lambda base: layer_of(base.but(pull=pull))


def sloping(slope: Callable[[Any], Any]) -> Fault:
    """Another slope of an elementwise function."""
    return pulling(lambda p, x, d: ((d * slope(x)).astype(d.dtype), ()))


def giving(out: Callable[[Any, Any], Any]) -> Fault:
    """Another forward."""
    return lambda base: layer_of(base.but(out=out))


def fed(read: Callable[[Any], Any]) -> Fault:
    """Backward reads something else than dout."""
    return lambda base: layer_of(base.but(pull=lambda p, x, d: base.pull(p, x, read(d))))


def seen(read: Callable[[Any], Any]) -> Fault:
    """Backward works with something else than x."""
    return lambda base: layer_of(base.but(pull=lambda p, x, d: base.pull(p, read(x), d)))


def weighed(read: Callable[[Any], Any]) -> Fault:
    """Backward works with something else than the parameters' arrays."""
    return lambda base: layer_of(base.but(pull=lambda p, x, d: base.pull(tree.map(read, p), x, d)))


def around(forward: Step | None = None, backward: Step | None = None, grads: Step | None = None) -> Fault:
    """Functions of the right layer and of a call's arguments in the place of its own.

    They are made anew for each case: a list `kept` is theirs, to keep something in between calls.
    """

    def fault(base: Base) -> Layer[Any, Any]:
        right = layer_of(base)
        kept: list[Any] = []

        def instead(f: Step | None, own_function: Callable[..., Any]) -> Callable[..., Any]:
            return partial(f, right, kept) if f else own_function

        back = instead(backward, right.backward)
        run = instead(forward, right.forward)
        if grads:
            return Layer(run, back, partial(grads, right, kept), couples_rows=base.couples_rows)
        return Layer(run, back, couples_rows=base.couples_rows)

    return fault


def unlocked(value: Any) -> Any:
    """Arrays that can be written to, as a caller's are, but for those in records."""
    kind = value.__class__
    if kind is np.ndarray:
        return value.copy()
    return tuple(map(unlocked, value)) if kind is tuple else value


def case_of(base: Base, fault: Fault, rows: int, dtype: Any, seed: int) -> LayerCase:
    params, x = base.draw(np.random.default_rng(seed), rows)
    params, x = tree.map(lambda leaf: leaf.astype(dtype), (params, x))
    return LayerCase(fault(base), unlocked(params), unlocked(x))


def wrong(
    kind: str, base: Base, what: str, fault: Fault, *, rows: int = 6, dtype: Any = np.float64, seed: int = 0
) -> Adversary:
    """A member: a base with a fault."""
    return Adversary(f"{base.name}: {what}", kind, partial(case_of, base, fault, rows, dtype, seed))


# Where arguments come from.


def normal(*sides: int) -> Callable[[Any, int], tuple[Any, Any]]:
    """No parameters, and normal values."""
    return lambda rng, n: ((), rng.standard_normal((n, *sides)))


def positive(*sides: int) -> Callable[[Any, int], tuple[Any, Any]]:
    """No parameters, and positive values."""
    return lambda rng, n: ((), rng.uniform(0.5, 2.5, (n, *sides)))


def with_params(make: Callable[[Any], Any], *sides: int) -> Callable[[Any, int], tuple[Any, Any]]:
    return lambda rng, n: (make(rng), rng.standard_normal((n, *sides)))


# Elementwise.


def curve(name: str, f: Callable[[Any], Any], slope: Callable[[Any], Any], draw: Any = None) -> Base:
    """An elementwise function."""
    return Base(name, "", draw or normal(5), lambda p, x: f(x), lambda p, x, d: (d * slope(x), ()))


def logistic(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return where(x >= 0, 1 / (1 + e), e / (1 + e))


def gelu_slope(x: Any) -> Any:
    t = np.tanh(K * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * K * (1 + 3 * 0.044715 * x * x)


def silu_slope(x: Any) -> Any:
    s = logistic(x)
    return s * (1 + x * (1 - s))


def softplus_of(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


K = math.sqrt(2 / math.pi)
relu = curve("relu", lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype))
leaky_relu = curve("leaky relu", lambda x: where(x > 0, x, 0.1 * x), lambda x: where(x > 0, 1, 0.1).astype(x.dtype))
absolute = curve("abs", np.abs, np.sign)
hardtanh = curve("hardtanh", lambda x: np.clip(x, -1, 1), lambda x: (np.abs(x) < 1).astype(x.dtype))
sigmoid = curve("sigmoid", logistic, lambda x: logistic(x) * logistic(-x))
tanh = curve("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2)
softplus = curve("softplus", softplus_of, logistic)
elu = curve(
    "elu",
    lambda x: where(x > 0, x, np.expm1(np.minimum(x, 0))),
    lambda x: np.exp(np.minimum(x, 0)),
)
gelu = curve("gelu", lambda x: 0.5 * x * (1 + np.tanh(K * (x + 0.044715 * x**3))), gelu_slope)
silu = curve("silu", lambda x: x * logistic(x), silu_slope)
square = curve("square", lambda x: x * x, lambda x: 2 * x)
cube = curve("cube", lambda x: x * x * x, lambda x: 3 * x * x)
sine = curve("sine", np.sin, np.cos)
arctan = curve("arctan", np.arctan, lambda x: 1 / (1 + x * x))
exp = curve("exp", np.exp, np.exp)
log = curve("log", np.log, lambda x: 1 / x, positive(5))
sqrt = curve("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), positive(5))
reciprocal = curve("reciprocal", lambda x: 1 / x, lambda x: -1 / (x * x), positive(5))
floor = curve("floor", np.floor, np.zeros_like)
sign = curve("sign", np.sign, np.zeros_like)
rounded = curve("round", np.round, np.zeros_like)
softsign = curve("softsign", lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2)


# Along features.


def total(a: Any) -> Any:
    return a.sum(axis=-1, keepdims=True)


def mean(a: Any) -> Any:
    return a.mean(axis=-1, keepdims=True)


def probabilities(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / total(e)


def softmax_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    s = probabilities(x)
    return s * (d - total(s * d)), ()


def log_softmax_of(p: Any, x: Any) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(total(np.exp(shifted)))


def max_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.zeros_like(x)
    np.put_along_axis(dx, x.argmax(axis=-1)[..., None], d, axis=-1)
    return dx, ()


def sort_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.empty_like(x)
    np.put_along_axis(dx, x.argsort(axis=-1, kind="stable"), d, axis=-1)
    return dx, ()


def length(x: Any) -> Any:
    return np.sqrt(total(x * x))


def unit_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    h = x / length(x)
    return (d - h * total(h * d)) / length(x), ()


def outer_of(p: Any, x: Any) -> Any:
    return (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)


def outer_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    d = d.reshape(len(x), x.shape[1], x.shape[1])
    return ((d + d.transpose(0, 2, 1)) * x[:, None, :]).sum(axis=2), ()


def glu_of(p: Any, x: Any) -> Any:
    a, b = np.split(x, 2, axis=-1)
    return a * logistic(b)


def glu_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    a, b = np.split(x, 2, axis=-1)
    s = logistic(b)
    return np.concatenate([d * s, d * a * s * (1 - s)], axis=-1), ()


def product_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.empty_like(x)
    for j in range(x.shape[1]):
        dx[:, j] = np.delete(x, j, axis=1).prod(axis=1) * d[:, 0]
    return dx, ()


softmax = Base("softmax", "", normal(5), lambda p, x: probabilities(x), softmax_pull)
log_softmax = Base("log softmax", "", normal(5), log_softmax_of, lambda p, x, d: (d - probabilities(x) * total(d), ()))
log_sum_exp = Base(
    "logsumexp",
    "",
    normal(5),
    lambda p, x: x.max(axis=-1, keepdims=True) + np.log(total(np.exp(x - x.max(axis=-1, keepdims=True)))),
    lambda p, x, d: (probabilities(x) * d, ()),
)
cumsum = Base(
    "cumulative sum",
    "",
    normal(6),
    lambda p, x: np.cumsum(x, axis=1),
    lambda p, x, d: (np.cumsum(d[:, ::-1], axis=1)[:, ::-1].copy(), ()),
)
maximum = Base("max over features", "", normal(5), lambda p, x: x.max(axis=-1, keepdims=True), max_pull)
ordered = Base("sort", "", normal(5), lambda p, x: np.sort(x, axis=-1), sort_pull)
unit = Base("l2-normalise", "", normal(4), lambda p, x: x / length(x), unit_pull)
norm = Base("norm", "", normal(4), lambda p, x: length(x), lambda p, x, d: (x / length(x) * d, ()))
outer = Base("outer", "", normal(4), outer_of, outer_pull)
glu = Base("glu", "", normal(6), glu_of, glu_pull)
product = Base("product", "", normal(4), lambda p, x: x.prod(axis=1, keepdims=True), product_pull)
differences = Base(
    "differences",
    "",
    normal(6),
    lambda p, x: x[:, 1:] - x[:, :-1],
    lambda p, x, d: (np.pad(d, ((0, 0), (1, 0))) - np.pad(d, ((0, 0), (0, 1))), ()),
)
pooling = Base(
    "mean over time",
    "",
    normal(5, 3),
    lambda p, x: x.mean(axis=1),
    lambda p, x, d: ((d[:, None, :] / x.shape[1] + np.zeros_like(x)).astype(d.dtype), ()),
)
identity = Base("identity", "", normal(4), lambda p, x: x.copy(), lambda p, x, d: (d.copy(), ()))
reverse = Base(
    "reversed features", "", normal(5), lambda p, x: x[:, ::-1].copy(), lambda p, x, d: (d[:, ::-1].copy(), ())
)


# With parameters.


def flat(a: Any) -> Any:
    return a.reshape(-1, a.shape[-1])


def rows_sum(a: Any) -> Any:
    return flat(a).sum(axis=0)


def affine_draw(n_in: int, n_out: int) -> Callable[[Any, int], tuple[Any, Any]]:
    return with_params(
        lambda rng: Affine(rng.standard_normal((n_in, n_out)) / math.sqrt(n_in), rng.standard_normal(n_out)), n_in
    )


def affine_base(name: str, n_in: int, n_out: int) -> Base:
    return Base(
        name,
        "W b",
        affine_draw(n_in, n_out),
        lambda p, x: x @ p.W + p.b,
        lambda p, x, d: (d @ p.W.T, Affine(flat(x).T @ flat(d), rows_sum(d))),
    )


affine = affine_base("affine", 4, 3)
square_affine = affine_base("square affine", 4, 4)
wide_affine = affine_base("affine 64x32", 64, 32)
large_affine = affine_base("affine 128x768", 128, 768)
linear = Base(
    "linear",
    "W",
    with_params(lambda rng: rng.standard_normal((4, 3)), 4),
    lambda W, x: x @ W,
    lambda W, x, d: (d @ W.T, flat(x).T @ flat(d)),
)
in_time = Base(
    "affine in time",
    "W b",
    with_params(lambda rng: (rng.standard_normal((4, 3)), rng.standard_normal(3)), 5, 4),
    lambda p, x: x @ p[0] + p[1],
    lambda p, x, d: (d @ p[0].T, (flat(x).T @ flat(d), rows_sum(d))),
)
bias = Base(
    "bias",
    "b",
    with_params(lambda rng: rng.standard_normal(4), 4),
    lambda b, x: x + b,
    lambda b, x, d: (d.copy(), rows_sum(d)),
)
scale_shift = Base(
    "scale and shift",
    "gamma beta",
    with_params(lambda rng: (rng.uniform(0.5, 2, 4), rng.standard_normal(4)), 4),
    lambda p, x: x * p[0] + p[1],
    lambda p, x, d: (d * p[0], (rows_sum(d * x), rows_sum(d))),
)
division = Base(
    "division",
    "s",
    with_params(lambda rng: rng.uniform(0.5, 2, 4), 4),
    lambda s, x: x / s,
    lambda s, x, d: (d / s, rows_sum(-d * x / (s * s))),
)
temperature = Base(
    "softmax with a temperature",
    "t",
    with_params(lambda rng: np.array(1.7), 5),
    lambda t, x: probabilities(x / t),
    lambda t, x, d: tempered(t, x, softmax_pull((), x / t, d)[0]),
)


def tempered(t: Any, x: Any, dz: Any) -> tuple[Any, Any]:
    return dz / t, np.asarray(-(dz * x).sum() / (t * t))


prelu = Base(
    "prelu",
    "a",
    with_params(lambda rng: rng.uniform(0.1, 0.5, 4), 4),
    lambda a, x: where(x > 0, x, a * x),
    lambda a, x, d: (where(x > 0, d, a * d), rows_sum(where(x > 0, 0, d * x))),
)


def normalised(x: Any) -> tuple[Any, Any]:
    c = x - mean(x)
    r = 1 / np.sqrt(mean(c * c) + 1e-5)
    return c * r, r


def layer_norm_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    h, r = normalised(x)
    g = d * p[0]
    return r * (g - mean(g) - h * mean(h * g)), (rows_sum(d * h), rows_sum(d))


def rms_pull(g: Any, x: Any, d: Any) -> tuple[Any, Any]:
    r = 1 / np.sqrt(mean(x * x) + 1e-6)
    h = x * r
    return r * (d * g - h * mean(h * d * g)), rows_sum(d * h)


layer_norm = Base(
    "layer norm",
    "gamma beta",
    with_params(lambda rng: (rng.uniform(0.5, 2, 6), rng.standard_normal(6)), 6),
    lambda p, x: normalised(x)[0] * p[0] + p[1],
    layer_norm_pull,
)
rms_norm = Base(
    "rms norm",
    "g",
    with_params(lambda rng: rng.uniform(0.5, 2, 6), 6),
    lambda g, x: x / np.sqrt(mean(x * x) + 1e-6) * g,
    rms_pull,
)
polynomial = Base(
    "polynomial",
    "c",
    with_params(lambda rng: rng.standard_normal(4), 3),
    lambda c, x: ((c[3] * x + c[2]) * x + c[1]) * x + c[0],
    lambda c, x, d: (d * ((3 * c[3] * x + 2 * c[2]) * x + c[1]), np.array([(d * x**k).sum() for k in range(4)])),
)


def bilinear_pull(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dx = np.einsum("nm,mij,nj->ni", d, W, x) + np.einsum("nm,mij,ni->nj", d, W, x)
    return dx, np.einsum("nm,ni,nj->mij", d, x, x)


bilinear = Base(
    "bilinear",
    "W",
    with_params(lambda rng: rng.standard_normal((2, 3, 3)), 3),
    lambda W, x: np.einsum("ni,mij,nj->nm", x, W, x),
    bilinear_pull,
)


def convolve(k: Any, x: Any) -> Any:
    m = x.shape[1] - len(k) + 1
    return sum((x[:, t : t + m] * k[t] for t in range(1, len(k))), x[:, :m] * k[0])


def convolve_pull(k: Any, x: Any, d: Any) -> tuple[Any, Any]:
    m = d.shape[1]
    dx = np.zeros_like(x)
    for t in range(len(k)):
        dx[:, t : t + m] += d * k[t]
    return dx, np.array([(d * x[:, t : t + m]).sum() for t in range(len(k))])


convolution = Base("convolution", "k", with_params(lambda rng: rng.standard_normal(3), 8), convolve, convolve_pull)


@frozen(eq=False)
@record
class Attention:
    Wq: Array
    Wk: Array
    Wv: Array


def attend(p: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    q, k, v = x @ p.Wq, x @ p.Wk, x @ p.Wv
    return q, k, v, probabilities(q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]))


def attention_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    q, k, v, a = attend(p, x)
    ds = softmax_from(a, d @ v.swapaxes(1, 2)) / math.sqrt(q.shape[-1])
    dq, dk, dv = ds @ k, ds.swapaxes(1, 2) @ q, a.swapaxes(1, 2) @ d
    grads = Attention(*(flat(x).T @ flat(each) for each in (dq, dk, dv)))
    return dq @ p.Wq.T + dk @ p.Wk.T + dv @ p.Wv.T, grads


def softmax_from(s: Any, d: Any) -> Any:
    return s * (d - total(s * d))


def attention_out(p: Any, x: Any) -> Any:
    _, _, v, a = attend(p, x)
    return a @ v


attention = Base(
    "attention",
    "Wq Wk Wv",
    with_params(lambda rng: Attention(*rng.standard_normal((3, 4, 4))), 5, 4),
    attention_out,
    attention_pull,
)


@frozen(eq=False)
@record
class TwoLayer:
    first: Affine
    second: Affine


def net_draw(rng: Any) -> TwoLayer:
    return TwoLayer(
        Affine(rng.standard_normal((4, 5)), rng.standard_normal(5)),
        Affine(rng.standard_normal((5, 3)), rng.standard_normal(3)),
    )


def net_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    h = np.tanh(x @ p.first.W + p.first.b)
    dz = (d @ p.second.W.T) * (1 - h * h)
    return dz @ p.first.W.T, TwoLayer(Affine(x.T @ dz, rows_sum(dz)), Affine(h.T @ d, rows_sum(d)))


net = Base(
    "two-layer net",
    "W1 b1 W2 b2",
    with_params(net_draw, 4),
    lambda p, x: np.tanh(x @ p.first.W + p.first.b) @ p.second.W + p.second.b,
    net_pull,
)


def states(p: Any, x: Any) -> list[Any]:
    U, W = p
    hs = [np.zeros((len(x), W.shape[0]), x.dtype)]
    for t in range(x.shape[1]):
        hs.append(np.tanh(x[:, t] @ U + hs[-1] @ W))
    return hs


def recurrent_pull(p: Any, x: Any, d: Any, carried: float = 1.0) -> tuple[Any, Any]:
    (U, W), hs = p, states(p, x)
    dx, dU, dW, dh = np.zeros_like(x), np.zeros_like(U), np.zeros_like(W), np.zeros_like(hs[0])
    for t in reversed(range(x.shape[1])):
        dz = (d[:, t] + carried * dh) * (1 - hs[t + 1] ** 2)
        dx[:, t], dh = dz @ U.T, dz @ W.T
        dU += x[:, t].T @ dz
        dW += hs[t].T @ dz
    return dx, (dU, dW)


recurrent = Base(
    "recurrent",
    "U W",
    with_params(lambda rng: (rng.standard_normal((3, 4)), rng.standard_normal((4, 4)) / 2), 5, 3),
    lambda p, x: np.stack(states(p, x)[1:], axis=1),
    recurrent_pull,
)


def residual_pull(W: Any, x: Any, d: Any) -> tuple[Any, Any]:
    dz = d * (1 - np.tanh(x @ W) ** 2)
    return d + dz @ W.T, x.T @ dz


residual = Base(
    "residual",
    "W",
    with_params(lambda rng: rng.standard_normal((4, 4)), 4),
    lambda W, x: x + np.tanh(x @ W),
    residual_pull,
)


def distance_pull(c: Any, x: Any, d: Any) -> tuple[Any, Any]:
    apart = x[:, None, :] - c
    return 2 * (d[:, :, None] * apart).sum(axis=1), -2 * (d[:, :, None] * apart).sum(axis=0)


distance = Base(
    "squared distance",
    "c",
    with_params(lambda rng: rng.standard_normal((3, 4)), 4),
    lambda c, x: ((x[:, None, :] - c) ** 2).sum(axis=2),
    distance_pull,
)


def centred_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    return d - d.mean(axis=0), ()


centred = Base("centred batch", "", normal(4), lambda p, x: x - x.mean(axis=0), centred_pull, couples_rows=True)


def standard(x: Any) -> tuple[Any, Any]:
    c = x - x.mean(axis=0)
    r = 1 / np.sqrt((c * c).mean(axis=0) + 1e-3)
    return c * r, r


def batch_norm_pull(p: Any, x: Any, d: Any) -> tuple[Any, Any]:
    h, r = standard(x)
    g = d * p[0]
    return r * (g - g.mean(axis=0) - h * (h * g).mean(axis=0)), (rows_sum(d * h), rows_sum(d))


batch_norm = Base(
    "batch norm",
    "gamma beta",
    with_params(lambda rng: (rng.uniform(0.5, 2, 4), rng.standard_normal(4)), 4),
    lambda p, x: standard(x)[0] * p[0] + p[1],
    batch_norm_pull,
    couples_rows=True,
)

BASES = [each for each in list(globals().values()) if isinstance(each, Base)]
