"""torch: functions and modules as layers, whose backward the checker judges."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest

from chainrule import Affine, Array, Layer, affine, check_against, check_layer, sequential, sgd, training_step, tree
from chainrule.checking.effort import Effort
from chainrule.checking.report import Report
from chainrule.interop.graph import Graph
from chainrule.interop.parameters import Parameters, natural
from chainrule.interop.torch import as_encoder, as_layer, autograd_function, parameters
from chainrule.laws import LAYER_LAWS
from chainrule.laws.trials.copies import writable
from chainrule.losses.mean_squared_error import mean_squared_error
from strategies import normal
from untyped import untyped

TYPED = """
from typing import assert_type

import numpy as np

from chainrule import Affine, Array, Layer, check_layer
from chainrule.interop.graph import Graph
from chainrule.interop.torch import as_encoder, as_layer

def f(x: object, W: object, b: object) -> object:
    return x

def accepted(params: Affine, x: Array, rng: np.random.Generator) -> None:
    layer: Layer[Affine, Graph] = as_layer(f, x="x", frozen=["b"], couples_rows=True, autocast=True, device="cpu")
    out, cache = layer.forward(params, x)
    assert_type(cache, Graph)
    assert_type(out, Array)
    assert_type(layer.backward(cache, out), tuple[Array, Affine])
    check_layer(as_layer(f), (params.W, params.b), x, rng=rng)

def mistakes(params: Affine, x: Array) -> None:
    layer: Layer[Affine, Graph] = as_layer(f)
    layer.forward(params.W, x)  # rejected: the type says Affine
    layer.backward(x, x)  # rejected: an array for the cache
    as_layer(3)  # rejected: it is no function
    as_layer(f, x=1.0)  # rejected: it is no place of an argument
    as_layer(f, frozen=0)  # rejected: it is no list
    as_layer(f, 0)  # rejected: options have names
    as_encoder(f).backward(x, x)  # rejected: an encoder has none
"""

torch: Any = import_module("torch")  # it need not be installed where types are checked

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")


def function(forward: Callable[..., Any], backward: Callable[[Any, Any], Any]) -> Any:
    """A `torch.autograd.Function`."""
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Function", (torch.autograd.Function,), methods)


def one(f: Callable[[Any], Any]) -> Any:
    """A function of one tensor."""
    return f


def two(f: Callable[[Any, Any], Any]) -> Any:
    """A function of two tensors."""
    return f


def three(f: Callable[[Any, Any, Any], Any]) -> Any:
    """A function of three tensors."""
    return f


def linear(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
    ctx.save_for_backward(x, weight)
    return x @ weight + bias


def linear_backward(ctx: Any, dout: Any) -> Any:
    x, weight = ctx.saved_tensors
    return dout @ weight.T, x.T @ dout, dout.sum(0)


def torch_dtype(dtype: Any) -> Any:
    return getattr(torch, np.dtype(dtype).name)


def data(dtype: Any = np.float64) -> tuple[tuple[Array, Array], Array]:
    rng = np.random.default_rng(0)
    return (normal(rng, 3, 2, dtype=dtype), normal(rng, 2, dtype=dtype)), normal(rng, 7, 3, dtype=dtype)


PLACES = ("structure", "derivative", "linearity", "grads_without_dx")
"""The laws that see whether each argument and each gradient is in its place.

What the others see is the same wherever an argument stands: they are checked once for each kind of function.
"""


def check(layer: Any, params: Any, x: Any, only: tuple[str, ...] | None = None, *, effort: Effort = "quick") -> Report:
    """A quick check, unless more is asked for."""
    return check_layer(layer, params, x, rng=np.random.default_rng(1), only=only, effort=effort)


def failures(layer: Any, params: Any, x: Any, *, effort: Effort = "quick") -> set[tuple[str, str]]:
    """All that a quick check finds, unless more is asked for."""
    return {(verdict.law, verdict.field) for verdict in check(layer, params, x, effort=effort).failures}


def fails(law: str, field: str, layer: Any, params: Any, x: Any) -> bool:
    """Tell whether a law fails for a field, without the search of a report for the lines that show it."""
    with np.errstate(all="ignore"):
        verdicts = LAYER_LAWS[law](layer, writable(params), writable(x), np.random.default_rng(1))
    return field in {verdict.field for verdict in verdicts if verdict.wrong}


def error_of(layer: Any, params: Any, x: Any) -> str:
    (failure,) = check(layer, params, x).failures
    return failure.note


LINEAR = function(linear, linear_backward)


def readout() -> Any:
    """Modules in modules, and parameters beside them."""
    module = torch.nn.Module()
    module.scale = torch.nn.Parameter(torch.ones(3))
    module.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    module.lambda_ = torch.nn.ParameterDict({"lambda": torch.ones(2)})
    module.forward = one(lambda x: module.layers(x * module.scale) * module.lambda_["lambda"])
    return module


def with_x_between(ctx: Any, weight: Any, x: Any, bias: Any) -> Any:
    return linear(ctx, x, weight, bias)


def with_x_between_backward(ctx: Any, dout: Any) -> Any:
    dx, dweight, dbias = linear_backward(ctx, dout)
    return dweight, dx, dbias


def with_x_by_name(W: Any, b: Any, *, x: Any) -> Any:
    return x @ W + b


# What is right is accepted


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "whole"),
    [
        (LINEAR, np.float64),
        (LINEAR.apply, np.float32),
        (three(lambda x, W, b: torch.tanh(x @ W + b)), np.float16),
    ],
    ids=["class", "apply", "f"],
)
def test_a_right_function_is_accepted(f: Any, whole: Any, dtype: Any) -> None:
    """By a whole check in one of the dtypes, which tries the others by itself."""
    report = check(as_layer(f), *data(dtype), effort="full" if dtype is whole else "quick")
    assert report.ok, report


@pytest.mark.parametrize(
    ("x", "f"),
    [
        (0, three(lambda x, W, b: x @ W + b)),
        (1, three(lambda W, x, b: x @ W + b)),
        (2, three(lambda W, b, x: x @ W + b)),
        ("x", with_x_by_name),
        ("x", LINEAR),
        (1, function(with_x_between, with_x_between_backward)),
    ],
)
def test_any_argument_may_be_x(x: Any, f: Any) -> None:
    report = check(as_layer(f, x=x), *data(), PLACES)
    assert report.ok, report


def test_names_of_parameters_are_those_of_arguments() -> None:
    (W, b), x = data()
    params = parameters({"bias": b, "weight": W.T})
    named = as_layer(torch.nn.functional.linear, x="input")
    assert check(named, params, x, PLACES).ok
    out, cache = named.forward(params, x)
    assert natural(named.grads(cache, out)).keys() == {"bias", "weight"}
    assert check(as_layer(LINEAR), parameters({"bias": b, "weight": W}), x, PLACES).ok
    assert check(as_layer(LINEAR, x="x"), parameters({"bias": b, "weight": W}), x, PLACES).ok


def test_a_record_may_be_one_argument() -> None:
    (W, b), x = data()
    assert check(as_layer(two(lambda params, x: x @ params.W + params.b), x=1), Affine(W, b), x, PLACES).ok
    of_dict = as_layer(two(lambda x, params: x @ params["W"] + params["b"]))
    assert check(of_dict, parameters({"W": W, "b": b}), x, PLACES).ok
    assert check(as_layer(two(lambda x, W: x @ W)), W, x, PLACES).ok
    assert check(as_layer(torch.tanh), (), x, PLACES).ok


def test_a_function_with_a_setup_of_its_own_and_a_default() -> None:
    def forward(x: Any, weight: Any, factor: float = 2.0, shift: Any = None) -> Any:
        return x * weight * factor

    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs[:2])

    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        return 2 * dout * weight, 2 * (dout * x).sum(0), None, None

    scaled = function(forward, backward)
    scaled.setup_context = staticmethod(setup_context)
    x = data()[1]
    for params in (x[0], (x[0],), parameters({"weight": x[0]})):
        assert check(as_layer(scaled), params, x, PLACES).ok


def test_the_fields_of_a_named_tuple_are_arguments_by_name_beside_a_named_x() -> None:
    class Weights(NamedTuple):
        weight: Array
        bias: Array

    (weight, bias), x = data()

    def f(bias: Any, x: Any, weight: Any) -> Any:
        return x @ weight + bias

    assert check(as_layer(f, x="x"), Weights(weight, bias), x, PLACES).ok


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_modules_in_modules(dtype: str) -> None:
    torch.manual_seed(0)
    module = readout().to(getattr(torch, dtype))
    params = parameters(module)
    assert [path for path, _ in tree.named_leaves(params)] == [
        ".scale",
        ".layers[0].weight",
        ".layers[0].bias",
        ".layers[2].weight",
        ".layers[2].bias",
        ".lambda_.lambda_",
    ]
    assert {leaf.dtype.name for leaf in tree.leaves(params)} == {dtype}
    report = check(as_layer(module), params, data(dtype)[1], effort="full" if dtype == "float32" else "quick")
    assert report.ok, report


def test_a_module_has_the_parameters_that_it_is_given() -> None:
    module, x = torch.nn.Linear(3, 2), data(np.float32)[1]
    layer = as_layer(module, x="input")
    params = tree.map(lambda leaf: 2 * leaf, parameters(module))
    np.testing.assert_allclose(layer.forward(params, x)[0], 2 * module(torch.tensor(x)).detach(), rtol=1e-6)
    assert as_layer(torch.nn.Tanh()).forward((), x)[0].shape == x.shape
    assert parameters(torch.nn.Tanh()) == ()


def test_batch_norm_keeps_its_running_statistics_to_itself() -> None:
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    before = copy.deepcopy(module.state_dict())
    assert check(as_layer(module, couples_rows=True), parameters(module), data(np.float32)[1], effort="full").ok
    assert fails("independent_rows", "out", as_layer(module), parameters(module), data(np.float32)[1])
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    module.eval()
    for dtype in (np.float16, np.float32, np.float64):
        params = parameters(copy.deepcopy(module).to(torch_dtype(dtype)))
        assert check(as_layer(module), params, data(dtype)[1]).ok


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_recurrent_module_is_given_no_parameters_of_other_shapes(kind: str) -> None:
    module = getattr(torch.nn, kind)(3, 2, batch_first=True)

    whole = torch.nn.Module()
    whole.inner = module
    whole.forward = one(lambda x: whole.inner(x)[0])
    whole.double()
    layer, params = as_layer(whole), parameters(whole)
    x = normal(np.random.default_rng(0), 4, 5, 3, dtype=np.float64)
    assert check(layer, params, x, ("other_sizes",), effort="full").ok
    first, *rest = tree.leaves(params)
    wider = tree.replace(params, [np.concatenate([first, first], axis=1), *rest])
    with pytest.raises(ValueError, match=r"^as_layer: inner.weight_ih_l0 of Module must have shape \(\d+, 3\), got"):
        layer.forward(wider, x)


def test_a_parametrized_module_is_given_no_parameters_of_other_shapes() -> None:
    module = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(2, 3, 3, padding=1)).double()
    x = normal(np.random.default_rng(0), 3, 2, 6, dtype=np.float64)
    assert check(as_layer(module), parameters(module), x, ("other_sizes",), effort="full").ok


def test_group_norm_of_an_x_with_gaps_does_not_end_the_process() -> None:
    module = torch.nn.GroupNorm(3, 6)
    layer, params = as_layer(module), parameters(module)
    x = np.asarray(normal(np.random.default_rng(0), 4, 5, 3, 6, dtype=np.float32).transpose(0, 3, 1, 2))
    out, cache = layer.forward(params, x)
    dx, grads = layer.backward(cache, np.ones_like(out))
    assert tree.equal(layer.grads(cache, np.ones_like(out)), grads)
    assert dx.shape == x.shape


def test_the_bias_of_a_convolution_is_summed_in_float32_over_many_rows() -> None:
    x = normal(np.random.default_rng(0), 2, 2, 12, 12, dtype=np.float64)
    for seed in range(8):
        torch.manual_seed(seed)
        module = torch.nn.Conv2d(2, 3, 3, padding=1).double()
        report = check_layer(
            as_layer(module), parameters(module), x, rng=np.random.default_rng(seed), only=["precision"]
        )
        assert report.ok, str(report)


def test_a_compiled_function_may_come_back_several_times() -> None:
    compiled = torch.compile(two(lambda x, W: torch.tanh(x @ W) * x[:, :1]), backend="aot_eager")
    params, x = (normal(np.random.default_rng(0), 8, 3),), normal(np.random.default_rng(1), 6, 8)
    assert check(as_layer(compiled), params, x, ("other_sizes", "any_dout", "linearity"), effort="full").ok


def test_parameters_are_frozen_by_the_names_of_arguments() -> None:
    x, mask = np.ones((2, 3)), np.array([1.0, 0.0, 1.0])
    layer = as_layer(two(lambda x, mask: x * mask), frozen=["mask"])
    for params in (mask, (mask,)):
        _, cache = layer.forward(params, x)
        assert not np.any(tree.leaves(layer.grads(cache, np.ones((2, 3))))[0])
    layer = as_layer(three(lambda scale, x, mask: x * scale * mask), x=1, frozen=["mask"])
    _, cache = layer.forward((mask, mask), x)
    scale, still = layer.grads(cache, np.ones((2, 3)))
    assert scale.any()
    assert not still.any()
    layer = as_layer(two(lambda x, mask: x * mask), frozen=["scale"])
    with pytest.raises(ValueError, match=r"^as_layer: frozen names 'scale', but the parameter is one array: say 0$"):
        layer.forward(mask, x)


def test_bfloat16_is_refused_with_the_way_to_check_it() -> None:
    module = torch.nn.Linear(3, 2).bfloat16()
    with pytest.raises(TypeError, match=r"^check_layer: params\.weight is bf16\[2, 3\], .* give float32"):
        check(as_layer(module), parameters(module), normal(np.random.default_rng(0), 4, 3))


def test_under_autocast_a_right_function_is_accepted_and_a_wrong_one_is_not() -> None:
    rng = np.random.default_rng(0)
    params, x = (normal(rng, 8, 3, dtype=np.float32),), normal(rng, 6, 8, dtype=np.float32)

    def right(x: Any, W: Any) -> Any:
        return torch.tanh(x @ W)

    assert check(as_layer(right, autocast=True), params, x, effort="full").ok

    def half(x: Any, W: Any) -> Any:
        return torch.tanh(x @ (W + W.detach()) / 2)

    found = failures(as_layer(half, autocast=True), params, x, effort="full")
    assert {field for _, field in found} == {"dW"}


def test_a_module_with_buffers_and_no_parameters() -> None:
    module = torch.nn.BatchNorm1d(3, affine=False).eval()
    for dtype in (np.float32, np.float64):
        assert check(as_layer(module), (), data(dtype)[1]).ok


def test_shared_parameters_are_one() -> None:
    module = torch.nn.Module()
    module.first = module.second = torch.nn.Linear(3, 3)
    module.forward = one(lambda x: module.second(torch.tanh(module.first(x))))
    assert len(tree.leaves(parameters(module))) == 2
    own = module.first.weight
    assert check(as_layer(module), parameters(module), data(np.float32)[1]).ok
    assert module.first.weight is own


def test_a_module_that_computes_again_in_backward() -> None:
    checkpoint = import_module("torch.utils.checkpoint").checkpoint
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3).eval())
    module.forward = one(
        lambda x: checkpoint(module[1], checkpoint(module[0], x, use_reentrant=False), use_reentrant=False)
    )
    assert check(as_layer(module), parameters(module), data(np.float32)[1]).ok


def test_our_own_layers_come_back() -> None:
    (W, b), x = data()
    assert check(as_layer(autograd_function(affine), x=1), Affine(W, b), x).ok


def test_it_is_a_layer_like_others() -> None:
    (W, b), x = data()
    network = sequential(as_layer(LINEAR), as_layer(torch.tanh), affine)
    params: Any = ((W, b), (), Affine(W.T.copy(), np.zeros(3)))
    assert check(network, params, x).ok
    assert repr(network) == "Layer(sequential(Function, tanh, affine))"


# What is wrong is found


def test_a_missing_term() -> None:
    wrong = function(linear, lambda ctx, dout: (*linear_backward(ctx, dout)[:2], 0.5 * dout.sum(0)))
    assert ("derivative", "dbias") in failures(as_layer(wrong), *data())


@pytest.mark.parametrize(("place", "name"), [(0, "x"), (1, "weight"), (2, "bias")])
def test_none_for_a_gradient_is_named(place: int, name: str) -> None:
    def backward(ctx: Any, dout: Any) -> Any:
        return tuple(None if i == place else each for i, each in enumerate(linear_backward(ctx, dout)))

    wrong, (params, x) = function(linear, backward), data()
    message = f"raised TypeError: as_layer: Function gives None for the gradient of {name}"
    assert message in error_of(as_layer(wrong), params, x)
    in_function = as_layer(three(lambda x, weight, bias: torch.tanh(wrong.apply(x, weight, bias))))
    assert f"gives None for the gradient of {name}" in error_of(in_function, params, x)
    if place > 0:
        by_name = parameters({"weight": params[0], "bias": params[1]})
        assert message in error_of(as_layer(wrong), by_name, x)


def test_a_single_column_that_is_squeezed_away_is_wrong_though_torch_refuses_it() -> None:
    wrong = function(two(lambda ctx, x: 2 * x), lambda ctx, dout: 2 * dout.squeeze())
    report = check_layer(as_layer(wrong), (), data()[1], rng=np.random.default_rng(0), only=["other_sizes"])
    assert [each.field for each in report.failures] == ["dx"]
    assert report.failures[0].note.endswith("is an axis of 1 squeezed away?")


def test_lines_for_a_second_backward_that_fails_are_not_of_a_dout_with_nan() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.x = x.detach().clone()
        return x**3

    def backward(ctx: Any, dout: Any) -> Any:
        x = ctx.x
        del ctx.x
        return 3 * dout * x**2

    report = check_layer(as_layer(function(forward, backward)), (), data()[1], rng=np.random.default_rng(0))
    assert report.failures
    assert "nan" not in report.example


def test_numpys_arrays_of_bfloat16_are_for_another_check() -> None:
    x = data(np.float32)[1].astype(np.dtype(import_module("ml_dtypes").bfloat16))
    message = (
        r"check_layer: x is bf16\[7, 3\], which is no dtype of NumPy's: give float32, .*; check_against checks bfloat16"
    )
    with pytest.raises(TypeError, match=message):
        check_layer(as_layer(torch.tanh), (), x, rng=np.random.default_rng(0))


def test_none_in_a_module_is_named_as_torch_names_it() -> None:
    wrong = function(two(lambda ctx, x: 2 * x), lambda ctx, dout: None)
    module, x = torch.nn.Module(), data(np.float32)[1]
    module.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    module.forward = one(lambda x: module.layers[1](wrong.apply(module.layers[0](x))))
    layer, params = as_layer(module), parameters(module)
    assert "gives None for the gradient of x" in error_of(layer, params, x)
    cache = layer.forward(params, x)[1]
    with pytest.raises(TypeError, match=r"gives None for the gradient of layers\.0\.weight; a constant is to be"):
        layer.grads(cache, np.ones((7, 2), np.float32))


def test_a_parameter_that_is_not_used_has_gradient_zero() -> None:
    params, x = data()
    assert check(as_layer(three(lambda x, W, b: x @ W)), params, x).ok
    assert check(as_layer(three(lambda x, W, b: (x @ W).detach() + b)), params, x).failures
    out, cache = as_layer(two(lambda x, W: x)).forward(params[0], x)
    dx, grads = as_layer(two(lambda x, W: x)).backward(cache, out)
    np.testing.assert_array_equal(dx, x)
    assert not grads.any()
    assert check(as_layer(torch.sign), (), x).ok


def test_writing_to_x_in_place() -> None:
    def forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
        out = linear(ctx, x.clone(), weight, bias)
        x.mul_(2)
        return out

    layer, (params, x) = as_layer(function(forward, linear_backward)), data()
    assert fails("arguments_unchanged", "x", layer, params, x)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="as_layer: Function writes to x, which is read-only"):
        layer.forward(params, x)


def test_writing_to_a_parameter() -> None:
    def f(x: Any, weight: Any, bias: Any) -> Any:
        with torch.no_grad():
            weight.clamp_(-0.1, 0.1)
        return x @ weight.detach().clone() + bias

    layer, (params, x) = as_layer(f), data()
    assert fails("arguments_unchanged", "params", layer, params, x)
    params[0].flags.writeable = False
    with pytest.raises(ValueError, match="as_layer: f writes to weight, which is read-only"):
        layer.forward(params, x)


def test_writing_and_putting_back() -> None:
    def f(x: Any) -> Any:
        with torch.no_grad():
            x.neg_()
            out = x.exp()
            x.neg_()
        return out

    with pytest.raises(ValueError, match="as_layer: f writes to x, where the same numbers stand afterwards"):
        as_layer(f).forward((), data()[1])


def test_writing_to_dout() -> None:
    wrong = function(linear, lambda ctx, dout: linear_backward(ctx, dout.mul_(2)))
    layer, (params, x) = as_layer(wrong), data()
    assert fails("arguments_unchanged", "dout", layer, params, x)
    out, cache = layer.forward(params, x)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="as_layer: backward of Function writes to dout, which is read-only"):
        layer.backward(cache, out)


def test_writing_to_what_forward_has_saved() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.x = x
        return x**2

    layer = as_layer(function(forward, lambda ctx, dout: ctx.x.mul_(2) * dout))
    assert "raised ValueError: as_layer: backward of Function writes to x" in error_of(layer, (), data()[1])


@pytest.mark.parametrize("seed", range(3))
def test_a_gradient_that_a_later_call_writes_to(seed: int) -> None:
    kept: dict[Any, Any] = {}

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x.exp())
        return x.exp()

    def backward(ctx: Any, dout: Any) -> Any:
        room = kept.setdefault((dout.shape, dout.dtype), torch.empty_like(dout))
        return torch.mul(dout, ctx.saved_tensors[0], out=room)

    layer, x = as_layer(function(forward, backward)), data()[1]
    out, cache = layer.forward((), x)
    layer.backward(cache, out)
    with pytest.raises(ValueError, match="backward of Function writes to a gradient that it gave before: is a buffer"):
        layer.backward(cache, out)
    assert check_layer(layer, (), x, rng=np.random.default_rng(seed)).failures


def test_a_sum_in_float16() -> None:
    """Terms of one size and two signs: a sum in float16 loses more than the rounding of its result."""

    def halved(ctx: Any, dout: Any) -> Any:
        dx, dW, db = linear_backward(ctx, dout)
        total = torch.zeros_like(db, dtype=torch.float16)
        for row in dout:
            total += row.half()
        return dx, dW, total.to(db.dtype)

    assert fails("derivative", "grads[1]", as_layer(function(linear, halved)), *data())


def test_a_backward_that_takes_dout_for_contiguous() -> None:
    def backward(ctx: Any, dout: Any) -> Any:
        return linear_backward(ctx, torch.as_strided(dout, dout.shape, (dout.shape[1], 1), dout.storage_offset()))

    right, wrong = as_layer(LINEAR), as_layer(function(linear, backward))
    params, x = data()
    out, cache = right.forward(params, x)
    other = wrong.forward(params, x)[1]
    for dout in (np.asfortranarray(out), np.repeat(out, 2, axis=1)[:, ::2], np.repeat(out, 3, axis=0)[::3]):
        dout[1] = 3
        expected = right.backward(cache, np.ascontiguousarray(dout))
        for got, like in zip(*map(tree.leaves, (right.backward(cache, dout), expected)), strict=True):
            np.testing.assert_allclose(got, like, rtol=0, atol=1e-14)  # another order of sums of 7 products
        assert tree.equal(wrong.backward(other, np.ascontiguousarray(dout)), expected)
        assert not np.allclose(wrong.backward(other, dout)[0], expected[0])


# Layouts and dtypes


def seen_by(array: Array) -> list[Any]:
    """The tensors that a function is given for an array: as x, and as dout."""
    seen: list[Any] = []

    def forward(ctx: Any, x: Any) -> Any:
        seen.append(x)
        return x.clone(memory_format=torch.contiguous_format)

    def backward(ctx: Any, dout: Any) -> Any:
        seen.append(dout)
        return dout

    layer = as_layer(function(forward, backward))
    out, cache = layer.forward((), array)
    dx, _ = layer.backward(cache, array)
    np.testing.assert_array_equal(out, array)
    np.testing.assert_array_equal(dx, array)
    assert not np.shares_memory(dx, array)
    return seen


def misaligned() -> Array:
    memory = np.zeros(8 * 6 + 4, np.uint8)[4:]
    made: Array = memory.view(np.float64).reshape(2, 3)
    made[...] = np.arange(6.0).reshape(2, 3)
    return made


LAYOUTS: dict[str, Callable[[], Array]] = {
    "C": lambda: np.arange(6.0).reshape(2, 3),
    "Fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "steps": lambda: np.arange(24.0).reshape(4, 6)[::2, 1::2],
    "broadcast": lambda: np.broadcast_to(np.arange(3.0), (2, 3)),
    "ones": lambda: np.broadcast_to(np.float64(1), (2, 3)),
    "misaligned": misaligned,
    "no rows": lambda: np.zeros((0, 3)),
    "three axes": lambda: np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
}


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_function_sees_the_layout_of_an_array(name: str, writable: bool) -> None:
    array = LAYOUTS[name]()
    if not writable:
        array.flags.writeable = False
    for tensor in seen_by(array):
        if array.size:
            assert [step * tensor.element_size() for step in tensor.stride()] == [*array.strides]
            assert (tensor.data_ptr() - array.ctypes.data) % 64 == 0


def test_layouts_that_torch_does_not_have_are_copied() -> None:
    x = np.arange(6.0).reshape(2, 3)
    seen_by(x[::-1, ::-1])
    assert as_layer(torch.exp).forward((), x.astype(">f8"))[0].dtype == np.float64
    with pytest.raises(TypeError, match="can't convert np"):
        as_layer(torch.exp).forward((), x.astype(np.longdouble))


def test_what_is_written_to_a_reversed_array_is_found_there() -> None:
    def f(x: Any) -> Any:
        with torch.no_grad():
            return x.zero_().clone()

    x = np.arange(3.0)
    as_layer(f).forward((), x[::-1])
    assert x.tolist() == [0, 0, 0]


def test_bfloat16() -> None:
    bfloat16 = np.dtype(import_module("ml_dtypes").bfloat16)
    params, x = tree.map(lambda leaf: leaf.astype(bfloat16), data(np.float32))
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, x)
    dx, grads = layer.backward(cache, np.asfortranarray(out))
    assert {leaf.dtype for leaf in (out, dx, *tree.leaves(grads))} == {bfloat16}
    tensors = tree.map(lambda leaf: untyped(torch.tensor(leaf.astype(np.float32)).bfloat16()), (params, x))
    assert torch.equal(untyped(layer.forward(*tensors)[0]).float(), torch.tensor(out.astype(np.float32)))
    assert parameters({"W": tensors[0][0]}).W.dtype == bfloat16


def test_tensors_give_tensors() -> None:
    params, x = data()
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, x)
    expected = (out, *tree.leaves(layer.backward(cache, out)))
    tensors = [torch.tensor(leaf, requires_grad=True) for leaf in (*params, x)]
    theirs, graph = layer.forward((tensors[0], tensors[1]), tensors[2])
    gradients = layer.backward(graph, theirs)
    for got, right in zip((theirs, *tree.leaves(gradients)), expected, strict=True):
        assert type(got) is torch.Tensor
        assert not untyped(got).requires_grad
        np.testing.assert_array_equal(got, right)
    assert all(tensor.grad is None for tensor in tensors)
    with torch.inference_mode():
        inference = torch.tensor(x)
        np.testing.assert_array_equal(layer.forward((tensors[0], tensors[1]), inference)[0], out)


def test_a_tensor_that_is_written_to_after_forward_is_guarded_by_torch() -> None:
    params, x = data()
    tensor: Any = torch.tensor(x)
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, tensor)
    tensor += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        layer.backward(cache, out)


def test_whole_numbers_have_no_derivative() -> None:
    weight, x = data()[0][0], np.array([0, 2, 2])
    layer = as_layer(torch.nn.functional.embedding)
    out, cache = layer.forward(weight, x)
    dx, grads = layer.backward(cache, np.ones_like(out))
    assert dx.tolist() == [0, 0, 0]
    assert grads.tolist() == [[1, 1], [0, 0], [2, 2]]
    sparse = as_layer(partial(torch.nn.functional.embedding, sparse=True))
    np.testing.assert_array_equal(sparse.grads(sparse.forward(weight, x)[1], np.ones_like(out)), grads)


def test_an_x_that_needs_no_derivative() -> None:
    needed: list[Any] = []

    def backward(ctx: Any, dout: Any) -> Any:
        needed.append(ctx.needs_input_grad)
        return None, *linear_backward(ctx, dout)[1:]

    params, x = data()
    encoder = as_encoder(function(linear, backward))
    assert check(encoder, params, x).ok
    assert {*needed} == {(False, True, True)}
    words = torch.nn.Embedding(5, 3, sparse=True)
    assert check(as_encoder(words, x="input"), parameters(words), np.array([[0, 4], [4, 1]])).ok
    wrong = function(linear, lambda ctx, dout: (None, *(2 * each for each in linear_backward(ctx, dout)[1:])))
    assert fails("derivative", "grads[1]", as_encoder(wrong), params, x)


def test_nan_and_infinity_pass() -> None:
    params, x = data()
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, x)
    dout = np.zeros_like(out)
    dout[2] = np.nan
    dx, grads = layer.backward(cache, dout)
    assert np.isnan(dx).all(axis=1).tolist() == [row == 2 for row in range(7)]
    assert np.isnan(grads[1]).all()


@pytest.mark.parametrize("rows", [1, 129])
def test_rows_and_one_cache_beside_another(rows: int) -> None:
    params, x = data()
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, x)
    first = layer.backward(cache, out)
    other, other_cache = layer.forward(params, np.ones((rows, 3)))
    layer.backward(other_cache, other)
    assert tree.equal(layer.backward(cache, out), first)


def test_threads() -> None:
    module, x = torch.nn.Linear(3, 2), data(np.float32)[1]
    layer, params = as_layer(module), parameters(module)
    many = [tree.map(partial(np.add, np.float32(i)), params) for i in range(50)]

    def run(each: Any) -> Any:
        out, cache = layer.forward(each, x)
        return out, layer.backward(cache, out)

    alone = [run(each) for each in many]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(tree.equal, pool.map(run, many), alone))
    assert tree.equal(params, parameters(module))


# Constants


def test_frozen_parameters() -> None:
    needed: list[Any] = []

    def backward(ctx: Any, dout: Any) -> Any:
        needed.append(ctx.needs_input_grad)
        return *linear_backward(ctx, dout)[:2], None

    params, x = data()
    for frozen in ([1], ["bias"]):
        given: Any = params if frozen == [1] else parameters({"weight": params[0], "bias": params[1]})
        layer = as_layer(function(linear, backward), frozen=frozen)
        assert check(layer, given, x).ok
    assert {*needed} == {(True, True, False)}
    assert check(as_layer(two(lambda x, W: x @ W), frozen=[0]), params[0], x, PLACES).ok
    step = training_step(as_layer(LINEAR, frozen=[0]), mean_squared_error, sgd(0.1))
    after, _, _ = step(params, sgd(0.1).init(params), x, np.ones((7, 2)))
    np.testing.assert_array_equal(after[0], params[0])
    assert not np.array_equal(after[1], params[1])
    with pytest.raises(ValueError, match=r"frozen names 'W', but the parameters are \[0\], \[1\]"):
        as_layer(LINEAR, frozen=["W"]).forward(params, x)


def test_a_frozen_parameter_of_a_module() -> None:
    module, x = readout(), data(np.float32)[1]
    module.layers[0].requires_grad_(False)
    layer, params = as_layer(module), parameters(module)
    assert check(layer, params, x).ok
    out, cache = layer.forward(params, x)
    zero = [path for path, leaf in tree.named_leaves(layer.grads(cache, out)) if not leaf.any()]
    assert zero == [".layers[0].weight", ".layers[0].bias"]


# State


def test_settings_of_torch_are_left_as_they_were() -> None:
    def settings() -> list[Any]:
        return [
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_autocast_dtype("cpu"),
            torch.is_autocast_cache_enabled(),
            torch.get_rng_state().tolist(),
            torch.are_deterministic_algorithms_enabled(),
        ]

    params, x = data(np.float32)
    layer = as_layer(LINEAR, autocast=True)
    expected: Any = None
    for context in (torch.enable_grad(), torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.float16)):
        with context:
            before = settings()
            out, cache = layer.forward(params, x)
            got = (out, layer.backward(cache, out))
            assert settings() == before
        assert expected is None or tree.equal(got, expected)
        expected = got


def test_autocast_lowers_forward_and_keeps_the_dtype() -> None:
    seen: list[Any] = []

    def f(x: Any, W: Any, b: Any) -> Any:
        out = x @ W
        seen.append(out.dtype)
        return out + b

    params, x = data(np.float32)
    for autocast, lower in ((True, torch.bfloat16), (False, torch.float32)):
        layer = as_layer(f, autocast=autocast)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out, cache = layer.forward(params, x)
            dx, grads = layer.backward(cache, out)
        assert seen.pop() is lower
        assert {leaf.dtype.name for leaf in (out, dx, *tree.leaves(grads))} == {"float32"}


def test_parameters_of_a_module_are_not_touched() -> None:
    module = torch.nn.Linear(3, 2)
    before = [(each, each.detach().clone(), each._version) for each in module.parameters()]
    check(as_layer(module), parameters(module), data(np.float32)[1], effort="full")
    for (each, value, version), now in zip(before, module.parameters(), strict=True):
        assert each is now
        assert each.grad is None
        assert each.requires_grad
        assert each._version == version
        assert torch.equal(each, value)


def test_the_cache_is_opaque() -> None:
    params, x = data()
    layer = as_layer(LINEAR)
    out, cache = layer.forward(params, x)
    assert isinstance(cache, Graph)
    assert tree.leaves(cache) == []
    again = tree.map(np.copy, cache)
    assert tree.equal(layer.backward(again, out), layer.backward(cache, 1 * out))


def test_results_share_no_memory() -> None:
    x = data()[1]
    layer = as_layer(one(lambda x: x))
    out, cache = layer.forward((), x)
    dout = np.ones_like(out)
    dx, again = layer.backward(cache, dout)[0], layer.backward(cache, dout)[0]
    for a, b in ((out, x), (dx, dout), (dx, again), (dx, out)):
        assert not np.shares_memory(a, b)
    tensor = torch.tensor(x)
    theirs = layer.forward((), tensor)[0]
    assert untyped(theirs).data_ptr() != tensor.data_ptr()


def test_a_layer_of_a_module_is_pickled() -> None:
    module, x = torch.nn.Linear(3, 2), data(np.float32)[1]
    module.bias.requires_grad_(False)
    layer, params = pickle.loads(pickle.dumps((as_layer(module), parameters(module))))
    assert type(params) is type(parameters(module))
    out, cache = layer.forward(params, x)
    assert not layer.grads(cache, out).bias.any()


# Names


class Pair(NamedTuple):
    scale: Any
    shift: Any


def test_parameters_become_what_they_were() -> None:
    one = torch.ones(2)
    given: dict[str, Any] = {
        "a.b": one,
        "0": [one, (one, Pair(one, one))],
        "class": {},
        "eps": 1e-5,
        "a_b": one,
        "affine": Affine(torch.ones(1, 2), one),
    }
    params = parameters(given)
    assert [path for path, _ in tree.named_leaves(params)] == [
        ".a_b",
        "._0._0",
        "._0._1[0]",
        "._0._1[1].scale",
        "._0._1[1].shift",
        ".a_b_",
        ".affine.W",
        ".affine.b",
    ]
    back = natural(params)
    assert [*back] == [*given]
    assert isinstance(back["0"][1][1], Pair)
    assert back["class"] == {}
    assert type(params) is type(parameters(given))
    assert isinstance(params, Parameters)
    with pytest.raises(AttributeError, match="there is no parameter 'weight', only a_b, _0, class_, eps, a_b_, affine"):
        _ = params.weight
    with pytest.raises(TypeError, match="parameters: they must be dicts, lists, tuples, records and arrays, got set"):
        parameters({"a": {1}})


def test_modules_with_numbers_out_of_order_are_fields() -> None:
    module = torch.nn.Module()
    for name in ("1", "0"):
        module.add_module(name, torch.nn.Linear(1, 1))
    assert [path for path, _ in tree.named_leaves(parameters(module))] == [
        "._1.weight",
        "._1.bias",
        "._0.weight",
        "._0.bias",
    ]


# Errors


def test_what_cannot_be_a_layer() -> None:
    for wrong, got in ((3, "int"), (affine, "Layer"), (torch.nn.Linear, "the class Linear: give an instance")):
        with pytest.raises(
            TypeError, match=f"it must be a subclass of torch.autograd.Function, a module or a function, got {got}"
        ):
            as_layer(untyped(wrong))
    with pytest.raises(TypeError, match="as_layer: x must be the position or the name of an argument, got float"):
        as_layer(LINEAR, x=untyped(1.0))
    with pytest.raises(TypeError, match="as_layer: frozen must be names or positions in a list, got 'bias'"):
        as_layer(LINEAR, frozen="bias")
    with pytest.raises(ValueError, match="as_layer: x must be a position from 0 on, got -1"):
        as_layer(LINEAR, x=-1)
    with pytest.raises(
        ValueError, match="as_layer: x of a module must be 0 or a name, got 1: wrap it in another module"
    ):
        as_layer(torch.nn.Linear(1, 1), x=1)


def test_arguments_that_do_not_fit() -> None:
    (W, b), x = data()
    with pytest.raises(ValueError, match="as_layer: x is argument 3, but there are only 2 parameters before it"):
        as_layer(torch.add, x=3).forward((W, b), x)
    with pytest.raises(ValueError, match="as_layer: Function has no argument 'y', only x, weight, bias"):
        as_layer(LINEAR, x="y").forward((W, b), x)
    with pytest.raises(TypeError, match="missing a required argument: 'weight'"):
        as_layer(LINEAR).forward(Affine(W, b), x)
    with pytest.raises(ValueError, match=r"Linear has the parameters weight, bias, got f64\[3, 2\]: make them with"):
        as_layer(torch.nn.Linear(3, 2)).forward(W, x)
    with pytest.raises(TypeError, match="as_layer: x must be an array of NumPy's or a tensor, got list"):
        as_layer(LINEAR).forward((W, b), untyped([1.0]))
    with pytest.raises(TypeError, match="as_layer: f must return one tensor, got a tuple of 2"):
        as_layer(f_with_two_results).forward((), x)
    out, cache = as_layer(LINEAR).forward((W, b), x)
    with pytest.raises(ValueError, match=r"as_layer: dout is \(2,\) but out is \(7, 2\)"):
        as_layer(LINEAR).backward(cache, out[0])
    with pytest.raises(TypeError, match=r"as_layer: dout is torch.float32 but out is torch.float64"):
        as_layer(LINEAR).backward(cache, out.astype(np.float32))


def product(x: Any, w: Any) -> Any:
    return x @ w


def product_by_name(x: Any, *, w: Any) -> Any:
    return x @ w


MISFITS: list[tuple[Callable[[], Layer[Any, Any]], Callable[[Array, Array], Any], type[Exception], str]] = [
    (lambda: as_layer(LINEAR), lambda W, b: (W, b, b), TypeError, r"Function\(x, weight, bias\) can't be called with"),
    (lambda: as_layer(LINEAR), lambda W, b: (W,), TypeError, "a tuple of 1 as params: missing .* 'bias'$"),
    (lambda: as_layer(product), lambda W, b: (W, b), TypeError, r"product\(x, w\) .* too many"),
    (lambda: as_layer(product_by_name, x="x"), lambda W, b: {"v": W}, TypeError, "missing .* 'w'$"),
    (lambda: as_layer(LINEAR, frozen=["wait"]), lambda W, b: (W, b), ValueError, r"names 'wait', .* \[0\], \[1\]"),
    (
        lambda: as_layer(torch.nn.Linear(3, 2)),
        lambda W, b: {"weight": W.T, "b": b},
        ValueError,
        r"parameters weight, bias, got weight, b: make them with parameters\(module\)$",
    ),
    (
        lambda: as_layer(torch.nn.Linear(3, 2)),
        lambda W, b: {"bias": b, "weight": W.T},
        ValueError,
        "has the parameters weight, bias, got bias, weight: make",
    ),
    (lambda: as_layer(torch.nn.Linear(3, 2)), lambda W, b: (), ValueError, "weight, bias, got a tuple of 0: make"),
]


@pytest.mark.parametrize(("layer", "params", "error", "message"), MISFITS)
def test_a_check_with_parameters_that_are_not_the_functions_is_no_verdict(
    layer: Callable[[], Layer[Any, Any]], params: Callable[[Array, Array], Any], error: type[Exception], message: str
) -> None:
    (W, b), x = data()
    with pytest.raises(error, match=f"^as_layer: .*{message}"):
        check_layer(layer(), params(W, b), x, rng=np.random.default_rng(0))


def f_with_two_results(x: Any) -> Any:
    return x, x


f_with_two_results.__name__ = "f"


def test_the_type_of_the_parameters_may_be_said() -> None:
    (W, b), x = data()
    layer: Layer[Affine, Graph] = as_layer(two(lambda params, x: x @ params.W + params.b), x=1)
    out, cache = layer.forward(Affine(W, b), x)
    assert layer.grads(cache, np.ones_like(out)).b.tolist() == [7, 7]


def test_a_check_does_not_import_the_compiler_of_torch() -> None:
    program = """
import sys
import numpy as np
import torch
from chainrule import check_layer
from chainrule.interop.torch import as_layer
report = check_layer(as_layer(torch.sin), (), np.ones(3), rng=np.random.default_rng(0), effort="quick")
print(report.ok, "torch._dynamo" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert run.stdout.split() == ["True", "False"]


def test_a_module_that_fails_has_its_parameters_back() -> None:
    class Fails(torch.nn.Linear):  # type: ignore[misc]  # torch is not typed here
        def forward(self, x: Any) -> Any:
            raise RuntimeError("no")

    module = Fails(2, 3)
    weight = module.weight
    with pytest.raises(RuntimeError, match="no"):
        as_layer(module).forward(parameters(module), np.ones((4, 2), np.float32))
    assert module.weight is weight


def test_parameters_that_forward_makes_are_told() -> None:
    class Grows(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
        def forward(self, x: Any) -> Any:
            self.late = torch.nn.Parameter(torch.ones(1))
            return x * self.late

    module = Grows()
    layer = as_layer(module)
    x = np.ones((4, 2), np.float32)
    _, cache = layer.forward((), x)
    with pytest.raises(ValueError, match="as_layer: Grows has 1 parameters now, and got 0: does its forward make some"):
        layer.backward(cache, x)


def test_of_a_module_that_is_random_no_derivative_is_asked_and_the_way_is_said() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.3))
    report = check(as_layer(module), parameters(module), data(np.float32)[1], effort="full")
    (verdict,) = report.undecided
    assert verdict.note == "each call gives other numbers, which have no derivative: laws that ask for it are left out"
    assert "module.eval()" in verdict.advice
    assert {each.law for each in report.verdicts}.isdisjoint({"other_values", "other_sizes", "any_dout"})


def test_the_hooks_of_a_parameter_count() -> None:
    module = torch.nn.Linear(3, 2)

    def doubled(grad: Any) -> Any:
        return 2 * grad

    module.weight.register_hook(doubled)
    assert fails("derivative", "grads.weight", as_layer(module), parameters(module), data(np.float32)[1])


def test_a_module_may_take_its_parameter_out_and_put_it_back() -> None:
    class Takes(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)  # of which a type checker knows nothing by super()
            self.w = torch.nn.Parameter(torch.ones(4))

        def forward(self, x: Any) -> Any:
            w = self.w
            del self.w
            self.w = w
            return x * w

    module = Takes()
    before = module.w
    as_layer(module).forward(parameters(module), np.ones((3, 4), np.float32))
    assert module.w is before
    assert "w" not in vars(module)


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(TypeError, match=r"as_layer: x must be an array of numbers, got object\[3\]"):
        as_layer(torch.sin).forward((), np.array([1, None, 2]))


def test_a_weight_norm_of_hooks_is_given_no_parameters_of_other_shapes() -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        module = torch.nn.utils.weight_norm(torch.nn.Linear(3, 2))
    report = check(as_layer(module), parameters(module), data(np.float32)[1], only=("other_sizes",))
    assert report.ok, report


def test_a_linear_layer_before_a_batch_norm_of_two_rows_is_right_but_for_rounding() -> None:
    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4, affine=False)).double()
    x = np.random.default_rng(1).standard_normal((6, 4))
    report = check(as_layer(module, couples_rows=True), parameters(module), x, only=("grads_without_dx",))
    assert report.ok, report


@pytest.mark.parametrize("kind", ["ReLU6", "Hardtanh", "Softshrink", "Hardshrink"])
def test_a_slope_at_nan_may_be_another_in_float32(kind: str) -> None:
    """torch gives 0 there in float32, where its loops take vectors, and nan in float64."""
    x = np.random.default_rng(5).standard_normal((6, 4))
    report = check(as_layer(getattr(torch.nn, kind)()), (), x, only=("other_calls",))
    assert report.ok, report


def test_dtypes_that_do_not_go_together_are_named() -> None:
    linear, x = torch.nn.Linear(3, 2), np.ones((4, 3))
    words = r"as_layer: x is float64 but weight is float32: convert one of them, e.g. with .astype\(np.float32\)"
    with pytest.raises(TypeError, match=words):
        as_layer(linear).forward(parameters(linear), x)
    assert as_layer(linear).forward(parameters(linear), x.astype(np.float32))[0].dtype == np.float32


def test_a_function_may_mix_dtypes() -> None:
    def scaled(x: Any, weight: Any) -> Any:
        return x * weight

    out, _ = as_layer(scaled).forward(np.ones(3, np.float32), np.ones((4, 3)))
    assert out.dtype == np.float64


def test_a_check_of_few_numbers_takes_one_thread_and_puts_back_those_that_were() -> None:
    seen: list[int] = []

    def square(x: Any) -> Any:
        seen.append(torch.get_num_threads())
        return x * x

    def squared(x: Any) -> Any:
        return x**2

    x, before = normal(np.random.default_rng(0), 5, 3), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert check(as_layer(square), (), x, ("derivative",)).ok
        assert seen.count(1) > 10 * seen.count(2)
        seen.clear()
        assert check(as_layer(square), (), x, ("process_unchanged",)).ok  # it asks for what is set
        assert {*seen} == {2}
        seen.clear()
        assert check_against(square, squared, torch.ones(3, 4), rng=np.random.default_rng(0)).ok
        assert seen.count(1) > 10 * seen.count(2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("make", ["empty", "empty_like", "empty_strided", "new_empty"])
def test_memory_of_torch_that_is_not_written_is_said_to_be_so(make: str) -> None:
    makers: dict[str, Callable[[Any], Any]] = {
        "empty": lambda like: torch.empty(like.shape, dtype=like.dtype),
        "empty_like": lambda like: torch.empty_like(like),  # noqa: PLW0108  # asked for when it is called
        "empty_strided": lambda like: torch.empty_strided(like.shape, (like.shape[1], 1), dtype=like.dtype),
        "new_empty": lambda like: like.new_empty(like.shape),
    }

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x.tanh()

    def backward(ctx: Any, dout: Any) -> Any:
        (x,) = ctx.saved_tensors
        dx = makers[make](dout)
        dx[:, :-1] = (dout * (1 - x.tanh() ** 2))[:, :-1]
        return dx

    report = check_layer(as_layer(function(forward, backward)), (), data()[1], rng=np.random.default_rng(0))
    first = report.failures[0]
    assert (first.law, first.field) == ("all_written", "dx")
    assert first.note == "it depends on what was in memory before: is an entry of empty not written?"
    assert torch.Tensor.new_empty is torch.Tensor.__mro__[1].new_empty  # torch is as it was
