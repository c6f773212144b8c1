"""The lines that could show a fault: on what is right each of them runs, and its two values are the same."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chainrule import Array, Encoder, Layer, mean_squared_error, own
from chainrule.arrays.types import is_numpy
from chainrule.laws.of_losses._as_layer import as_layer
from chainrule.laws.showing._author import Author, Shown
from chainrule.laws.showing._dialects import dialect
from chainrule.laws.showing._pair import Pair
from chainrule.laws.showing._programs import Programs
from chainrule.laws.showing.demonstrated import OF_LOSSES, PROGRAMS
from chainrule.laws.showing.program import Program, exactly
from chainrule.laws.trials.part import Part
from chainrule.laws.trials.trial import Trial

X = np.array([[0.5, -2.0, 3.0], [1.0, 0.25, -1.5]])
W, B = np.array([[1.0, -0.5, 2.0], [2.0, 0.5, 1.0], [-1.0, 4.0, 0.25]]), np.array([0.5, -1.0, 2.0])
DOUT = np.array([[1.0, -2.0, 0.5], [0.5, 3.0, -1.0]])
TARGETS = np.array([[1.0, 0.0, 2.0], [-1.0, 0.5, 0.0]])


def forward(p: tuple[Array, Array], x: Array) -> tuple[Array, Any]:
    return x @ p[0] + p[1], (own(x), own(p[0]))


def backward(cache: Any, d: Array) -> tuple[Array, Any]:
    x, w = cache
    return d @ w.T, (x.T @ d, d.sum(0))


def grads(cache: Any, d: Array) -> Any:
    return backward(cache, d)[1]


def code_of(field: str, kind: str = "layer", dtype: str = "float64") -> Pair:
    """The code of a right layer, encoder or loss, for one of its results."""
    if kind == "loss":
        layer: Any = as_layer(mean_squared_error, TARGETS.astype(dtype))
        trial, author = Trial.of(layer, (), X.astype(dtype)), Author(mean_squared_error, lambda each: each, TARGETS)
        dout: Array = np.asarray(2.0, dtype)
    else:
        layer = Layer(forward, backward, grads) if kind == "layer" else Encoder(forward, grads)
        params = W.astype(dtype), B.astype(dtype)
        trial, author = Trial.of(layer, params, X.astype(dtype)), Author(layer, lambda each: each, params)
        dout = DOUT.astype(dtype)
    return dialect(Shown(Part(trial, field, dout, dout, dict), (), 1.0, kinked=False, dtype=dtype), author)


def every(laws: dict[str, tuple[Programs, ...]]) -> Iterator[Programs]:
    yield from dict.fromkeys(each for some in laws.values() for each in some)


def values(program: Program, code: Pair) -> tuple[Any, Any]:
    """The two values of a program; the second is None if the first is only to be had."""
    setting = [*code.arrays]
    if any("result(" in line for line in (*program.lines, program.got, program.expected)):
        setting += code.function
    names = dict(code.author.names)
    exec(code.translated("\n".join([*setting, *program.lines])), names)  # noqa: S102  # lines of our own
    got: Any = eval(code.translated(program.got), names)  # noqa: S307  # as above
    got = got.copy() if is_numpy(got) else got  # which the other may overwrite
    expected = eval(code.translated(program.expected), names) if program.expected else None  # noqa: S307  # as above
    return got, expected


def says_something(program: Program, kind: str) -> bool:
    """Tell whether a program is about results that have rows: a loss has one for all of them."""
    lines = (*program.lines, program.got)
    return kind != "loss" or not ("dout[::-1])" in program.expected or any("dout[" in line for line in lines))


REFUSED = {("loss", "out"): 4, ("loss", "dx"): 15}
"""The programs for another number of rows than targets have, and for a function that a loss has not."""

CASES = [
    *(("layer", field, "float64") for field in ("out", "dx", "grads[0]", "grads[1]")),
    ("layer", "dx", "float32"),
    *(("encoder", field, "float64") for field in ("out", "grads[0]")),
    *(("loss", field, "float64") for field in ("out", "dx")),
]


@pytest.mark.parametrize(("kind", "field", "dtype"), CASES)
def test_on_what_is_right_both_values_are_the_same(kind: str, field: str, dtype: str) -> None:
    code, refused = code_of(field, kind, dtype), 0
    for programs in every(dict(OF_LOSSES if kind == "loss" else PROGRAMS)):
        if kind == "encoder" and programs.__name__ not in {"of_structure", "of_repeats", "of_grads", "of_process"}:
            continue
        for program in programs(code, "numpy.getbufsize"):
            if not says_something(program, kind):
                continue
            try:
                with np.errstate(all="ignore"):
                    got, expected = values(program, code)
            except (TypeError, ValueError):  # targets stay those of all rows, and a loss has no grads
                assert kind == "loss", program
                refused += 1
                continue
            shown = f"{programs.__name__}: {program}"
            if isinstance(expected, str | bool | tuple | dict):
                assert got == expected, shown
            elif expected is not None:
                near = 0.0 if program.compared is exactly else 1e-5
                np.testing.assert_allclose(got, expected, rtol=near, atol=near, err_msg=shown)
    assert refused == REFUSED.get((kind, field), 0)


NAMES = (
    *("of_process", "of_repeats", "of_calls", "of_structure", "of_value", "of_rows", "of_dout", "of_nan"),
    *("of_arguments", "of_read_only", "of_layouts", "of_sharing", "of_unwritten", "of_grads", "of_threads"),
    *("of_ownership", "of_far"),
)
COUNTS = {
    "out": (1, 1, 6, 6, 0, 30, 0, 2, 7, 2, 31, 10, 1, 0, 1, 0, 0),
    "dx": (1, 1, 22, 8, 0, 30, 6, 2, 7, 4, 31, 12, 1, 0, 1, 2, 8),
    "grads[0]": (1, 1, 22, 12, 0, 26, 6, 0, 7, 4, 31, 12, 1, 4, 1, 2, 8),
}
"""The number of programs for each result of a layer: one more or less is a question more or less."""


@pytest.mark.parametrize("field", COUNTS)
def test_no_program_stands_there_twice_and_each_result_has_its_own(field: str) -> None:
    code = code_of(field)
    found = {each.__name__: [*each(code, "numpy.getbufsize")] for each in every(dict(PROGRAMS))}
    assert {name: len(some) for name, some in found.items()} == dict(zip(NAMES, COUNTS[field], strict=True))
    for name, some in found.items():
        assert len({*some}) == len(some), name


def test_a_setting_that_is_not_named_has_no_program() -> None:
    of_process = PROGRAMS["process_unchanged"][0]
    assert [*of_process(code_of("dx"), "dx")] == []
    (program,) = of_process(code_of("dx"), "the environment")
    assert program == Program(
        ("import os", "before = dict(os.environ)", "result(x, dout)"),
        "{k: v for k, v in dict(os.environ).items() if v != before.get(k)}",
        "{k: v for k, v in before.items() if v != dict(os.environ).get(k)}",
    )
