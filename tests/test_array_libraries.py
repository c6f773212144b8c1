"""Layers, loss and gradients on arrays of the Array API standard alone: array-api-strict has nothing else."""

import re
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from catalogue import LAYERS, Subject
from chainrule import (
    Affine,
    Array,
    Convolution,
    accuracy,
    affine,
    convolution,
    flatten,
    max_pool,
    prediction,
    relu,
    sequential,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    two_layer,
    value_and_grad,
)
from chainrule.arrays.portable import Portable
from strategies import Floating, dtypes, few, generators, normal, sides
from untyped import untyped

strict: Any = import_module("array_api_strict")  # to a type checker, arrays are those of NumPy

pytestmark = pytest.mark.usefixtures("products_may_be_invalid")


def to_strict(value: Any) -> Any:
    return tree.map(lambda leaf: strict.asarray(np.array(leaf)), value)


def to_numpy(value: Any) -> Any:
    return tree.map(np.asarray, value)


def assert_close(a: Any, b: Any, dtype: Floating) -> None:
    """Equal but for the order of sums of at most some tens of numbers of size 1 to 10."""
    for (path, x), y in zip(tree.named_leaves(a), tree.leaves(b), strict=True):
        assert x.dtype == y.dtype, path
        eps = float(np.finfo(dtype).eps)
        np.testing.assert_allclose(x, y, rtol=64 * eps, atol=64 * eps, err_msg=path)


@pytest.mark.parametrize("subject", [each for each in LAYERS if each.alike], ids=lambda s: s.name)
@few
@given(rng=generators, n=sides, dtype=dtypes)
def test_layers_run_unchanged(subject: Subject, rng: np.random.Generator, n: int, dtype: Floating) -> None:
    params, x = subject.make(rng, n, dtype)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape, dtype=dtype)
    results = out, subject.layer.backward(cache, dout), subject.layer.grads(cache, dout)
    strict_out, strict_cache = subject.layer.forward(to_strict(params), strict.asarray(x))
    strict_dout = strict.asarray(dout)
    strict_results = (
        strict_out,
        subject.layer.backward(strict_cache, strict_dout),
        subject.layer.grads(strict_cache, strict_dout),
    )
    assert all(isinstance(leaf, type(strict_dout)) for leaf in tree.leaves(strict_results))
    assert_close(results, to_numpy(strict_results), dtype)


@given(rng=generators, n=sides, dtype=dtypes)
def test_loss_gradient_and_training_run_unchanged(rng: np.random.Generator, n: int, dtype: Floating) -> None:
    d, h, k = (int(side) for side in rng.integers(1, 6, 3))
    params = (
        Affine(normal(rng, d, h, dtype=dtype), normal(rng, h, dtype=dtype)),
        (),
        Affine(normal(rng, h, k, dtype=dtype), normal(rng, k, dtype=dtype)),
    )
    x, labels = normal(rng, n, d, dtype=dtype), rng.integers(0, k, n)
    network = sequential(affine, relu, affine)
    for targets in (labels, np.eye(k, dtype=dtype)[labels]):
        others = to_strict(params), strict.asarray(x), strict.asarray(targets)
        gradient = value_and_grad(network, softmax_cross_entropy)
        assert_close(gradient(params, x, targets), to_numpy(gradient(*others)), dtype)
        optimizer = sgd(0.1)
        step = training_step(network, softmax_cross_entropy, optimizer)
        stepped, _, loss = step(params, optimizer.init(params), x, targets)
        strictly, _, strict_loss = step(others[0], optimizer.init(others[0]), *others[1:])
        assert_close((stepped, loss), to_numpy((strictly, strict_loss)), dtype)
        logits = network.forward(params, x)[0]
        assert accuracy(strict.asarray(logits), others[2]) == accuracy(logits, targets)


def test_relu_before_a_maximum_runs_unchanged() -> None:
    rng = np.random.default_rng(0)
    params = Convolution(normal(rng, 3, 3, 1, 2), normal(rng, 2)), (), (), (), Affine(normal(rng, 8, 3), normal(rng, 3))
    x, labels = normal(rng, 5, 4, 4, 1), rng.integers(0, 3, 5)
    network = sequential(convolution(), relu, max_pool(2), flatten, affine)
    gradient = value_and_grad(network, softmax_cross_entropy)
    strictly = gradient(to_strict(params), strict.asarray(x), strict.asarray(labels))
    assert_close(gradient(params, x, labels), to_numpy(strictly), np.float64)
    out = prediction(network)(to_strict(params), strict.asarray(x))
    assert_close(prediction(network)(params, x), to_numpy(out), np.float64)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_labels_of_every_integer_dtype(dtype: Any) -> None:
    z, labels = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0]]), np.array([2, 1])
    losses = softmax_cross_entropy.rows(strict.asarray(z), strict.asarray(labels.astype(dtype)))
    np.testing.assert_allclose(np.asarray(losses), softmax_cross_entropy.rows(z, labels), rtol=1e-15)


def test_more_classes_than_the_labels_dtype_can_count() -> None:
    z, labels = np.random.default_rng(0).standard_normal((2, 300)), np.array([0, 255], np.uint8)
    losses = softmax_cross_entropy.rows(strict.asarray(z), strict.asarray(labels))
    np.testing.assert_allclose(np.asarray(losses), softmax_cross_entropy.rows(z, labels), rtol=1e-15)


def test_everything_stays_on_the_device_of_its_input() -> None:
    """A device that the library makes up: its arrays mix with no others and refuse to become NumPy's."""
    device = strict.Device("device1")

    def there(array: Any) -> Any:
        return strict.asarray(np.array(array), device=device)

    rng = np.random.default_rng(0)
    params, x, labels = two_layer.init(rng, 4, 3, 2), normal(rng, 5, 4, dtype=np.float32), rng.integers(0, 2, 5)
    step, others = training_step(two_layer.network, softmax_cross_entropy, sgd(0.1)), tree.map(there, params)
    for targets in (labels, np.eye(2, dtype=np.float32)[labels]):
        stepped, _, loss = step(others, sgd(0.1).init(others), there(x), there(targets))
        assert {leaf.device for leaf in tree.leaves((stepped, loss))} == {device}


def test_one_class() -> None:
    z, labels = strict.asarray([[3.0], [-2.0]]), strict.asarray([0, 0])
    loss, cache = softmax_cross_entropy.forward(z, labels)
    assert float(loss) == 0
    np.testing.assert_array_equal(np.asarray(softmax_cross_entropy.backward(cache, 1.0)), [[0], [0]])


@pytest.mark.parametrize("label", [-1, 3, 100])
def test_a_bad_label_gives_nan_where_values_are_not_read(label: int) -> None:
    z, labels = strict.asarray(np.zeros((2, 3))), strict.asarray(np.array([1, label]))
    losses = np.asarray(softmax_cross_entropy.rows(z, labels))
    assert losses[0] == pytest.approx(np.log(3))
    assert np.isnan(losses[1])
    loss, cache = softmax_cross_entropy.forward(z, labels)
    assert np.isnan(float(loss))
    dz = np.asarray(softmax_cross_entropy.backward(cache, 1.0))
    assert np.isnan(dz).all(axis=1).tolist() == [False, True]


def test_relu_at_special_points() -> None:
    x = strict.asarray(np.array([[-1.0, -0.0, 0.0, 5e-324, np.nan, np.inf]]))
    out, cache = relu.forward((), x)
    np.testing.assert_array_equal(np.asarray(out), [[0, 0, 0, 5e-324, np.nan, np.inf]])
    assert not np.signbit(np.asarray(out)[0, :4]).any()
    dx, _ = relu.backward(cache, strict.asarray(np.ones((1, 6))))
    np.testing.assert_array_equal(np.asarray(dx), [[0, 0, 0, 1, 1, 1]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: strict.asarray([[1, 2]]), "affine: x is array_api_strict.int64, not real floating-point"),
        (lambda: strict.asarray([[1j, 2]]), "affine: x is array_api_strict.complex128, not real floating-point"),
        (lambda: strict.asarray([[1, 2.0]], dtype=strict.float32), "affine: x is array_api_strict.float32 but the"),
        (lambda: np.ones((1, 2)), "affine: x is an array of numpy but the parameters are of array_api_strict"),
    ],
)
def test_bad_input(make: Any, message: str) -> None:
    params = to_strict(Affine(np.ones((2, 3)), np.ones(3)))
    with pytest.raises(TypeError, match=re.escape(message)):
        affine.forward(params, make())


def test_libraries_without_a_namespace_come_through_array_api_compat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as torch: here, a library whose arrays have everything but `__array_namespace__`."""

    class Bare:
        def __init__(self, array: Any) -> None:
            self.array = array

        def __getattr__(self, name: str) -> Any:
            if name == "__array_namespace__":
                raise AttributeError(name)
            return getattr(self.array, name)

        def __neg__(self) -> Any:
            return -self.array

        def __le__(self, other: Any) -> Any:
            return self.array <= other

    class Library(ModuleType):
        def __getattr__(self, name: str) -> Any:
            function = getattr(strict, name)

            def call(*args: Any, **options: Any) -> Any:
                return function(*(a.array if isinstance(a, Bare) else a for a in args), **options)

            return call

    library = Library("bare")

    def array_namespace(_: Any) -> ModuleType:
        return library

    monkeypatch.setattr("array_api_compat.array_namespace", array_namespace)
    out, _ = relu.forward((), untyped(Bare(strict.asarray([[-1.0, 2.0]]))))
    np.testing.assert_array_equal(np.asarray(out), [[0, 2]])


def test_without_array_api_compat_such_a_library_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        dtype, shape, ndim = "float32", (1, 1), 2

    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    message = "need the package array-api-compat: pip install 'chainrule[portable]'"
    with pytest.raises(TypeError, match=re.escape(message)):
        relu.forward((), untyped(Bare()))


def test_what_no_library_knows_is_no_array() -> None:
    class Bare:
        dtype, shape, ndim = "float32", (1, 1), 2

    with pytest.raises(TypeError, match="relu: x must be an array of floats, got Bare"):
        relu.forward((), untyped(Bare()))


def test_quietly_passes_every_argument() -> None:
    def quotient(a: Array, *, by: float) -> Array:
        out: Array = a / by
        return out

    assert float(Portable(strict).quietly(quotient, strict.asarray(3.0), by=2.0)) == 1.5


def test_parameters_of_two_libraries_are_refused_as_that_whatever_their_dtypes() -> None:
    for dtype in ("float32", "float64"):
        b = strict.ones(2, dtype=getattr(strict, dtype))
        with pytest.raises(TypeError, match=r"Affine: W is an array of numpy but b of array_api_strict: convert one"):
            Affine(np.ones((3, 2)), b)


@pytest.mark.parametrize(("name", "device"), [("jax.numpy", None), ("another", "a device")])
def test_constants_are_made_where_x_is_except_under_jax(name: str, device: str | None) -> None:
    """There, x's "device" may be a sharding, which fits the shape of x alone."""
    asked: list[object] = []

    class Library(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(strict, name)

        def arange(self, stop: int, *, device: object) -> Any:
            asked.append(device)
            return strict.arange(stop)

    class Rows:
        shape, device = (2, 3), "a device"

    class Nowhere:
        shape = (2, 3)

    xp, labels = Portable(Library(name)), strict.asarray([0, 2])
    for rows in (Rows(), Nowhere()):  # such as arrays of dask, which are on no device
        hot = xp.places(untyped(rows), labels)
        np.testing.assert_array_equal(np.asarray(hot), [[True, False, False], [False, False, True]])
    assert asked == [device, None]


def test_the_absolute_value_is_that_of_numpy_at_zero_too() -> None:
    x = np.array([-2.5, -5e-324, 0.0, 5e-324, np.inf, -np.inf, np.nan])
    absolute = np.asarray(Portable(strict).abs(strict.asarray(x)))
    np.testing.assert_array_equal(absolute, np.abs(x))
    assert not np.signbit(absolute[:-1]).any()  # of 0.0 as well, where a derivative goes by the way that is taken
