"""Write docs/evidence-arrays.md: how far other array libraries are from NumPy, and what a compiled step costs.

    PYTHONPATH=tests python benchmarks/array_libraries.py            # measure what is installed, and write
    PYTHONPATH=tests python benchmarks/array_libraries.py --tables   # write again from docs/evidence/*.json

The figures are kept in docs/evidence/array_libraries.json; those of benchmarks/gpu.py are added from its own files.
The times of a compiled step need a core with nothing else to do.
"""

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np

from arrays_page import RESULT, write_page
from chainrule import tree
from examples.training import added
from libraries.installed import LIBRARIES, Library
from libraries.uses import USES, Use
from steps import InJax, Size, difference, interleaved, native_jax, ours, ratio, times

SIZES = [Size(64, 32, 10, 32), Size(784, 50, 10, 100), Size(784, 512, 10, 256), Size(784, 1024, 10, 1024)]
PACKAGES = {"array_api_strict": "array-api-strict", "cupy": "cupy-cuda12x"}


def largest(library: Library, use: Use, dtype: Any, cases: int) -> float:
    """The largest difference from NumPy over some cases, relative to the largest entry of each array, or to 1."""
    worst = 0.0
    for seed in range(cases):
        inputs = use.make(np.random.default_rng(seed), 5, dtype)
        theirs = library.get_all(library.run(use.function, library.put_all(inputs)))
        for a, b in zip(tree.leaves(theirs), tree.leaves(use.function(*inputs)), strict=True):
            if a.shape != b.shape or a.dtype != b.dtype:
                raise SystemExit(f"{library.name}, {use.name}: {a.dtype}{a.shape} in place of {b.dtype}{b.shape}")
            worst = max(worst, float(np.abs(a - b).max(initial=0)) / max(1.0, float(np.abs(b).max(initial=0))))
    return worst


def differences(cases: int) -> list[dict[str, Any]]:
    """The largest differences for each library, use and dtype."""
    return [
        {
            "library": library.name,
            "use": use.name,
            "dtype": np.dtype(dtype).name,
            "cases": cases,
            "largest": largest(library, use, dtype, cases),
        }
        for library in LIBRARIES
        if library.name != "numpy"
        for dtype in (np.float32, np.float64)
        for use in USES
    ]


def compiled(rounds: int) -> list[dict[str, Any]]:
    """Our step and one written in JAX, both compiled, on one core: by processor time, which others do not add to."""
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        pair = [InJax("ours", ours(0.1), "cpu"), InJax("native", native_jax(0.1), "cpu")]
        for each in pair:
            each.clock = time.process_time
            if not difference(each, size, "float32", 0.1) < 1e-5:
                raise SystemExit(f"{each.name} is wrong at {size}")
        seconds = interleaved({each.name: times(each, size, "float32", rounds, 8.0) for each in pair}, rounds)
        rows.append(
            {"size": str(size), "ratio": ratio(seconds["ours"], seconds["native"])}
            | {name: median(each) for name, each in seconds.items()}
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, if asked, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="write the page from figures that are there already")
    parser.add_argument("--cases", type=int, default=20, help="for each library, use and dtype (default: 20)")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each step (default: 60)")
    options = parser.parse_args()
    if not options.tables:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before JAX makes its threads
        result: dict[str, Any] = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "python": platform.python_version(),
            "packages": {each.name: version(PACKAGES.get(each.name, each.name)) for each in LIBRARIES},
            "rounds": options.rounds,
            "lines": {name: len(added(name)) for name in ("data_parallel_dask", "data_parallel_jax")},
            "compiled": compiled(options.rounds),
            "differences": differences(options.cases),
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    write_page()


if __name__ == "__main__":
    main()
