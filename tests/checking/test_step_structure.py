"""The law that a step leaves the structure of parameters and state as it was, and its words."""

from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import Array, laws, own, record

A, B = np.zeros((2, 3)), np.zeros(3, np.float32)


@frozen(eq=False)
@record
class Moments:
    """A state."""

    m: Array
    v: Array


class Becoming:
    """An optimizer whose state becomes another after a step."""

    def __init__(self, before: Any, after: Any) -> None:
        self.before, self.after = before, after

    def init(self, params: Array) -> Any:
        return self.before

    def step(self, state: Any, params: Array, grads: Array) -> tuple[Array, Any]:
        return own(params - grads), self.after


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (A, A, ""),
        (A, A + 1, ""),
        (A, B, "was f64[2, 3], became f32[3]"),
        ((A, B), (B, A), "was tuple(f64[2, 3], f32[3]), became tuple(f32[3], f64[2, 3])"),
        ((A,), [A], "was tuple(f64[2, 3]), became list(f64[2, 3])"),
        ({"m": A, "k": 1}, {"m": A, "k": 2}, ""),
        ({"m": A}, {"v": A}, "was {m: f64[2, 3]}, became {v: f64[2, 3]}"),
        ({"m": A, "k": 1}, {"m": A, "k": None}, "was {m: f64[2, 3], k: int}, became {m: f64[2, 3], k: NoneType}"),
        (Moments(A, A), Moments(A, A + 1), ""),
        (Moments(A, A), Moments(A, B), "was Moments(m=f64[2, 3], v=f64[2, 3]), became Moments(m=f64[2, 3], v=f32[3])"),
        (0, 1, ""),
        (0, 1.0, "was int, became float"),
    ],
)
def test_what_the_state_was_and_what_it_became(before: Any, after: Any, note: str) -> None:
    optimizer: Any = Becoming(before, after)
    of_params, of_state = laws.step_structure(optimizer, A, A, np.random.default_rng(0))
    assert (of_params.field, of_params.ok, of_params.note) == ("params", True, "")
    assert (of_state.field, of_state.ok, of_state.note) == ("state", not note, note)


def test_parameters_that_become_others_are_named() -> None:
    class Widening(Becoming):
        def step(self, state: Any, params: Array, grads: Array) -> tuple[Any, Any]:
            return own(params.astype(np.float64)), state

    optimizer: Any = Widening((), ())
    (verdict,) = [each for each in laws.step_structure(optimizer, B, B, np.random.default_rng(0)) if not each.ok]
    assert (verdict.law, verdict.field) == ("step_structure", "params")
    assert verdict.note == "was f32[3], became f64[3]"
