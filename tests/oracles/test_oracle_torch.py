"""torch: its values at special points, its checker, its optimizer, and where it loses digits that we keep."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import reference
from catalogue import LAYERS, Subject
from chainrule import Affine, Embedding, Layer, affine, check_layer, embedding, relu, sgd, softmax_cross_entropy, tree
from chainrule.layers.affine import AffineCache
from oracles.in_torch import TORCH
from strategies import generators, sides

torch: Any = import_module("torch")  # which need not be installed where types are checked


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
    dout = rng.standard_normal(out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    arrays = [x, *tree.leaves(params)]
    theirs, gradients = TORCH.pullback(partial(subject.torch, torch), arrays, dout)  # type: ignore[arg-type]  # not None
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


def test_sgd_is_torchs_over_25_steps() -> None:
    rng = np.random.default_rng(0)
    ours = rng.standard_normal((3, 2))
    theirs = torch.tensor(ours.copy(), requires_grad=True)
    optimizer, reference_optimizer = sgd(0.1), torch.optim.SGD([theirs], lr=0.1)
    state = optimizer.init(ours)
    for _ in range(25):
        gradient = rng.standard_normal((3, 2))
        ours, state = optimizer.step(state, ours, gradient)
        theirs.grad = torch.tensor(gradient)
        reference_optimizer.step()
    # 25 steps of two roundings each, of numbers of size 1; torch may fuse the two.
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=25 * 2.0**-52)


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
