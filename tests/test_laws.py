"""The laws, over everything public that they speak of, and drawn shapes, dtypes and seeds."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import chainrule
from catalogue import ENCODERS, LAYERS, OTHERS, PARTLY_FIXED, Subject
from chainrule import (
    Array,
    Encoder,
    Layer,
    Loss,
    Report,
    numerical_gradient,
    own,
    sgd,
    softmax_cross_entropy,
    training_step,
    tree,
)
from strategies import Floating, dtypes, fewer, generators, normal, once, sides


def pickled(value: Any) -> Any:
    """A value that has been to a file and back."""
    return pickle.loads(pickle.dumps(value))


each_subject = pytest.mark.parametrize("subject", LAYERS, ids=lambda s: s.name)


VARIED = {"other_values", "other_sizes", "other_calls", "threads"}
"""Laws that try tens of numbers, sizes and dtypes of their own: arguments are drawn once for them."""


@pytest.mark.parametrize(
    ("subject", "law"),
    [(subject, law) for subject in (*LAYERS, *PARTLY_FIXED, *ENCODERS, *OTHERS) for law in subject.laws],
    ids=lambda value: getattr(value, "name", value),
)
def test_laws_hold(subject: Subject, law: str) -> None:
    @(once if law in VARIED else fewer)
    @given(rng=generators, n=sides, dtype=dtypes)
    def holds(rng: np.random.Generator, n: int, dtype: Floating) -> None:
        report = Report(tuple(subject.laws[law](subject.layer, *subject.make(rng, n, dtype), rng)))
        assert report.ok, str(report)

    # A function of its own for each case: of one function Hypothesis nests the settings, a level a case, and Python
    # allows a thousand.
    holds()


def test_the_catalogue_holds_everything_public_that_laws_speak_of() -> None:
    subjects = (*LAYERS, *PARTLY_FIXED, *ENCODERS, *OTHERS)
    held = [subject.layer for subject in subjects]
    for name in chainrule.__all__:
        value = getattr(chainrule, name)
        is_optimizer = isinstance(value, type) and hasattr(value, "init") and hasattr(value, "step")
        if isinstance(value, Layer | Encoder | Loss):
            assert any(value is each for each in held), f"{name} is not in the catalogue"
        elif is_optimizer and value is not chainrule.Optimizer:
            assert any(type(each) is value for each in held), f"{name} is not in the catalogue"
    combinators = Path(chainrule.__file__).parent / "combinators"
    for path in combinators.glob("[!_]*.py"):
        assert any(path.stem in subject.name.split() for subject in subjects), f"{path.stem} is not in the catalogue"


@each_subject
@given(rng=generators, n=sides)
def test_backward_is_the_transposed_derivative_by_central_differences(
    subject: Subject, rng: np.random.Generator, n: int
) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = subject.layer.backward(cache, dout)

    size = 8 + float(np.abs(out * dout).sum())

    def f(at: tuple[Any, Array]) -> Any:
        # The terms may cancel, and the sum is then less certain than its own size tells: theirs is added.
        return size + (subject.layer.forward(*at)[0] * dout).sum()

    expected = numerical_gradient(f, (params, x))
    for (path, g), e in zip(tree.named_leaves((grads, dx)), tree.leaves(expected), strict=True):
        scale = max(1.0, float(np.abs(g).max()))
        # h is 6e-6: h^2 and eps / h are both some 1e-11, times third derivatives and sums of up to 30 terms. No entry
        # of a drawn case was ever within h of a kink, where the result would be nan; where a batch of few rows bends
        # much, an entry in thousands is taken for one.
        known = ~np.isnan(e)
        assert known.sum() >= known.size - 1
        np.testing.assert_allclose(g[known], e[known], rtol=0, atol=1e-8 * scale, err_msg=path)


@pytest.mark.parametrize("subject", [each for each in LAYERS if each.empty], ids=lambda s: s.name)
@given(rng=generators, dtype=dtypes)
def test_an_empty_batch_has_empty_outputs_and_zero_gradients(
    subject: Subject, rng: np.random.Generator, dtype: Floating
) -> None:
    params, x = subject.make(rng, 0, dtype)
    out, cache = subject.layer.forward(params, x)
    dx, grads = subject.layer.backward(cache, np.ones_like(out))
    assert len(out) == len(dx) == 0
    assert dx.shape == x.shape
    for like, leaf in zip(tree.leaves(params), tree.leaves(grads), strict=True):
        assert leaf.shape == like.shape
        assert leaf.dtype == dtype
        assert not leaf.any()


@each_subject
@given(rng=generators, n=sides)
def test_nothing_returned_can_corrupt_anything_else(subject: Subject, rng: np.random.Generator, n: int) -> None:
    params, x = subject.make(rng, n, np.float64)
    out, cache = subject.layer.forward(params, x)
    dout = normal(rng, *out.shape)
    dx, grads = subject.layer.backward(cache, dout)
    for leaf in tree.leaves((out, cache, dx, grads)):
        assert own(leaf) is leaf  # constant down to its base
        assert not np.shares_memory(leaf, x)
        assert not np.shares_memory(leaf, dout)


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy])
@each_subject
def test_layers_params_and_caches_are_equal_after_pickling_and_copying(
    subject: Subject, copied: Callable[[Any], Any]
) -> None:
    params, x = subject.make(np.random.default_rng(0), 3, np.float32)
    out, cache = subject.layer.forward(params, x)
    layer, params, cache = copied((subject.layer, params, cache))
    assert tree.equal((out, cache), layer.forward(params, x))
    dout = np.ones_like(out)
    assert tree.equal(layer.backward(cache, dout), subject.layer.backward(cache, dout))
    assert all(not leaf.flags.writeable for leaf in tree.leaves((params, cache)))


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy])
def test_losses_optimizers_and_steps_are_equal_after_pickling_and_copying(copied: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)
    params = chainrule.two_layer.init(rng, 4, 3, 2)
    x, labels, optimizer = rng.random((5, 4), np.float32), np.array([0, 1, 1, 0, 1]), sgd(0.1)
    out = chainrule.two_layer.predict(params, x)
    loss, cache = softmax_cross_entropy.forward(out, labels)
    other = copied(softmax_cross_entropy)
    assert tree.equal((loss, cache), copied(other.forward(out, labels)))
    assert tree.equal(other.backward(copied(cache), 1.0), softmax_cross_entropy.backward(cache, 1.0))
    assert copied(optimizer) == optimizer
    step = training_step(chainrule.two_layer.network, softmax_cross_entropy, optimizer)
    state = optimizer.init(params)
    assert tree.equal(copied(step)(copied(params), copied(state), x, labels), step(params, state, x, labels))


def test_another_process_trains_to_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    params = chainrule.two_layer.init(rng, 4, 3, 2)
    x, labels = rng.random((5, 4), np.float32), np.array([0, 1, 1, 0, 1])
    step, state = training_step(chainrule.two_layer.network, softmax_cross_entropy, sgd(0.1)), sgd(0.1).init(params)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere = pool.submit(step, params, state, x, labels).result()
    assert tree.equal(elsewhere, step(params, state, x, labels))


@each_subject
def test_eight_threads_share_everything(subject: Subject) -> None:
    rng = np.random.default_rng(0)
    params, x = subject.make(rng, 32, np.float32)

    def run(_: int) -> Any:
        out, cache = subject.layer.forward(params, x)
        return out, subject.layer.backward(cache, np.ones_like(out))

    alone = run(0)
    with ThreadPoolExecutor(8) as pool:
        assert all(tree.equal(alone, together) for together in pool.map(run, range(64)))


@each_subject
@given(rng=generators, n=sides)
def test_callers_floating_point_settings_are_respected_and_kept(
    subject: Subject, rng: np.random.Generator, n: int
) -> None:
    params, x = subject.make(rng, n, np.float64)
    with np.errstate(all="raise"):
        before = np.geterr()
        out, cache = subject.layer.forward(params, x * 100)  # far into sigmoid's underflow
        subject.layer.backward(cache, np.ones_like(out))
        assert np.geterr() == before
