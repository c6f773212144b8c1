"""Write docs/evidence-arrays.md: how far other array libraries are from NumPy, and what a compiled step costs.

    PYTHONPATH=tests:examples python benchmarks/array_libraries.py            # measure what is installed, and write
    PYTHONPATH=tests:examples python benchmarks/array_libraries.py --tables   # write again from docs/evidence/*.json

The figures are kept in docs/evidence/array_libraries.json; those of benchmarks/gpu.py are added from its own files.
The times of a compiled step need a core with nothing else to do.
"""

import argparse
import json
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from arrays_page import RESULT, write_page
from chainrule import sgd, softmax_cross_entropy, training_step, tree
from chainrule.interop.jax import register_pytrees
from examples.training import added
from libraries.installed import LIBRARIES, Library
from libraries.uses import USES, Use
from speed.contender import Contender
from speed.contenders.in_jax import Jax, OursInJax
from speed.harness import Loop, Plan, Row, Spread, race
from speed.problem import BOOK, SMALL, WIDE, WIDER, Problem, Size
from speed.threads import settle
from speed.whole import Size as WholeSize
from speed.whole import Whole
from speed.workloads.networks import LINES as NETWORKS
from speed.workloads.networks import RATE, in_jax
from speed.workloads.steps import STEPS, right

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


def differences(cases: int) -> list[Row]:
    """The largest differences for each library, use and dtype."""
    return [
        {"library": library.name, "use": use.name, "dtype": np.dtype(dtype).name, "cases": cases}
        | {"largest": largest(library, use, dtype, cases)}
        for library in LIBRARIES
        if library.name != "numpy"
        for dtype in (np.float32, np.float64)
        for use in USES
    ]


def compiled(size: Size, rounds: int) -> Row:
    """Our step and one written in JAX, both compiled, on one core: by processor time, which others do not add to."""
    losses = right(size)

    def begun(contender: Contender) -> Loop:
        loop = Loop(contender.steps(), contender.ready)
        if not contender.learned(loop(STEPS), losses) <= contender.tolerance:
            raise SystemExit(f"{contender} is wrong at {size}")
        return loop

    return compared(str(size), rounds, begun(OursInJax(Problem.draw(size))), begun(Jax(Problem.draw(size))))


def compiled_network(name: str, size: WholeSize, rounds: int) -> Row:
    """The same of a whole network, such as the GPT of the examples."""
    rng, line = np.random.default_rng(0), NETWORKS[name]
    start = line.params(rng, size), *line.batch(rng, size)
    loops = [make(line, size, *start) for make in (ours_in_jax, in_jax)]
    one, other = (float(loop(STEPS)[0]) for loop in loops)
    if not np.isclose(one, other, rtol=1e-5):
        raise SystemExit(f"{name} has the losses {one} and {other} at {size}")
    return compared(f"{name}, {' × '.join(map(str, size))}", rounds, *loops)


def ours_in_jax(line: Whole, size: WholeSize, params: Any, x: Any, labels: Any) -> Loop:
    """`training_step` in `jit`, with the old parameters donated to the new."""
    jax: Any = import_module("jax")
    register_pytrees()
    optimizer = sgd(RATE)
    step = jax.jit(training_step(line.network(size), softmax_cross_entropy, optimizer), donate_argnums=0)

    def steps() -> Iterator[Any]:
        held, state, x_there, labels_there = jax.tree.map(jax.numpy.array, (params, optimizer.init(params), x, labels))
        while True:
            held, state, loss = step(held, state, x_there, labels_there)
            yield loss, held

    return Loop(steps(), ready=jax.block_until_ready)


def compared(what: str, rounds: int, ours: Loop, native: Loop) -> Row:
    """Both by turns."""
    loops = {"ours": ours, "native": native}
    took = race({name: loop.time for name, loop in loops.items()}, Plan(rounds, block=8.0 / rounds))
    cpu = {name: [each.cpu for each in blocks] for name, blocks in took.items()}
    medians = {name: Spread.of(seconds).median for name, seconds in cpu.items()}
    return {"size": what, "ratio": Spread.of_ratios(cpu["ours"], cpu["native"]).median} | medians


def main() -> None:
    """Measure, if asked, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="write the page from figures that are there already")
    parser.add_argument("--cases", type=int, default=20, help="for each library, use and dtype (default: 20)")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each step (default: 60)")
    options = parser.parse_args()
    if not options.tables:
        settle()  # before JAX makes its threads
        result: Row = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "python": platform.python_version(),
            "packages": {each.name: version(PACKAGES.get(each.name, each.name)) for each in LIBRARIES},
            "rounds": options.rounds,
            "lines": {name: len(added(name)) for name in ("data_parallel_dask", "data_parallel_jax")},
            "compiled": [compiled(size, options.rounds) for size in (SMALL, BOOK, WIDE, WIDER)]
            + [compiled_network("GPT", size, options.rounds) for size in NETWORKS["GPT"].sizes],
            "differences": differences(options.cases),
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    write_page()


if __name__ == "__main__":
    main()
