"""The laws of a step as it is given: the form of its results, and that it is pure."""

from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import two
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_optimizers._cases import grows, other_arguments, other_shapes
from chainrule.laws.of_optimizers._impurities import impurities, of_a_run
from chainrule.laws.of_optimizers._pace import STEPS
from chainrule.laws.trials.copies import in_dtype, writable
from chainrule.laws.trials.parameters import form_of, refuse_swapped
from chainrule.laws.trials.process import settings_kept
from chainrule.laws.trials.wording import wrote_to_read_only
from chainrule.optimizer import Optimizer

P = TypeVar("P")
S = TypeVar("S")


def step_structure(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """New parameters are like the old: structure, shapes and dtypes; and so is the state after a step.

    Some steps are taken, each on the results of the one before, those of float32 and float16 too, and of arrays of
    other shapes.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on.
    rng
        Not used: all laws of optimizers take one.

    Returns
    -------
    list[Verdict]
        For the parameters and the state.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import adam, laws
    >>> rng = np.random.default_rng(0)
    >>> params, grads = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.step_structure(adam(0.01), params, grads, rng))
    True
    """
    notes = _reformed(optimizer, params, grads) or _lost(optimizer, params, grads)
    for dtype in (np.float32, np.float16):
        if all(leaf.dtype == dtype for leaf in tree.leaves(params)):
            continue
        with suppress(Exception), np.errstate(all="ignore"):  # it takes no such dtype, which is an answer
            narrow = _reformed(optimizer, *in_dtype((params, grads), dtype))
            notes = {name: f"in {dtype.__name__}: {note}" for name, note in narrow.items()} | notes
    for words, reshaped in other_shapes(params) if not notes else ():
        with suppress(Exception), np.errstate(all="ignore"):  # it takes no such arrays, which is an answer
            given = reshaped(params), reshaped(grads)
            if not grows(optimizer, *given):
                notes = {name: f"{words}: {note}" for name, note in _reformed(optimizer, *given).items()} | notes
    return [Verdict("step_structure", name, name not in notes, notes.get(name, "")) for name in ("params", "state")]


def _lost(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> dict[str, str]:
    """The fault of parameters that a gradient of 0 makes no number in their own dtype, and not in float64."""

    def with_zero(leaf: Any) -> Any:
        some = leaf.copy()
        some.flat[:1] = 0
        return some

    def is_lost(given: Any) -> bool:
        at, slopes = given
        new, _ = optimizer.step(optimizer.init(at), at, slopes)
        return not all(np.isfinite(leaf).all() for leaf in tree.leaves(new))

    given = params, tree.map(with_zero, grads)
    with suppress(Exception), np.errstate(all="ignore"):  # it takes no float64, or no such gradient: an answer
        if is_lost(writable(given)) and not is_lost(writable(in_dtype(given, np.float64))):
            return {"params": "is no number where a gradient is 0, and is one in float64: is an eps 0 in this dtype?"}
    return {}


def _reformed(optimizer: Optimizer[Any, Any], params: Any, grads: Any) -> dict[str, str]:
    at, state = params, optimizer.init(params)
    before = {"params": form_of(at), "state": form_of(state)}
    notes: dict[str, str] = {}
    for step in range(STEPS):
        at, state = two(optimizer.step(state, at, grads), "step", "(params, state)")
        when = f", at step {step + 1}" if step else ""
        after = {"params": form_of(at), "state": form_of(state)}
        refuse_swapped(before, after)
        notes = {
            name: f"was {before[name]}, became {form}{when}" for name, form in after.items() if form != before[name]
        }
        if notes:
            break  # the steps after it are not to be held to anything
    return notes


def step_purity(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to, calls repeat, results share no memory, and the process stays as it is.

    Each step of a run is watched, and some have gradients of 0. The first is taken again after many others, and with
    other gradients in the same array. Other arguments are tried too: parameters of 0 and large ones, gradients of one
    sign, small ones, and 0 in some of the arrays, and arrays of other shapes.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on; copies are used, in their own dtype and in others.
    rng
        The generator that draws other gradients, for a step in between.

    Returns
    -------
    list[Verdict]
        For arguments, repetition and ownership, and for each setting of the process.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import adam, laws
    >>> rng = np.random.default_rng(0)
    >>> params, grads = rng.standard_normal((2, 4, 3))
    >>> all(verdict.ok for verdict in laws.step_purity(adam(0.01), params, grads, rng))
    True
    """
    notes: dict[str, str] = {}

    def call() -> None:
        optimizer.step(optimizer.init(params), writable(params), writable(grads))

    settings = settings_kept("step_purity", call, rng)
    for dtype in (None, np.float64, np.float32):
        given, slopes = (params, grads) if dtype is None else in_dtype((params, grads), dtype)
        try:
            found = impurities(optimizer, given, slopes, rng, later=dtype is None)
        except Exception as error:
            if dtype is None:
                raise
            if not wrote_to_read_only(error):
                continue  # it refuses this dtype, which is an answer
            found = {"arguments": "a call writes to one of its arguments"}
        for name, note in found.items():
            notes.setdefault(name, note if dtype is None else f"{note}, in {np.dtype(dtype).name}")
    for words, (given, slopes) in other_arguments(params, grads) if not notes else ():
        with suppress(Exception), np.errstate(all="ignore"):  # it takes no such arguments, which is an answer
            found = of_a_run(optimizer, given, [slopes, slopes])
            notes = {name: f"{note}, {words}" for name, note in found.items()} | notes
    return [
        *settings,
        *(
            Verdict("step_purity", name, name not in notes, notes.get(name, ""))
            for name in ("arguments", "repetition", "ownership")
        ),
    ]
