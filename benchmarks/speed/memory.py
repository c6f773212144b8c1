"""Peak memory of a step, in a fresh process for each contender.

    python -m speed.memory NAME SIZE        the process, as the system sees it
    python -m speed.memory --traced SIZE    ours, array by array

The system's figure holds the interpreter and the libraries too. Beside it, for ours, is what Python's own account of
arrays says, which NumPy keeps: the most that was held during a step, parameters and batch included.
"""

import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from speed.probe import fresh
from speed.problem import Problem
from speed.roster import ENTRIES, OURS
from speed.size import Size
from speed.team import FailureError
from speed.threads import ONE, pin

PROCESS = Path("/proc/self")
STEPS = 3
TRACED = "--traced"


def needed(size: Size) -> int:
    """Bytes of the parameters, the gradients and what the caches must hold, in float32.

    The caches must hold the input, the hidden layer's output and one array of the size of the logits.
    """
    caches = size.batch * (size.n_in + size.n_hidden + size.n_out)
    return 4 * (2 * size.parameters + caches)


def measure(names: tuple[str, ...], size: Size) -> dict[str, Any]:
    """The peak of each contender, and our arrays."""
    rows: list[dict[str, Any]] = []
    for name in names:
        row: dict[str, Any] = {"contender": name, "size": str(size)}
        try:
            row |= fresh("memory", name, str(size))
        except FailureError as failure:
            row["failure"] = str(failure)
        rows.append(row)
    return {"rows": rows, "arrays": fresh("memory", TRACED, str(size)) | {"needed": needed(size), "size": str(size)}}


def of_process(name: str, size: Size) -> dict[str, int]:
    """Bytes: the process before any step, its peak during three, and its peak since it started."""
    contender = ENTRIES[name].make(Problem.draw(size))
    before, started = _status("VmRSS"), _status("VmHWM")
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")  # from here on, the peak is that of what follows
    for _ in range(STEPS):
        contender.steps(1)
    during = _status("VmHWM")
    return {"before": before, "during": during, "ever": max(started, during)}


def of_arrays(size: Size) -> dict[str, int]:
    """Bytes in arrays: the most during a step, after two."""
    tracemalloc.start()
    contender = ENTRIES[OURS].make(Problem.draw(size))
    for _ in range(2):
        contender.steps(1)
    tracemalloc.reset_peak()
    contender.steps(1)
    return {"peak": tracemalloc.get_traced_memory()[1]}


def _status(name: str) -> int:
    for line in (PROCESS / "status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"the system gives no {name}")


if __name__ == "__main__":
    pin(ONE)
    asked, of = sys.argv[1], Size.read(sys.argv[2])
    print(json.dumps(of_arrays(of) if asked == TRACED else of_process(asked, of)))
