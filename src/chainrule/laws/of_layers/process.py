"""The law of the process: what belongs to the whole of it is as it was before a call."""

from typing import Any

import numpy as np

from chainrule.arrays.types import Array
from chainrule.checking.verdict import Verdict
from chainrule.laws.of_layers._drawn import DRAWN, is_drawn
from chainrule.laws.of_layers.state import equal
from chainrule.laws.trials.process import settings_kept
from chainrule.laws.trials.trial import Checked, Fields, Trial, draw, run_forward

FIRST_CALL = "the first call"
"""The field of what the first call of a process gives, and no later one."""


def process_unchanged(layer: Checked[Any, Any], params: Any, x: Any, rng: np.random.Generator) -> list[Verdict]:
    """A call leaves the process as it was.

    That is: NumPy's error and print settings and its buffer, filters of warnings, random generators, the environment,
    the current directory, the recursion limit, the garbage collector, the switch interval of threads, the level of
    logging, the context of decimal numbers, and torch's default dtype, recording, threads, random state, and choice of
    algorithms and of precision. The first call gives what the next gives.

    Parameters
    ----------
    layer, params, x
        The layer, and the arguments to run it on.
    rng
        The generator that draws `dout`.

    Returns
    -------
    list[Verdict]
        For each of them.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule import Affine, affine, laws
    >>> rng = np.random.default_rng(0)
    >>> params, x = Affine.init(rng, 3, 2), rng.standard_normal((4, 3)).astype(np.float32)
    >>> all(verdict.ok for verdict in laws.process_unchanged(affine, params, x, rng))
    True
    """
    calls: list[tuple[Array, Fields]] = []

    def call() -> None:
        out, cache = run_forward(layer, params, x)
        dout = draw(out, rng)
        calls.append((dout, {"out": np.array(out), **Trial(layer, params, x, out, cache).back(dout)}))
        layer.grads(cache, dout.copy())

    verdicts = settings_kept("process_unchanged", call, rng)
    dout, results = calls[0]
    again = Trial.of(layer, params, x)
    same = equal(results, again.results(dout))
    note = "" if same else "the first call gives other numbers than the next: is something kept?"
    if note and is_drawn(layer, params, x, dout):
        note = DRAWN
    return [*verdicts, Verdict("process_unchanged", FIRST_CALL, same, note)]


__all__ = ["process_unchanged"]
