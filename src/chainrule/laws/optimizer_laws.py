"""The laws of optimizers. Each takes an optimizer, parameters, gradients and a Generator."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chainrule import tree
from chainrule.arrays.arguments import describe
from chainrule.checking.verdict import Verdict
from chainrule.laws.copies import read_only_copy, writable
from chainrule.optimizer import Optimizer

P = TypeVar("P")
S = TypeVar("S")

OptimizerLaw: TypeAlias = Callable[[Optimizer[Any, Any], Any, Any, np.random.Generator], list[Verdict]]


def step_structure(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """New parameters are like the old: structure, shapes and dtypes; and so is the state after a step.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on.
    rng
        Not used: all laws of optimizers take one.

    Returns
    -------
    list[Verdict]
        For each array of the parameters, and the state.
    """
    state = optimizer.init(params)
    stepped, after = optimizer.step(state, params, grads)
    verdicts: list[Verdict] = []
    for name, old, new in (("params", params, stepped), ("state", state, after)):
        kinds = [[(path, leaf.shape, leaf.dtype) for path, leaf in tree.named_leaves(value)] for value in (old, new)]
        ok = type(old) is type(new) and kinds[0] == kinds[1]
        note = "" if ok else f"was {_shapes(old)}, became {_shapes(new)}"
        verdicts.append(Verdict("step_structure", name, ok, note))
    return verdicts


def step_purity(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """No argument is written to, read-only ones are accepted, calls repeat, and results share no memory with arguments.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on; copies are used.
    rng
        Not used: all laws of optimizers take one.

    Returns
    -------
    list[Verdict]
        For arguments, repetition and ownership.
    """
    given, slopes = writable(params), writable(grads)
    state = optimizer.init(given)
    before = writable(state)
    first = optimizer.step(state, given, slopes)
    untouched = tree.equal((params, grads, before), (given, slopes, state))
    repeats = tree.equal(first, optimizer.step(state, given, slopes))
    repeats = repeats and tree.equal(first, optimizer.step(state, read_only_copy(params), read_only_copy(grads)))
    arguments = [leaf for leaf in tree.leaves((given, slopes)) if leaf.flags.writeable]
    shared = any(np.shares_memory(a, b) for a in tree.leaves(first) for b in arguments)
    return [
        Verdict("step_purity", "arguments", untouched, "" if untouched else "a call wrote to one of its arguments"),
        Verdict("step_purity", "repetition", repeats, "" if repeats else "the same call gives other numbers"),
        Verdict("step_purity", "ownership", not shared, "results share the arguments' memory" if shared else ""),
    ]


def elementwise(optimizer: Optimizer[P, S], params: P, grads: P, rng: np.random.Generator) -> list[Verdict]:
    """Each number is treated alone: stepping reversed arrays gives the reversed step, over three steps.

    Parameters
    ----------
    optimizer, params, grads
        The optimizer, and the arguments to run it on.
    rng
        Not used: all laws of optimizers take one.

    Returns
    -------
    list[Verdict]
        For the parameters.
    """
    straight, mirrored = params, _mirrored(params)
    state, mirrored_state = optimizer.init(straight), optimizer.init(mirrored)
    for _ in range(3):
        straight, state = optimizer.step(state, writable(straight), writable(grads))
        mirrored, mirrored_state = optimizer.step(mirrored_state, writable(mirrored), writable(_mirrored(grads)))
    ok = tree.equal(_mirrored(straight), mirrored)
    return [Verdict("elementwise", "params", ok, "" if ok else "a number's step depends on where it stands")]


OPTIMIZER_LAWS: dict[str, OptimizerLaw] = {
    "step_structure": step_structure,
    "step_purity": step_purity,
    "elementwise": elementwise,
}
"""All laws of optimizers, by name."""


def _shapes(value: object) -> str:
    return ", ".join(f"{path} {describe(leaf)}".strip() for path, leaf in tree.named_leaves(value)) or describe(value)


def _mirrored(value: P) -> P:
    return tree.map(lambda leaf: np.flip(leaf).copy(), value)
