"""torch: any layer as a function whose derivative in torch is our backward."""

import copy
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from catalogue import LAYERS, Subject
from chainrule import (
    Affine,
    Array,
    Layer,
    adam,
    affine,
    sequential,
    sigmoid,
    softmax_cross_entropy,
    trace,
    tree,
    two_layer,
    value_and_grad,
)
from chainrule.interop.torch import autograd_function
from strategies import normal
from untyped import untyped

ALIKE = [subject for subject in LAYERS if subject.alike]

torch: Any = import_module("torch")  # it need not be installed where types are checked


def on_torch(value: Any, requires_grad: bool = True) -> Any:
    return tree.map(lambda leaf: torch.tensor(np.array(leaf), requires_grad=requires_grad), value)


@pytest.mark.parametrize("subject", ALIKE, ids=lambda each: each.name)
def test_gradcheck_accepts_our_layers(subject: Subject) -> None:
    params, x = on_torch(subject.make(np.random.default_rng(0), 4, np.float64))
    function = autograd_function(subject.layer)

    def of_tensors(x: Any, *leaves: Any) -> Any:
        return function(tree.replace(params, list(leaves)), x)

    assert torch.autograd.gradcheck(of_tensors, (x, *tree.leaves(params)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("subject", ALIKE, ids=lambda each: each.name)
def test_gradients_are_those_of_our_backward(subject: Subject, dtype: Any) -> None:
    inputs = subject.make(np.random.default_rng(0), 4, dtype)
    params, x = on_torch(inputs)
    out: Any = autograd_function(subject.layer)(params, x)
    ours: Any
    ours, cache = subject.layer.forward(*inputs)
    dout = normal(np.random.default_rng(1), *ours.shape, dtype=dtype)
    out.backward(torch.tensor(dout))
    gradients = [x.grad, *(untyped(leaf).grad for leaf in tree.leaves(params))]
    for theirs, expected in zip(gradients, tree.leaves(subject.layer.backward(cache, dout)), strict=True):
        assert theirs.numpy().dtype == dtype
        # Other orders of sums of at most some tens of numbers of size 1 to 10.
        eps = float(np.finfo(dtype).eps)
        np.testing.assert_allclose(theirs, expected, rtol=64 * eps, atol=64 * eps)


def counting(calls: list[str]) -> Layer[Any, Any]:
    """An affine layer that notes what is asked of it."""

    def backward(cache: Any, dout: Array) -> Any:
        calls.append("backward")
        return affine.backward(cache, dout)

    def grads(cache: Any, dout: Array) -> Any:
        calls.append("grads")
        return affine.grads(cache, dout)

    return Layer(affine.forward, backward, grads)


def test_the_derivative_by_x_is_computed_where_it_is_wanted_only() -> None:
    params = on_torch(Affine(np.ones((3, 2)), np.ones(2)))
    calls: list[str] = []
    function = untyped(autograd_function(counting(calls)))
    function(params, torch.ones(4, 3, dtype=torch.float64)).sum().backward()
    assert calls == ["grads"]
    function(params, torch.ones(4, 3, dtype=torch.float64, requires_grad=True)).sum().backward()
    assert calls == ["grads", "backward"]


def test_parameters_may_be_constants() -> None:
    params = on_torch(Affine(np.ones((3, 2)), np.ones(2)), requires_grad=False)
    x = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    untyped(autograd_function(affine))(params, x).sum().backward()
    assert x.grad.tolist() == [[2.0] * 3] * 4
    assert not untyped(autograd_function(affine)(params, x.detach())).requires_grad


def test_a_second_derivative_is_refused() -> None:
    """Torch alone would take the gradient for a constant where dout is one, and give a wrong second derivative."""
    params = on_torch(Affine(np.ones((3, 3)), np.ones(3)))
    x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    out = autograd_function(sequential(affine, sigmoid))((params, ()), x)
    gradients = torch.autograd.grad(out.sum(), (x, params.W), create_graph=True)
    for gradient in gradients:
        with pytest.raises(RuntimeError, match="a layer defines its first derivative only; the second is not there"):
            (gradient.sum() + x.sum()).backward(retain_graph=True)


def test_writing_to_what_backward_needs_is_refused() -> None:
    params = on_torch(Affine(np.ones((3, 2)), np.ones(2)))
    x = torch.ones(4, 3, dtype=torch.float64)
    out = untyped(autograd_function(affine))(params, x)
    x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_module_of_ours_and_theirs_trains_as_theirs_does() -> None:
    """Its parameters are torch's own, and so are the loss and the optimizer."""
    torch.manual_seed(0)
    x, labels = torch.randn(32, 5, dtype=torch.float64), torch.randint(0, 3, (32,))
    shapes = [(5, 4), (4,), (4, 3), (3,)]
    start = [torch.randn(*shape, dtype=torch.float64) for shape in shapes]
    network = autograd_function(two_layer.network)

    def ours(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return network((Affine(W1, b1), (), Affine(W2, b2)), untyped(x))

    def theirs(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        return torch.relu(x @ W1 + b1) @ W2 + b2

    trained: list[Any] = []
    losses: list[float] = []
    for function in (ours, theirs):
        weights = [torch.nn.Parameter(each.clone()) for each in start]
        optimizer = torch.optim.Adam(weights, lr=0.05)
        for _ in range(20):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(function(*weights), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        trained.append(weights)
    assert losses[19] < losses[0] / 2
    for a, b in zip(*trained, strict=True):
        # 20 steps of Adam, each of which may turn a rounding of a small gradient into a relative one of its own size.
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-9, atol=1e-9)


def test_what_torch_records_through_our_forward_is_our_backward_too() -> None:
    """Layers run on tensors as they are: torch then differentiates operation by operation."""
    rng = np.random.default_rng(0)
    params = on_torch(two_layer.init(rng, 5, 4, 3, std=0.5, dtype=np.float64))
    x, labels = torch.tensor(rng.standard_normal((6, 5))), torch.tensor(rng.integers(0, 3, 6))
    out, caches = two_layer.network.forward(params, x)
    loss, cache = softmax_cross_entropy.forward(out, labels)
    untyped(loss).backward()
    grads = two_layer.network.grads(caches, softmax_cross_entropy.backward(cache, 1.0))
    for leaf, grad in zip(tree.leaves(params), tree.leaves(grads), strict=True):
        recorded: Any = untyped(leaf).grad
        # Some roundings of sums of up to 6 products, relative to the largest entry.
        np.testing.assert_allclose(
            recorded, untyped(grad).detach(), rtol=0, atol=32 * 2.0**-52 * float(abs(recorded).max())
        )


@pytest.mark.parametrize("subject", ALIKE, ids=lambda each: each.name)
def test_what_torch_records_agrees_at_zero_and_far_out(subject: Subject) -> None:
    """Inputs at which branches meet, or the slope of the other branch could overflow to nan."""
    params, x = on_torch(subject.make(np.random.default_rng(0), 5, np.float64))
    with torch.no_grad():
        for row, value in enumerate([0.0, -0.0, 1000.0, -1000.0]):
            x[row] = value
    out, cache = subject.layer.forward(params, x)
    dout = torch.tensor(normal(np.random.default_rng(1), *out.shape))
    inputs = [x, *tree.leaves(params)]
    recorded = torch.autograd.grad(untyped(out), inputs, dout, retain_graph=True)
    for theirs, ours in zip(recorded, tree.leaves(subject.layer.backward(cache, dout)), strict=True):
        # Sums of up to 5 products of numbers of up to 1000; of three of these in attention, whose terms cancel.
        atol = 1e-7 if "attention" in subject.name else 1e-12
        np.testing.assert_allclose(theirs, untyped(ours).detach(), rtol=1e-12, atol=atol)


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"autograd_function: it must be a Layer, got function: give it network\(seed\)"
    ):
        autograd_function(untyped(on_torch))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_pass_on_parameters_of_torchs_is_traced(dtype: str) -> None:
    kind = getattr(torch, dtype)
    parameters = two_layer.init(np.random.default_rng(0), 4, 3, 2, std=1)
    params = tree.map(lambda leaf: torch.nn.Parameter(torch.tensor(np.array(leaf), dtype=kind)), parameters)
    with torch.no_grad():
        untyped(params)[2].b[1] = float("nan")
    x, labels = torch.ones((5, 4), dtype=kind), torch.tensor([0, 1, 1, 0, 1])
    seen = trace(two_layer.network, params, x, softmax_cross_entropy, labels)
    assert str(seen.first_nonfinite).startswith("params[2].b of layer 3 (affine)")
    size = 2 if dtype == "bfloat16" else 4
    assert seen.layers[0].params[0].dtype == dtype
    assert sum(layer.cache_bytes for layer in seen.layers) == 5 * 3 * size  # the hidden layer; the rest is held


def test_deep_copies_of_records_have_tensors_of_their_own() -> None:
    params = (on_torch(Affine(np.ones((3, 2)), np.ones(2)), requires_grad=False), (torch.zeros(2),))
    copied = copy.deepcopy(params)
    for leaf in tree.leaves(params):
        untyped(leaf).fill_(7.0)
    assert [untyped(leaf).unique().tolist() for leaf in tree.leaves(copied)] == [[1.0], [1.0], [0.0]]


LOWER = ["bfloat16", "float16"]


@pytest.mark.parametrize("lower", LOWER)
def test_under_autocast_a_function_gives_what_it_gives_without(lower: str) -> None:
    params = on_torch(two_layer.init(np.random.default_rng(0), 4, 3, 2, std=1))
    leaves, x = tree.leaves(params), torch.ones((5, 4), requires_grad=True)
    network = untyped(autograd_function(two_layer.network))
    expected = network(params, x)
    gradients = torch.autograd.grad(expected.sum(), [x, *leaves])
    with torch.autocast("cpu", dtype=getattr(torch, lower)):
        out = network(params, x)
        inside = torch.autograd.grad(out.sum(), [x, *leaves], retain_graph=True)
    outside = torch.autograd.grad(out.sum(), [x, *leaves])
    for theirs, ours in zip((out, *inside, *outside), (expected, *gradients, *gradients), strict=True):
        assert torch.equal(theirs, ours)
        assert theirs.dtype is torch.float32


@pytest.mark.parametrize("lower", LOWER)
def test_what_autocast_has_lowered_is_refused_until_it_is_converted(lower: str) -> None:
    params, readout = on_torch(Affine(np.ones((4, 2), np.float32), np.ones(2, np.float32))), torch.nn.Linear(3, 4)
    function = untyped(autograd_function(affine))
    with torch.autocast("cpu", dtype=getattr(torch, lower)):
        x = readout(torch.ones(5, 3))
        with pytest.raises(TypeError, match=f"affine: x is torch.{lower} but the parameters are torch.float32"):
            function(params, x)
        assert function(params, x.float()).dtype is torch.float32


@pytest.mark.parametrize("lower", LOWER)
def test_under_autocast_a_networks_own_forward_refuses_what_is_lowered(lower: str) -> None:
    params = on_torch(two_layer.init(np.random.default_rng(0), 4, 3, 2))
    with torch.autocast("cpu", dtype=getattr(torch, lower)):
        assert untyped(affine.forward(params[0], torch.ones(5, 4))[0]).dtype is getattr(torch, lower)
        with pytest.raises(TypeError, match=f"affine: x is torch.{lower} but the parameters are torch.float32"):
            two_layer.network.forward(params, torch.ones(5, 4))


def test_a_function_runs_where_there_is_no_autocast() -> None:
    """Tensors without numbers: torch refuses to hear of autocast on their device."""
    params = tree.map(
        lambda leaf: untyped(leaf).to("meta"), on_torch(Affine(np.ones((3, 2)), np.ones(2)), requires_grad=False)
    )
    x = torch.ones(4, 3, dtype=torch.float64, device="meta", requires_grad=True)
    out = untyped(autograd_function(affine))(params, x)
    out.sum().backward()
    assert out.shape == (4, 2)
    assert x.grad.shape == (4, 3)


@pytest.mark.parametrize("subject", ALIKE, ids=lambda each: each.name)
def test_transforms_of_torch_take_a_layers_own_forward(subject: Subject) -> None:
    params, x = on_torch(subject.make(np.random.default_rng(0), 4, np.float64), requires_grad=False)
    leaves, two = tree.leaves(params), torch.stack([x, 2 * x])

    def forward(x: Any, leaves: Any) -> Any:
        return subject.layer.forward(tree.replace(params, list(leaves)), x)[0]

    dout = torch.tensor(normal(np.random.default_rng(1), *untyped(forward(x, leaves)).shape))

    def inner_product(x: Any, leaves: Any) -> Any:
        return (forward(x, leaves) * dout).sum()

    gradient = torch.func.grad(inner_product, argnums=(0, 1))
    for i, each in enumerate(two):
        out, cache = subject.layer.forward(params, each)
        ours = tree.leaves(subject.layer.backward(cache, untyped(dout)))
        at_once, (dx, grads) = (torch.func.vmap(f, (0, None))(two, leaves) for f in (forward, gradient))
        for got, expected in zip((at_once, dx, *grads), (out, *ours), strict=True):
            # Other orders of sums of at most some tens of numbers of size 1 to 10.
            np.testing.assert_allclose(got[i], expected, rtol=1e-13, atol=1e-13)


def test_a_second_derivative_of_a_layers_own_forward_is_torchs() -> None:
    def forward(x: Any) -> Any:
        return sigmoid.forward((), x)[0]

    second = torch.func.grad(torch.func.grad(forward))(torch.ones((), dtype=torch.float64))
    s = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(second, s * (1 - s) * (1 - 2 * s), rtol=1e-14)


def test_vmap_of_value_and_grad_gives_a_gradient_for_each_example() -> None:
    rng = np.random.default_rng(0)
    params = on_torch(two_layer.init(rng, 5, 4, 3, std=0.5, dtype=np.float64), requires_grad=False)
    x, labels = torch.tensor(rng.standard_normal((6, 5))), torch.tensor(rng.integers(0, 3, 6))
    gradient = value_and_grad(two_layer.network, softmax_cross_entropy)

    def of_row(row: Any, label: Any) -> Any:
        return tree.leaves(gradient(params, row[None], label[None])[1])

    of_all = tree.leaves(gradient(params, x, labels)[1])
    for each, together in zip(torch.func.vmap(of_row)(x, labels), of_all, strict=True):
        np.testing.assert_allclose(each.mean(0), untyped(together), rtol=1e-12, atol=1e-15)


def module_of(function: Any) -> Any:
    """A module around a function of parameters and x."""
    module = torch.nn.Module()
    module.W, module.b = torch.nn.Parameter(torch.zeros(3, 2)), torch.nn.Parameter(torch.ones(2))

    def forward(x: Any) -> Any:
        return function(Affine(module.W, module.b), x)

    module.forward = forward
    return module


def own_forward(params: Any, x: Any) -> Any:
    return affine.forward(params, x)[0]


def test_a_functional_call_takes_modules_of_either_kind_and_a_transform_of_it_the_layers_own_forward() -> None:
    own, ours = module_of(own_forward), module_of(autograd_function(affine))
    other, x = {"W": torch.ones(3, 2)}, torch.ones(4, 3)
    for module in (own, ours):
        assert torch.func.functional_call(module, other, (x,)).tolist() == [[4.0, 4.0]] * 4

    def total(other: Any, module: Any) -> Any:
        return torch.func.functional_call(module, other, (x,)).sum()

    assert torch.func.grad(total)(other, own)["W"].tolist() == [[4.0, 4.0]] * 3
    with pytest.raises(RuntimeError, match="must override the setup_context staticmethod"):
        torch.func.grad(total)(other, ours)


def test_transforms_of_torch_take_no_records() -> None:
    params = on_torch(Affine(np.ones((3, 2)), np.ones(2)), requires_grad=False)
    x = torch.ones(4, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="must be Tensor"):
        torch.func.grad(own_forward)(params, x)


def test_running_means_beside_bfloat16_do_not_stall() -> None:
    """In bfloat16 a mean square that loses a thousandth is rounded to itself, and after one large gradient stays."""
    param = torch.ones(1, dtype=torch.bfloat16)
    optimizer = adam(0.0)
    state = optimizer.init(param)
    for grad in [100.0] + [0.0] * 100:
        param, state = optimizer.step(state, param, untyped(torch.full_like(param, grad)))
    assert param.dtype is torch.bfloat16
    np.testing.assert_allclose(untyped(state.moments[1]), [1e-3 * 100**2 * 0.999**100], rtol=1e-5)


@pytest.mark.parametrize("b2", [0.0, 0.999])
def test_a_count_that_is_a_tensor_costs_adam_no_digits(b2: float) -> None:
    params, grads = torch.zeros(3), torch.tensor([0.5, -2.0, 1e-3])
    optimizer = adam(0.25, b2=b2, eps=0.0)
    new, _ = optimizer.step(evolve(optimizer.init(params), count=torch.tensor(0)), params, grads)
    # The first step is as long as the rate. Some ten roundings to float32; without care it is off by 1e-5.
    np.testing.assert_allclose(new.numpy(), [-0.25, 0.25, -0.25], rtol=10 * 2.0**-24)
