"""Calls that users make elsewhere: with other numbers, sizes and layouts of every argument, in each dtype."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, one_each
from chainrule.encoder import Encoder
from chainrule.laws.copies import in_dtype, in_float64
from chainrule.laws.dtype_laws import Both
from chainrule.laws.layer_laws import of_one_entry, with_a_nan
from chainrule.laws.memory_laws import layouts_of
from chainrule.laws.trial import Checked, Fields, Trial, arrays_in, backward_of, draw, measured, named
from chainrule.laws.value_laws import parameters

MOST = 2**16
"""The most numbers in an array that is made for a check."""

ROWS, LENGTHS, COLUMNS = (33, 300), (16, 40), (1, 10)
"""Numbers of rows, lengths of the axes between rows and columns, and numbers of columns without parameters."""

UNITS = {4: 8000.0, 2: 64.0}
"""The units of rounding that a result may be off by, by the bytes of a number: other numbers than those that were given
may cancel, and what is looked for here is more than rounding."""

GRADS = {8: 1e-3, 4: 1e-3, 2: 0.1}
"""The share of the largest entry that the two ways to a gradient may differ by, by the bytes of a number."""

GROSS = 0.05
"""The share of the largest entry, or of dout, from which on a result at larger numbers is wrong: less is rounding."""

CANCELLED = {8: 1e-8, 4: 1e-3, 2: 0.1}
"""The share of the largest of all results below which a gradient is what rounding left, by the bytes of a number."""


def other_calls(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """In any call nothing of the caller's is written, shared or kept, and the results are those of float64.

    The calls are with other numbers in x, params and dout, nan among them, other sizes, and other layouts in memory, in
    float64, float32 and float16. `grads` gives what `backward` gives; and after them all, a call as at first.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on; copies are used. What the layer refuses is left out.
    rng
        The generator that draws.

    Returns
    -------
    list[Verdict]
        For each argument and result.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.other_calls(affine, params, x, rng))
    True
    """
    if isinstance(layer, Encoder) or not (is_numpy(x) and x.size):
        return []
    base = measured(Trial.in_float64(layer, params, Trial.of(layer, params, x).fewer), rng)
    dout = draw(base.out, rng)
    before = base.back(dout)
    verdicts = [Verdict("other_calls", name, ok=True) for name in ("out", *before)]
    dtypes: list[np.dtype[Any]] = [x.dtype, *(np.dtype(each) for each in ("f8", "f4", "f2"))]
    known: set[str] = set()  # what is wrong in a usual call, as other laws say
    for dtype in dict.fromkeys(dtypes):
        for call in _calls(base.params, base.x, rng, few=dtype == np.float16):
            try:
                with np.errstate(all="ignore"):
                    made = Made.of(layer, call, dtype, rng)
                    notes = made.notes()
                    compared = dtype != np.float64 and not (notes or call.is_small)
                    found = list(made.beside_float64(call, base.noise, rng)) if compared else []
            except Exception:  # noqa: BLE001, S112  # it refuses this, which is an answer
                continue
            at = f"in {dtype.name}{call.words and f', {call.words}'}"
            wrong = [Verdict("other_calls", name, ok=False, note=f"{at}: {note}") for name, note in notes.items()]
            wrong += [evolve(each, law="other_calls", note=f"{at}{each.note}") for each in found if each.wrong]
            if not call.words:
                known |= {each.field for each in wrong}
            verdicts += [each for each in wrong if each.field not in known]
        if any(each.wrong for each in verdicts):
            break  # the other dtypes would say the same
    after = Trial.of(layer, base.params, base.x).back(dout)
    changed = [name for name, leaf in after.items() if not np.array_equal(leaf, before[name], equal_nan=True)]
    if changed and _repeats(base, dout):
        words = "after calls with other numbers, sizes and dtypes it is another: is something kept outside the cache?"
        verdicts += [Verdict("other_calls", name, ok=False, note=words) for name in changed]
    return one_each(verdicts)


def _repeats(base: Trial, dout: Array) -> bool:
    """Tell whether a call and another one right after it give the same."""
    results = [Trial.of(base.layer, base.params, base.x).back(dout) for _ in range(2)]
    return all(np.array_equal(leaf, results[1][name], equal_nan=True) for name, leaf in results[0].items())


@frozen(eq=False)
class Call:
    """Arguments in float64, in words, the layout of x, what becomes of the usual `dout`, and the layout of that.

    Of small numbers what is taken for a fault may be what 1 - cos(x) cancels to: they are not compared with float64.
    """

    words: str
    params: Any
    x: Array
    layout: Callable[[Array], Array] = np.copy
    kind: Callable[[Array], Array] = np.copy
    dout_layout: Callable[[Array], Array] = np.copy

    @property
    def is_small(self) -> bool:
        """True if its numbers are smaller than the usual ones."""
        return "thousandth" in self.words

    @property
    def is_large(self) -> bool:
        """True if numbers of x or params are larger, so that something may overflow.

        A softmax is then all of one entry, and of its derivative only what it cancels to is left.
        """
        return any(word in self.words for word in ("hundred times", "ten times", "three times"))


def _calls(params: Any, x: Array, rng: np.random.Generator, *, few: bool) -> Iterator[Call]:
    yield Call("", params, x)
    for words, other in _other_x(x, rng):
        if not few or "rows" in words:
            yield Call(f"for x {words}", params, other)
    for words, kind in DOUTS.items():
        if not few or kind not in SCALED:
            yield Call(f"for a dout {words}", params, x, kind=kind)
    if few:  # of its few digits and its short range, other numbers leave nothing to compare
        return
    for words, other in parameters(params, rng):
        yield Call(words, other, x)
    for name, layout in layouts_of(x.ndim).items():
        yield Call(f"for {name} x", params, x, layout=layout)
        yield Call(f"for {name} dout", params, x, dout_layout=layout)


def _other_x(x: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Other numbers and sizes of x, within what it says about its domain."""
    size, share = x.size, bool(((x >= 0) & (x <= 1)).all())
    if not ((x > 0).all() or (x < 0).all()):
        yield "of zeros", np.zeros_like(x)
        if x.ndim and len(x) > 1:
            some = x.copy()
            some[-1] = 0
            yield "with a row of zeros", some
        if not share:
            yield "of the other sign", -x
    yield "a thousandth as large", 1e-3 * x
    if not share:
        yield "a hundred times as large", 100 * x
    some = x.copy()
    some.flat[-1] = np.nan
    yield "with a nan", some
    if x.ndim:
        yield "with equal rows", np.repeat(x[:1], len(x), axis=0)
    for axis in range(x.ndim):
        lengths = ROWS if axis == 0 else LENGTHS if axis < x.ndim - 1 else COLUMNS
        for length in lengths:
            shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
            if size // x.shape[axis] * length <= MOST:
                what = f"{length} {'rows' if axis == 0 else 'columns' if axis == x.ndim - 1 else f'along axis {axis}'}"
                yield f"with {what}", rng.choice(x.reshape(-1), shape)


def _enlarged(dout: Array) -> Array:
    return dout * dout.dtype.type(2.0**12)


def _reduced(dout: Array) -> Array:
    return dout * dout.dtype.type(2.0**-40)


DOUTS: dict[str, Callable[[Array], Array]] = {
    "of zeros": np.zeros_like,
    "of one entry": of_one_entry,
    "of negative numbers": lambda dout: -np.abs(dout),
    "that is large": _enlarged,
    "that is small": _reduced,
    "with a nan": with_a_nan,
}
"""The kinds of `dout`, made of a usual one."""

SCALED = (_enlarged, _reduced)


@frozen(eq=False)
class Made:
    """A call that has been made: its arguments, copies of them from before, and the results."""

    trial: Trial
    x: Array
    dout: Array
    given: Array
    results: Fields
    alone: Fields

    @classmethod
    def of(cls, layer: Any, call: Call, dtype: np.dtype[Any], rng: np.random.Generator) -> "Made":
        """Call forward, backward and grads, with arrays that may be written to."""
        x, params = call.layout(call.x.astype(dtype)), in_dtype(call.params, dtype)
        before = np.array(x)
        out, cache = layer.forward(params, x)
        out = np.asarray(out)
        trial = Trial(layer, params, before, out, cache)
        dout = call.kind(draw(out, rng))
        given = call.dout_layout(dout.copy())
        results: Fields = {"out": out, **named(backward_of(layer, cache, given))}
        alone = {f"grads{path}": np.asarray(leaf) for path, leaf in tree.named_leaves(layer.grads(cache, given))}
        return cls(trial, x, dout, given, results, alone)

    def notes(self) -> dict[str, str]:
        """Faults of the call itself, in words, by argument or result."""
        found: dict[str, str] = {}
        for name, given, before in (("x", self.x, self.trial.x), ("dout", self.given, self.dout)):
            if not np.array_equal(given, before, equal_nan=True):
                found[name] = "the call wrote to it"
        for name, leaf in self.results.items():
            for other, memory in (("x", self.x), ("dout", self.given)):
                if leaf.flags.writeable and leaf.size and np.shares_memory(leaf, memory):
                    found.setdefault(name, f"it is writable, and shares memory with {other}")
        differ = [name for name, leaf in self.alone.items() if not self._same(leaf, self.results[name])]
        if differ and not found and self._repeats():  # else that may be why
            found = dict.fromkeys(differ, "grads(cache, dout) is not the second result of backward")
        if not found and self._keeps_x():
            found["x"] = "the cache shares the memory of it: hold own(x) in it"
        return found

    def _repeats(self) -> bool:
        """Tell whether backward gives the same once more."""
        again = named(backward_of(self.trial.layer, self.trial.cache, self.given))
        return all(np.array_equal(leaf, self.results[name], equal_nan=True) for name, leaf in again.items())

    def _same(self, got: Array, expected: Array) -> bool:
        """Tell whether the two ways to a gradient lead to the same but for rounding."""
        if got.shape != expected.shape:
            return False
        if np.isnan(expected).any():
            return bool(np.isnan(got).any())
        known = np.isfinite(got) & np.isfinite(expected)
        if not known.any():
            return True
        off = float(np.abs(got - expected, where=known, out=np.zeros(got.shape, got.dtype)).max())
        size, digits = float(np.abs(expected[known]).max()), self.trial.out.dtype.itemsize
        largest = max(
            float(np.abs(leaf[np.isfinite(leaf)]).max(initial=0)) for leaf in (*self.results.values(), self.dout)
        )
        return off <= GRADS.get(digits, 1e-3) * size or off <= CANCELLED.get(digits, 1e-8) * largest

    def _keeps_x(self) -> bool:
        """Tell whether backward gives something else once x has other numbers."""
        if not self.x.flags.writeable or not any(
            np.may_share_memory(self.x, kept) for kept in arrays_in(self.trial.cache)
        ):
            return False
        self.x[...] = -2 * self.trial.x - np.asarray(0.125, self.x.dtype)
        again = named(backward_of(self.trial.layer, self.trial.cache, self.given))
        return not all(np.array_equal(leaf, self.results[name], equal_nan=True) for name, leaf in again.items())

    def beside_float64(self, call: Call, noise: float, rng: np.random.Generator) -> Iterator[Verdict]:
        """The verdicts on results that are not those of float64, nor what rounding could make of them."""
        params, x = in_float64(self.trial.params), in_float64(self.trial.x)
        value, cache = self.trial.layer.forward(params, call.layout(x))
        out: NDArray[Any] = np.asarray(value)
        exact = Trial(self.trial.layer, params, x, out, cache).with_noise(noise)
        both = Both.beside(self.trial, self.dout, self.results, exact, rng, call.dout_layout)
        bytes_each = self.dout.dtype.itemsize
        for name, leaf in self.results.items():
            right = both.right[name]
            if np.isnan(self.dout).any() and np.isnan(right).any() and not np.isnan(leaf).any():
                yield Verdict("", name, ok=False, note=": a nan in it shows in float64, and not here")
        may_overflow = call.is_large or call.kind in SCALED
        for verdict in both.verdicts(rng, "", theirs=False, may_overflow=may_overflow, units=UNITS[bytes_each]):
            right = both.right[verdict.field]
            usual = max(float(np.abs(each[np.isfinite(each)]).max(initial=0)) for each in (right, self.dout))
            off = abs(verdict.got - verdict.expected)
            if verdict.field == "out" or not call.is_large or off > GROSS * usual:
                yield verdict


__all__ = ["other_calls"]
