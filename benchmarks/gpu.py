"""Check and time a training step on a GPU: ours on the arrays of several libraries, beside their own.

    PYTHONPATH=src python benchmarks/gpu.py                         # on the GPU, float32 and bfloat16, some minutes
    PYTHONPATH=src python benchmarks/gpu.py --tf32                  # float32 products may round their factors to TF32
    PYTHONPATH=src python benchmarks/gpu.py --device cpu --small    # anywhere, in a minute; prints, and writes nothing

It needs NumPy, attrs and what is to be measured: JAX, torch or CuPy, built for the GPU, and for torch and CuPy the
package array-api-compat. What is not there, or sees no GPU, is left out, and the result says so. It needs no network.

Each contender does one step on 64 rows of each network first, which is compared with NumPy's in float64. Then they take
turns; the time of a step is the median of the turns. Networks go up to 8192-16384-1000, with 8192 rows. It prints its
results as tables in Markdown, keeps them in docs/evidence/steps-CARD.json as they come, writes docs/evidence-arrays.md
anew with them, and fails if a gradient is wrong.
"""

import argparse
import json
import os
import platform
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from arrays_page import EVIDENCE, table, write_page
from steps import LIBRARIES, Size, absent, contenders, difference, free, interleaved, summary, times

SMALL = [Size(64, 32, 10, 32), Size(784, 50, 10, 100)]
LARGE = [Size(784, 50, 10, 100), Size(784, 1024, 10, 1024), Size(4096, 4096, 1000, 4096), Size(8192, 16384, 1000, 8192)]

# How far a step may be from NumPy's in float64, as a share of the largest entry: sums of some thousand products that
# round to 24, 11 (TF32) and 8 binary digits. A wrong gradient is off by more than 0.1.
ALLOWED = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 5e-2}

STEEP = 2.0**20
"""A rate with which a step is all gradient."""


def set_precision(tf32: bool, libraries: Collection[str]) -> None:
    """Let float32 products round their factors to TF32 on the GPU, or not; libraries differ in what they do unasked."""
    if "jax" in libraries:
        jax: Any = import_module("jax")
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if tf32 else "highest")
    if "torch" in libraries:
        torch: Any = import_module("torch")
        torch.set_float32_matmul_precision("high" if tf32 else "highest")


def device_name(device: str, libraries: Collection[str]) -> str:
    """The card's name, or the processor's kind."""
    if device == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"{platform.machine()} CPU, {cores} {'core' if cores == 1 else 'cores'}"
    if "torch" in libraries:
        torch: Any = import_module("torch")
        return str(torch.cuda.get_device_name())
    if "jax" in libraries:
        jax: Any = import_module("jax")
        return str(jax.devices("gpu")[0].device_kind)
    cupy: Any = import_module("cupy")
    return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())


def release(library: str) -> str:
    """The number of a library's release, as it says itself where its package has a name of its own."""
    try:
        return version(library)
    except PackageNotFoundError:  # cupy-cuda12x
        return str(getattr(import_module(library), "__version__", "unknown"))


def attempt(row: dict[str, Any], step: Callable[[], float]) -> float:
    """The seconds of a step, or nan and an error in its row: the others go on."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001  # no memory, most likely; libraries have many ways to say it
        row.setdefault("error", summary(error))
        return float("nan")


def measure(size: Size, dtype: str, libraries: Collection[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Check and time all contenders at one size."""
    rows: list[dict[str, Any]] = []
    prepared: dict[str, Callable[[], float]] = {}
    steep = contenders(options.device, dtype, STEEP, libraries)
    for contender in contenders(options.device, dtype, 0.1, libraries):
        row: dict[str, Any] = {"size": str(size), "dtype": dtype, "contender": contender.name}
        rows.append(row)
        try:
            row["difference"] = difference(steep.pop(0), size, dtype, STEEP)  # whose memory is free after it
            step = times(contender, size, dtype, options.rounds, options.seconds)
        except Exception as error:  # noqa: BLE001  # no compiler, no kernel, no memory: the others go on
            row["error"] = summary(error)
        else:
            prepared[contender.name] = partial(attempt, row, step)
    seconds = interleaved(prepared, options.rounds)
    for row in rows:
        if "error" not in row:
            row["seconds"] = median(seconds[row["contender"]])
            row["fastest"] = min(seconds[row["contender"]])
            row["teraflops"] = size.flops / row["seconds"] / 1e12
    return rows


def wrong(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows whose gradient is."""
    allowed = ALLOWED | ({"float32": ALLOWED["tf32"]} if result["tf32"] else {})
    return [row for row in result["rows"] if not row.get("difference", 0.0) <= allowed[row["dtype"]]]


def save(result: dict[str, Any], folder: Path) -> Path:
    """Write the result to a file named after the device."""
    folder.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", result["device"].lower()).strip("-") + ("-tf32" if result["tf32"] else "")
    path = folder / f"steps-{slug}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--small", action="store_true", help="two small networks")
    parser.add_argument("--tf32", action="store_true", help="float32 products may round their factors to TF32")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender (default: 15)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timing for each contender and size (default: 1)")
    parser.add_argument("--out", type=Path, help="the folder for the results (default: docs/evidence, of a GPU alone)")
    options = parser.parse_args(arguments)
    if options.out is None and options.device == "gpu":
        options.out = EVIDENCE
    return options


def found(device: str) -> dict[str, str]:
    """The libraries, each with the reason why it can't be measured, or nothing if it can."""
    reasons = {library: absent(library, device) for library in LIBRARIES}
    for library, reason in reasons.items():
        if reason:
            print(f"{library}: {reason}")
    if all(reasons.values()):
        raise SystemExit(f"no library here can compute on a {device.upper()}")
    return reasons


def main(arguments: list[str] | None = None) -> None:
    """Measure, write and print."""
    options = parse(arguments)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need memory too
    os.environ["CUPY_TF32"] = "1" if options.tf32 else "0"
    if options.device == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    reasons = found(options.device)
    libraries = [library for library, reason in reasons.items() if not reason]
    set_precision(options.tf32, libraries)
    result: dict[str, Any] = {
        "device": device_name(options.device, libraries),
        "gpu": options.device == "gpu",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "packages": {name: release(name) for name in ("numpy", *libraries)},
        "absent": {library: reason for library, reason in reasons.items() if reason},
        "tf32": options.tf32,
        "rounds": options.rounds,
        "rows": [],
    }
    print(result["device"], "", *table([]), sep="\n", flush=True)
    for size in SMALL if options.small else LARGE:
        for dtype in ("float32", "bfloat16"):
            rows = measure(size, dtype, libraries, options)
            free(libraries)
            result["rows"] += rows
            print(*table(rows)[2:], sep="\n", end="\n" if rows else "", flush=True)
            if options.out is not None:
                save(result, options.out)  # what stops it from now on does not lose these
    if options.out is not None:
        print(f"\nwritten to {save(result, options.out).name}")
    if options.out == EVIDENCE:
        print(f"and to {write_page().name}")
    if wrong(result):
        raise SystemExit(f"wrong: {wrong(result)}")
    if not any("seconds" in row for row in result["rows"]):
        raise SystemExit("nothing could be measured")


if __name__ == "__main__":
    main()
