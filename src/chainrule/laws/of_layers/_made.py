"""A call that a user might make, and its faults: memory that is written or shared, and numbers that float64 denies."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers._arguments import Call
from chainrule.laws.of_layers._beside_float64 import Allowance, BesideFloat64, floors, is_random
from chainrule.laws.of_layers._kinds_of_dout import ALIKE, ONES, SCALED, SPARSE
from chainrule.laws.trials.arrays_in import arrays_in
from chainrule.laws.trials.copies import in_dtype, in_float64
from chainrule.laws.trials.trial import Fields, Trial, backward_of, couples_rows, draw, named

UNITS = {4: 8000.0, 2: 64.0}
"""The units of rounding that a result may be off by, by the bytes of a number: other numbers than those that were given
may cancel, and what is looked for here is more than rounding."""

GRADS = {8: 1e-3, 4: 1e-3, 2: 0.1}
"""The share of the largest entry that the two ways to a gradient may differ by, by the bytes of a number."""

GROSS = 0.05
"""The share of the largest entry, or of dout, from which on a result at larger numbers is wrong: less is rounding."""

CANCELLED = {8: 1e-8, 4: 1e-3, 2: 0.1}
"""The share of the largest of all results below which a gradient is what rounding left, by the bytes of a number."""


NEAR_ZERO = 2.0**-17
"""A step from 0 that is small beside the root of float32's eps, which is 3e-4."""


@frozen(eq=False)
class Made:
    """A call that was made, and what came back.

    `x` and `given` are the very arrays that forward and backward got; `trial.x` and `dout` are what these were before.
    `alone` is what `grads` gave, and `saved` the arrays of the cache with their bytes after forward.
    """

    call: Call
    trial: Trial
    x: Array
    dout: Array
    given: Array
    results: Fields
    alone: Fields
    saved: list[tuple[Array, bytes]]
    writable: dict[str, bool]

    @classmethod
    def of(cls, layer: Any, call: Call, dtype: np.dtype[Any], rng: np.random.Generator) -> "Made":
        x, params = call.layout(call.x.astype(dtype)), in_dtype(call.params, dtype)
        before = np.array(x)
        out, cache = layer.forward(params, x)
        out = np.asarray(out)
        saved = [(leaf, leaf.tobytes()) for leaf in arrays_in(cache)]
        trial = Trial(layer, params, before, out, cache)
        dout = call.kind(draw(out, rng))
        given = call.dout_layout(dout.copy())
        writable = {"x": x.flags.writeable, "dout": given.flags.writeable}
        results: Fields = {"out": out, **trial.back_as_laid_out(given)}
        alone = named((None, layer.grads(cache, given)))
        return cls(call, trial, x, dout, given, results, alone, saved, writable)

    def of_memory(self) -> dict[str, str]:
        return self._written() | self._shared()

    def of_results(self, first: "Made | None") -> dict[str, str]:
        """Faults of what comes back, and of what a usual call before it gives now."""
        finite = not (np.isnan(self.trial.x).any() or np.isnan(self.dout).any())
        if first is not None and finite and not first.gives_the_same():
            return {"backward": "after this call it gives another result for a cache from before"}
        if self._other_alone():
            return {"out": "the first row gives another output alone"}
        differ = [name for name, leaf in self.alone.items() if not self._same(leaf, self.results[name])]
        if differ and self.gives_the_same():  # else that may be why
            return dict.fromkeys(differ, "grads(cache, dout) is not the second result of backward")
        return self._promoted()

    def _written(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, given, before in (("x", self.x, self.trial.x), ("dout", self.given, self.dout)):
            if not np.array_equal(given, before, equal_nan=True):
                found[name] = "the call wrote to it"
            elif given.flags.writeable != self.writable[name]:
                found[name] = f"the call made it {'writable' if given.flags.writeable else 'read-only'}"
        if any(leaf.tobytes() != before for leaf, before in self.saved):
            found["cache"] = "backward wrote to it"
        return found

    def _promoted(self) -> dict[str, str]:
        results = [*self.alone.items(), *self.results.items()]
        other = [(name, leaf) for name, leaf in results if leaf.dtype.kind == "f" and leaf.dtype != self.x.dtype]
        return {name: f"it comes as {leaf.dtype}" for name, leaf in other}

    def _other_alone(self) -> bool:
        x, out = self.trial.x, self.trial.out
        if couples_rows(self.trial.layer, x) or not x.ndim or len(x) == 1 or len(out) != len(x):
            return False
        try:
            alone = np.asarray(self.trial.layer.forward(self.trial.params, x[:1].copy())[0])
        except Exception:
            return False
        return alone.shape == out[:1].shape and not self._same(alone, out[:1])

    def _shared(self) -> dict[str, str]:
        """The results that can be written to and share memory: with arguments, the cache, or another call's results."""
        writable = {name: leaf for name, leaf in self.results.items() if leaf.flags.writeable and leaf.size}
        if not writable:
            return {}
        found: dict[str, str] = {}
        layer, call = self.trial.layer, self.call
        again, cache = layer.forward(self.trial.params, call.layout(self.trial.x))
        others = {"out": np.asarray(again), **named(backward_of(layer, cache, call.dout_layout(self.dout.copy())))}
        kept = [leaf for leaf, _ in self.saved]
        for name, leaf in writable.items():
            memory = {"x": [self.x], "dout": [self.given], "the cache": kept, "those of another call": [others[name]]}
            for other, arrays in memory.items():
                if any(np.may_share_memory(leaf, each) and np.shares_memory(leaf, each) for each in arrays):
                    found.setdefault(name, f"it is writable, and shares memory with {other}")
        return found

    def outlives(self, others: list[Call]) -> bool:
        """Tell whether backward gives the same for its cache at once, and after other calls."""
        if not self.gives_the_same():
            return False
        for call in others:
            self.trial.layer.forward(self.trial.params, call.x.astype(self.x.dtype))
        return self.gives_the_same()

    def gives_the_same(self) -> bool:
        again = named(backward_of(self.trial.layer, self.trial.cache, self.given))
        return all(np.array_equal(leaf, self.results[name], equal_nan=True) for name, leaf in again.items())

    def _same(self, got: Array, expected: Array) -> bool:
        if np.array_equal(got, expected):
            return True
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

    def keeps_x(self) -> bool:
        """Tell whether backward gives something else once x has other numbers, which it gets."""
        if not self.x.flags.writeable or not any(
            np.may_share_memory(self.x, kept) for kept in arrays_in(self.trial.cache)
        ):
            return False
        self.x[...] = -2 * self.trial.x - np.asarray(0.125, self.x.dtype)
        return not self.gives_the_same()

    def beside_float64(
        self, noise: float, usual: Fields, rng: np.random.Generator, *, may_be_wide: bool
    ) -> Iterator[Verdict]:
        """The verdicts on results that are not those of float64, nor what rounding could make of them."""
        params, x = in_float64(self.trial.params), in_float64(self.trial.x)
        value, cache = self.trial.layer.forward(params, self.call.layout(x))
        out: NDArray[Any] = np.asarray(value)
        exact = Trial(self.trial.layer, params, x, out, cache).with_noise(noise)
        both = BesideFloat64.beside(self.trial, self.dout, self.results, exact, rng, self.call.dout_layout)
        x, dx = self.trial.x, self.results["dx"]
        of_zeros = ~np.any(x, axis=-1, keepdims=True) if x.ndim and dx.shape == x.shape else np.zeros((), np.bool_)
        if of_zeros.any() and self._is_of_this_dtype(of_zeros, rng):
            own = np.where(of_zeros, dx, both.right["dx"])
            both = evolve(both, right={**both.right, "dx": own})
        if np.isnan(x).any() and dx.shape == x.shape == both.right["dx"].shape:
            own = np.where(np.isnan(x), dx, both.right["dx"])  # at nan any slope is right: a vector kernel's is 0
            both = evolve(both, right={**both.right, "dx": own})
        units = UNITS[self.dout.dtype.itemsize]
        for name, leaf in self.results.items():
            right = both.right[name]
            if np.isnan(self.dout).any() and np.isnan(right).any() and not np.isnan(leaf).any():
                yield Verdict("", name, ok=False, note=": a nan in it shows in float64, and not here")
        may_overflow = self.call.times > 1 or self.call.kind in SCALED
        least = floors(usual, units) if self.call.kind is np.copy else {}
        sparse = may_be_wide and self.call.kind in SPARSE  # a difference that cancels is judged beside few others
        if sparse or self.call.kind in (ALIKE, ONES):  # the dx of a norm is 0, but for what rounding has left of x
            both = both.with_units_of(draw(self.trial.out, rng), rng)
        allowed = Allowance(may_overflow=may_overflow, may_be_wide=may_be_wide, units=units, largest=least)
        for verdict in both.verdicts(rng, "", allowed):
            right = both.right[verdict.field]
            most = max(float(np.abs(each[np.isfinite(each)]).max(initial=0)) for each in (right, self.dout))
            off = abs(verdict.got - verdict.expected)
            if verdict.field == "out" or not self.call.times > 1 or off > GROSS * most:
                # A saturated softmax leaves nothing but rounding of the derivatives of its scores.
                if verdict.wrong and self.call.times > 1 and is_random(self.trial, verdict.field, rng):
                    continue
                yield verdict

    def _is_of_this_dtype(self, of_zeros: NDArray[np.bool_], rng: np.random.Generator) -> bool:
        """Tell whether dx is the derivative of forward in this dtype at rows of zeros, though float64 may have another.

        A constant that depends on the dtype, as an eps that is `numpy.finfo`'s, may be all that counts there. Numbers
        near 0 have all their digits, so that differences tell.
        """
        direction = rng.standard_normal(self.results["dx"].shape) * of_zeros
        try:
            above, below = (self._value(step * direction) for step in (NEAR_ZERO, -NEAR_ZERO))
        except Exception:
            return False
        slope = float(np.sum((above - below) * self.dout)) / (2 * NEAR_ZERO)
        got = float(np.sum(self.results["dx"] * direction))
        return abs(got - slope) <= 0.05 * abs(slope)

    def _value(self, moved: Array) -> NDArray[np.float64]:
        x = self.trial.x + moved.astype(self.trial.x.dtype)
        return np.asarray(self.trial.layer.forward(self.trial.params, x)[0], np.float64)


__all__ = ["Made"]
