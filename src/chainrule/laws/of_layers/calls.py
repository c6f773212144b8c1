"""The law of calls that users make elsewhere: with other numbers, sizes, layouts and dtypes of the arguments."""

import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from chainrule import tree
from chainrule.arrays.types import Array, is_numpy
from chainrule.checking.verdict import Verdict, one_each
from chainrule.encoder import Encoder
from chainrule.laws.of_layers._arguments import Call, calls
from chainrule.laws.of_layers._kinds_of_dout import ONES
from chainrule.laws.of_layers._made import Made
from chainrule.laws.trials.settings import SETTINGS
from chainrule.laws.trials.trial import Checked, Fields, Trial, draw, measured

CALLS = 4
"""The calls after which a cache from before them is asked for its results once more."""

READ_AT_EACH_CALL = ("numpy.geterr", "the filters of warnings", "the environment")
"""The settings of the process that are read before each call and after it."""


def other_calls(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """In any call nothing of the caller's is written, shared or kept, and the results are those of float64.

    The calls are with other numbers in x, params and dout, nan among them, other sizes, and other layouts in memory, in
    float64, float32 and float16. `grads` gives what `backward` gives; a cache from before gives what it gave, and after
    them all a call as at first. What is wrong in a usual call is left to other laws.

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
    return in_other_calls(layer, params, x, rng)


def in_other_calls(
    layer: Checked[Any, Any],
    params: Any,
    x: Any,
    rng: np.random.Generator,
    *,
    of_loss: bool = False,
) -> list[Verdict]:
    """The verdicts of `other_calls`.

    Of a loss, other laws ask for memory in each dtype, at each number of rows and for a dloss of one.
    """
    if isinstance(layer, Encoder) or not (is_numpy(x) and x.size):
        return []
    base = measured(Trial.in_float64(layer, params, Trial.of(layer, params, x).fewer), rng)
    dout = draw(base.out, rng)
    before = base.back(dout)
    verdicts = [Verdict("other_calls", name, ok=True) for name in ("out", *before)]
    narrow = any(leaf.dtype == np.float16 for leaf in tree.leaves((params, x)))
    subject = _Subject(base, {"out": base.out, **before}, rng, of_loss, narrow)
    dtypes: list[np.dtype[Any]] = [x.dtype, *(np.dtype(each) for each in ("f8", "f4", "f2"))]
    known: set[str] = set()  # what is wrong in a usual call, as other laws say
    for dtype in dict.fromkeys(dtypes):
        every = calls(base.params, base.x, rng, base.names, few=dtype == np.float16)
        # Other laws ask for memory in the dtype of x and in float64.
        memory_is_known = of_loss or dtype in (x.dtype, np.float64)
        verdicts += subject.in_dtype(dtype, every, known, memory_is_known=memory_is_known)
        if any(each.wrong for each in verdicts):
            break  # the other dtypes would say the same
    after = Trial.of(layer, base.params, base.x).back(dout)
    changed = [name for name, leaf in after.items() if not np.array_equal(leaf, before[name], equal_nan=True)]
    if changed and _repeats(base, dout):
        words = "after calls with other numbers, sizes and dtypes it is another: is something kept outside the cache?"
        verdicts += [Verdict("other_calls", name, ok=False, note=words) for name in changed]
    return one_each(verdicts)


@frozen(eq=False)
class _Outcome:
    made: Made
    of_memory: dict[str, Verdict]
    of_results: dict[str, Verdict]


@frozen(eq=False)
class _Subject:
    """A layer at a point, and its results there; of a loss, other laws ask for memory at each number of rows.

    An argument that was given may be as `narrow` as float16.
    """

    base: Trial
    usual: Fields
    rng: np.random.Generator
    of_loss: bool
    narrow: bool

    def in_dtype(
        self, dtype: np.dtype[Any], every: Iterable[Call], known: set[str], *, memory_is_known: bool
    ) -> Iterator[Verdict]:
        """The verdicts on calls in a dtype, without fields that are wrong in a usual one: these become `known`."""
        first: Made | None = None
        for call in every:
            try:
                with np.errstate(all="warn"), warnings.catch_warnings():  # a layer may set them to "ignore"
                    warnings.filterwarnings("ignore", ".*")
                    outcome = self._outcome(call, dtype, first)
                    if not call.words and outcome.made.outlives(_like(call)):
                        first = outcome.made
            except Exception:
                continue
            of_memory, of_results = outcome.of_memory, outcome.of_results
            if not call.words:
                known.update(of_results, of_memory if memory_is_known else ())
            if not (known and "backward" in of_results):
                yield from (each for each in (*of_memory.values(), *of_results.values()) if each.field not in known)

    def _outcome(self, call: Call, dtype: np.dtype[Any], first: Made | None) -> _Outcome:
        settings = _settings()
        made = Made.of(self.base.layer, call, dtype, self.rng)
        of_results = made.of_results(first)  # before other calls are made
        asks_for_memory = not (self.of_loss and (call.of_rows or call.kind is ONES))
        of_memory = (made.of_memory() if asks_for_memory else {}) | _changed(settings)
        at, off = f"in {dtype.name}{call.words and f', {call.words}'}", dict[str, Verdict]()
        if not (of_memory or of_results or call.times < 1 or dtype == np.float64):
            may_be_wide = dtype == np.float16 and not self.narrow
            found = made.beside_float64(self.base.noise, self.usual, self.rng, may_be_wide=may_be_wide)
            off = {each.field: evolve(each, law="other_calls", note=f"{at}{each.note}") for each in found if each.wrong}
        if not (of_memory or of_results or off) and asks_for_memory and made.keeps_x():
            of_memory = {"x": f"the cache shares the memory of it: hold own({self.base.names.x}) in it"}
        wrong = partial(Verdict, "other_calls", ok=False)
        return _Outcome(
            made,
            {name: wrong(name, note=f"{at}: {note}") for name, note in of_memory.items()},
            off
            | {name: wrong(name, note=f"{at}: {note}") for name, note in of_results.items() if name not in of_memory},
        )


def _like(call: Call) -> list[Call]:
    return [evolve(call, x=np.roll(call.x, shift, 0)) for shift in range(CALLS)] if call.x.ndim else [call] * CALLS


def _settings() -> dict[str, Any]:
    """The settings of the process that calls with other numbers may change: they are read at each call."""
    return {name: SETTINGS[name].read() for name in READ_AT_EACH_CALL}


def _changed(before: dict[str, Any]) -> dict[str, str]:
    changed = [name for name, value in _settings().items() if value != before[name]]
    return {name: f"a call changes {name} of the whole process" for name in changed}


def _repeats(base: Trial, dout: Array) -> bool:
    results = [Trial.of(base.layer, base.params, base.x).back(dout) for _ in range(2)]
    return all(np.array_equal(leaf, results[1][name], equal_nan=True) for name, leaf in results[0].items())


__all__ = ["other_calls"]
