"""The arguments that laws of optimizers make: a fault at one kind of them alone is found there, and said."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import Array, Verdict, laws, tree
from chainrule.arrays.types import is_numpy
from checking.planted import RNG, assert_sound

P, G = RNG(7).standard_normal((2, 4, 3))
TWO = ((P, P[0]), (G, G[0]))
"""Parameters and gradients of two arrays."""

Rule: TypeAlias = Callable[[Array, Array, int], Array]
"""The new numbers of an array, from the old ones, their gradients, and how many steps there have been."""


class Steps:
    """An optimizer whose state is the number of steps."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def init(self, params: Any) -> Any:
        return np.zeros((), np.int64)

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        if is_numpy(params):
            return self.rule(params, grads, int(state)), state + 1
        pairs = zip(tree.leaves(params), tree.leaves(grads), strict=True)
        return tree.replace(params, [self.rule(p, g, int(state)) for p, g in pairs]), state + 1


def down(p: Array, g: Array) -> Array:
    return np.asarray(p - p.dtype.type(0.1) * g)


def giving_back(where: Callable[[Array, Array], Any]) -> Steps:
    """Which gives an argument back in some cases."""
    return Steps(lambda p, g, t: p if where(p, g) else down(p, g))


def found(verdicts: list[Verdict]) -> set[tuple[str, str]]:
    assert_sound(verdicts)
    return {(each.field, each.note) for each in verdicts if each.wrong}


ARGUMENTS: dict[str, Callable[[Array, Array], Any]] = {
    "for parameters of 0": lambda p, g: not p.any() and (g < 0).all() and np.array_equal(g, -np.abs(G)),
    "for large parameters": lambda p, g: np.array_equal(p, 200 * P) and np.array_equal(g, np.abs(G)),
    "for small gradients": lambda p, g: np.array_equal(g, 1e-7 * G) and np.array_equal(p, P),
    "for large gradients": lambda p, g: np.allclose(g, 1e4 * G) if g.shape == G.shape else False,
    "for arrays in Fortran's order": lambda p, g: (
        p.ndim == 2 and p.flags.f_contiguous and g.flags.f_contiguous and p.size == 12
    ),
    "for arrays of 1 entry": lambda p, g: p.size == 1 == g.size,
    "for arrays of 4097 entries": lambda p, g: p.size == 4097 == g.size,
}


@pytest.mark.parametrize("words", ARGUMENTS)
def test_an_array_that_is_given_back_is_found_there(words: str) -> None:
    note = f"a result is an array of the arguments: return a copy of it, {words}"
    assert found(laws.step_purity(giving_back(ARGUMENTS[words]), P, G, RNG(0))) == {("ownership", note)}


@pytest.mark.parametrize("which", [0, 1])
def test_gradients_of_0_in_every_second_array_are_tried(which: int) -> None:
    class OfTwo(Steps):
        def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
            new, after = super().step(state, params, grads)
            one, other = grads[which], grads[1 - which]
            return (params, after) if other.any() and not one.any() and one.ndim == 2 - which else (new, after)

    note = "a result is an array of the arguments: return a copy of it, where the gradients of some arrays are 0"
    assert found(laws.step_purity(OfTwo(lambda p, g, t: down(p, g)), *TWO, RNG(0))) == {("ownership", note)}


def test_every_length_of_arrays_is_tried_with_norms_as_usual() -> None:
    seen: dict[int, float] = {}

    def noting(p: Array, g: Array, t: int) -> Array:
        if p.ndim == 2:
            seen.setdefault(p.size, float(np.sqrt((g**2).sum())))
        return down(p, g)

    assert all(each.ok for each in laws.follows_gradient(Steps(noting), P, G, RNG(0)))
    assert {1, 12, 17, 101, 1001, 4097} <= {*seen}
    assert all(0.5 < seen[size] < 2 for size in (1, 17, 101, 1001, 4097))


def of_size(size: int) -> Callable[[Array, Array], bool]:
    return lambda p, g: p.size == size


AGAINST = "a number does not go against its gradient"

WAYS: dict[str, tuple[Rule, str]] = {
    "of one entry": (
        lambda p, g, t: down(p, -g if p.size == 1 and p.ndim == 2 else g),
        f"for arrays of 1 entry: {AGAINST}",
    ),
    "of many": (lambda p, g, t: down(p, -g if p.size > 1001 else g), f"for arrays of 4097 entries: {AGAINST}"),
    "of seventeen": (lambda p, g, t: down(p, -g if p.size == 17 else g), f"for arrays of 17 entries: {AGAINST}"),
    "of one sign": (
        lambda p, g, t: down(p, -g if (g > 0).all() and p.ndim == 2 else g),
        f"where all gradients have one sign: {AGAINST}",
    ),
    "in float32": (
        lambda p, g, t: down(p, -g if p.dtype == np.float32 else g),
        f"for parameters in float32: {AGAINST}",
    ),
    "of three axes": (lambda p, g, t: down(p, -g if p.ndim == 3 else g), f"for parameters of other shapes: {AGAINST}"),
    "large ones": (
        lambda p, g, t: np.where(np.abs(p) > 15, p, down(p, g)),
        "a number 200 times as large stays where it is",
    ),
    "zeros": (
        lambda p, g, t: np.where(p == 0, p, down(p, g)),
        "a number that is 0 stays there, but one of nearly 0 moves",
    ),
    "small gradients": (
        lambda p, g, t: np.where(np.abs(g) < 1e-3, p, down(p, g)),
        "a gradient 0.0001 times as large has no effect",
    ),
    "smaller gradients": (
        lambda p, g, t: np.where(np.abs(g) < 1e-6, p, down(p, g)),
        "a gradient 1e-07 times as large has no effect",
    ),
    "steps in float32": (
        lambda p, g, t: down(p, g * (p.dtype.type(1.02 if p.dtype == np.float32 else 1))),
        "a step in float32 is another than in float64",
    ),
    "growth": (
        lambda p, g, t: np.asarray(down(p, g) * p.dtype.type(1 + 1e-5)),
        "under a gradient of zero it moves away from 0",
    ),
    "up": (lambda p, g, t: down(p, -g), AGAINST),
    "unmoved": (lambda p, g, t: p.copy(), "no number moves in 1000 steps, whatever its gradient: is it used?"),
    "mixed up": (lambda p, g, t: down(p, np.roll(g, 1)), AGAINST),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_number_that_goes_the_wrong_way_is_found_there(name: str) -> None:
    rule, note = WAYS[name]
    verdicts = laws.follows_gradient(Steps(rule), P, G, RNG(0))
    ((field, text),) = found(verdicts)
    assert field in {"params", "params[2][0]"}
    assert text.startswith(note), text


ELEMENTS: dict[str, tuple[Rule, str]] = {
    "places": (
        lambda p, g, t: down(p, g * (1 + np.arange(p.size).reshape(p.shape) / p.size).astype(g.dtype)),
        "a number's step depends on where it stands",
    ),
    "a zero": (
        lambda p, g, t: down(p, g * g.dtype.type((g != 0).all())),
        "a gradient of 0 changes the steps of other numbers",
    ),
    "memory": (
        lambda p, g, t: down(p, g.ravel("K").reshape(g.shape)),
        "the entries of gradients in another memory layout are mixed up: are they read as they lie in memory?",
    ),
    "memory of parameters": (
        lambda p, g, t: np.asarray(p.ravel("K").reshape(p.shape) - p.dtype.type(0.1) * g),
        "the entries of parameters in another memory layout are mixed up: are they read as they lie in memory?",
    ),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_what_a_step_depends_on_beside_its_number_is_found(name: str) -> None:
    rule, note = ELEMENTS[name]
    assert found(laws.elementwise(Steps(rule), P, G, RNG(0))) == {("params", note)}


class OfArrays(Steps):
    """Which looks at all arrays at once."""

    def __init__(self, words: str) -> None:
        super().__init__(lambda p, g, t: down(p, g))
        self.words = words

    def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
        sums = [float(leaf.sum()) for leaf in tree.leaves(grads)]
        factor = 1.0
        if self.words.startswith("the signs"):
            factor = 2.0 if sum(sums) > 0 else 1.0
        if self.words.startswith("gradients of 0"):
            factor = 1.0 if all(leaf.any() for leaf in tree.leaves(grads)) else 0.5
        new = tree.map(lambda p, g: p - 0.1 * factor * g, params, grads)
        return new, state + 1


@pytest.mark.parametrize(
    "words",
    [
        "the signs of the gradients of one array change the steps of others",
        "gradients of 0 in all of one array change the steps of others",
    ],
)
def test_what_one_array_does_to_others_is_found(words: str) -> None:
    assert found(laws.elementwise(OfArrays(words), *TWO, RNG(0))) == {("params", words)}


def test_arrays_of_the_same_numbers_take_the_same_steps() -> None:
    class Counting(Steps):
        def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
            count, new = int(state), list[Array]()
            for p, g in zip(tree.leaves(params), tree.leaves(grads), strict=True):
                count += 1
                new.append(p - p.dtype.type(0.1 / count) * g)
            return tree.replace(params, new), np.asarray(count)

    (verdict,) = laws.elementwise(Counting(lambda p, g, t: p), P, G, RNG(0))
    assert verdict.undecided
    assert verdict.note == "arrays of the same numbers take different steps: does each of them count as a step?"
    assert verdict.advice.startswith("If an array's place is meant to matter, as for rates that differ by layer")


def test_a_change_of_form_is_said_with_the_step() -> None:
    def promoted(p: Array, g: Array, t: int) -> Array:
        return down(p, g).astype(np.float64 if t else p.dtype)

    assert found(laws.step_structure(Steps(promoted), P, G, RNG(0))) == {
        ("params", "in float32: was f32[4, 3], became f64[4, 3], at step 2")
    }
    assert found(laws.step_structure(Steps(lambda p, g, t: down(p, g)[None]), P, G, RNG(0))) == {
        ("params", "was f64[4, 3], became f64[1, 4, 3]")
    }


@pytest.mark.parametrize("state", [{"t": 0}, [0.0], (0, 0)])
def test_a_change_of_the_state_is_said(state: Any) -> None:
    class Changing(Steps):
        def init(self, params: Any) -> Any:
            return state

        def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
            return tree.map(down, params, grads), np.zeros(2)

    forms = {"{'t': 0}": "{t: int}", "[0.0]": "list(float)", "(0, 0)": "tuple(int, int)"}
    note = f"was {forms[str(state)]}, became f64[2]"
    assert ("state", note) in found(laws.step_structure(Changing(lambda p, g, t: p), P, G, RNG(0)))


PURITY: dict[str, tuple[Rule, tuple[str, str]]] = {
    "parameters": (lambda p, g, t: written(p, down(p, g)), ("arguments", "a call wrote to params")),
    "at a later step": (
        lambda p, g, t: written(p, down(p, g)) if t == 4 else down(p, g),
        ("arguments", "a call wrote to params, at step 5"),
    ),
    "gradients of 0": (
        lambda p, g, t: down(p, g) if g.any() else p,
        (
            "ownership",
            "a result is an array of the arguments: return a copy of it, at step 3, where all gradients are 0",
        ),
    ),
    "views": (
        lambda p, g, t: p[:] if t == 1 else down(p, g),
        ("ownership", "results share memory with arguments or with each other, at step 2"),
    ),
    "float32": (
        lambda p, g, t: p if p.dtype == np.float32 else down(p, g),
        ("ownership", "a result is an array of the arguments: return a copy of it, in float32"),
    ),
}


def written(p: Array, new: Array) -> Array:
    if p.flags.writeable:
        p += 1
    return new


@pytest.mark.parametrize("name", PURITY)
def test_a_step_that_is_not_pure_says_when(name: str) -> None:
    rule, expected = PURITY[name]
    assert expected in found(laws.step_purity(Steps(rule), P, G, RNG(0)))


DESCENTS: dict[str, tuple[Rule, str]] = {
    "up after a thousand": (
        lambda p, g, t: down(p, g if t < 1050 else -g),
        "the minimum moves after 1000 steps: 200 steps on a quadratic end at ",
    ),
    "no number": (
        lambda p, g, t: down(p, g if t < 500 else g * np.inf),
        "after 501 steps on a quadratic it is not finite",
    ),
}


@pytest.mark.parametrize("name", DESCENTS)
def test_a_descent_that_goes_up_says_when(name: str) -> None:
    rule, words = DESCENTS[name]
    with np.errstate(all="ignore"):
        (verdict,) = laws.descends(Steps(rule), P[0], G[0], RNG(0))
    assert verdict.note.startswith(words), verdict.note
    assert verdict.wrong


def test_where_nothing_moves_no_descent_can_be_told() -> None:
    (verdict,) = laws.descends(Steps(lambda p, g, t: p.copy()), P, G, RNG(0))
    assert verdict.undecided
    note = "it does not move in 1000 steps, or not by a finite number, so that no curvature suits it"
    assert (verdict.field, verdict.note) == ("loss", note)


def test_an_optimizer_that_draws_is_not_followed() -> None:
    rng = RNG(0)
    words = "the same steps give other numbers each time, so that it cannot be seen where a number goes"
    drawing = Steps(lambda p, g, t: down(p, g * float(rng.random())))
    assert found(laws.follows_gradient(drawing, P, G, RNG(0))) == {("params", words)}


def test_of_a_right_optimizer_a_law_says_that_it_holds_and_no_more() -> None:
    fields = {
        "step_purity": {"settings", "arguments", "repetition", "ownership"},
        "step_structure": {"params", "state"},
        "elementwise": {"params"},
        "follows_gradient": {"params[0]", "params[1]"},
        "descends": {"loss"},
    }
    for law, check in laws.OPTIMIZER_LAWS.items():
        verdicts = check(Steps(lambda p, g, t: down(p, g)), *TWO, RNG(0))
        assert_sound(verdicts)
        assert {(each.law, each.field, each.ok, each.note) for each in verdicts} == {
            (law, field, True, "") for field in fields[law]
        }


@pytest.mark.parametrize(("words", "least", "most"), [("small", 0, 1e-5), ("large", 1e5, np.inf)])
def test_gradients_of_other_sizes_are_followed(words: str, least: float, most: float) -> None:
    def rule(p: Array, g: Array, t: int) -> Array:
        return down(p, np.where((np.abs(g) < most) & (np.abs(g) > least), -g, g))

    note = f"for {words} gradients: a number does not go against its gradient"
    assert found(laws.follows_gradient(Steps(rule), P, G, RNG(0))) == {("params", note)}


def test_a_state_that_holds_the_new_parameters_is_found() -> None:
    class Holding(Steps):
        def step(self, state: Any, params: Any, grads: Any) -> tuple[Any, Any]:
            new = tuple(map(down, params, grads))
            return new, (new,)

    note = "two results are one array: return a copy of it"
    assert found(laws.step_purity(Holding(lambda p, g, t: down(p, g)), *TWO, RNG(0))) == {("ownership", note)}
