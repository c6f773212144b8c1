"""Layers one by one: forward and backward of ours beside torch's and JAX's, in float32, in one process with one thread.

A layer is a line of `LINES`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
from attrs import asdict, frozen
from numpy.typing import NDArray

from chainrule import (
    Attention,
    BatchNorm,
    Convolution,
    Embedding,
    Encoder,
    GroupNorm,
    Gru,
    Layer,
    LayerNorm,
    Lstm,
    Positions,
    PRelu,
    RmsNorm,
    attention,
    batch_norm,
    celu,
    convolution,
    convolution_transpose,
    elu,
    embedding,
    gelu,
    gelu_erf,
    global_max_pool,
    global_mean_pool,
    group_norm,
    gru,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    layer_norm,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    lstm,
    max_pool,
    mean_pool,
    mish,
    positions,
    prelu,
    read_only,
    relu,
    rms_norm,
    rotary,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
    tree,
)
from speed.contender import JAX, OURS, TORCH
from speed.harness import Loop, Plan, Row, Spread, calls, race
from speed.options import Options
from speed.page import duration, failures, ratio, table
from speed.problem import Floats, largest
from speed.processes import ask, process

SIZES: tuple[tuple[int, ...], ...] = ((64, 128), (2048, 256), (4096, 1024))
PICTURES = ((16, 14, 14, 32), (64, 28, 28, 32), (32, 56, 56, 64))
NORMS = ((512, 64), (2048, 256), (4096, 1024))
SEQUENCES = ((64, 32, 64), (16, 128, 128), (1, 1024, 256))
STEPS = ((32, 16, 32), (64, 32, 64), (64, 64, 128))
CLASSES = ((256, 16), (4096, 64), (2048, 1024))
TOLERANCE = 1e-5


@frozen
class Line:
    """A layer, and the same function of x and the leaves of its parameters in modules of torch and JAX."""

    layer: Layer[Any, Any] | Encoder[Any, Any, Any]
    torch: Callable[[Any], Any]
    jax: Callable[[Any], Any]
    params: Callable[[np.random.Generator, int], Any] = lambda _rng, _features: ()
    sizes: tuple[tuple[int, ...], ...] = SIZES
    x: Callable[[np.random.Generator, tuple[int, ...]], Any] = lambda rng, size: rng.standard_normal(size, np.float32)


def layer_norm_in_torch(torch: Any, x: Any, scale: Any, bias: Any) -> Any:
    """Of the last axis."""
    return torch.nn.functional.layer_norm(x, scale.shape, scale, bias)


def rms_norm_in_torch(torch: Any, x: Any, scale: Any) -> Any:
    """Of the last axis."""
    return torch.nn.functional.rms_norm(x, scale.shape, scale, 1e-6)


def group_norm_in_torch(torch: Any, x: Any, scale: Any, bias: Any) -> Any:
    """Of 8 groups; torch has the channels before the positions, and reads ours in that order."""
    return torch.nn.functional.group_norm(x.movedim(-1, 1), 8, scale, bias).movedim(1, -1)


def batch_norm_in_torch(torch: Any, x: Any, scale: Any, bias: Any) -> Any:
    """In training."""
    return torch.batch_norm(x, scale, bias, None, None, True, 0.0, 1e-5, False)


def standardised_in_jax(jax: Any, x: Any, scale: Any, bias: Any, *, axis: int = -1) -> Any:
    """Layer norm, or batch norm along axis 0."""
    return jax.nn.standardize(x, axis=axis, epsilon=1e-5) * scale + bias


def rms_norm_in_jax(jax: Any, x: Any, scale: Any) -> Any:
    """Of the last axis."""
    return x / jax.numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale


def group_norm_in_jax(jax: Any, x: Any, scale: Any, bias: Any) -> Any:
    """Of 8 groups."""
    groups = x.reshape(x.shape[0], -1, 8, x.shape[-1] // 8)
    return jax.nn.standardize(groups, axis=(1, 3), epsilon=1e-5).reshape(x.shape) * scale + bias


def lstm_in_torch(torch: Any, x: Any, W: Any, U: Any, b: Any) -> Any:
    """From a state of zeros, with a second bias of zeros."""
    start = x.new_zeros((1, x.shape[0], U.shape[0]))
    return torch.lstm(x, (start, start), [W.T, U.T, b, torch.zeros_like(b)], True, 1, 0.0, False, False, True)[0]


def gru_in_torch(torch: Any, x: Any, W: Any, U: Any, b: Any, c: Any) -> Any:
    """From a state of zeros."""
    start = x.new_zeros((1, x.shape[0], U.shape[0]))
    return torch.gru(x, start, [W.T, U.T, b, c], True, 1, 0.0, False, False, True)[0]


def lstm_in_jax(jax: Any, x: Any, W: Any, U: Any, b: Any) -> Any:
    """All inputs' products at once, and the steps in a loop that is compiled once."""

    def step(state: Any, a: Any) -> Any:
        h, cell = state
        i, f, g, o = jax.numpy.split(a + h @ U, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        h = jax.nn.sigmoid(o) * jax.numpy.tanh(cell)
        return (h, cell), h

    start = jax.numpy.zeros((x.shape[0], U.shape[0]), x.dtype)
    return jax.lax.scan(step, (start, start), (x @ W + b).swapaxes(0, 1))[1].swapaxes(0, 1)


def gru_in_jax(jax: Any, x: Any, W: Any, U: Any, b: Any, c: Any) -> Any:
    """The same."""

    def step(h: Any, a: Any) -> Any:
        (a_r, a_z, a_n), (e_r, e_z, e_n) = jax.numpy.split(a, 3, axis=-1), jax.numpy.split(h @ U + c, 3, axis=-1)
        z = jax.nn.sigmoid(a_z + e_z)
        h = (1 - z) * jax.numpy.tanh(a_n + jax.nn.sigmoid(a_r + e_r) * e_n) + z * h
        return h, h

    start = jax.numpy.zeros((x.shape[0], U.shape[0]), x.dtype)
    return jax.lax.scan(step, start, (x @ W + b).swapaxes(0, 1))[1].swapaxes(0, 1)


def convolution_in_torch(torch: Any, x: Any, W: Any, b: Any, **options: Any) -> Any:
    """Of one or two axes; torch has the channels before the positions, and reads ours in that order."""
    kernel = W.permute(-1, -2, *range(W.ndim - 2))
    function = (torch.nn.functional.conv1d, torch.nn.functional.conv2d)[W.ndim - 3]
    return function(x.movedim(-1, 1), kernel, b, **options).movedim(1, -1)


def convolution_transpose_in_torch(torch: Any, x: Any, W: Any, b: Any) -> Any:
    """Of windows of 4 by 4 with stride 2."""
    kernel = W.permute(2, 3, 0, 1)
    return torch.nn.functional.conv_transpose2d(x.movedim(-1, 1), kernel, b, 2, 1).movedim(1, -1)


def convolution_in_jax(jax: Any, x: Any, W: Any, b: Any, stride: int = 1, groups: int = 1) -> Any:
    """Of one or two axes."""
    space = "HW"[: W.ndim - 2]
    form = (f"N{space}C", f"{space}IO", f"N{space}C")
    strides = (stride,) * len(space)
    options = {"dimension_numbers": form, "feature_group_count": groups}
    return jax.lax.conv_general_dilated(x, W, strides, "SAME", **options) + b


def convolution_transpose_in_jax(jax: Any, x: Any, W: Any, b: Any) -> Any:
    """Of windows with stride 2, turned as torch does."""
    form = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_transpose(x, W[::-1, ::-1], (2, 2), "SAME", dimension_numbers=form) + b


def kernel(*size: int, outputs: float = 1, groups: int = 1) -> Callable[[np.random.Generator, int], Convolution]:
    """Parameters of windows of a size, with so many outputs for each channel of x."""

    def make(rng: np.random.Generator, channels: int) -> Convolution:
        return Convolution.init(rng, channels, int(channels * outputs), size, groups=groups)

    return make


def convolved(
    layer: Layer[Any, Any],
    params: Callable[[np.random.Generator, int], Convolution],
    *sizes: tuple[int, ...],
    torch: Mapping[str, Any],
    jax: Mapping[str, Any] = MappingProxyType({}),
) -> Line:
    """The line of a convolution, with the options of the others."""
    return Line(
        layer,
        lambda library: partial(convolution_in_torch, library, **torch),
        lambda library: partial(convolution_in_jax, library, **jax),
        params,
        sizes,
    )


def max_pool_in_torch(torch: Any, x: Any, *, size: int, stride: int, padding: int) -> Any:
    """Torch has the channels before the positions, and reads ours in that order."""
    return torch.nn.functional.max_pool2d(x.movedim(-1, 1), size, stride, padding).movedim(1, -1)


def mean_pool_in_torch(torch: Any, x: Any, *, size: int, stride: int, padding: int) -> Any:
    """In the same way."""
    return torch.nn.functional.avg_pool2d(x.movedim(-1, 1), size, stride, padding).movedim(1, -1)


def global_max_pool_in_torch(torch: Any, x: Any) -> Any:
    """In the same way."""
    return torch.nn.functional.adaptive_max_pool2d(x.movedim(-1, 1), 1).flatten(1)


def max_pool_in_jax(jax: Any, x: Any, *, size: int, stride: int, padding: int) -> Any:
    """Of two axes."""
    ends = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, size, size, 1), (1, stride, stride, 1), ends)


def mean_pool_in_jax(jax: Any, x: Any, *, size: int, stride: int, padding: int) -> Any:
    """Of two axes."""
    ends = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, size, size, 1), (1, stride, stride, 1), ends) / size**2


def largest_of_all(_library: Any, x: Any) -> Any:
    """Of all positions."""
    return x.max((1, 2))


def mean_of_all(_library: Any, x: Any) -> Any:
    """Of all positions."""
    return x.mean((1, 2))


def pooled(make: Callable[..., Layer[Any, Any]], torch: Any, jax: Any, **windows: int) -> Line:
    """The line of a pool, of which the others have a function each."""
    return Line(
        make(**windows),
        lambda library: partial(torch, library, **windows),
        lambda library: partial(jax, library, **windows),
        sizes=PICTURES,
    )


def _prelu_in_jax(jnp: Any, x: Any, slope: Any) -> Any:
    return jnp.where(x > 0, x, slope * x)


HEADS = 8


def attention_in_torch(torch: Any, x: Any, W: Any, b: Any, U: Any, u: Any, *, causal: bool) -> Any:
    """Of heads that stand side by side in the columns."""
    linear = torch.nn.functional.linear
    q, k, v = (each.unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in linear(x, W.T, b).chunk(3, -1))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return linear(y.transpose(1, 2).flatten(-2), U.T, u)


def attention_in_jax(jax: Any, x: Any, W: Any, b: Any, U: Any, u: Any, *, causal: bool) -> Any:
    """The same."""
    n, t, _ = x.shape
    q, k, v = (each.reshape(n, t, HEADS, -1) for each in jax.numpy.split(x @ W + b, 3, -1))
    return jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(n, t, -1) @ U + u


def rotary_in_torch(torch: Any, x: Any) -> Any:
    """With cosines and sines that are made once, as models have them."""
    cos, sin = map(torch.from_numpy, _turns(*x.shape[1:]))
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rotary_in_jax(jax: Any, x: Any) -> Any:
    """The same."""
    cos, sin = _turns(*x.shape[1:])
    a, b = jax.numpy.split(x, 2, -1)
    return jax.numpy.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def taken(labels: Any, rows: Any) -> Any:
    """The row of each label."""
    return rows[labels]


def with_rows(x: Any, rows: Any) -> Any:
    """A row added at each place."""
    return x + rows[: x.shape[1]]


@lru_cache
def _turns(t: int, d: int) -> tuple[Floats, Floats]:
    angles = np.arange(t)[:, None] * 10000.0 ** (-np.arange(0, d, 2) / d)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _attention(*, causal: bool) -> Line:
    return Line(
        attention(HEADS, causal=causal),
        lambda torch: partial(attention_in_torch, torch, causal=causal),
        lambda jax: partial(attention_in_jax, jax, causal=causal),
        Attention.init,
        SEQUENCES,
    )


def _embedding(tokens: int) -> Line:
    return Line(
        embedding,
        lambda torch: torch.nn.functional.embedding,
        lambda _jax: taken,
        lambda rng, _features: Embedding.init(rng, tokens, 64),
        ((256,), (4096,)),
        lambda rng, size: rng.integers(0, tokens, size),
    )


LINES = {
    "relu": Line(relu, lambda torch: torch.relu, lambda jax: jax.nn.relu),
    "sigmoid": Line(sigmoid, lambda torch: torch.sigmoid, lambda jax: jax.nn.sigmoid),
    "tanh": Line(tanh, lambda torch: torch.tanh, lambda jax: jax.nn.tanh),
    "gelu": Line(gelu, lambda torch: partial(torch.nn.functional.gelu, approximate="tanh"), lambda jax: jax.nn.gelu),
    "gelu_erf": Line(
        gelu_erf, lambda torch: torch.nn.functional.gelu, lambda jax: partial(jax.nn.gelu, approximate=False)
    ),
    "silu": Line(silu, lambda torch: torch.nn.functional.silu, lambda jax: jax.nn.silu),
    "mish": Line(mish, lambda torch: torch.nn.functional.mish, lambda jax: jax.nn.mish),
    "softplus": Line(softplus, lambda torch: torch.nn.functional.softplus, lambda jax: jax.nn.softplus),
    "log_sigmoid": Line(log_sigmoid, lambda torch: torch.nn.functional.logsigmoid, lambda jax: jax.nn.log_sigmoid),
    "softsign": Line(softsign, lambda torch: torch.nn.functional.softsign, lambda jax: jax.nn.soft_sign),
    "hard_tanh": Line(hard_tanh, lambda torch: torch.nn.functional.hardtanh, lambda jax: jax.nn.hard_tanh),
    "hard_sigmoid": Line(hard_sigmoid, lambda torch: torch.nn.functional.hardsigmoid, lambda jax: jax.nn.hard_sigmoid),
    "hard_swish": Line(hard_swish, lambda torch: torch.nn.functional.hardswish, lambda jax: jax.nn.hard_swish),
    "leaky_relu": Line(leaky_relu(), lambda torch: torch.nn.functional.leaky_relu, lambda jax: jax.nn.leaky_relu),
    "elu": Line(elu(), lambda torch: torch.nn.functional.elu, lambda jax: jax.nn.elu),
    "celu": Line(celu(), lambda torch: torch.nn.functional.celu, lambda jax: jax.nn.celu),
    "selu": Line(selu, lambda torch: torch.selu, lambda jax: jax.nn.selu),
    "prelu": Line(
        prelu,
        lambda torch: torch.nn.functional.prelu,
        lambda jax: partial(_prelu_in_jax, jax.numpy),
        lambda _rng, features: PRelu.init(features),
    ),
    "softmax": Line(softmax, lambda torch: partial(torch.softmax, dim=-1), lambda jax: jax.nn.softmax, sizes=CLASSES),
    "log_softmax": Line(
        log_softmax, lambda torch: partial(torch.log_softmax, dim=-1), lambda jax: jax.nn.log_softmax, sizes=CLASSES
    ),
    "layer_norm": Line(
        layer_norm(),
        lambda torch: partial(layer_norm_in_torch, torch),
        lambda jax: partial(standardised_in_jax, jax),
        lambda _rng, features: LayerNorm.init(features),
        NORMS,
    ),
    "rms_norm": Line(
        rms_norm(),
        lambda torch: partial(rms_norm_in_torch, torch),
        lambda jax: partial(rms_norm_in_jax, jax),
        lambda _rng, features: RmsNorm.init(features),
        NORMS,
    ),
    "group_norm": Line(
        group_norm(8),
        lambda torch: partial(group_norm_in_torch, torch),
        lambda jax: partial(group_norm_in_jax, jax),
        lambda _rng, features: GroupNorm.init(features),
        ((16, 14, 14, 64), (16, 28, 28, 32), (32, 56, 56, 64)),
    ),
    "lstm": Line(
        lstm,
        lambda torch: partial(lstm_in_torch, torch),
        lambda jax: partial(lstm_in_jax, jax),
        lambda rng, features: Lstm.init(rng, features, features),
        STEPS,
    ),
    "gru": Line(
        gru,
        lambda torch: partial(gru_in_torch, torch),
        lambda jax: partial(gru_in_jax, jax),
        lambda rng, features: Gru.init(rng, features, features),
        STEPS,
    ),
    "batch_norm": Line(
        batch_norm(),
        lambda torch: partial(batch_norm_in_torch, torch),
        lambda jax: partial(standardised_in_jax, jax, axis=0),
        lambda _rng, features: BatchNorm.init(features),
        NORMS,
    ),
    "embedding of 65": _embedding(65),
    "embedding of 32000": _embedding(32_000),
    "positions": Line(
        positions,
        lambda _torch: with_rows,
        lambda _jax: with_rows,
        lambda rng, features: Positions.init(rng, 1024, features),
        SEQUENCES,
    ),
    "rotary": Line(
        rotary(),
        lambda torch: partial(rotary_in_torch, torch),
        lambda jax: partial(rotary_in_jax, jax),
        sizes=SEQUENCES,
    ),
    "attention": _attention(causal=False),
    "attention, causal": _attention(causal=True),
    "convolution": convolved(
        convolution(),
        kernel(3, 3),
        (16, 8, 8, 256),
        (64, 28, 28, 32),
        (32, 32, 32, 64),
        torch={"padding": 1},
    ),
    "convolution of one channel": convolved(
        convolution(), kernel(3, 3, outputs=32), (64, 28, 28, 1), torch={"padding": 1}
    ),
    "convolution to twice as many channels": convolved(
        convolution(), kernel(3, 3, outputs=2), (64, 14, 14, 32), torch={"padding": 1}
    ),
    "convolution 5 × 5": convolved(convolution(), kernel(5, 5), (32, 28, 28, 32), torch={"padding": 2}),
    "convolution 1 × 1": convolved(convolution(), kernel(1, 1), (32, 28, 28, 64), torch={}),
    "convolution with a stride of 2": convolved(
        convolution(2, 1),
        kernel(3, 3, outputs=2),
        (64, 29, 29, 32),
        torch={"padding": 1, "stride": 2},
        jax={"stride": 2},
    ),
    "convolution of one axis": convolved(convolution(), kernel(3, outputs=2), (64, 256, 32), torch={"padding": 1}),
    "depthwise convolution": convolved(
        convolution(groups=64),
        kernel(3, 3, groups=64),
        (32, 28, 28, 64),
        torch={"padding": 1, "groups": 64},
        jax={"groups": 64},
    ),
    "convolution_transpose": Line(
        convolution_transpose(2),
        lambda torch: partial(convolution_transpose_in_torch, torch),
        lambda jax: partial(convolution_transpose_in_jax, jax),
        kernel(4, 4, outputs=0.5),
        ((32, 14, 14, 64),),
    ),
    "max_pool": pooled(max_pool, max_pool_in_torch, max_pool_in_jax, size=2, stride=2, padding=0),
    "max_pool 3 × 3": pooled(max_pool, max_pool_in_torch, max_pool_in_jax, size=3, stride=2, padding=1),
    "mean_pool": pooled(mean_pool, mean_pool_in_torch, mean_pool_in_jax, size=2, stride=2, padding=0),
    "global_max_pool": Line(
        global_max_pool,
        lambda torch: partial(global_max_pool_in_torch, torch),
        lambda jax: partial(largest_of_all, jax),
        sizes=PICTURES,
    ),
    "global_mean_pool": Line(
        global_mean_pool,
        lambda torch: partial(mean_of_all, torch),
        lambda jax: partial(mean_of_all, jax),
        sizes=PICTURES,
    ),
}


def ours(line: Line, params: Any, x: Any, dout: Floats) -> Loop:
    """The public pair."""
    back = line.layer.grads if isinstance(line.layer, Encoder) else line.layer.backward

    def both() -> Any:
        out, cache = line.layer.forward(params, x)
        return out, tree.leaves(back(cache, dout))

    return calls(both)


def in_torch(line: Line, params: Any, x: Any, dout: Floats) -> Loop:
    """Eager."""
    torch: Any = import_module("torch")
    function, last = line.torch(torch), torch.tensor(dout)
    leaves = [torch.tensor(leaf, requires_grad=True) for leaf in tree.leaves(params)]
    if isinstance(line.layer, Encoder):
        function = partial(function, torch.tensor(x))
    else:
        leaves.insert(0, torch.tensor(x, requires_grad=True))

    def both() -> Any:
        out = function(*leaves)
        return out.detach(), torch.autograd.grad(out, leaves, last)

    return calls(both)


def in_jax(line: Line, params: Any, x: Any, dout: Floats) -> Loop:
    """Compiled."""
    jax: Any = import_module("jax")

    def both(dout: Any, x: Any, *leaves: Any) -> Any:
        if isinstance(line.layer, Encoder):
            out, backward = jax.vjp(partial(line.jax(jax), x), *leaves)
        else:
            out, backward = jax.vjp(line.jax(jax), x, *leaves)
        return out, backward(dout)

    arrays = [jax.numpy.array(leaf) for leaf in (dout, x, *tree.leaves(params))]
    return calls(jax.jit(both), *arrays, ready=jax.block_until_ready)


CONTENDERS = {OURS: ours, TORCH: in_torch, JAX: in_jax}


def measure(options: Options) -> Iterator[Row]:
    """A row for each layer, size and contender."""
    with process() as child:
        for name in options.layers or LINES:
            for size in LINES[name].sizes[: 1 if options.quick else None]:
                yield from ask(child, compare, name, size, options.plan)


def compare(name: str, size: tuple[int, ...], plan: Plan) -> list[Row]:
    """Those who agree with us take turns."""
    rng, line = np.random.default_rng(0), LINES[name]
    x, params = read_only(line.x(rng, size)), line.params(rng, size[-1])
    dout = read_only(rng.standard_normal(line.layer.forward(params, x)[0].shape, np.float32))
    makers = {contender: partial(make, line, params, x, dout) for contender, make in CONTENDERS.items()}
    return raced({"layer": name, "size": " × ".join(map(str, size))}, makers, plan)


def raced(case: Row, makers: Mapping[str, Callable[[], Loop]], plan: Plan) -> list[Row]:
    """A row for each contender in a case. Those whose results are ours take turns."""
    rows: dict[str, Row] = {}
    loops: dict[str, Loop] = {}
    right: list[NDArray[Any]] = []
    for contender, make in makers.items():
        rows[contender] = case | {"contender": contender}
        try:
            loop = make()
            out, gradients = loop(1)
        except ImportError as error:
            rows[contender]["failure"] = f"{type(error).__name__}: {error}"
            continue
        found = [np.asarray(array) for array in (out, *gradients)]
        right = right or found
        difference = largest(list(zip(found, right, strict=True)))
        if difference <= TOLERANCE:
            loops[contender] = loop
        else:
            rows[contender]["failure"] = f"its results differ by {difference:.1e} of ours"
    took = race({contender: loop.time for contender, loop in loops.items()}, plan)
    walls = {contender: [each.wall for each in blocks] for contender, blocks in took.items()}
    for contender, wall in walls.items():
        rows[contender] |= {"seconds": asdict(Spread.of(wall))}
        rows[contender] |= {"ours_to_it": asdict(Spread.of_ratios(walls[OURS], wall))}
    return list(rows.values())


def parts(rows: Sequence[Row]) -> dict[str, str]:
    """The table of the layers."""
    return {"layers": compared("layer", rows)}


def compared(kind: str, rows: Sequence[Row]) -> str:
    """A line for each thing of a kind and size: times, and what ours takes of each other's."""
    lines: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        line = lines.setdefault((row[kind], row["size"]), [])
        line.append(duration(row["seconds"]["median"]) if "seconds" in row else "")
        if row["contender"] != OURS:
            line.append(ratio(row["ours_to_it"]["median"]) if "seconds" in row else "")
    head = [kind, "x", OURS, *(text for name in list(CONTENDERS)[1:] for text in (name, f"ours, of {name}"))]
    texts = [table(head, [[*case, *line] for case, line in lines.items()], text=2), *dict.fromkeys(failures(rows))]
    return "\n\n".join(texts)
