"""The words of a law for a fault: each is asked alone, so that all of its verdicts are known."""

from collections.abc import Callable
from itertools import count
from typing import Any, TypeAlias

import numpy as np
import pytest

from chainrule import (
    Affine,
    Array,
    Encoder,
    Layer,
    Loss,
    Verdict,
    affine,
    check_layer,
    check_loss,
    check_network,
    laws,
    own,
    sequential,
    tanh,
)
from chainrule.arrays.types import is_numpy
from checking.planted import RNG, X, assert_sound

P = RNG(3).standard_normal(5)
OUT, TARGETS = RNG(7).standard_normal((2, 6, 5))

Said: TypeAlias = set[tuple[str, str]]


def wrong(verdicts: list[Verdict]) -> Said:
    assert_sound(verdicts)
    return {(each.field, each.note) for each in verdicts if each.wrong}


def product(p: Array, x: Array) -> tuple[Array, Any]:
    return x * p, (own(x), own(p))


def product_back(cache: Any, d: Array) -> tuple[Array, Array]:
    x, p = cache
    return d * p, (d * x).sum(0)


def layer_that(
    forward: Callable[[Array, Array, Array], Any] | None = None,
    backward: Callable[[Any, Array], Any] | None = None,
    grads: Callable[[Any, Array], Any] | None = None,
    **traits: Any,
) -> Layer[Any, Any]:
    """`x * p` that does something more in its calls, and may give something else."""

    def forwards(p: Array, x: Array) -> Any:
        out, cache = product(p, x)
        more = forward(p, x, out) if forward is not None else None
        return (out, cache) if more is None else more

    def backwards(cache: Any, d: Array) -> Any:
        more = backward(cache, d) if backward is not None else None
        return product_back(cache, d) if more is None else more

    return Layer(forwards, backwards, grads or (lambda cache, d: product_back(cache, d)[1]), **traits)


def writes(array: Array) -> None:
    if array.flags.writeable:
        array += 1


def unlocks(array: Array) -> None:
    array.flags.writeable = True


def locks(array: Array) -> None:
    array.flags.writeable = False


UNCHANGED: dict[str, tuple[Layer[Any, Any], Said]] = {
    "x": (layer_that(lambda p, x, out: writes(x)), {("x", "the call wrote to x")}),
    "params": (layer_that(lambda p, x, out: writes(p)), {("params", "the call wrote to params")}),
    "dout": (layer_that(backward=lambda c, d: writes(d)), {("dout", "the call wrote to dout")}),
    "the cache": (
        layer_that(
            lambda p, x, out: (out, (x.copy(), p.copy())),
            lambda c, d: writes(c[0]),
        ),
        {("cache", "the call wrote to cache")},
    ),
    "x of one row": (
        layer_that(lambda p, x, out: writes(x) if len(x) == 1 else None),
        {("x", "the call wrote to x, with 1 row")},
    ),
    "x of many": (
        layer_that(lambda p, x, out: writes(x) if len(x) == 129 else None),
        {("x", "the call wrote to x, with 129 rows")},
    ),
    "x in float32": (
        layer_that(lambda p, x, out: writes(x) if x.dtype == np.float32 else None),
        {("x", "the call wrote to x in float32")},
    ),
    "x with zeros": (
        layer_that(lambda p, x, out: writes(x) if not x.all() else None),
        {("x", "the call wrote to x for x with zeros")},
    ),
    "x locked": (layer_that(lambda p, x, out: locks(x)), {("x", "the call made x read-only, which is the caller's")}),
    "dout locked": (
        layer_that(backward=lambda c, d: locks(d)),
        {("dout", "the call made dout read-only, which is the caller's")},
    ),
    "the cache for a dout of zeros": (
        layer_that(
            lambda p, x, out: (out, (x.copy(), p.copy())),
            lambda c, d: None if d.any() else writes(c[1]),
        ),
        {("cache", "the call wrote to cache")},
    ),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_is_written_or_locked_is_said(name: str) -> None:
    layer, said = UNCHANGED[name]
    assert wrong(laws.arguments_unchanged(layer, P, X, RNG(0))) == said


def test_what_is_kept_of_earlier_calls_is_said() -> None:
    calls = count()

    def more(p: Array, x: Array, out: Array) -> Any:
        return out + next(calls), (own(x), own(p))

    words = "a call depends on the calls before it: is something stored outside the cache?"
    assert wrong(laws.repeatability(layer_that(more), P, X, RNG(0))) == {("out", words)}
    kept: list[Array] = []

    def backward(c: Any, d: Array) -> Any:
        kept.append(d)
        return d * c[1] * len(kept), (d * c[0]).sum(0)

    assert wrong(laws.repeatability(layer_that(backward=backward), P, X, RNG(0))) == {("backward", words)}


def of_the_last(where: Callable[[Array], Any]) -> Layer[Any, Any]:
    """Its backward gives twice as much after some calls."""
    last: list[Array] = []

    def forward(p: Array, x: Array, out: Array) -> None:
        last.append(own(x))

    def backward(c: Any, d: Array) -> Any:
        dx, grads = product_back(c, d)
        return (2 * dx if where(last[-1]) and not where(c[0]) else dx), grads

    return layer_that(forward, backward)


BETWEEN: dict[str, Callable[[Array], Any]] = {
    "other numbers": lambda x: len(x) == 6 and not np.array_equal(x, X),
    "one row": lambda x: len(x) == 1,
    "fewer rows": lambda x: len(x) == 5,
    "more rows": lambda x: len(x) == 7,
}


@pytest.mark.parametrize("case", BETWEEN)
def test_a_call_that_changes_an_earlier_cache_is_said(case: str) -> None:
    found = wrong(laws.calls_in_between(of_the_last(BETWEEN[case]), P, X, RNG(0)))
    assert ("backward", f"after a forward on {case} its results for an earlier cache change") in found


def test_grads_that_are_none_of_backward_are_said() -> None:
    other = layer_that(grads=lambda c, d: (d * c[0]).sum(0) * (2 if len(d) == 1 else 1))
    found = wrong(laws.calls_in_between(other, P, X, RNG(0)))
    assert found == {("grads", "grads(cache, dout) is not the second result of backward on one row")}


def test_a_first_call_that_gives_other_numbers_is_said() -> None:
    calls = count()

    def more(p: Array, x: Array, out: Array) -> Any:
        return out + (next(calls) == 0), (own(x), own(p))

    words = "the first call gives other numbers than the next: is something kept?"
    assert wrong(laws.process_unchanged(layer_that(more), P, X, RNG(0))) == {("the first call", words)}


def test_a_setting_that_is_changed_is_said() -> None:
    before = np.getbufsize()

    def more(p: Array, x: Array, out: Array) -> None:
        np.setbufsize(2 * before)

    words = "a call changes numpy.getbufsize of the whole process"
    try:
        assert wrong(laws.process_unchanged(layer_that(more), P, X, RNG(0))) == {("numpy.getbufsize", words)}
    finally:
        np.setbufsize(before)


NAN_SHOWS: dict[str, tuple[Callable[[Any, Array], Any], Said]] = {
    "lost in a row": (
        lambda c, d: product_back(c, np.nan_to_num(d, posinf=np.inf, neginf=-np.inf)),
        {
            (name, "nan in one entry of dout does not show in it: is it replaced by a number?")
            for name in ("dx", "grads")
        },
    ),
    "infinity": (
        lambda c, d: product_back(c, np.where(d == np.inf, 0, d)),
        {
            (name, "infinity in one entry of dout does not show in it: is it replaced by a number?")
            for name in ("dx", "grads")
        },
    ),
    "other rows": (
        lambda c, d: (d * c[1] + 0 * d.sum(), (d * c[0]).sum(0)),
        {("dx", "minus infinity in one entry of dout changes other rows")},
    ),
}


@pytest.mark.parametrize("name", NAN_SHOWS)
def test_a_number_that_is_lost_or_spreads_is_said(name: str) -> None:
    backward, said = NAN_SHOWS[name]
    with np.errstate(all="ignore"):
        assert wrong(laws.nan_shows(layer_that(backward=backward), P, X, RNG(0))) == said


@pytest.mark.parametrize(
    ("power", "dtype"), [(600, ""), (150, ""), (70, "in float32, "), (-600, ""), (-70, "in float32, ")]
)
def test_a_dout_that_is_clipped_is_said_with_its_power(power: int, dtype: str) -> None:
    def backward(c: Any, d: Array) -> Any:
        size, far = float(np.abs(d).max()), 2.0 ** (power + (1 if power < 0 else -1) * 8)
        clipped = size < far if power < 0 else size > far
        dx, grads = product_back(c, d)
        return dx * dx.dtype.type(0.5 if clipped and (d.dtype == np.float32 or not dtype) else 1), grads

    verdicts = laws.scaled(layer_that(backward=backward), P, X, RNG(0))
    assert_sound(verdicts)
    (verdict,) = (each for each in verdicts if each.wrong)
    words = f"for dout times 2**{power} it is not 2**{power} times what it was: is dout clipped or something added?"
    assert (verdict.law, verdict.field, verdict.note) == ("scaled", "dx", dtype + words)
    assert verdict.got == pytest.approx(0.5 * verdict.expected)
    assert verdict.index == (0, 0)


def test_rows_beside_a_large_one_are_tried() -> None:
    def forward(p: Array, x: Array, out: Array) -> Any:
        return (out * 2 if np.abs(x).max() > 1000 else out), (own(x), own(p))

    (verdict,) = (each for each in laws.independent_rows(layer_that(forward), P, X, RNG(0)) if each.wrong)
    row = int(np.argmax(np.abs(X).max(axis=1)))
    assert verdict.note.startswith(f"with row {row} a thousand times as large its rows are others")
    assert verdict.got == pytest.approx(2 * verdict.expected)


def test_examples_of_two_axes_that_are_not_alone_are_said() -> None:
    def forward(p: Array, x: Array, out: Array) -> Any:
        return out + x.mean(axis=-1, keepdims=True), (own(x), own(p))

    verdicts = laws.independent_rows(layer_that(forward, elementwise=True), P, X, RNG(0))
    assert_sound(verdicts)
    (verdict,) = (each for each in verdicts if each.wrong)
    assert verdict.note.startswith(f"elementwise, but out{list(verdict.index)} depends on x[")
    assert len(verdict.index) == 2


OfArguments: TypeAlias = Callable[[Any, Array, Array], Any]
"""The change of a result, out and targets; None where there is none."""

OfCache: TypeAlias = Callable[[Array, Any, Any], Any]
"""The change of dout, the cache and dloss; None where there is none."""


class OfLoss:
    """The mean of squared distances of rows, each of whose functions may do something more."""

    def __init__(
        self, *, rows: OfArguments | None = None, forward: OfArguments | None = None, backward: OfCache | None = None
    ) -> None:
        self.of_rows, self.of_forward, self.of_backward = rows, forward, backward

    def rows(self, out: Array, targets: Array) -> Any:
        losses = ((out - targets) ** 2).sum(axis=-1)
        made = self.of_rows(losses, out, targets) if self.of_rows is not None else None
        return losses if made is None else made

    def forward(self, out: Array, targets: Array) -> Any:
        value = np.asarray(((out - targets) ** 2).sum(axis=-1).mean(), out.dtype)
        result = value, (own(out), own(targets))
        made = self.of_forward(result, out, targets) if self.of_forward is not None else None
        return result if made is None else made

    def backward(self, cache: Any, dloss: Any) -> Any:
        out, targets = cache
        dout = np.asarray((out - targets) * (2 * float(dloss) / len(out)), out.dtype)
        made = self.of_backward(dout, cache, dloss) if self.of_backward is not None else None
        return dout if made is None else made

    def made(self) -> Loss[Any, Any]:
        return Loss(self.forward, self.backward, self.rows)


LOSSES: dict[str, tuple[Any, OfLoss, Said]] = {
    "writes to out": (
        laws.loss_purity,
        OfLoss(forward=lambda result, out, targets: writes(out)),
        {("arguments", "a call wrote to out")},
    ),
    "writes to one row": (
        laws.loss_purity,
        OfLoss(forward=lambda result, out, targets: writes(targets) if len(out) == 1 else None),
        {("arguments", "with 1 row: a call wrote to targets")},
    ),
    "writes in float32": (
        laws.loss_purity,
        OfLoss(forward=lambda result, out, targets: writes(out) if out.dtype == np.float32 else None),
        {("arguments", "in float32: a call wrote to out")},
    ),
    "locks": (
        laws.loss_purity,
        OfLoss(forward=lambda result, out, targets: locks(out)),
        {("arguments", "a call made one of its arguments read-only, which is the caller's")},
    ),
    "unlocks": (
        laws.loss_purity,
        OfLoss(forward=lambda result, out, targets: unlocks(out)),
        {("arguments", "a call made one of its arguments writable, which the caller had made read-only")},
    ),
    "writes to dloss": (
        laws.loss_purity,
        OfLoss(backward=lambda dout, cache, dloss: writes(dloss) if is_numpy(dloss) else None),
        {("arguments", "backward wrote to its dloss")},
    ),
    "keeps out": (
        laws.loss_purity,
        OfLoss(forward=lambda result, out, targets: (result[0], (out, own(targets)))),
        {("ownership", "the cache shares the memory of out or targets: hold own(...) of them in it")},
    ),
    "keeps targets": (
        laws.loss_purity,
        OfLoss(forward=lambda result, out, targets: (result[0], (own(out), targets))),
        {("ownership", "the cache shares the memory of out or targets: hold own(...) of them in it")},
    ),
    "a sum": (
        laws.mean_of_rows,
        OfLoss(rows=lambda losses, out, targets: losses / len(out)),
        {("loss", "the loss is not the mean of its rows: a sum?"), ("rows", "rows depend on each other")},
    ),
    "no rows": (
        laws.mean_of_rows,
        OfLoss(rows=lambda losses, out, targets: losses[:, None]),
        {("rows", "is f64[6, 1], expected an array of shape (6,)")},
    ),
    "a list of rows": (
        laws.mean_of_rows,
        OfLoss(rows=lambda losses, out, targets: losses.tolist()),
        {("rows", "is list, expected an array of shape (6,)")},
    ),
    "other targets": (
        laws.mean_of_rows,
        OfLoss(forward=lambda result, out, targets: None if targets.any() else (result[0] * 2, result[1])),
        {("loss", "for targets of zeros it is not the mean of its rows: does it keep something of earlier targets?")},
    ),
    "far rows": (
        laws.mean_of_rows,
        OfLoss(rows=lambda losses, out, targets: losses * 1.01 if np.abs(out).max() > 100 else None),
        {("rows", "rows depend on each other where one of them is 1000 away: is a largest number shared?")},
    ),
    "a term": (
        laws.loss_linearity,
        OfLoss(backward=lambda dout, cache, dloss: dout + 1e-9),
        {("dout", "it is not 0 for dloss = 0")},
    ),
    "a nan": (
        laws.loss_linearity,
        OfLoss(backward=lambda dout, cache, dloss: np.nan_to_num(dout)),
        {("dout", "a dloss of nan does not show in it: is it replaced by a number?")},
    ),
    "dloss ignored": (
        laws.loss_linearity,
        OfLoss(backward=lambda dout, cache, dloss: OfLoss().backward(cache, 1.0)),
        {("dout", "it is the same for every dloss: was it ignored?")},
    ),
    "a dtype": (
        laws.loss_structure,
        OfLoss(backward=lambda dout, cache, dloss: dout.astype(np.float32)),
        {("dout", "is f32[6, 5], expected f64[6, 5]")},
    ),
    "a shape": (
        laws.loss_structure,
        OfLoss(forward=lambda result, out, targets: (result[0][None], result[1])),
        {("loss", "is f64[1], expected f64[]")},
    ),
    "a write in float32": (
        laws.loss_memory,
        OfLoss(forward=lambda result, out, targets: writes(targets) if out.dtype == np.float32 else None),
        {("targets", "a call wrote to targets, in float32")},
    ),
    "a write to out in float16": (
        laws.loss_memory,
        OfLoss(forward=lambda result, out, targets: writes(out) if out.dtype == np.float16 else None),
        {("out", "a call wrote to out, in float16")},
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_wrong_with_a_loss_is_said(name: str) -> None:
    law, loss, said = LOSSES[name]
    assert wrong(law(loss.made(), OUT, TARGETS, RNG(0))) == said


def test_a_dout_that_is_the_cache_is_said_with_its_rows() -> None:
    def forward(out: Array, targets: Array) -> tuple[Array, Array]:
        return np.asarray(((out - targets) ** 2).sum(-1).mean(), out.dtype), 2 * (out - targets) / len(out)

    def rows(out: Array, targets: Array) -> Array:
        return np.asarray(((out - targets) ** 2).sum(axis=-1))

    def its_cache(at: int) -> Callable[[Array, Any], Array]:
        return lambda cache, dloss: cache if dloss == 1 and len(cache) == at else cache * cache.dtype.type(dloss)

    for at, words in ((1, ", with 1 row"), (129, ", with 129 rows")):
        found = wrong(laws.loss_memory(Loss(forward, its_cache(at), rows), OUT, TARGETS, RNG(0)))
        assert found == {("dout", f"it is writable, and shares memory with the cache{words}")}


def test_a_second_backward_on_a_cache_that_gives_other_numbers_is_said() -> None:
    def forward(result: Any, out: Array, targets: Array) -> Any:
        return result[0], (out.copy(), own(targets))

    loss = OfLoss(forward=forward, backward=lambda dout, cache, dloss: writes(cache[0]))
    assert ("cache", "a second backward on it gives other numbers: does backward write to it?") in wrong(
        laws.loss_state(loss.made(), OUT, TARGETS, RNG(0))
    )


OF_BACKWARD = frozenset({"dx", "grads"})
OF_ALL = OF_BACKWARD | {"out"}

OF_A_RIGHT_LAYER: dict[str, frozenset[str]] = {
    "process_unchanged": frozenset({"settings", "the first call"}),
    "structure": OF_ALL | {"cache", "grads()"},
    **dict.fromkeys(("derivative", "other_values", "other_sizes", "any_dout"), OF_BACKWARD),
    **dict.fromkeys(("linearity", "scaled", "nan_shows"), OF_BACKWARD),
    **dict.fromkeys(("precision", "nothing_shared", "all_written", "independent_rows", "other_calls"), OF_ALL),
    "arguments_unchanged": frozenset({"params", "x", "cache", "dout"}),
    "read_only_accepted": frozenset({"out", "backward"}),
    "any_layout": frozenset({"dout", "x", "params"}),
    "repeatability": frozenset({"out", "backward"}),
    "calls_in_between": frozenset({"forward", "backward", "grads"}),
    "threads": frozenset({"results"}),
    "ownership": frozenset({"x", "out"}),
    "grads_without_dx": frozenset({"grads"}),
    "one_pass": frozenset(),
}
"""The fields of which each law speaks."""


@pytest.mark.parametrize("law", OF_A_RIGHT_LAYER)
def test_of_a_right_layer_a_law_says_that_it_holds_and_no_more(law: str) -> None:
    verdicts = laws.LAYER_LAWS[law](layer_that(), P, X, RNG(0))
    assert_sound(verdicts)
    assert {each.law for each in verdicts} <= {law}
    assert {each.field for each in verdicts if each.ok and not each.note} == OF_A_RIGHT_LAYER[law]
    assert all(each.ok for each in verdicts), verdicts


OF_DOUT = frozenset({"dout"})

OF_A_RIGHT_LOSS: dict[str, frozenset[str]] = {
    "loss_state": frozenset({"settings", "the first call", "forward", "backward", "results"}),
    "loss_structure": OF_DOUT | {"loss"},
    **dict.fromkeys(("loss_derivative", "loss_values", "loss_targets", "loss_linearity"), OF_DOUT),
    "loss_precision": OF_DOUT | {"loss"},
    "loss_purity": frozenset({"arguments", "repetition", "ownership"}),
    "loss_memory": frozenset({"out", "dloss", "loss", "dout"}),
    "mean_of_rows": frozenset({"loss", "rows"}),
    "loss_at_once": frozenset(),
}


@pytest.mark.parametrize("law", OF_A_RIGHT_LOSS)
def test_of_a_right_loss_a_law_says_that_it_holds_and_no_more(law: str) -> None:
    verdicts = laws.LOSS_LAWS[law](OfLoss().made(), OUT, TARGETS, RNG(0))
    assert_sound(verdicts)
    assert {each.law for each in verdicts} <= {law}
    assert {each.field for each in verdicts if each.ok and not each.note} == OF_A_RIGHT_LOSS[law]
    assert all(each.ok for each in verdicts), verdicts


def test_a_loss_that_writes_and_puts_it_back_is_said() -> None:
    def forward(result: Any, out: Array, targets: Array) -> None:
        if out.flags.writeable:
            out += 1
            out -= 1

    of_eighths: Any = np.rint(8 * OUT) / 8  # to which 1 is added and taken off without rounding
    found = wrong(laws.loss_memory(OfLoss(forward=forward).made(), of_eighths, TARGETS, RNG(0)))
    assert ("out", "the call wrote to out while it lasted") in found


@pytest.mark.parametrize("which", [np.arange(3, 6), np.arange(12) % 6, np.arange(6)[::-1]])
def test_rows_that_depend_on_their_place_or_number_are_said(which: Any) -> None:
    def rows(losses: Array, out: Array, targets: Array) -> Any:
        return losses * 1.001 if np.array_equal(out, OUT[which]) else None

    found = laws.mean_of_rows(OfLoss(rows=rows).made(), OUT, TARGETS, RNG(0))
    assert ("rows", "rows depend on each other") in wrong(found)
    of_rows = next(each for each in found if each.field == "rows")
    assert of_rows.got == pytest.approx(1.001 * of_rows.expected)


GRADS_ALONE: dict[str, Callable[[Array, Array], Any]] = {
    "in float64": lambda x, d: d.dtype == np.float64,
    "in float32": lambda x, d: d.dtype == np.float32 and len(x) == 6,
    "in float16": lambda x, d: d.dtype == np.float16 and len(x) == 6,
    "with 1 row in float64": lambda x, d: len(x) == 1,
    "with 2 rows in float64": lambda x, d: len(x) == 2,
    "with 129 rows in float32": lambda x, d: len(x) == 129 and d.dtype == np.float32,
    "in float64, with a huge dout": lambda x, d: 2**19 < np.abs(d).max() < 2**23,
    "in float64, with a tiny dout": lambda x, d: 0 < np.abs(d).max() < 2**-37,
    "in float64, with a whole-numbered dout": lambda x, d: np.array_equal(d, np.rint(d)) and np.abs(d).sum() > 9,
    "in float64, with a one-entry dout": lambda x, d: d[-1, -1] == 1 == np.count_nonzero(d),
    "in float64, with a row-broadcast dout": lambda x, d: len(x) > 1 and d.strides[0] == 0,
    "in float64, with a column-broadcast dout": lambda x, d: d.strides[1] == 0,
    "in float64, with a strided dout": lambda x, d: d.strides == (80, 16),
    "in float64, with a reversed dout": lambda x, d: d.strides == (-40, -8),
    "in float64, with a row-reversed dout": lambda x, d: d.strides == (-40, 8),
    "in float64, with a Fortran-ordered dout": lambda x, d: d.strides == (8, 48),
}


@pytest.mark.parametrize("words", GRADS_ALONE)
def test_grads_that_differ_from_those_of_backward_are_said_with_their_dout(words: str) -> None:
    def grads(c: Any, d: Array) -> Array:
        made = product_back(c, d)[1]
        return made * made.dtype.type(1.5) if GRADS_ALONE[words](c[0], d) else made

    verdicts = laws.grads_without_dx(layer_that(grads=grads), P, X, RNG(0))
    assert wrong(verdicts) == {("grads", words)}
    (verdict,) = verdicts
    assert verdict.got == pytest.approx(1.5 * verdict.expected, rel=1e-2)


def test_what_grads_share_or_use_again_is_said() -> None:
    def of_sums(grads: Callable[[Any, Array], Any]) -> Layer[Any, Any]:
        return Layer(lambda p, x: (x + p, ()), lambda c, d: (d.copy(), d.copy()), grads)

    buffer = np.empty(X.shape)

    def again(c: Any, d: Array) -> Array:
        buffer[...] = d
        return buffer

    notes = {
        "it is writable, and shares memory with dout": of_sums(lambda c, d: d),
        "a later call changes it: is a buffer used again?": of_sums(again),
        "backward gives f64[6, 5], grads a tuple of 1": of_sums(lambda c, d: (d.copy(),)),
    }
    for note, layer in notes.items():
        assert ("grads", note) in wrong(laws.grads_without_dx(layer, X, X, RNG(0)))


def test_a_nan_of_dout_that_grads_lose_is_said() -> None:
    def grads(c: Any, d: Array) -> Array:
        return product_back(c, np.where(np.isnan(d), 0, d))[1]

    with np.errstate(all="ignore"):
        found = wrong(laws.grads_without_dx(layer_that(grads=grads), P, X, RNG(0)))
    assert found == {("grads", "in float64, with a partly nan dout: a nan of backward is a number")}


def test_an_error_of_the_second_backward_on_a_cache_is_said_to_be_one() -> None:
    def forward(p: Any, x: Array) -> tuple[Array, Any]:
        return x * x, [own(x), 0]

    def backward(cache: Any, dout: Array) -> tuple[Array, Any]:
        cache[1] += 1
        if cache[1] > 1:
            raise RuntimeError("backward twice")
        return 2 * cache[0] * dout, ()

    x = np.random.default_rng(0).standard_normal((4, 3))
    (wrong,) = check_layer(Layer(forward, backward), (), x, rng=np.random.default_rng(0), only=["structure"]).failures
    assert wrong.note.startswith("the second call of backward with one cache raised RuntimeError: backward twice")
    always: Layer[Any, Any] = Layer(forward, lambda cache, dout: backward([cache[0], 1], dout))
    (wrong,) = check_layer(always, (), x, rng=np.random.default_rng(0), only=["structure"]).failures
    assert wrong.note.startswith("raised RuntimeError: backward twice")


def test_of_a_network_of_right_layers_the_loss_is_named() -> None:
    half: Loss[Any, Any] = Loss(
        lambda out, t: (np.square(out - t).mean(), (own(out), own(t))),
        lambda cache, dloss: dloss * (cache[0] - cache[1]) / cache[0].size,
        lambda out, t: np.square(out - t).mean(-1),
    )
    rng = np.random.default_rng(0)
    params = (Affine(rng.standard_normal((3, 2)), rng.standard_normal(2)), ())
    x, targets = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    report = check_network(sequential(affine, tanh), half, params, x, targets, rng=rng, only=["network_gradient"])
    words = "it is half of what it should be: a missing factor of 2? The fault is in the loss"
    assert [each.note for each in report.failures] == [words] * 2


def sine(back: Callable[[Array, Array], Array], forward: Callable[[Array], Array] = np.cos) -> Layer[Any, Any]:
    """The sine, whose backward is a function of the cosine and `dout`."""
    return Layer(lambda p, x: (np.sin(x), forward(x)), lambda cosine, d: (back(cosine, d), ()))


def by_pointer() -> Layer[Any, Any]:
    memo: dict[Any, Array] = {}

    def forward(x: Array) -> Array:
        return memo.setdefault((x.__array_interface__["data"][0], x.shape, x.strides, x.dtype), own(np.cos(x)))

    return sine(np.multiply, forward)


def of_the_last_dout() -> Layer[Any, Any]:
    last: list[Array] = []

    def back(cosine: Array, d: Array) -> Array:
        alike = [each for each in last if each.shape == d.shape and each.dtype == d.dtype]
        more = 0 if not alike or np.array_equal(alike[0], d) else 1e-6 * alike[0]
        last[:] = [d.copy()]
        return cosine * d + more

    return sine(back)


def of_a_workspace() -> Layer[Any, Any]:
    kept: dict[str, Array] = {"sum": np.zeros(0)}

    def back(cosine: Array, d: Array) -> Array:
        if kept["sum"].shape != d.shape or kept["sum"].dtype != d.dtype:
            kept["sum"] = np.zeros(d.shape, d.dtype)
        kept["sum"] += cosine * d
        result = kept["sum"].copy()
        kept["sum"] *= 1 if len(d) == len(X) else 0
        return result

    return sine(back)


@pytest.mark.parametrize("layer", [by_pointer, of_the_last_dout, of_a_workspace])
def test_what_is_kept_comes_first_and_is_not_said_to_be_memory_that_is_not_written(
    layer: Callable[[], Layer[Any, Any]],
) -> None:
    failures = check_layer(layer(), (), X, rng=RNG(0)).failures
    first = failures[0]
    if layer is by_pointer and first.law == "all_written":  # no other law has met the same address again
        assert first.note.endswith("is something stored outside the cache?")
    else:
        assert first.law in {"repeatability", "calls_in_between"}
    assert not any("entry of empty" in each.note for each in failures)


def test_memory_that_is_not_written_is_told_from_what_is_kept() -> None:
    def back(cosine: Array, d: Array) -> Array:
        result = np.empty_like(d)
        result[:, :-1] = (cosine * d)[:, :-1]
        return result

    words = "it depends on what was in memory before: is an entry of empty not written?"
    assert ("dx", words) in wrong(laws.all_written(sine(back), (), X, RNG(0)))
    words = "it is another from call to call, whatever was in memory before: is something stored outside the cache?"
    assert wrong(laws.all_written(of_a_workspace(), (), X, RNG(0))) == {("dx", words)}


def test_memory_that_a_loss_does_not_write_comes_first() -> None:
    def backward(dout: Array, cache: Any, dloss: Any) -> Array:
        result = np.empty_like(dout)
        result[:, :-1] = dout[:, :-1]
        return result

    first = check_loss(OfLoss(backward=backward).made(), OUT, TARGETS, rng=RNG(0)).failures[0]
    assert (first.law, first.field) == ("loss_memory", "dout")
    assert "entry of empty" in first.note


def test_memory_that_one_row_leaves_unwritten_is_not_said_to_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    junk, empty_like = count(), np.empty_like

    def of_junk(like: Array) -> Array:
        made = empty_like(like)
        made.fill(next(junk))  # or it may be the same memory each time
        return made

    def back(cosine: Array, d: Array) -> Array:
        result = np.empty_like(d)
        if len(d) > 1:
            result[...] = cosine * d
        return result

    monkeypatch.setattr(np, "empty_like", of_junk)
    first = check_layer(sine(back), (), X, rng=RNG(0), only=["other_sizes", "calls_in_between"]).failures[0]
    assert first.note == "on one row it depends on what was in memory before: is an entry of empty not written?"


def test_a_buffer_that_is_used_again_is_named_before_what_calls_in_between_find() -> None:
    buffers: dict[Any, Array] = {}

    def back(cosine: Array, d: Array) -> Array:
        result = buffers.setdefault((d.shape, d.dtype), np.empty_like(d))
        result[...] = cosine * d
        return result

    first = check_layer(sine(back), (), X, rng=RNG(0)).failures[0]
    assert (first.law, first.note) == ("nothing_shared", "it is writable, and shares memory with dx of another call")


def test_what_is_drawn_at_each_call_is_said_to_be() -> None:
    words = "each call gives other numbers: is something drawn, from a generator without a seed or by the time?"
    rng = RNG(3)

    def forward(p: Any, x: Array) -> tuple[Array, Array]:
        mask = (rng.random(x.shape) < 0.5).astype(x.dtype)
        return x * mask, mask

    layer: Layer[Any, Any] = Layer(forward, lambda mask, d: (d * mask, ()))
    assert wrong(laws.process_unchanged(layer, (), X, RNG(0))) == {("the first call", words)}
    assert wrong(laws.repeatability(layer, (), X, RNG(0))) == {("out", words)}
    assert wrong(laws.all_written(layer, (), X, RNG(0))) == {("out", words), ("dx", words)}
    assert {note for _, note in wrong(laws.calls_in_between(layer, (), X, RNG(0)))} == {words}


def test_a_dout_that_is_written_to_before_it_is_used_comes_first() -> None:
    def scaled(d: Array) -> Array:
        if d.flags.writeable:
            d *= d.dtype.type(1.0001)
        return d

    def of_tokens(cache: Any, d: Array) -> Array:
        tokens, like = cache
        made: Array = np.zeros_like(like)
        np.add.at(made, tokens, scaled(d))
        return made

    def rows(p: Any, x: Any) -> tuple[Array, Any]:
        return p[x], (own(x), own(p))

    encoder: Encoder[Any, Any, Any] = Encoder(rows, of_tokens)
    tokens, table = RNG(1).integers(0, 7, (6,)), RNG(2).standard_normal((7, 3))
    layer = sine(lambda cosine, d: cosine * scaled(d))
    cases: tuple[tuple[Any, Any, Any], ...] = (encoder, table, tokens), (layer, (), X)
    for subject, params, x in cases:
        first = check_layer(subject, params, x, rng=RNG(0)).failures[0]
        assert (first.law, first.note) == ("arguments_unchanged", "the call wrote to dout")


def test_rows_that_are_left_in_a_buffer_are_said_before_what_follows_from_them() -> None:
    kept: dict[Any, Array] = {}

    def back(c: Any, d: Array) -> Any:
        key = d.shape[1:], d.dtype
        if key not in kept or len(kept[key]) < len(d):
            kept[key] = np.zeros(d.shape, d.dtype)
        kept[key][: len(d)] = d
        return d.copy(), kept[key].sum(0)

    layer: Layer[Any, Any] = Layer(lambda p, x: (x + p, ()), back)
    assert check_layer(layer, P, X, rng=RNG(0)).failures[0].law in {"repeatability", "calls_in_between"}


def test_where_a_gradient_should_be_0_there_is_advice_for_one_that_is_meant_to_differ() -> None:
    straight_through: Layer[Any, Any] = Layer(lambda params, x: (np.round(x), ()), lambda cache, dout: (dout, ()))
    (verdict,) = (each for each in laws.derivative(straight_through, (), 3 * X, RNG(0)) if each.wrong)
    assert verdict.note == "it should be 0"
    assert "surrogate=True" in verdict.advice


def test_of_rows_nothing_is_asked_where_the_derivative_is_wrong_already() -> None:
    mean: Layer[Any, Any] = Layer(product, lambda cache, d: (d * cache[1], (d * cache[0]).mean(0)))
    rows = [each for each in check_layer(mean, P, X, rng=RNG(0)).failures if each.law == "independent_rows"]
    assert [(each.field, each.advice) for each in rows] == [("grads", "")]
    (alone,) = (each for each in laws.independent_rows(mean, P, X, RNG(0)) if each.wrong)
    assert alone.advice.startswith("Do rows depend on each other")
