"""torch: a compiled step is the step, of the same arrays and types, for each form of its arguments."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import (
    Affine,
    Layer,
    adamw,
    affine,
    clip_by_global_norm,
    dropout,
    mean_squared_error,
    record,
    schedules,
    sequential,
    softmax_cross_entropy,
    training_step,
    tree,
    two_layer,
)
from chainrule.interop.torch import compiled

torch: Any = import_module("torch")  # it need not be installed where types are checked


def on_torch(value: Any) -> Any:
    return tree.map(lambda leaf: torch.tensor(np.array(leaf)), value)


def batch(n: int = 6) -> Any:
    rng = np.random.default_rng(n)
    return on_torch((rng.standard_normal((n, 4)), rng.integers(0, 2, n)))


def test_steps_are_those_that_torch_takes_without_it() -> None:
    optimizer = adamw(schedules.warmup(2, schedules.cosine(0.1, 0.0, 5)))
    step = training_step(two_layer.network, softmax_cross_entropy, optimizer, adjust=clip_by_global_norm(0.1))
    fast = compiled(step, backend="eager")
    params = on_torch(two_layer.init(np.random.default_rng(0), 4, 3, 2, std=0.5, dtype=np.float64))
    ours = theirs = (params, optimizer.init(params), torch.zeros(()))
    for _ in range(5):
        ours, theirs = step(*ours[:2], *batch()), fast(*theirs[:2], *batch())
        assert type(theirs[0][0]) is Affine
        assert int(theirs[1].count) == int(ours[1].count)  # which no program has for a constant
        held = [tree.leaves((params, state.moments, loss)) for params, state, loss in (theirs, ours)]
        for a, b in zip(*held, strict=True):
            # The rate of the one is a tensor, in float32: some roundings of a step of 0.1, and of the sum of five.
            torch.testing.assert_close(a, b, rtol=0, atol=5 * 0.1 * 2.0**-22)


def test_each_form_of_its_arguments_has_a_program_and_the_same_form_no_second() -> None:
    runs = 0

    def twice(x: Any) -> Any:
        nonlocal runs
        runs += 1
        return tree.map(lambda leaf: 2 * leaf, x)

    fast = compiled(twice, backend="eager")
    forms: list[Any] = [
        torch.ones(2),
        torch.ones(3),
        torch.ones(2, dtype=torch.float64),
        (torch.ones(2),),
        ((torch.ones(2),), ()),
        Affine(torch.ones(2, 1), torch.ones(1)),
    ]
    for form in forms * 2:
        assert tree.equal(fast(form), tree.map(lambda leaf: 2 * leaf, form))
    assert runs == len(forms)


@frozen(eq=False)
@record
class Scale:
    """An array, and a number beside it."""

    factor: Any
    power: int


def test_a_number_beside_the_arrays_is_a_constant_of_a_program_of_its_own() -> None:
    def power(scale: Scale) -> Any:
        return scale.factor**scale.power

    fast = compiled(power, backend="eager")
    cube, square = (fast(Scale(torch.full((1,), 3.0), power)) for power in (3, 2))
    assert (cube.item(), square.item()) == (27.0, 9.0)


def test_a_seed_that_is_a_tensor_is_no_constant() -> None:
    def network(seed: Any) -> Layer[Any, Any]:
        return sequential(dropout(0.5, seed), affine)

    optimizer, params = adamw(0.1), ((), Affine(torch.ones(4, 1), torch.zeros(1)))
    step: Any = training_step(network, mean_squared_error, optimizer)
    fast, start = compiled(step, backend="eager"), (params, optimizer.init(params), torch.ones(8, 4), torch.zeros(8, 1))
    losses = [float(fast(*start, torch.tensor(seed))[2]) for seed in (0, 1)]
    assert losses[0] != losses[1]
    right = [float(step(*start, seed)[2]) for seed in (0, 1)]
    np.testing.assert_allclose(losses, right, rtol=1e-6)  # sums of some tens of float32


def test_a_function_that_asks_for_a_number_is_refused_by_torch() -> None:
    def asking(x: Any) -> Any:
        return x * float(x.sum())

    with pytest.raises(RuntimeError, match="data-dependent"):
        compiled(asking, backend="eager")(torch.ones(2))


@pytest.mark.parametrize("given", [3, None])
def test_what_is_no_function_is_refused_at_once(given: Any) -> None:
    with pytest.raises(TypeError, match=f"^compiled: f must be a function of trees, got {type(given).__name__}$"):
        compiled(given)
