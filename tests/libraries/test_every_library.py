"""Everything public, unchanged, on the arrays of every library that is installed: values, dtypes, and where they are.

A library that is not installed has no tests here (`pip install 'chainrule[oracles]'` brings those of continuous
integration).
"""

import re
from importlib import import_module
from itertools import product
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule import (
    Affine,
    Embedding,
    accuracy,
    adam,
    affine,
    embedding,
    encoded,
    global_mean_pool,
    mean_squared_error,
    numerical_gradient,
    prediction,
    relu,
    sequential,
    sgd,
    softmax_cross_entropy,
    split,
    standardise,
    training_step,
    tree,
)
from chainrule.arrays.libraries import unlike
from libraries.installed import LIBRARIES, Function, Library
from libraries.uses import USES, Use
from strategies import Floating
from untyped import untyped

pytestmark = pytest.mark.usefixtures("products_may_be_invalid")

OTHERS = [library for library in LIBRARIES if library.name != "numpy"]


def in_turn(*dtypes: Floating) -> list[Any]:
    """Each use in each library, in one of the dtypes: two tests that take them the other way round have all of them."""
    return [
        pytest.param(library, use, dtypes[(i + j) % len(dtypes)], id=f"{library.name}-{use.name}")
        for i, library in enumerate(OTHERS)
        for j, use in enumerate(USES)
    ]


NUMPY_ALONE = {
    *("read_only", "own", "record"),  # who owns an array, which other libraries have no mark for
    *("minibatches", "split", "train"),  # rows of a data set on the host
    *("check_layer", "check_loss", "check_network", "check_optimizer", "directional_derivative", "numerical_gradient"),
    *("draw", "trace"),  # these look at numbers
    *("inference", "split_seed", "statistics"),  # between training and use, on the host
}
"""Public functions that are not promised for other libraries."""

ELSEWHERE = {
    *("check_against", "each_law", "inference", "last_of", "load", "save", "split_seed", "standardise", "statistics"),
}
"""Public functions whose own tests run them in other libraries."""


def shapes_and_dtypes(value: Any) -> list[tuple[str, tuple[int, ...], str]]:
    return [(path, leaf.shape, str(leaf.dtype).rpartition(".")[2]) for path, leaf in tree.named_leaves(value)]


def fetched(library: Library, results: Any) -> Any:
    """As NumPy's arrays: those of dask in one computation, in place of one of the whole graph for each."""
    if library.name != "dask":
        return library.get_all(results)
    dask, leaves = import_module("dask"), tree.leaves(results)
    assert all(isinstance(leaf, import_module("dask.array").Array) for leaf in leaves)
    return tree.replace(results, [np.asarray(each) for each in dask.compute(*leaves, scheduler="synchronous")])


def assert_close(theirs: Any, ours: Any) -> None:
    """Equal but for other orders of sums of at most some tens of numbers of size 1 to 10, and another exp."""
    assert shapes_and_dtypes(theirs) == shapes_and_dtypes(ours)
    for (path, a), b in zip(tree.named_leaves(theirs), tree.leaves(ours), strict=True):
        eps = float(np.finfo(b.dtype).eps)
        np.testing.assert_allclose(a, b, rtol=64 * eps, atol=64 * eps, err_msg=path)


@pytest.mark.parametrize(("library", "use", "dtype"), in_turn(np.float32, np.float64))
def test_values_and_gradients_are_numpys(library: Library, use: Use, dtype: Floating) -> None:
    """And they are arrays of the library."""
    inputs = use.make(np.random.default_rng(0), 5, dtype)
    theirs = library.put_all(inputs)
    (kind,) = {type(leaf) for leaf in tree.leaves(theirs)}
    results = library.run(use.function, theirs)
    assert {type(leaf) for leaf in tree.leaves(results)} <= {kind}
    assert_close(fetched(library, results), use.function(*inputs))


@pytest.mark.parametrize(("library", "use", "dtype"), in_turn(np.float64, np.float32))
def test_no_number_is_read_and_nothing_leaves_its_device(library: Library, use: Use, dtype: Floating) -> None:
    inputs = use.make(np.random.default_rng(0), 3, dtype)
    assert shapes_and_dtypes(library.unread(use.function, inputs)) == shapes_and_dtypes(use.function(*inputs))


@pytest.mark.parametrize("library", [each for each in LIBRARIES if each.compiles], ids=lambda each: each.name)
def test_without_a_compiler_the_results_are_arrays_of_the_library_too(library: Library) -> None:
    """And their values in float32 are NumPy's."""
    for use in USES:
        inputs = use.make(np.random.default_rng(0), 3, np.float32)
        theirs = library.put_all(inputs)
        (kind,) = {type(leaf) for leaf in tree.leaves(theirs)}
        results = use.function(*theirs)
        assert {type(leaf) for leaf in tree.leaves(results)} <= {kind}, use.name
        assert_close(fetched(library, results), use.function(*inputs))


def test_every_public_function_has_a_use_here_or_is_for_numpy_alone() -> None:
    """Layers, losses, optimizers and combinators have theirs from the catalogue, which is held to be complete."""
    public = {name for name in chainrule.__all__ if isinstance(getattr(chainrule, name), FunctionType)}
    used = {word for use in USES for word in re.findall(r"\w+", use.name)} | {"accuracy"}
    assert public - used == NUMPY_ALONE | ELSEWHERE


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
def test_accuracy_is_a_number_that_is_asked_for(library: Library) -> None:
    logits, labels = np.array([[1.0, 2.0], [4.0, 3.0], [0.0, 1.0]]), np.array([1, 1, 1])
    assert accuracy(library.put(logits), library.put(labels)) == 2 / 3


@pytest.mark.parametrize("targets", [np.array([0, 1]), np.eye(3)[:2]], ids=["labels", "probabilities"])
@pytest.mark.parametrize(("of_logits", "of_targets"), [*product(LIBRARIES, LIBRARIES)], ids=lambda value: value.name)
def test_targets_of_another_library_are_refused_by_name(of_logits: Library, of_targets: Library, targets: Any) -> None:
    """In place of a journey to the host. JAX alone takes NumPy's arrays, as constants."""
    logits, others = of_logits.put(np.zeros((2, 3))), of_targets.put(targets)
    if of_logits is of_targets or (of_logits.name, of_targets.name) == ("jax", "numpy"):
        loss = of_logits.get(softmax_cross_entropy.forward(logits, others)[0])
        np.testing.assert_allclose(loss, np.log(3), rtol=1e-15)
        return
    message = f"targets are an array of {of_targets.name} but the logits are of {of_logits.name}: convert one of them"
    with pytest.raises(TypeError, match=message):
        softmax_cross_entropy.forward(logits, others)


@pytest.mark.parametrize("library", OTHERS, ids=lambda library: library.name)
def test_a_derivative_of_another_library_is_refused_by_name(library: Library) -> None:
    params, x = (Affine(np.eye(3), np.zeros(3)), (), ()), np.ones((2, 3))
    network = sequential(affine, relu, relu)
    given = library.put(x)
    pairs: list[Any] = [(relu, ()), (affine, params[0]), (network, params)]
    for layer, of in pairs:
        _, cache = layer.forward(of, x)
        for back in (layer.backward, layer.grads):
            with pytest.raises(TypeError, match=f"dout is an array of {library.name} but out of numpy: convert one"):
                back(cache, given)
    _, cache = mean_squared_error.forward(x, 2 * x)
    with pytest.raises(TypeError, match=f"dloss is an array of {library.name} but out of numpy: convert one of them"):
        mean_squared_error.backward(cache, library.put(np.array(2.0)))
    for optimizer in (sgd(0.1), adam(0.1)) if library.name != "array_api_strict" else ():  # warns of NumPy's dtypes
        with pytest.raises(
            TypeError, match=rf"gradient f64\[3\] is an array of {library.name} but its parameter of nu"
        ):
            optimizer.step(optimizer.init(x[0]), x[0], library.put(x[0]))


@pytest.mark.parametrize("library", OTHERS, ids=lambda library: library.name)
def test_the_library_of_what_must_be_numpys_is_named(library: Library) -> None:
    x = library.put(np.ones((3, 2)))
    calls: tuple[Any, ...] = (
        lambda: numerical_gradient(lambda params: 0.0, x),
        lambda: split(np.random.default_rng(0), 0.5, x),
        lambda: standardise(x),
    )
    for call in calls:
        with pytest.raises(TypeError, match=rf"got f64\[3, 2\] of {library.name}: convert it"):
            call()


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_trees_have_an_inner_product_and_a_mean_over_no_channels_is_none(library: Library) -> None:
    a = (library.put(np.array([1.0, 2.0])), library.put(np.array(3.0)))
    assert tree.dot(a, a) == 14.0
    assert global_mean_pool.forward((), library.put(np.ones((2, 3, 0))))[0].shape == (2, 0)


def test_targets_of_a_library_that_nobody_knows_are_taken_as_they_are() -> None:
    """Such as a column of a table, which is near enough to an array."""

    class Column:
        def __init__(self, values: Any) -> None:
            self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    assert unlike(untyped(Column(np.array([0, 1]))), np.zeros((2, 3))) is None


@pytest.mark.parametrize("library", OTHERS, ids=lambda each: each.name)
@pytest.mark.parametrize("wrong", [-1, 3, -4])
def test_a_label_out_of_range_gives_nan_where_it_cannot_be_read_and_never_another_row(
    library: Library, wrong: int
) -> None:
    params = library.put_all(Embedding(np.arange(6.0).reshape(3, 2)))
    out, cache = embedding.forward(params, library.put(np.array([1, wrong, 2])))
    np.testing.assert_array_equal(library.get(out), [[2, 3], [np.nan, np.nan], [4, 5]])
    grads = library.get(embedding.grads(cache, library.put(np.ones((3, 2)))).E)
    np.testing.assert_array_equal(grads, [[0, 0], [1, 1], [1, 1]])


@pytest.mark.parametrize("library", [each for each in LIBRARIES if each.name == "jax"], ids=lambda each: each.name)
def test_numpys_tokens_beside_jaxs_rows_are_read_and_trained_on(library: Library) -> None:
    rng = np.random.default_rng(0)
    params = Embedding(rng.standard_normal((4, 3))), Affine(rng.standard_normal((3, 2)), np.zeros(2))
    tokens, labels = np.array([3, 0, 3]), np.array([0, 1, 1])
    network = encoded(embedding, affine)
    step = training_step(network, softmax_cross_entropy, sgd(0.1))
    expected, _, _ = step(params, sgd(0.1).init(params), tokens, labels)
    theirs = library.put_all(params)
    stepped, _, _ = step(theirs, sgd(0.1).init(theirs), tokens, library.put(labels))
    assert_close(library.get_all(stepped), expected)
    assert_close(library.get(prediction(network)(theirs, tokens)), prediction(network)(params, tokens))
    with pytest.raises(ValueError, match=r"embedding: E has 4 tokens, so labels must be in \[0, 4\), got -1 at row 1"):
        network.forward(theirs, np.array([0, -1]))


@pytest.mark.parametrize("library", OTHERS, ids=lambda each: each.name)
def test_a_test_that_reads_would_fail(library: Library) -> None:
    """`unread` refuses a function that reads a number, whatever it makes of it."""

    def reads(x: Any) -> Any:
        return x * float(x[0, 0])

    def travels(x: Any) -> Any:
        return np.asarray(x)

    functions: list[Function] = [travels] if library.name in {"array_api_strict", "cupy"} else [reads, travels]
    for function in functions:
        with pytest.raises(Exception, match=r"."):
            library.unread(function, (np.ones((2, 2)),))
