"""JAX: our records are pytrees, our functions compile, vectorise, differentiate and shard as they are."""

import os
import subprocess
import sys
from functools import partial
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from attrs import asdict, frozen

from catalogue import LAYERS, OTHERS, Subject
from chainrule import (
    Affine,
    Array,
    Layer,
    adamw,
    affine,
    record,
    sequential,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
    two_layer,
    value_and_grad,
)
from chainrule.interop.jax import custom_vjp, register, register_pytrees
from chainrule.laws import LOSS_LAWS, OPTIMIZER_LAWS
from chainrule.schedules import linear
from untyped import untyped

jax: Any = import_module("jax")  # it need not be installed where types are checked
jnp: Any = import_module("jax.numpy")
test_util: Any = import_module("jax.test_util")

register_pytrees()
GRADIENT = value_and_grad(two_layer.network, softmax_cross_entropy)
LOSSES = [subject for subject in OTHERS if subject.laws is LOSS_LAWS]
OPTIMIZERS = [subject for subject in OTHERS if subject.laws is OPTIMIZER_LAWS]


def on_jax(value: Any) -> Any:
    return tree.map(lambda leaf: jnp.asarray(np.array(leaf)), value)


def on_numpy(value: Any) -> Any:
    return tree.map(np.asarray, value)


def batch(dtype: Any = np.float64) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    params = two_layer.init(rng, 5, 4, 3, std=0.5, dtype=dtype)
    inputs: tuple[Any, Any, Any] = on_jax((params, rng.standard_normal((6, 5)).astype(dtype), rng.integers(0, 3, 6)))
    return inputs


ROWS = 5
"""As many in all tests: JAX compiles each operation anew for each shape."""


def assert_close(a: Any, b: Any, roundings: int = 32) -> None:
    """Equal but for some roundings of sums of up to 8 products, relative to the largest entry of each array."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for (path, x), y in zip(tree.named_leaves(a), tree.leaves(b), strict=True):
        assert x.dtype == y.dtype, path
        if np.issubdtype(y.dtype, np.integer):  # the count of an optimizer's state
            np.testing.assert_array_equal(x, y, err_msg=path)
            continue
        scale = max(float(abs(y).max(initial=0)), float(np.finfo(y.dtype).tiny))
        atol = roundings * float(np.finfo(y.dtype).eps) * scale
        np.testing.assert_allclose(x, y, rtol=0, atol=atol, err_msg=path)


def dout_like(out: Any) -> Any:
    return jnp.asarray(np.random.default_rng(1).standard_normal(out.shape))


@frozen(eq=False)
@record
class Momentum:
    velocity: Array
    steps: int


@frozen(eq=False)
class Named:
    value: Array
    name: str


def test_paths_name_the_leaves_as_ours_do() -> None:
    params = batch()[0]
    paths = jax.tree_util.tree_leaves_with_path(params)
    assert [jax.tree_util.keystr(path) for path, _ in paths] == [path for path, _ in tree.named_leaves(params)]


@pytest.mark.parametrize("subject", LAYERS, ids=lambda each: each.name)
def test_parameters_caches_and_gradients_come_apart_and_together_again(subject: Subject) -> None:
    """Of NumPy's arrays, which are leaves to JAX as its own are: a compiled layer has gone through this already."""
    params, x = subject.make(np.random.default_rng(0), ROWS, np.float64)
    out, cache = subject.layer.forward(params, x)
    for value in (params, cache, subject.layer.grads(cache, np.ones_like(out))):
        leaves, structure = jax.tree.flatten(value)
        assert all(a is b for a, b in zip(leaves, tree.leaves(value), strict=True))
        assert tree.equal(jax.tree.unflatten(structure, leaves), value)


def test_a_record_that_came_together_again_goes_through_what_attrs_does_with_records() -> None:
    leaves, form = jax.tree.flatten(Affine(np.ones((2, 2)), np.zeros(2)))
    assert list(asdict(jax.tree.unflatten(form, leaves))) == ["W", "b", "_signature"]


@pytest.mark.parametrize("subject", OPTIMIZERS, ids=lambda each: each.name)
def test_states_of_optimizers_come_apart_and_go_through_a_compiled_step(subject: Subject) -> None:
    params, grads = on_jax(subject.make(np.random.default_rng(0), ROWS, np.float64))
    state = subject.layer.init(params)
    leaves, structure = jax.tree.flatten(state)
    assert tree.equal(jax.tree.unflatten(structure, leaves), state)
    assert_close(
        jax.jit(subject.layer.step)(state, params, grads), subject.layer.step(*on_numpy((state, params, grads)))
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decay_at_a_rate_that_falls_is_compiled_once_and_promotes_nothing(dtype: Any) -> None:
    params, x, labels = batch(dtype)
    optimizer = adamw(linear(0.1, 0.01, 5), weight_decay=0.5)
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer)
    traced: list[Any] = []

    def watched(*arguments: Any) -> Any:
        traced.append(arguments)
        return untyped(step)(*arguments)

    compiled, state = jax.jit(watched), optimizer.init(on_numpy(params))
    fast, fast_state, (plain, *rows) = params, on_jax(state), on_numpy((params, x, labels))
    for _ in range(3):
        fast, fast_state, _ = compiled(fast, fast_state, x, labels)
        plain, state, _ = step(plain, state, *rows)
        assert_close(fast, plain, roundings=128)  # of three steps, in which gradients differ by roundings
    assert len(traced) == 1
    assert fast[0].W.dtype == dtype


@pytest.mark.parametrize("subject", LOSSES, ids=lambda each: each.name)
def test_caches_of_losses_come_apart_and_together_again(subject: Subject) -> None:
    _, cache = subject.layer.forward(*subject.make(np.random.default_rng(0), ROWS, np.float64))
    leaves, structure = jax.tree.flatten(cache)
    assert tree.equal(jax.tree.unflatten(structure, leaves), cache)


def test_a_pytree_may_hold_what_no_parameters_may() -> None:
    params = batch()[0]
    structure = jax.tree.structure(params)
    assert jax.tree.unflatten(structure, [None] * 4)[0].W is None
    assert jax.tree.map(np.shape, params)[2].b == (3,)
    assert jax.eval_shape(GRADIENT, *batch())[1][0].W.shape == (5, 4)


def test_records_of_ones_own_are_registered_too_and_once_is_enough() -> None:
    for _ in range(2):
        register_pytrees()

    def double(state: Momentum) -> Momentum:
        return Momentum(2 * state.velocity, state.steps + 1)

    state = jax.jit(double)(Momentum(jnp.ones(2), 3))
    assert isinstance(state, Momentum)
    assert state.velocity.tolist() == [2, 2]
    assert int(state.steps) == 4


def test_records_of_layers_that_are_first_asked_for_afterwards_are_registered() -> None:
    program = """
        import jax, numpy
        from chainrule.interop.jax import register_pytrees
        register_pytrees()
        from chainrule import PRelu
        print(jax.tree.leaves(PRelu(numpy.ones(2))))
    """
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, check=True, text=True)
    assert done.stdout == "[array([1., 1.])]\n"


def test_a_static_field_is_part_of_the_structure() -> None:
    assert register(Named, static=["name"]) is Named
    a, b = Named(jnp.ones(1), "a"), Named(jnp.ones(1), "b")
    assert jax.tree.leaves(a) == [a.value]
    assert jax.tree.structure(a) != jax.tree.structure(b)
    assert jax.tree.map(np.asarray, a).name == "a"


def test_what_another_has_registered_is_left_alone() -> None:
    @frozen(eq=False)
    @record
    class Theirs:
        value: Array

    def flatten(value: Theirs) -> tuple[tuple[()], Theirs]:
        return (), value

    def unflatten(value: Theirs, children: tuple[()]) -> Theirs:
        return value

    jax.tree_util.register_pytree_node(Theirs, flatten, unflatten)
    register_pytrees()
    assert jax.tree.leaves(Theirs(np.ones(1))) == []
    with pytest.raises(ValueError, match="Duplicate custom PyTreeDef type registration"):
        register(Theirs)


def test_what_cannot_be_registered() -> None:
    with pytest.raises(TypeError, match="register: it must be an attrs class, got int"):
        register(int)
    with pytest.raises(ValueError, match="register: Named has no field 'title', only value, name"):
        register(Named, static=["title"])
    with pytest.raises(TypeError, match=r"custom_vjp: it must be a Layer, got function: give it network\(seed\)"):
        custom_vjp(untyped(batch))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_compiled_gradient_and_a_compiled_step_are_the_plain_ones(dtype: Any) -> None:
    inputs = batch(dtype)
    assert_close(jax.jit(GRADIENT)(*inputs), GRADIENT(*inputs))
    step = training_step(two_layer.network, softmax_cross_entropy, sgd(0.1))
    params, x, labels = inputs
    state = sgd(0.1).init(params)
    assert_close(jax.jit(step)(params, state, x, labels), step(params, state, x, labels))


@pytest.mark.parametrize("subject", LAYERS, ids=lambda each: each.name)
def test_a_backward_compiles_by_itself(subject: Subject) -> None:
    inputs = on_jax(subject.make(np.random.default_rng(0), ROWS, np.float64))
    out, cache = jax.jit(subject.layer.forward)(*inputs)
    dout = dout_like(out)
    plain = on_numpy((cache, dout))
    assert_close(jax.jit(subject.layer.backward)(cache, dout), subject.layer.backward(*plain))
    assert_close(jax.jit(subject.layer.grads)(cache, dout), subject.layer.grads(*plain))


@pytest.mark.parametrize("subject", LAYERS, ids=lambda each: each.name)
def test_a_numpy_dout_meets_the_librarys_cache_on_the_librarys_side(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), ROWS, np.float64)
    out, cache = jax.jit(subject.layer.forward)(*jax.tree.map(jnp.asarray, (params, x)))
    dout = np.ones(out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    if tree.leaves(cache):  # that of the identity does not tell the library
        assert all(isinstance(leaf, jax.Array) for leaf in (dx, *tree.leaves(grads)))
    expected = subject.layer.backward(cache, jnp.ones_like(out))
    assert all(map(np.array_equal, tree.leaves((dx, grads)), tree.leaves(expected)))


@pytest.mark.parametrize("subject", [each for each in LAYERS if not each.layer.couples_rows], ids=lambda s: s.name)
def test_vmap_of_a_backward_gives_what_each_row_gives_alone(subject: Subject) -> None:
    params, x = subject.make(np.random.default_rng(0), ROWS, np.float64)
    dout = np.asarray(dout_like(subject.layer.forward(params, x)[0]))

    def both(params: Any, x: Any, dout: Any) -> Any:
        return subject.layer.backward(subject.layer.forward(params, x)[1], dout)

    def of_row(params: Any, x: Any, dout: Any) -> Any:
        return both(params, x[None], dout[None])

    mapped = jax.jit(jax.vmap(partial(of_row, on_jax(params))))
    dx, grads = mapped(*on_jax((x, dout)))
    for i in range(4):
        assert_close(jax.tree.map(itemgetter(i), (dx, grads)), of_row(params, x[i], dout[i]))
    whole_dx, whole = both(params, x, dout)
    assert_close((dx[:, 0], tree.map(lambda leaf: leaf.sum(axis=0), grads)), (whole_dx, whole))


def test_vmap_gives_the_gradient_of_each_example() -> None:
    params, x, labels = batch()
    per_example = jax.jit(jax.vmap(GRADIENT, in_axes=(None, 0, 0)))(params, x[:, None], labels[:, None])
    gradient = jax.jit(GRADIENT)
    for i in range(6):
        alone = gradient(params, x[i : i + 1], labels[i : i + 1])
        assert_close(jax.tree.map(itemgetter(i), per_example), alone)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_jaxs_gradient_of_our_forward_is_our_backward(dtype: Any) -> None:
    params, x, labels = batch(dtype)

    def loss(params: Any) -> Any:
        return GRADIENT(params, x, labels)[0]

    assert_close(jax.jit(jax.grad(loss))(params), jax.jit(GRADIENT)(params, x, labels)[1])


@pytest.mark.parametrize("subject", LAYERS, ids=lambda each: each.name)
def test_jaxs_derivative_of_a_forward_is_its_backward_at_zero_and_far_out_too(subject: Subject) -> None:
    """Inputs at which branches meet, or the slope of the other branch could overflow to nan."""
    params, x = on_jax(subject.make(np.random.default_rng(0), ROWS, np.float64))
    x = x.at[:4].set(jnp.asarray([0.0, -0.0, 1000.0, -1000.0]).reshape(4, *(1,) * (x.ndim - 1)))
    dout = dout_like(jax.eval_shape(subject.layer.forward, params, x)[0])

    def theirs(params: Any, x: Any, dout: Any) -> Any:
        _, pullback, cache = jax.vjp(subject.layer.forward, params, x, has_aux=True)
        grads, dx = pullback(dout)
        return (dx, grads), cache

    derivatives, cache = jax.jit(theirs)(params, x, dout)
    # In attention, terms of the size of products of two numbers of 1000 cancel.
    roundings = 32 * (1000 if "attention" in subject.name else 1) ** 2
    assert_close(derivatives, subject.layer.backward(*on_numpy((cache, dout))), roundings)


@pytest.mark.parametrize(
    "targets", [[0, 1, 2, 0, 1], np.full((5, 3), 1 / 3), np.eye(3)[[0, 1, 2, 0, 1]]], ids=["labels", "even", "one-hot"]
)
def test_jaxs_derivative_of_a_loss_is_its_backward_at_ties_and_far_out_too(targets: Any) -> None:
    logits = jnp.asarray([[0.0, 0, 0], [1000, 0, -1000], [1e300, 0, 1], [40, -40, 0], [2, 2, 1]])

    def loss(logits: Any) -> Any:
        return softmax_cross_entropy.forward(logits, jnp.asarray(targets))

    dlogits, cache = jax.grad(loss, has_aux=True)(logits)
    assert_close(dlogits, softmax_cross_entropy.backward(cache, 1.0))


@pytest.mark.parametrize("subject", LAYERS, ids=lambda each: each.name)
def test_a_layer_with_its_own_backward_passes_jaxs_check(subject: Subject) -> None:
    inputs = on_jax(subject.make(np.random.default_rng(0), ROWS, np.float64))
    test_util.check_grads(jax.jit(custom_vjp(subject.layer)), inputs, order=1, modes=["rev"])


def test_the_derivative_of_custom_vjp_is_the_layers_backward_and_nothing_else() -> None:
    def forward(params: tuple[()], x: Array) -> tuple[Array, tuple[()]]:
        return x, ()

    def backward(cache: tuple[()], dout: Array) -> tuple[Array, tuple[()]]:
        return 7 * dout, ()

    seven = custom_vjp(Layer(forward, backward))

    def total(x: Any) -> Any:
        return seven((), x).sum()

    assert jax.grad(total)(jnp.ones((2, 1))).tolist() == [[7], [7]]


def test_custom_vjp_under_jit_and_vmap() -> None:
    params, x, _ = batch()
    layer = two_layer.network
    function = custom_vjp(layer)
    weights = jnp.asarray(np.random.default_rng(1).standard_normal((6, 3)))

    def total(params: Any, x: Any, weights: Any) -> Any:
        return (function(params, x) * weights).sum()

    plain, rows, douts = on_numpy((params, x, weights))
    dx, grads = layer.backward(layer.forward(plain, rows)[1], douts)
    assert_close(jax.jit(jax.grad(total, argnums=(1, 0)))(params, x, weights), (dx, grads))
    each = jax.jit(jax.vmap(jax.grad(total), in_axes=(None, 0, 0)))(params, x[:, None], weights[:, None])
    assert_close(tree.map(lambda leaf: leaf.sum(axis=0), each), grads)


def test_a_rate_may_change_without_compiling_anew() -> None:
    """A rate that is an argument, and a network that is none."""
    compiled = 0

    def descend(rate: Any, params: Any, grads: Any) -> Any:
        nonlocal compiled
        compiled += 1
        return tree.map(lambda p, g: p - rate * g, params, grads)

    step = jax.jit(descend)
    params, x, labels = batch(np.float32)
    grads = GRADIENT(params, x, labels)[1]
    for rate in (0.1, 0.2):
        assert_close(step(rate, params, grads), sgd(rate).step(sgd(rate).init(params), params, grads)[0])
    assert compiled == 1


def test_sharded_on_eight_devices() -> None:
    """In a process of its own: the number of devices is fixed when JAX starts."""
    script = Path(__file__).parent / "sharded.py"
    options = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    run = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | options,
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.split() == ["device", "data", "data*model", "all-reduces:", "1"]


def test_nested_and_empty_networks() -> None:
    x = jnp.ones((2, 3))
    assert custom_vjp(sequential())((), x) is not None
    params = (Affine(jnp.ones((3, 2)), jnp.zeros(2)),)
    nested: Any = sequential(sequential(affine))
    assert custom_vjp(nested)((params,), x).shape == (2, 2)


def test_nan_equals_nan_in_bfloat16() -> None:
    a, b = jnp.array([jnp.nan, 0.0], jnp.bfloat16), jnp.array([-jnp.nan, 0.0], jnp.bfloat16)
    assert np.asarray(a).tobytes() != np.asarray(b).tobytes()
    assert tree.equal(a, b)
    assert not tree.equal(a, jnp.array([jnp.nan, -0.0], jnp.bfloat16))


def in_a_vector(params: Any) -> Array:
    return tree.ravel(params)[0]


def test_a_tree_as_a_vector_compiles_and_differentiates() -> None:
    params, x, labels = batch()
    vector, unravel = tree.ravel(params)
    assert isinstance(vector, jax.Array)
    assert_close(jax.jit(unravel)(vector), params, 0)
    assert bool((jax.jit(in_a_vector)(params) == vector).all())

    def loss(vector: Any) -> Array:
        return GRADIENT(unravel(vector), x, labels)[0]

    assert_close(unravel(jax.jit(jax.grad(loss))(vector)), jax.jit(GRADIENT)(params, x, labels)[1])


def test_accuracy_warns_of_no_dtype_that_jax_lacks() -> None:
    code = """
        import jax.numpy as jnp
        from chainrule import accuracy
        assert accuracy(jnp.eye(3), jnp.array([0, 1, 1])) == 2 / 3
    """
    command = [sys.executable, "-W", "error", "-c", dedent(code)]
    subprocess.run(command, check=True, env=os.environ | {"JAX_ENABLE_X64": "0"})
