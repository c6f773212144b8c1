"""torch: its values at special points, its checker, its optimizer, and where it loses digits that we keep."""

import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import reference
from catalogue import LAYERS, OTHERS, Subject
from chainrule import (
    Affine,
    BatchNorm,
    Convolution,
    Embedding,
    GroupNorm,
    Gru,
    Layer,
    LayerNorm,
    Lstm,
    PRelu,
    RmsNorm,
    Statistics,
    adagrad,
    adam,
    adamw,
    affine,
    batch_norm,
    check_layer,
    convolution,
    convolution_transpose,
    embedding,
    group_norm,
    gru,
    layer_norm,
    lstm,
    prelu,
    relu,
    rms_norm,
    rmsprop,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    two_layer,
)
from chainrule.laws import LOSS_LAWS
from chainrule.layers.affine import AffineCache
from chainrule.schedules import constant, cosine, exponential, linear, piecewise, warmup
from oracles.in_torch import TORCH
from strategies import generators, normal, sides

torch: Any = import_module("torch")  # it need not be installed where types are checked


def to_numpy(tensor: Any) -> Any:
    return tensor.detach().numpy().copy()


def as_function(layer: Layer[Any, Any], params: Any) -> Any:
    """A layer as a `torch.autograd.Function` of x and its parameter arrays."""

    class Wrapped(torch.autograd.Function):  # type: ignore[misc]  # torch is Any here
        @staticmethod
        def forward(ctx: Any, x: Any, *arrays: Any) -> Any:
            at = tree.replace(params, [to_numpy(array) for array in arrays])
            out, ctx.cache = layer.forward(at, to_numpy(x))
            return torch.tensor(np.array(out))

        @staticmethod
        def backward(ctx: Any, *douts: Any) -> Any:
            dx, grads = layer.backward(ctx.cache, to_numpy(douts[0]))
            return tuple(torch.tensor(np.array(leaf)) for leaf in (dx, *tree.leaves(grads)))

    return Wrapped.apply


@pytest.mark.parametrize("subject", [each for each in LAYERS if each.torch is not None], ids=lambda s: s.name)
@given(rng=generators, n=sides)
def test_values_and_gradients_are_torchs(subject: Subject, rng: np.random.Generator, n: int) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    arrays = [x, *tree.leaves(params)]
    function: Any = subject.torch
    theirs, gradients = TORCH.pullback(partial(function, torch), arrays, dout)
    np.testing.assert_allclose(out, theirs, rtol=1e-10, atol=1e-10)
    for ours, gradient in zip([dx, *tree.leaves(grads)], gradients, strict=True):
        np.testing.assert_allclose(ours, gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("subject", LAYERS, ids=lambda s: s.name)
def test_torchs_gradcheck_accepts_our_layers(subject: Subject, fast: bool) -> None:
    params, x = subject.make(np.random.default_rng(0), 4, np.float64)
    tensors = [torch.tensor(np.array(leaf), requires_grad=True) for leaf in (x, *tree.leaves(params))]
    assert torch.autograd.gradcheck(as_function(subject.layer, params), tensors, fast_mode=fast)


def test_gradcheck_accepts_an_entry_wrong_by_one_part_in_a_thousand_and_we_do_not() -> None:
    def off_by(error: float) -> Layer[Affine, AffineCache]:
        def backward(cache: AffineCache, dout: Any) -> tuple[Any, Affine]:
            dx, grads = affine.backward(cache, dout)
            W = grads.W.copy()
            W[0, 0] *= 1 + error
            return dx, Affine(W, grads.b)

        return Layer(affine.forward, backward)

    rng = np.random.default_rng(0)
    params, x = Affine.init(rng, 3, 2, dtype=np.float64), rng.standard_normal((4, 3))
    tensors = [torch.tensor(np.array(leaf), requires_grad=True) for leaf in (x, *tree.leaves(params))]
    assert torch.autograd.gradcheck(as_function(off_by(0.9e-3), params), tensors)
    assert not check_layer(off_by(1e-9), params, x, rng=rng).ok


@pytest.mark.parametrize("x", [-1.0, -0.0, 0.0, 5e-324, 1.0, np.nan, np.inf, -np.inf])
def test_relu_at_special_points_is_torchs(x: float) -> None:
    out, cache = relu.forward((), np.array([[x]]))
    dx, _ = relu.backward(cache, np.array([[3.0]]))
    theirs, (gradient,) = TORCH.pullback(torch.relu, [np.array([[x]])], np.array([[3.0]]))
    np.testing.assert_array_equal(out, theirs)
    np.testing.assert_array_equal(dx, gradient)


POINTWISE = [each for each in LAYERS if each.torch is not None and each.layer.elementwise and not each.layer.parts]
OTHERWISE = {"softsign": "its slope there is nan in torch, where inf is divided by inf, and its limit, 0, here"}
"""Slopes at infinity that are not torch's, and why."""


@pytest.mark.parametrize("subject", POINTWISE, ids=lambda s: s.name)
def test_values_and_slopes_at_infinity_zero_and_ones_are_torchs(subject: Subject) -> None:
    x = np.array([-np.inf, np.inf, -0.0, 0.0, -1.0, 1.0, -3.0, 3.0])
    with np.errstate(all="raise"):
        out, cache = subject.layer.forward((), x)
        dx, _ = subject.layer.backward(cache, np.ones_like(x))
    function: Any = subject.torch
    theirs, (gradient,) = TORCH.pullback(partial(function, torch), [x], np.ones_like(x))
    few = slice(2 if subject.name in OTHERWISE else 0, None)
    # The functions and constants of both are rounded.
    np.testing.assert_allclose(out, theirs, rtol=1e-14)
    np.testing.assert_allclose(dx[few], gradient[few], rtol=1e-14)


@pytest.mark.parametrize("row", [[-np.inf, 0.0], [np.inf, 0.0], [-np.inf, -np.inf], [np.nan, 0.0]])
@pytest.mark.parametrize("label", [0, 1])
def test_cross_entropy_at_infinity_and_nan_is_torchs(row: list[float], label: int) -> None:
    z, labels = np.array([row, [0.0, 1.0]]), np.array([label, 0])
    theirs, gradient = TORCH.loss_and_gradient(z, labels)
    loss, cache = softmax_cross_entropy.forward(z, labels)
    np.testing.assert_allclose(loss, theirs, rtol=1e-15)
    np.testing.assert_allclose(softmax_cross_entropy.backward(cache, 1.0), gradient, rtol=1e-15, atol=1e-16)


@pytest.mark.parametrize("margin", [5.0, 20.0, 36.0, 50.0, 100.0])
def test_where_the_label_leads_torch_loses_digits_that_we_keep(margin: float) -> None:
    rng = np.random.default_rng(int(margin))
    z = rng.standard_normal((1, 10))
    z[0, 3] = np.delete(z[0], 3).max() + margin
    exact, gradient = reference.cross_entropy_50_digits(z[0].tolist(), np.eye(10)[3])
    loss, cache = softmax_cross_entropy.forward(z, np.array([3]))
    theirs, their_gradient = TORCH.loss_and_gradient(z, np.array([3]))
    ours = abs(float(softmax_cross_entropy.backward(cache, 1.0)[0, 3]) / gradient[3] - 1)
    torchs = abs(float(their_gradient[0, 3]) / gradient[3] - 1)
    assert ours < 1e-14
    assert abs(float(loss) / exact - 1) < 1e-14
    assert torchs > 10 * ours
    if margin >= 36:
        assert torchs > 0.01
        assert abs(float(theirs) / exact - 1) > 0.01


def every(path: str, array: Any) -> bool:
    return True


def matrices_decay(arrays: Any) -> Any:
    return [{"params": [each], "weight_decay": 0.1 if each.ndim > 1 else 0.0} for each in arrays]


OPTIMIZERS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "sgd": (sgd(0.1), lambda arrays: torch.optim.SGD(arrays, lr=0.1)),
    "momentum": (sgd(0.1, momentum=0.9), lambda arrays: torch.optim.SGD(arrays, lr=0.1, momentum=0.9)),
    "nesterov": (
        sgd(0.1, momentum=0.9, nesterov=True),
        lambda arrays: torch.optim.SGD(arrays, lr=0.1, momentum=0.9, nesterov=True),
    ),
    "adam": (adam(0.01), lambda arrays: torch.optim.Adam(arrays, lr=0.01)),
    "adam with options": (
        adam(0.01, b1=0.5, b2=0.9, eps=1e-3),
        lambda arrays: torch.optim.Adam(arrays, lr=0.01, betas=(0.5, 0.9), eps=1e-3),
    ),
    "adamw": (
        adamw(0.01, weight_decay=0.1),
        lambda arrays: torch.optim.AdamW(matrices_decay(arrays), lr=0.01),
    ),
    "adamw, where all decays": (adamw(0.01, decays=every), lambda arrays: torch.optim.AdamW(arrays, lr=0.01)),
    "adamw with options": (
        adamw(0.01, b1=0.5, b2=0.9, eps=1e-3, weight_decay=0.5, decays=every),
        lambda arrays: torch.optim.AdamW(arrays, lr=0.01, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.5),
    ),
    "rmsprop": (rmsprop(0.01), lambda arrays: torch.optim.RMSprop(arrays, lr=0.01)),
    "rmsprop with options": (
        rmsprop(0.01, decay=0.5, eps=1e-3),
        lambda arrays: torch.optim.RMSprop(arrays, lr=0.01, alpha=0.5, eps=1e-3),
    ),
    "adagrad": (adagrad(0.1), lambda arrays: torch.optim.Adagrad(arrays, lr=0.1)),
    "adagrad with options": (adagrad(0.1, eps=1e-3), lambda arrays: torch.optim.Adagrad(arrays, lr=0.1, eps=1e-3)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_training_steps_are_torchs(name: str) -> None:
    optimizer, make = OPTIMIZERS[name]
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 5, 7, 3, std=0.5, dtype=np.float64)
    x, labels = rng.standard_normal((50, 8, 5)), rng.integers(0, 3, (50, 8))
    W1, b1, W2, b2 = theirs = [torch.tensor(leaf.copy(), requires_grad=True) for leaf in tree.leaves(params)]
    reference_optimizer = make(theirs)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    state = optimizer.init(params)
    for batch, targets in zip(x, labels, strict=True):
        params, state, loss = step(params, state, batch, targets)
        reference_optimizer.zero_grad()
        logits = torch.relu(torch.tensor(batch) @ W1 + b1) @ W2 + b2
        their_loss = torch.nn.functional.cross_entropy(logits, torch.tensor(targets))
        their_loss.backward()
        reference_optimizer.step()
        assert abs(float(loss) - their_loss.item()) < 1e-10
    for a, b in zip(tree.leaves(params), theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=0, atol=1e-10)


def a_fifth_more(t: int) -> float:
    return min((t + 1) / 5, 1.0)


SCHEDULERS: list[tuple[Any, Callable[[Any, Any], Any]]] = [
    (cosine(1.0, 0.1, 10), lambda its, optimizer: its.CosineAnnealingLR(optimizer, 10, eta_min=0.1)),
    (linear(0.25, 1.0, 8), lambda its, optimizer: its.LinearLR(optimizer, 0.25, 1.0, total_iters=8)),
    (exponential(1.0, 0.9), lambda its, optimizer: its.ExponentialLR(optimizer, 0.9)),
    (piecewise([3, 7], [1.0, 0.1, 0.01]), lambda its, optimizer: its.MultiStepLR(optimizer, [3, 7])),
    (warmup(5, constant(1.0)), lambda its, optimizer: its.LambdaLR(optimizer, a_fifth_more)),
]


@pytest.mark.parametrize(("schedule", "make"), SCHEDULERS, ids=[repr(schedule) for schedule, _ in SCHEDULERS])
def test_rates_are_those_of_torchs_scheduler(schedule: Any, make: Callable[[Any, Any], Any]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    for t in range(10):
        assert schedule(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("subject", [each for each in OTHERS if each.laws is LOSS_LAWS], ids=lambda s: s.name)
@given(rng=generators, n=sides)
def test_losses_and_their_gradients_are_torchs(subject: Subject, rng: np.random.Generator, n: int) -> None:
    out, targets = subject.make(rng, n, np.float64)
    loss, cache = subject.layer.forward(out, targets)
    function: Any = subject.torch
    theirs, (gradient,) = TORCH.pullback(partial(function, torch), [out], np.ones(()), *tree.leaves(targets))
    np.testing.assert_allclose(loss, theirs, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(subject.layer.backward(cache, 1.0), gradient, rtol=1e-10, atol=1e-10)


def channels_first(function: Any, kernel: tuple[int, ...], *options: Any) -> Any:
    """torch's convolution of the weights with their axes in its order, and the channels before the positions."""

    def convolved(x: Any, W: Any, b: Any) -> Any:
        out = function(x.movedim(-1, 1), W.permute(*kernel).contiguous(), b, *options)
        return out.movedim(1, -1)

    return convolved


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(rng=generators)
def test_convolutions_of_any_options_are_torchs(axes: int, rng: np.random.Generator) -> None:
    size, stride, padding, dilation = (
        tuple(int(v) for v in rng.integers(*ends, axes)) for ends in ((1, 4), (1, 4), (0, 4), (1, 3))
    )
    groups, c, m, n = (int(v) for v in rng.integers(1, 4, 4))
    x = normal(rng, n, *(int(v) for v in rng.integers(5, 8, axes)), groups * c)
    params = Convolution(normal(rng, *size, c, groups * m), normal(rng, groups * m))
    layer = convolution(stride, tuple((p, p) for p in padding), dilation, groups)
    kernel = (axes + 1, axes, *range(axes))
    function = getattr(torch.nn.functional, f"conv{axes}d")
    same_as_torchs(layer, params, x, channels_first(function, kernel, stride, padding, dilation, groups), rng)


@pytest.mark.parametrize("axes", [1, 2, 3])
@given(rng=generators)
def test_transposes_of_convolutions_of_any_options_are_torchs(axes: int, rng: np.random.Generator) -> None:
    size, stride = (tuple(int(v) for v in rng.integers(1, 5, axes)) for _ in range(2))
    padding = tuple(int(v) for v in rng.integers(0, size))
    c, m, n = (int(v) for v in rng.integers(1, 4, 3))
    x = normal(rng, n, *(int(v) for v in rng.integers(4, 6, axes)), c)
    params = Convolution(normal(rng, *size, c, m), normal(rng, m))
    layer = convolution_transpose(stride, tuple((p, p) for p in padding))
    kernel = (axes, axes + 1, *range(axes))
    function = getattr(torch.nn.functional, f"conv_transpose{axes}d")
    same_as_torchs(layer, params, x, channels_first(function, kernel, stride, padding), rng)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_is_torchs_same(size: int, dilation: int) -> None:
    rng = np.random.default_rng(0)
    params, x = Convolution(normal(rng, size, size, 3, 2), normal(rng, 2)), normal(rng, 2, 5, 6, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells that of an even size it copies x
        theirs = channels_first(torch.nn.functional.conv2d, (3, 2, 0, 1), 1, "same", dilation)
        same_as_torchs(convolution(dilation=dilation), params, x, theirs, rng)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_weights_of_torchs_modules_are_ours_with_axes_in_another_order(axes: int, transposed: bool) -> None:
    """As the docstrings have it."""
    rng = np.random.default_rng(0)
    if transposed:
        module: Any = getattr(torch.nn, f"ConvTranspose{axes}d")(4, 6, 3, stride=2, padding=1)
        layer, here, there = convolution_transpose(2, 1), (0, 1), (axes, axes + 1)
    else:
        module = getattr(torch.nn, f"Conv{axes}d")(4, 6, 3, stride=2, padding=1, groups=2)
        layer, here, there = convolution(2, 1, groups=2), (1, 0), (axes + 1, axes)
    weight = module.double().weight.detach()
    W = weight.permute(*range(2, axes + 2), *here)
    assert torch.equal(W.permute(*there, *range(axes)), weight)
    x = normal(rng, 2, *(5,) * axes, 4)
    out, _ = layer.forward(Convolution(to_numpy(W), to_numpy(module.bias)), x)
    theirs = module(torch.tensor(x).movedim(-1, 1)).movedim(1, -1)
    np.testing.assert_allclose(out, to_numpy(theirs), rtol=1e-10, atol=1e-10)


MODULES: dict[str, tuple[Any, Any, Callable[[Any], Any]]] = {
    "affine": (affine, torch.nn.Linear(4, 3), lambda m: Affine(to_numpy(m.weight.T), to_numpy(m.bias))),
    "layer_norm": (layer_norm(), torch.nn.LayerNorm(4), lambda m: LayerNorm(to_numpy(m.weight), to_numpy(m.bias))),
    "rms_norm": (rms_norm(), torch.nn.RMSNorm(4, eps=1e-6), lambda m: RmsNorm(to_numpy(m.weight))),
    "group_norm": (group_norm(2), torch.nn.GroupNorm(2, 4), lambda m: GroupNorm(to_numpy(m.weight), to_numpy(m.bias))),
    "batch_norm": (batch_norm(), torch.nn.BatchNorm1d(4), lambda m: BatchNorm(to_numpy(m.weight), to_numpy(m.bias))),
    "prelu": (prelu, torch.nn.PReLU(4), lambda m: PRelu(to_numpy(m.weight))),
    "prelu of one slope": (prelu, torch.nn.PReLU(), lambda m: PRelu(to_numpy(m.weight.reshape(())))),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_have_our_parameters_as_the_pages_say(name: str) -> None:
    layer, module, params_of = MODULES[name]
    rng = np.random.default_rng(0)
    module = module.double()
    with torch.no_grad():
        for each in module.parameters():
            each.copy_(torch.tensor(normal(rng, *each.shape)))
    x = normal(rng, 5, 4)
    out, _ = layer.forward(params_of(module), x)
    np.testing.assert_allclose(out, to_numpy(module(torch.tensor(x))), rtol=1e-10, atol=1e-10)


def test_a_batch_norm_in_use_has_the_running_statistics_of_torchs() -> None:
    rng, module = np.random.default_rng(0), torch.nn.BatchNorm1d(4).double()
    module(torch.tensor(normal(rng, 5, 4)))
    module.eval()
    in_use = batch_norm(Statistics(to_numpy(module.running_mean), to_numpy(module.running_var)))
    x = normal(rng, 5, 4)
    out, _ = in_use.forward(BatchNorm(to_numpy(module.weight), to_numpy(module.bias)), x)
    np.testing.assert_allclose(out, to_numpy(module(torch.tensor(x))), rtol=1e-10, atol=1e-10)


def same_as_torchs(layer: Any, params: Any, x: Any, function: Any, rng: np.random.Generator) -> None:
    """The output and all gradients are those of a function of torch."""
    out, cache = layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = layer.backward(cache, dout)
    theirs, gradients = TORCH.pullback(function, [x, *(np.array(leaf) for leaf in tree.leaves(params))], dout)
    np.testing.assert_allclose(out, theirs, rtol=1e-10, atol=1e-10)
    for ours, gradient in zip([dx, *tree.leaves(grads)], gradients, strict=True):
        np.testing.assert_allclose(ours, gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (2, 0, 3)])
@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, np.uint64])
def test_the_embedding_is_torchs(shape: tuple[int, ...], kind: type[np.integer[Any]]) -> None:
    rng = np.random.default_rng(0)
    params, labels = Embedding(rng.standard_normal((5, 3))), rng.integers(0, 5, shape).astype(kind)
    out, cache = embedding.forward(params, labels)
    dout = rng.standard_normal(out.shape)

    def function(E: Any, labels: Any) -> Any:
        return torch.nn.functional.embedding(labels, E)

    theirs, (gradient,) = TORCH.pullback(function, [np.array(params.E)], dout, labels.astype(np.int64))
    np.testing.assert_allclose(out, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(embedding.grads(cache, dout).E, gradient, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@given(rng=generators, n=sides, t=sides, d=sides, h=sides)
def test_recurrent_layers_are_torchs_modules_with_their_weights_transposed(
    kind: str, rng: np.random.Generator, n: int, t: int, d: int, h: int
) -> None:
    """As the table in the docstring of each says; torch has a second bias, of which an LSTM's gradient is the same."""
    module = getattr(torch.nn, kind)(d, h, batch_first=True, dtype=torch.float64)
    W, U, b, c = (normal(rng, *param.shape) for param in module.parameters())
    layer: Any = lstm if kind == "LSTM" else gru
    params: Any = Lstm(W.T, U.T, b + c) if kind == "LSTM" else Gru(W.T, U.T, b, c)
    with torch.no_grad():
        for param, array in zip(module.parameters(), (W, U, b, c), strict=True):
            param.copy_(torch.tensor(array))
    x, dout = normal(rng, n, t, d), normal(rng, n, t, h)
    out, cache = layer.forward(params, x)
    dx, grads = layer.backward(cache, dout)
    tensor = torch.tensor(x, requires_grad=True)
    theirs, _ = module(tensor)
    theirs.backward(torch.tensor(dout))
    np.testing.assert_allclose(out, to_numpy(theirs), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dx, to_numpy(tensor.grad), rtol=1e-10, atol=1e-10)
    for gradient, param in zip(tree.leaves(grads), module.parameters(), strict=False):
        np.testing.assert_allclose(gradient, to_numpy(param.grad).T, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("layer", "make"), [(lstm, Lstm.init), (gru, Gru.init)], ids=["lstm", "gru"])
def test_recurrent_layers_run_under_vmap_over_any_of_their_arrays(layer: Any, make: Any) -> None:
    rng = np.random.default_rng(0)
    params: Any = make(rng, 2, 3, dtype=np.float64)
    arrays = [
        torch.tensor(np.array(leaf)) for leaf in (normal(rng, 2, 4, 2), normal(rng, 2, 4, 3), *tree.leaves(params))
    ]

    def both(*given: Any) -> Any:
        x, dout, *leaves = given
        out, cache = layer.forward(tree.replace(params, leaves), x)
        return out, *tree.leaves(layer.backward(cache, dout))

    for k, array in enumerate(arrays):
        dims = [0 if j == k else None for j in range(len(arrays))]
        several = torch.func.vmap(both, tuple(dims))(*(arrays[:k]), torch.stack([array, 2 * array]), *arrays[k + 1 :])
        alone = both(*arrays[:k], 2 * array, *arrays[k + 1 :])
        for a, b in zip(several, alone, strict=True):
            np.testing.assert_allclose(a[1], b, rtol=1e-13, atol=1e-13)
