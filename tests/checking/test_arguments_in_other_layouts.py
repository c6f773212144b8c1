"""Arguments that are written to in some layout or dtype alone, or put back before the call ends."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from chainrule import Affine, Array, Layer, affine, check_layer, record
from checking.planted import RNG, X

pytestmark = pytest.mark.usefixtures("without_lines_to_paste")

W, B = RNG(8).standard_normal((5, 3)), RNG(3).standard_normal(5)

When = Callable[[Array], bool]


def times(p: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x * p, (x.copy(), p.copy())


def times_back(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    return d * c[1], (d * c[0]).sum(0)


def products(w: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ w, (x.copy(), w.copy())


def products_back(c: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    return d @ c[1].T, c[0].T @ d


def emptied(a: Array) -> None:
    if a.flags.writeable:
        a[...] = 0


def put_back(a: Array) -> None:
    if a.flags.writeable:
        kept = a.copy()
        a[...] = 0
        a[...] = kept


def clipped(a: Array) -> None:
    if a.flags.writeable:
        np.clip(a, -0.1, 0.1, out=a)


def to_params(write: Callable[[Array], None], when: Callable[[Array, Array], Any]) -> Layer[Any, Any]:
    """Numbers times parameters, to which forward writes sometimes."""

    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        result = times(p, x)
        if when(p, x):
            write(p)
        return result

    return Layer(forward, times_back)


def to_x(when: When) -> Layer[Any, Any]:
    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        if when(x):
            put_back(x)
        return times(p, x)

    return Layer(forward, times_back)


def to_dout(when: When) -> Layer[Any, Any]:
    def backward(c: Any, d: Array) -> tuple[Array, Any]:
        if when(d):
            put_back(d)
        return times_back(c, d)

    return Layer(times, backward)


def to_a_matrix(w: Array, x: Array) -> tuple[Array, Any]:
    result = products(w, x)
    if w.flags.f_contiguous:
        emptied(w)
    return result


def apart(a: Array) -> bool:
    return not a.flags.c_contiguous


def in_fortrans_order(a: Array) -> bool:
    return a.flags.f_contiguous and apart(a)


def with_gaps(a: Array) -> bool:
    return apart(a) and not a.flags.f_contiguous


def of(dtype: Any) -> When:
    return lambda a: a.dtype == dtype


WHILE_IT_LASTED = "while it lasted, and put it back"

WRITTEN: dict[str, tuple[Layer[Any, Any], str, str]] = {
    "params in float16": (to_params(emptied, lambda p, x: of(np.float16)(x)), "params", " in float16"),
    "params beside an x in Fortran's order": (
        to_params(emptied, lambda p, x: in_fortrans_order(x)),
        "params",
        ", where arrays are in Fortran's order",
    ),
    "params beside an x with gaps": (
        to_params(emptied, lambda p, x: with_gaps(x) and not apart(p)),
        "params",
        ", where x and dout have gaps in memory",
    ),
    "params with gaps": (
        to_params(emptied, lambda p, x: apart(p)),
        "params",
        ", where arrays have gaps in memory",
    ),
    "a matrix in Fortran's order": (
        Layer(to_a_matrix, products_back),
        "params",
        ", where arrays are in Fortran's order",
    ),
    "dout apart": (to_dout(apart), "dout", f" {WHILE_IT_LASTED}, where arrays are in Fortran's order"),
    "dout with gaps": (to_dout(with_gaps), "dout", f" {WHILE_IT_LASTED}, where arrays have gaps in memory"),
    "dout in float16": (to_dout(of(np.float16)), "dout", f" {WHILE_IT_LASTED} in float16"),
    "params put back": (to_params(put_back, lambda p, x: True), "params", f" {WHILE_IT_LASTED}"),
    "params put back in float32": (
        to_params(put_back, lambda p, x: of(np.float32)(p)),
        "params",
        f" {WHILE_IT_LASTED} in float32",
    ),
    "x put back in Fortran's order": (
        to_x(in_fortrans_order),
        "x",
        f" {WHILE_IT_LASTED}, where arrays are in Fortran's order",
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", WRITTEN)
def test_an_argument_that_is_written_to_in_some_layout_or_dtype_is_found(name: str, seed: int) -> None:
    layer, field, words = WRITTEN[name]
    params = W if name.startswith("a matrix") else B
    first, *_ = check_layer(layer, params, X, rng=RNG(seed)).failures
    assert (first.law, first.field) == ("arguments_unchanged", field)
    assert first.note == f"the call wrote to {field}{words}"


def test_of_what_a_second_call_does_not_change_it_is_not_said_that_it_is_put_back() -> None:
    layer = to_params(clipped, lambda p, x: True)
    (wrong,) = check_layer(layer, B, X, rng=RNG(0), only=["arguments_unchanged"]).failures
    assert wrong.note == "the call wrote to params"


@frozen(eq=False)
@record
class Scale:
    """Parameters in a record, which keeps them read-only."""

    factor: Array


@pytest.mark.parametrize("seed", range(3))
def test_parameters_of_a_record_and_of_a_dictionary_are_watched_too(seed: int) -> None:
    def of_a_record(p: Scale, x: Array) -> tuple[Array, Any]:
        put_back(p.factor)
        return times(p.factor, x)

    def of_a_dictionary(p: dict[str, Array], x: Array) -> tuple[Array, Any]:
        put_back(p["factor"])
        return times(p["factor"], x)

    def named(c: Any, d: Array) -> tuple[Array, Any]:
        dx, factor = times_back(c, d)
        return dx, {"factor": factor}

    def recorded(c: Any, d: Array) -> tuple[Array, Any]:
        dx, factor = times_back(c, d)
        return dx, Scale(factor)

    for layer, params in ((Layer(of_a_record, recorded), Scale(B)), (Layer(of_a_dictionary, named), {"factor": B})):
        report = check_layer(layer, params, X, rng=RNG(seed), only=["arguments_unchanged"])
        (wrong,) = report.failures
        assert (wrong.field, wrong.note) == ("params", f"the call wrote to params {WHILE_IT_LASTED}")


WAYS: dict[str, Callable[[Array, Array], object]] = {
    "copyto": np.copyto,
    "put": lambda a, b: np.put(a, range(a.size), b),
    "place": lambda a, b: np.place(a, b != 0, b),
    "putmask": lambda a, b: np.putmask(a, b != 0, b),
    "put_along_axis": lambda a, b: np.put_along_axis(a, np.arange(a.size), b, 0),
    "the method put": lambda a, b: a.put(range(a.size), b),
    "the method sort": lambda a, b: a.sort(),
    "the method partition": lambda a, b: a.partition(1),
    "the method fill": lambda a, b: a.fill(0),
    "an output": lambda a, b: np.multiply(a, 2, out=a),
    "a sum at places": lambda a, b: np.add.at(a, range(a.size), 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_write_to_it_is_noticed(way: str) -> None:
    def write(p: Array) -> None:
        if p.flags.writeable:
            kept = np.array(p)
            WAYS[way](p, 2 * kept)
            np.asarray(p)[...] = kept  # which is not noticed

    report = check_layer(to_params(write, lambda p, x: True), B, X, rng=RNG(0), only=["arguments_unchanged"])
    (wrong,) = report.failures
    assert wrong.note == f"the call wrote to params {WHILE_IT_LASTED}"


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_of_an_argument_may_be_written_to(seed: int) -> None:
    def forward(p: Array, x: Array) -> tuple[Array, Any]:
        p, x = p.copy(), np.array(x, order="K")
        out, cache = times(p, x)
        put_back(p)
        emptied(x)
        return out, cache

    assert check_layer(Layer(forward, times_back), B, X, rng=RNG(seed)).ok
    params = Affine.init(RNG(seed), 5, 3)
    assert check_layer(affine, params, X.astype(np.float32), rng=RNG(seed), only=["arguments_unchanged"]).ok
