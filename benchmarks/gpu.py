"""Check and time a training step on a GPU: ours on the arrays of several libraries, beside their own.

    PYTHONPATH=src:examples python benchmarks/gpu.py                       # on the GPU, some minutes
    PYTHONPATH=src:examples python benchmarks/gpu.py --tf32                # float32 products may round to TF32
    PYTHONPATH=src:examples python benchmarks/gpu.py --device cpu --small  # anywhere, some minutes; writes nothing

It needs NumPy, attrs and what is to be measured: JAX, torch or CuPy, built for the GPU, and for torch and CuPy the
package array-api-compat. What is not there, or sees no GPU, is left out, and the result says so. It needs no network.

Each contender does one step on 64 rows of each network first, which is compared with NumPy's in float64. Then they take
turns; the time of a step is the median of the turns. Networks go up to 8192-16384-1000, with 8192 rows. Then comes the
GPT of the examples, in float32, on each engine of examples/gpt_engines.py: 20 losses at a small size are compared with
NumPy's, and steps are timed at larger ones. It prints its results as tables in Markdown, keeps them in
docs/evidence/steps-CARD.json as they come, writes docs/evidence-arrays.md anew with them, and fails if a gradient or a
loss is wrong.
"""

import argparse
import gc
import json
import os
import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from typing import Any

import gpt_engines
import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from arrays_page import EVIDENCE, steps_table, write_page
from speed.contender import Entry
from speed.contenders.original import Original
from speed.harness import Loop, Plan, Row, race
from speed.problem import BOOK, SMALL, WIDER, Problem, Size, largest

SIZES = (BOOK, WIDER, Size(4096, 4096, 1000, 4096), Size(8192, 16384, 1000, 8192))

GPT_SIZES = ((64, 32, 64, 4), (64, 256, 512, 8), (8, 1024, 1024, 16))
"""Rows, length, width and heads."""

CONTENDERS = {
    "ours, jax.jit": Entry("in_jax:OursInJax", ""),
    "native JAX": Entry("in_jax:Jax", ""),
    "ours, torch tensors": Entry("in_torch:OursInTorch", ""),
    "torch eager": Entry("in_torch:Torch", ""),
    "torch compiled": Entry("in_torch:Compiled", ""),
    "ours, CuPy arrays": Entry("in_cupy:OursInCupy", ""),
}

# How far a step may be from NumPy's in float64, as a share of the largest entry: sums of some thousand products that
# round to 24, 11 (TF32) and 8 binary digits. A wrong gradient is off by more than 0.1.
ALLOWED = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 5e-2}

STEEP = 2.0**20
"""A rate with which a step is all gradient, so that nothing of it is lost in rounding the parameters."""


def coarse(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Numbers near these that bfloat16 holds, too."""
    return (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def difference(entry: Entry, problem: Problem) -> float:
    """The largest difference of one step from that in float64, relative to the largest entry of each array."""
    size = evolve(problem.size, batch=min(problem.size.batch, 64))
    drawn = Problem.draw(size, rate=STEEP, dtype=problem.dtype, device=problem.device)
    steep = evolve(drawn, x=coarse(drawn.x), start=[coarse(array) for array in drawn.start])
    contender, right = entry.make(steep), Original(steep)
    found, expected = (each.read(Loop(each.steps(), each.ready)(1))[0] for each in (contender, right))
    return largest([(a.astype(np.float64), b) for a, b in zip(found, expected, strict=True)])


def measure(problem: Problem, names: list[str], rounds: int, seconds: float) -> list[Row]:
    """Check and time these contenders."""
    rows: dict[str, Row] = {
        name: {"size": str(problem.size), "dtype": problem.dtype, "contender": name} for name in names
    }
    loops: dict[str, Loop] = {}
    for name, row in rows.items():
        try:
            row["difference"] = difference(CONTENDERS[name], problem)
            contender = CONTENDERS[name].make(problem)
            loop = Loop(contender.steps(), contender.ready)
            loop(3)
            loops[name] = loop
        except Exception as error:  # noqa: BLE001  # no compiler, no kernel, no memory: the others go on
            row["error"] = summary(error)
    took = race({name: loop.time for name, loop in loops.items()}, Plan(rounds, block=seconds / rounds, before=0.0))
    n_in, n_out, units = problem.size.n_in, problem.size.n_out, problem.size.batch * problem.size.n_hidden
    for name, blocks in took.items():
        once = median(each.wall for each in blocks)
        # Additions and multiplications in the five matrix products of a step, which needs no dx of its input.
        flops = 2 * units * (2 * n_in + 3 * n_out)
        rows[name] |= {"seconds": once, "fastest": min(blocks).wall, "teraflops": flops / once / 1e12}
    return list(rows.values())


def measure_gpt(device: str, sizes: Sequence[Sequence[int]], steps: int = 20) -> list[Row]:
    """The GPT on each engine: its losses at a small size beside NumPy's, and the time of a step at each of these."""
    rows: list[Row] = []
    small = gpt_engines.read_options(["--size", "8", "16", "32", "4", "--device", device])
    right = [loss for loss, _ in gpt_engines.train(gpt_engines.Engine(), small)]
    for name, make in gpt_engines.ENGINES.items():
        row: Row = {"dtype": "float32", "contender": f"ours, {name}"}
        try:
            losses = [loss for loss, _ in gpt_engines.train(make(small), small)]
            row["difference"] = float(abs(np.divide(losses, right) - 1).max())
            for n, length, width, heads in sizes:
                options = argparse.Namespace(**vars(small) | {"size": (n, length, width, heads), "steps": steps})
                once = median([seconds for _, seconds in gpt_engines.train(make(options), options)][1:])
                # A place's products in two blocks and the head, thrice: forward, and with either factor backward.
                flops = 3 * n * length * (2 * (24 * width**2 + 4 * length * width) + 2 * width * gpt_engines.DIGITS)
                size = f"GPT {n}-{length}-{width}-{heads}"
                rows.append(row | {"size": size, "seconds": once, "teraflops": flops / once / 1e12})
        except Exception as error:  # noqa: BLE001  # as above
            rows.append(row | {"size": "GPT", "error": summary(error)})
    return rows


def summary(error: Exception) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:160]


def absent(device: str) -> dict[str, str]:
    """The contenders that can take no step here, and why."""
    reasons: dict[str, str] = {}
    for name, entry in CONTENDERS.items():
        try:
            Loop(entry.make(Problem.draw(Size(2, 2, 2, 2), device=device)).steps())(1)
        except Exception as error:  # noqa: BLE001  # libraries have many ways to find no driver, or one that is too old
            reasons[name] = summary(error)
    return reasons


def set_precision(tf32: bool) -> None:
    """Let float32 products round their factors to TF32 on the GPU, or not; libraries differ in what they do unasked."""
    os.environ["CUPY_TF32"] = "1" if tf32 else "0"
    with suppress(ImportError):
        jax: Any = import_module("jax")
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if tf32 else "highest")
    with suppress(ImportError):
        torch: Any = import_module("torch")
        torch.set_float32_matmul_precision("high" if tf32 else "highest")


def device_name(device: str) -> str:
    """The card's name, or the processor's kind."""
    if device == "cpu":
        return f"{platform.machine()} CPU"
    with suppress(Exception):
        torch: Any = import_module("torch")
        return str(torch.cuda.get_device_name())
    jax: Any = import_module("jax")
    return str(jax.devices("gpu")[0].device_kind)


def wrong(result: Row) -> list[Row]:
    """The rows whose gradient is."""
    allowed = ALLOWED | ({"float32": ALLOWED["tf32"]} if result["tf32"] else {})
    return [row for row in result["rows"] if not row.get("difference", 0.0) <= allowed[row["dtype"]]]


def save(result: Row, folder: Path) -> Path:
    """Write the result to a file named after the device."""
    folder.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", result["device"].lower()).strip("-") + ("-tf32" if result["tf32"] else "")
    path = folder / f"steps-{slug}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--small", action="store_true", help="two small networks, and a small GPT")
    parser.add_argument("--sizes", nargs="+", type=Size.read, help="such as 784-50-10/100; no GPT then")
    parser.add_argument("--tf32", action="store_true", help="float32 products may round their factors to TF32")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender (default: 15)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timing for each contender and size (default: 1)")
    parser.add_argument("--out", type=Path, help="the folder for the results (default: docs/evidence, of a GPU alone)")
    options = parser.parse_args(arguments)
    folder = options.out or (EVIDENCE if options.device == "gpu" else None)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need memory too
    set_precision(options.tf32)
    missing = absent(options.device)
    names = [name for name in CONTENDERS if name not in missing]
    print(*(f"{name}: {reason}" for name, reason in missing.items()), sep="\n")
    if not names:
        raise SystemExit(f"no library here can compute on a {options.device.upper()}")
    packages = {each.name: each.version for each in distributions() if re.match("numpy|torch|jax|cupy", each.name)}
    result: Row = {"device": device_name(options.device), "gpu": options.device == "gpu", "packages": packages}
    result |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "absent": missing, "tf32": options.tf32}
    result |= {"rounds": options.rounds, "rows": []}
    for size in options.sizes or ((SMALL, BOOK) if options.small else SIZES):
        for dtype in ("float32", "bfloat16"):
            problem = Problem.draw(size, dtype=dtype, device=options.device)
            rows = measure(problem, names, options.rounds, options.seconds)
            gc.collect()
            result["rows"] += rows
            print(f"\n{steps_table(rows)}", flush=True)
            if folder is not None:
                save(result, folder)  # what stops it from now on does not lose these
    if not options.sizes:
        rows = measure_gpt(options.device, GPT_SIZES[: 1 if options.small else None])
        result["rows"] += rows
        print(f"\n{steps_table(rows)}", flush=True)
        if folder is not None:
            save(result, folder)
    if folder == EVIDENCE:
        print(f"written to {write_page().name}")
    if wrong(result):
        raise SystemExit(f"wrong: {wrong(result)}")
    if not any("seconds" in row for row in result["rows"]):
        raise SystemExit("nothing could be measured")


if __name__ == "__main__":
    main()
