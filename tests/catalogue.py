"""All public layers, losses, optimizers and combinators, with what to run them on: laws are tried on all of them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

import chainrule
from chainrule import (
    Affine,
    Array,
    Attention,
    BatchNorm,
    Embedding,
    LayerNorm,
    Positions,
    PRelu,
    Scaling,
    Statistics,
    Weighted,
    adagrad,
    adam,
    adamw,
    add,
    affine,
    attention,
    batch_norm,
    dropout,
    embedding,
    encoded,
    fixed,
    huber,
    identity,
    layer_norm,
    lion,
    mean_absolute_error,
    mean_squared_error,
    relu,
    repeated,
    residual,
    rmsprop,
    sequential,
    sgd,
    sigmoid,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    standardise,
    tied,
    weighted,
)
from chainrule.checking.verdict import Verdict
from chainrule.laws import ADDITION_LAWS, COMBINATOR_LAWS, LAYER_LAWS, LOSS_LAWS, OPTIMIZER_LAWS
from chainrule.schedules import constant, warmup
from strategies import Floating

InTorch: TypeAlias = (
    Callable[[Any, Any], Any]
    | Callable[[Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], Any]
)
"""`(torch, x, *arrays of the parameters) -> out`: by the number of arrays, so that a lambda's arguments have types."""


@frozen
class Subject:
    """Something that laws speak of, and what to try them on."""

    name: str
    layer: Any
    """The layer, loss, optimizer or combinator."""
    make: Callable[[np.random.Generator, int, Floating], tuple[Any, ...]]
    """`(rng, n, dtype) -> (params, x)` with n rows, or what else its laws take."""
    laws: Mapping[str, Callable[..., list[Verdict]]] = LAYER_LAWS
    empty: bool = True
    """True if it takes a batch of no rows."""
    alike: bool = True
    """True if it gives the same numbers in all libraries."""
    torch: InTorch | None = None
    """The same in torch, if torch has it."""


def _affine(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, m = rng.integers(1, 6, 2)
    return _params(rng, d, m, dtype), rng.standard_normal((n, d)).astype(dtype)


def _elementwise(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    return (), rng.standard_normal((n, rng.integers(1, 6))).astype(dtype)


def _rows(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    shape = (n, *(int(side) for side in rng.integers(1, 4, rng.integers(0, 2))), int(rng.integers(1, 7)))
    return (), (5 * rng.standard_normal(shape)).astype(dtype)


def _network(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, h, m = rng.integers(1, 6, 3)
    params = (_params(rng, d, h, dtype), (), _params(rng, h, m, dtype))
    return params, rng.standard_normal((n, d)).astype(dtype)


def _nested(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    params, x = _network(rng, n, dtype)
    return (params[:2], params[2]), x


def _params(rng: np.random.Generator, d: int, m: int, dtype: Floating, size: float = 1.0) -> Affine:
    return Affine((size * rng.standard_normal((d, m))).astype(dtype), rng.standard_normal(m).astype(dtype))


def _identity(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    return _elementwise(rng, n, dtype)


def _layer_norm(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    shape = (n, *(int(side) for side in rng.integers(1, 4, rng.integers(0, 2))), int(rng.integers(3, 7)))  # of 2: 1, -1
    scale, bias = rng.standard_normal((2, shape[-1])).astype(dtype)
    return LayerNorm(scale, bias), rng.standard_normal(shape).astype(dtype)


def _rms_norm(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    params, x = _layer_norm(rng, n, dtype)
    return chainrule.RmsNorm(params.scale), x


def _group_norm(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    shape = (n, *((), (2,), (1, 2))[rng.integers(3)], 6)
    scale, bias = rng.standard_normal((2, shape[-1])).astype(dtype)
    return chainrule.GroupNorm(scale, bias), rng.standard_normal(shape).astype(dtype)


def _batch_norm(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    x = rng.standard_normal((n, 4, 3)).astype(dtype)
    scale, bias = rng.standard_normal((2, 3)).astype(dtype)
    return BatchNorm(scale, bias), x


def _columns(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    return (), rng.standard_normal((n, 4, 3)).astype(dtype)


def _sequences(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    return (), rng.standard_normal((n, int(rng.integers(1, 5)), 2 * int(rng.integers(1, 4)))).astype(dtype)


def _pairs_of_sequences(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    t, d = rng.integers(2, 4, 2)
    return (), rng.standard_normal((n, 2, t, d)).astype(dtype)


def _lstm(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, h = rng.integers(1, 4, 2)
    W, U, b = (rng.standard_normal(shape).astype(dtype) for shape in ((d, 4 * h), (h, 4 * h), 4 * h))
    return chainrule.Lstm(W, U, b), rng.standard_normal((n, rng.integers(1, 5), d)).astype(dtype)


def _gru(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, h = rng.integers(1, 4, 2)
    W, U, b, c = (rng.standard_normal(shape).astype(dtype) for shape in ((d, 3 * h), (h, 3 * h), 3 * h, 3 * h))
    return chainrule.Gru(W, U, b, c), rng.standard_normal((n, rng.integers(1, 5), d)).astype(dtype)


def _places(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    _, x = _sequences(rng, n, dtype)
    return Positions(rng.standard_normal((4, x.shape[-1])).astype(dtype)), x


def _attention(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, c, m = (int(side) for side in rng.integers(1, 3, 3))

    def some(size: float, *shape: int) -> Array:
        return (size * rng.standard_normal(shape)).astype(dtype)

    # The last matrix is small: where second derivatives are above 0.05, central differences take some for kinks.
    params = Attention(Affine(some(0.5, d, 12 * c), some(0.5, 12 * c)), Affine(some(0.05, 4 * c, m), some(0.3, m)))
    return params, some(1.0, n, 3, d)


def _convolution(*size: int, groups: int = 1) -> Callable[[np.random.Generator, int, Floating], tuple[Any, Array]]:
    def make(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
        c, m = (int(channels) for channels in rng.integers(1, 3, 2))
        W = rng.standard_normal((*size, c, groups * m)).astype(dtype)
        x = rng.standard_normal((n, *(k + rng.integers(2) for k in size), groups * c)).astype(dtype)
        return chainrule.Convolution(W, rng.standard_normal(groups * m).astype(dtype)), x

    return make


def convolved(t: Any, x: Any, W: Any, b: Any) -> Any:
    """A convolution of odd windows with stride 1 in torch, whose channels stand before the positions."""
    kernel = W.permute(3, 2, 0, 1).contiguous()
    return t.nn.functional.conv2d(x.movedim(-1, 1), kernel, b, padding="same").movedim(1, -1)


def convolved_in_groups(t: Any, x: Any, W: Any, b: Any) -> Any:
    """The same on one axis, with stride 2, dilation 2, padding 1 and two groups."""
    kernel = W.permute(2, 1, 0).contiguous()
    return t.nn.functional.conv1d(x.movedim(-1, 1), kernel, b, 2, 1, 2, 2).movedim(1, -1)


def convolved_back(t: Any, x: Any, W: Any, b: Any) -> Any:
    """The transpose of a convolution with stride 2 in torch."""
    kernel = W.permute(1, 2, 0).contiguous()
    return t.nn.functional.conv_transpose1d(x.movedim(-1, 1), kernel, b, 2).movedim(1, -1)


def _pictures(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    axes = [2, 1, 3][rng.integers(3)]  # the smallest that fails has two
    shape = (n, *(int(side) for side in rng.integers(2, 5, axes)), int(rng.integers(1, 4)))
    return (), rng.standard_normal(shape).astype(dtype)


def _even_rows(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    shape = (n, *((2,), (4,), (3, 2), (1, 2, 3))[rng.integers(4)])
    return (), rng.standard_normal(shape).astype(dtype)


def _prelu(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    shape = (n, *(int(side) for side in rng.integers(1, 4, rng.integers(1, 3))))
    slope = 0.5 * rng.standard_normal(shape[-1:] if rng.random() < 0.7 else ())
    return PRelu(np.asarray(slope, dtype)), rng.standard_normal(shape).astype(dtype)


def _numbers(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    out, targets = rng.standard_normal((2, n, rng.integers(1, 6))).astype(dtype)
    return out, targets


def _answers(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    shape = (n, int(rng.integers(1, 4)), int(rng.integers(1, 6)))
    chances = rng.random(shape)
    return rng.standard_normal(shape).astype(dtype), (chances if rng.random() < 0.5 else chances.round()).astype(dtype)


def _labels(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    k = int(rng.integers(1, 6))
    return rng.standard_normal((n, k)).astype(dtype), rng.integers(0, k, n)


def _positions(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    t, k = (int(side) for side in rng.integers(1, 6, 2))
    return rng.standard_normal((n, t, k)).astype(dtype), rng.integers(0, k, (n, t))


def _padded(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    logits, labels = _positions(rng, n, dtype)
    shape: tuple[int, ...] = labels.shape
    weights = rng.random(shape) * (rng.random(shape) < 0.7)
    weights[0, 0] = 1.0
    return logits, Weighted(labels, weights.astype(dtype))


def _weighted_numbers(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    out, targets = _numbers(rng, n, dtype)
    return out, Weighted(targets, rng.integers(1, 4, n))


def _probabilities(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    k = int(rng.integers(1, 6))
    t = rng.random((n, k)) + 0.01
    return rng.standard_normal((n, k)).astype(dtype), t / t.sum(axis=1, keepdims=True)


def _like(params: Any, rng: np.random.Generator) -> Any:
    return chainrule.tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(leaf.dtype), params)


def _params_and_grads(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    params, _ = _network(rng, n, dtype)
    return params, _like(params, rng)


def _three_layers(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    params, x = _network(rng, n, dtype)
    middle = sigmoid if rng.random() < 0.5 else relu
    return (affine, middle, affine), params, x


def is_bias(path: str, array: Array) -> bool:
    """The parameters of a network of `Affine` that decay, against the custom."""
    return path.endswith(".b")


STATISTICS = Statistics(mean=np.array([0.5, -1.0, 2.0]), var=np.array([1.0, 0.25, 4.0]))

SCALING = Scaling(mean=np.array([0.5, -1.0, 2.0]), scale=np.array([1.0, 0.5, 2.0]))


def _block(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, h = rng.integers(1, 6, 2)
    params = (_params(rng, d, h, dtype), (), _params(rng, h, d, dtype))
    return params, rng.standard_normal((n, d)).astype(dtype)


def _branches(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    params, x = _block(rng, n, dtype)
    d = x.shape[1]
    return (_params(rng, d, d, dtype), (), params), x


def _gates(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d = int(rng.integers(1, 6))
    one, other = (_params(rng, d, d, dtype, size=0.5) for _ in range(2))
    return (one, (), (other, ())), rng.standard_normal((n, d)).astype(dtype)


def _pointwise(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    _, x = _elementwise(rng, n, dtype)
    return ((), ()), x


def _side_by_side(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d, m, k = rng.integers(1, 4, 3)
    return (_params(rng, d, m, dtype), (), _params(rng, d, k, dtype)), rng.standard_normal((n, d)).astype(dtype)


def _three_squares(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    d = int(rng.integers(1, 6))
    params = tuple((_params(rng, d, d, dtype, size=0.5), ()) for _ in range(3))
    return params, rng.standard_normal((n, d)).astype(dtype)


def _square(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Array]:
    params, x = _three_squares(rng, n, dtype)
    return params[0][0], x


def _tokens(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Any]:
    k, d = rng.integers(1, 6, 2)
    kind = [np.int8, np.uint8, np.int32, np.int64, np.uint64][rng.integers(5)]
    return Embedding(rng.standard_normal((k, d)).astype(dtype)), rng.integers(0, k, n).astype(kind)


def _sentences(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, Any]:
    params, _ = _tokens(rng, n, dtype)
    k, d = params.E.shape
    return (params, (_params(rng, d, d, dtype), ())), rng.integers(0, k, (n, int(rng.integers(1, 4))))


def _three_branches(rng: np.random.Generator, n: int, dtype: Floating) -> tuple[Any, ...]:
    params, x = _block(rng, n, dtype)
    d = x.shape[1]
    return (affine, sigmoid, sequential(affine, relu, affine)), (_params(rng, d, d, dtype), (), params), x


def twice(params: Any) -> Any:
    """One layer's parameters, for two."""
    return params, params


def summed(grads: Any) -> Any:
    """The outputs of two layers, as that of one."""
    return chainrule.tree.map(_plus, *grads)


def _plus(a: Array, b: Array) -> Array:
    return a + b


def pooled(t: Any, kind: str, x: Any, *options: int) -> Any:
    """A pool of torch by its name, which has the channels before the positions."""
    return getattr(t.nn.functional, f"{kind}_pool{x.ndim - 2}d")(x.movedim(-1, 1), *options).movedim(1, -1)


def weighted_labels(t: Any, logits: Any, labels: Any, weights: Any) -> Any:
    """The weighted cross-entropy in torch."""
    rows = t.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), reduction="none")
    return (rows * weights.reshape(-1)).sum() / weights.sum()


def _of_sequences(x: Any, U: Any, run: Callable[[Any, Any], Any]) -> Any:
    """A recurrent layer of torch on any axes before the steps, from a state of zeros."""
    sequences = x.reshape(-1, *x.shape[-2:])
    return run(sequences, x.new_zeros((1, len(sequences), U.shape[0]))).reshape(*x.shape[:-1], -1)


def lstm_in_torch(t: Any, x: Any, *params: Any) -> Any:
    """The LSTM of torch, whose second bias is 0."""
    W, U, b = params
    weights = [W.T, U.T, b, t.zeros_like(b)]
    return _of_sequences(x, U, lambda s, h: t.lstm(s, (h, h), weights, True, 1, 0.0, False, False, True)[0])


def gru_in_torch(t: Any, x: Any, *params: Any) -> Any:
    """The GRU of torch."""
    W, U, b, c = params
    return _of_sequences(x, U, lambda s, h: t.gru(s, h, [W.T, U.T, b, c], True, 1, 0.0, False, False, True)[0])


MASK = np.array([[True, False, True], [False, False, False], [True, True, False]])
"""In the second row there is nothing to attend to."""


def attention_in_torch(
    t: Any,
    x: Any,
    W: Any,
    b: Any,
    U: Any,
    u: Any,
    *,
    heads: int = 2,
    causal: bool = False,
    mask: Any = None,
    rotary: bool = False,
) -> Any:
    """Attention, by torch's own function for what lies between the affine maps."""
    q, k, v = (each.unflatten(-1, (heads, -1)).transpose(-2, -3) for each in (x @ W + b).chunk(3, -1))
    if rotary:
        q, k = rotary_in_torch(t, q), rotary_in_torch(t, k)
    may = None if mask is None else t.tensor(mask)
    y = t.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=may, is_causal=causal)
    return y.transpose(-2, -3).flatten(-2) @ U + u


def rotary_in_torch(t: Any, x: Any) -> Any:
    """Pairs as complex numbers, each multiplied by one of absolute value 1."""
    places, d = t.arange(x.shape[-2], dtype=x.dtype), x.shape[-1]
    angles = places[:, None] * 10000.0 ** (-t.arange(0, d, 2, dtype=x.dtype) / d)
    turned = t.complex(x[..., : d // 2], x[..., d // 2 :]) * t.polar(t.ones_like(angles), angles)
    return t.cat([turned.real, turned.imag], -1)


def in_two_layers(t: Any, x: Any, W: Any, b: Any, V: Any, c: Any, activation: str = "sigmoid") -> Any:
    """Two affine layers with an activation between them."""
    return getattr(t, activation)(x @ W + b) @ V + c


LAYERS = [
    Subject("affine", affine, _affine, torch=lambda t, x, W, b: x @ W + b),
    Subject("relu", relu, _elementwise, torch=lambda t, x: t.relu(x)),
    Subject("sigmoid", sigmoid, _elementwise, torch=lambda t, x: t.sigmoid(x)),
    Subject("tanh", chainrule.tanh, _elementwise, torch=lambda t, x: t.tanh(x)),
    Subject("gelu", chainrule.gelu, _elementwise, torch=lambda t, x: t.nn.functional.gelu(x, approximate="tanh")),
    Subject("gelu_erf", chainrule.gelu_erf, _elementwise, alike=False, torch=lambda t, x: t.nn.functional.gelu(x)),
    Subject("silu", chainrule.silu, _elementwise, torch=lambda t, x: t.nn.functional.silu(x)),
    Subject("mish", chainrule.mish, _elementwise, torch=lambda t, x: t.nn.functional.mish(x)),
    Subject(  # torch's own takes x itself from 20 on, which is off by 2e-9 there
        "softplus", chainrule.softplus, _elementwise, torch=lambda t, x: t.nn.functional.softplus(x, threshold=40)
    ),
    Subject("log_sigmoid", chainrule.log_sigmoid, _elementwise, torch=lambda t, x: t.nn.functional.logsigmoid(x)),
    Subject("softsign", chainrule.softsign, _elementwise, torch=lambda t, x: t.nn.functional.softsign(x)),
    Subject("hard_tanh", chainrule.hard_tanh, _elementwise, torch=lambda t, x: t.nn.functional.hardtanh(x)),
    Subject(  # torch's own hardsigmoid has a slope of 1 / 6 in float32, in float64 too
        "hard_sigmoid", chainrule.hard_sigmoid, _elementwise, torch=lambda t, x: t.nn.functional.relu6(x + 3) / 6
    ),
    Subject("hard_swish", chainrule.hard_swish, _elementwise, torch=lambda t, x: t.nn.functional.hardswish(x)),
    Subject("leaky_relu", chainrule.leaky_relu(), _elementwise, torch=lambda t, x: t.nn.functional.leaky_relu(x)),
    Subject("elu", chainrule.elu(2.0), _elementwise, torch=lambda t, x: t.nn.functional.elu(x, 2.0)),
    Subject("celu", chainrule.celu(2.0), _elementwise, torch=lambda t, x: t.nn.functional.celu(x, 2.0)),
    Subject("selu", chainrule.selu, _elementwise, torch=lambda t, x: t.selu(x)),
    Subject(
        "prelu",
        chainrule.prelu,
        _prelu,
        torch=lambda t, x, s: t.nn.functional.prelu(x.reshape(-1, x.shape[-1]), s.reshape(-1)).reshape(x.shape),
    ),
    Subject("softmax", chainrule.softmax, _rows, torch=lambda t, x: t.softmax(x, -1)),
    Subject("log_softmax", chainrule.log_softmax, _rows, torch=lambda t, x: t.log_softmax(x, -1)),
    Subject(
        "layer_norm",
        layer_norm(),
        _layer_norm,
        torch=lambda t, x, s, b: t.nn.functional.layer_norm(x, s.shape, s, b),
    ),
    Subject(
        "rms_norm",
        chainrule.rms_norm(),
        _rms_norm,
        torch=lambda t, x, s: t.nn.functional.rms_norm(x, s.shape, s, 1e-6),
    ),
    Subject(
        "group_norm",
        chainrule.group_norm(2),
        _group_norm,
        torch=lambda t, x, s, b: t.nn.functional.group_norm(x.movedim(-1, 1), 2, s, b).movedim(1, -1),
    ),
    Subject(
        "batch_norm",
        batch_norm(),
        _batch_norm,
        empty=False,
        torch=lambda t, x, s, b: t.batch_norm(x.reshape(-1, 3), s, b, None, None, True, 0.0, 1e-5, False).reshape(
            x.shape
        ),
    ),
    Subject(
        "batch_norm in use",
        batch_norm(STATISTICS),
        _batch_norm,
        alike=False,
        torch=lambda t, x, s, b: (
            (x - t.tensor(STATISTICS.mean.copy())) / t.tensor(np.sqrt(STATISTICS.var + 1e-5)) * s + b
        ),
    ),
    Subject(
        "standardise",
        standardise(SCALING),
        _columns,
        alike=False,
        torch=lambda t, x: (x - t.tensor(SCALING.mean, dtype=x.dtype)) / t.tensor(SCALING.scale, dtype=x.dtype),
    ),
    Subject("convolution", chainrule.convolution(), _convolution(3, 1), torch=convolved),
    Subject(
        "convolution in groups",
        chainrule.convolution(2, padding=1, dilation=2, groups=2),
        _convolution(2, groups=2),
        torch=convolved_in_groups,
    ),
    Subject(
        "convolution_transpose",
        chainrule.convolution_transpose(2, "valid"),
        _convolution(2),
        torch=convolved_back,
    ),
    Subject("positions", chainrule.positions, _places, torch=lambda t, x, P: x + P[: x.shape[-2]]),
    Subject("rotary", chainrule.rotary(), _sequences, torch=rotary_in_torch),
    Subject("attention", attention(2), _attention, torch=attention_in_torch),
    Subject("attention, causal", attention(2, causal=True), _attention, torch=partial(attention_in_torch, causal=True)),
    Subject("attention, rotary", attention(2, rotary=True), _attention, torch=partial(attention_in_torch, rotary=True)),
    Subject(
        "attention with a mask",
        attention(2, mask=MASK),
        _attention,
        alike=False,
        torch=partial(attention_in_torch, mask=MASK),
    ),
    Subject("lstm", chainrule.lstm, _lstm, torch=lstm_in_torch),
    Subject("gru", chainrule.gru, _gru, torch=gru_in_torch),
    Subject("last", chainrule.last, _sequences, torch=lambda t, x: x[..., -1, :]),
    Subject(
        "last_of",
        chainrule.last_of(np.array([2, 1])),
        _pairs_of_sequences,
        alike=False,
        torch=lambda t, x: t.stack([x[..., 0, 1, :], x[..., 1, 0, :]], -2),
    ),
    Subject("max_pool", chainrule.max_pool(2), _pictures, torch=lambda t, x: pooled(t, "max", x, 2)),
    Subject(
        "max_pool, windows that overlap",
        chainrule.max_pool(3, stride=2, padding=1),
        _pictures,
        torch=lambda t, x: pooled(t, "max", x, 3, 2, 1),
    ),
    Subject("mean_pool", chainrule.mean_pool(2), _pictures, torch=lambda t, x: pooled(t, "avg", x, 2)),
    Subject(
        "mean_pool, windows that overlap",
        chainrule.mean_pool(3, stride=2, padding=1),
        _pictures,
        # torch's own padding refuses pictures that are smaller than a window without it.
        torch=lambda t, x: pooled(t, "avg", t.nn.functional.pad(x, (0, 0, *(1, 1) * (x.ndim - 2))), 3, 2),
    ),
    Subject(
        "global_max_pool",
        chainrule.global_max_pool,
        _pictures,
        torch=lambda t, x: x.reshape(len(x), -1, x.shape[-1]).max(1).values,
    ),
    Subject(
        "global_mean_pool",
        chainrule.global_mean_pool,
        _pictures,
        torch=lambda t, x: x.reshape(len(x), -1, x.shape[-1]).mean(1),
    ),
    Subject("flatten", chainrule.flatten, _pictures, torch=lambda t, x: x.flatten(1)),
    Subject("reshape", chainrule.reshape(2, -1), _even_rows, torch=lambda t, x: x.reshape(x.shape[0], 2, -1)),
    Subject("dropout", dropout(0.5, seed=3), _elementwise, alike=False),
    Subject("dropout of nothing", dropout(0.0, seed=3), _elementwise),
    Subject("identity", identity, _elementwise),
    Subject("sequential()", sequential(), _identity),
    Subject(
        "sequential(affine, relu, affine)",
        chainrule.two_layer.network,
        _network,
        torch=partial(in_two_layers, activation="relu"),
    ),
    Subject("sequential(affine, sigmoid, affine)", sequential(affine, sigmoid, affine), _network, torch=in_two_layers),
    Subject("nested sequential", sequential(sequential(affine, relu), affine), _nested),
    Subject(
        "residual",
        residual(sequential(affine, sigmoid, affine)),
        _block,
        torch=lambda t, x, W, b, V, c: x + in_two_layers(t, x, W, b, V, c),
    ),
    Subject("residual relu", residual(relu), _elementwise, torch=lambda t, x: x + x.relu()),
    Subject(
        "add",
        add(affine, sigmoid, sequential(affine, relu, affine)),
        _branches,
        torch=lambda t, x, W, b, U, a, V, c: x @ W + b + x.sigmoid() + in_two_layers(t, x, U, a, V, c, "relu"),
    ),
    Subject(
        "multiply",
        chainrule.multiply(affine, sigmoid, sequential(affine, sigmoid)),
        _gates,
        torch=lambda t, x, W, b, V, c: (x @ W + b) * x.sigmoid() * (x @ V + c).sigmoid(),
    ),
    Subject("multiply, a gate", chainrule.multiply(identity, sigmoid), _pointwise, torch=lambda t, x: x * t.sigmoid(x)),
    Subject(
        "concatenate",
        chainrule.concatenate(affine, sigmoid, affine),
        _side_by_side,
        torch=lambda t, x, W, b, V, c: t.concatenate([x @ W + b, x.sigmoid(), x @ V + c], -1),
    ),
    Subject("recomputed", chainrule.recomputed(sequential(affine, sigmoid, affine)), _block, torch=in_two_layers),
    Subject("repeated", repeated(residual(sequential(affine, sigmoid)), 3), _three_squares),
    Subject("tied", tied(sequential(affine, affine), twice, summed), _square),
]
PARTLY_FIXED = [
    Subject("fixed", fixed(affine), _affine),
    Subject("fixed, first", sequential(fixed(sequential(affine, relu)), affine), _nested),
    Subject("fixed, last", sequential(affine, sigmoid, fixed(affine)), _network),
]
ENCODERS = [
    Subject("embedding", embedding, _tokens),
    Subject("encoded", encoded(embedding, residual(sequential(affine, sigmoid))), _sentences),
    Subject("encoded fixed", encoded(fixed(embedding), residual(sequential(affine, sigmoid))), _sentences),
]
OTHERS = [
    Subject(
        "mean_squared_error",
        mean_squared_error,
        _numbers,
        LOSS_LAWS,
        torch=lambda t, out, targets: t.nn.functional.mse_loss(out, targets),
    ),
    Subject(
        "mean_absolute_error",
        mean_absolute_error,
        _numbers,
        LOSS_LAWS,
        torch=lambda t, out, targets: t.nn.functional.l1_loss(out, targets),
    ),
    Subject(
        "huber",
        huber(0.5),
        _numbers,
        LOSS_LAWS,
        torch=lambda t, out, targets: t.nn.functional.huber_loss(out, targets, delta=0.5),
    ),
    Subject(
        "sigmoid_cross_entropy",
        sigmoid_cross_entropy,
        _answers,
        LOSS_LAWS,
        torch=lambda t, out, targets: t.nn.functional.binary_cross_entropy_with_logits(out, targets),
    ),
    Subject(
        "softmax_cross_entropy, labels",
        softmax_cross_entropy,
        _labels,
        LOSS_LAWS,
        torch=lambda t, out, labels: t.nn.functional.cross_entropy(out, labels),
    ),
    Subject(
        "softmax_cross_entropy, positions",
        softmax_cross_entropy,
        _positions,
        LOSS_LAWS,
        torch=lambda t, out, labels: t.nn.functional.cross_entropy(out.reshape(-1, out.shape[-1]), labels.reshape(-1)),
    ),
    Subject(
        "softmax_cross_entropy, probabilities",
        softmax_cross_entropy,
        _probabilities,
        LOSS_LAWS,
        torch=lambda t, out, targets: t.nn.functional.cross_entropy(out, targets),
    ),
    Subject(
        "weighted softmax_cross_entropy", weighted(softmax_cross_entropy), _padded, LOSS_LAWS, torch=weighted_labels
    ),
    Subject(
        "weighted mean_squared_error",
        weighted(mean_squared_error),
        _weighted_numbers,
        LOSS_LAWS,
        torch=lambda t, out, targets, weights: (((out - targets) ** 2).mean(-1) * weights).sum() / weights.sum(),
    ),
    Subject("sgd", sgd(0.1), _params_and_grads, OPTIMIZER_LAWS),
    Subject("sgd with momentum", sgd(0.1, momentum=0.9), _params_and_grads, OPTIMIZER_LAWS),
    Subject("sgd of Nesterov", sgd(0.1, momentum=0.9, nesterov=True), _params_and_grads, OPTIMIZER_LAWS),
    Subject("sgd of a schedule", sgd(warmup(10, constant(0.1))), _params_and_grads, OPTIMIZER_LAWS),
    Subject("adam", adam(0.1), _params_and_grads, OPTIMIZER_LAWS),
    Subject("adamw", adamw(0.1, weight_decay=0.1), _params_and_grads, OPTIMIZER_LAWS),
    Subject("adamw of biases", adamw(0.1, decays=is_bias), _params_and_grads, OPTIMIZER_LAWS),
    Subject("rmsprop", rmsprop(0.1), _params_and_grads, OPTIMIZER_LAWS),
    Subject("adagrad", adagrad(0.1), _params_and_grads, OPTIMIZER_LAWS),
    Subject("lion", lion(0.1), _params_and_grads, OPTIMIZER_LAWS),
    Subject("lion with decay", lion(0.1, weight_decay=0.1), _params_and_grads, OPTIMIZER_LAWS),
    Subject("sequential", sequential, _three_layers, COMBINATOR_LAWS),
    Subject("add", add, _three_branches, ADDITION_LAWS),
]
