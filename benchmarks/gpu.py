"""Check and time a training step on a GPU: ours on the arrays of several libraries, beside their own.

    python benchmarks/gpu.py                         # on the GPU, in float32 and bfloat16, up to 8192-16384-1000
    python benchmarks/gpu.py --device cpu --small    # anywhere, in some minutes

Contenders are what is installed of JAX, torch and CuPy. Each does one step on 64 rows of each network first, which is
compared with NumPy's in float64. Then they take turns; the time of a step is the median of the turns. Writes the
results to docs/evidence/steps-DEVICE.json, prints them as a table in Markdown, and fails if a gradient is wrong. With
`--tables`, benchmarks/array_libraries.py puts them on the page of evidence.
"""

import argparse
import json
import os
import platform
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from steps import Size, contenders, difference, interleaved, times

EVIDENCE = Path(__file__).parent.parent / "docs" / "evidence"

SMALL = [Size(64, 32, 10, 32), Size(784, 50, 10, 100)]
LARGE = [Size(784, 50, 10, 100), Size(784, 1024, 10, 1024), Size(4096, 4096, 1000, 4096), Size(8192, 16384, 1000, 8192)]

# How far a step may be from NumPy's in float64, as a share of the largest entry: sums of some thousand products that
# round to 24, 11 (TF32) and 8 binary digits. A wrong gradient is off by more than 0.1.
ALLOWED = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 5e-2}

STEEP = 2.0**20
"""A rate with which a step is all gradient."""


def set_precision(tf32: bool) -> None:
    """Let float32 products round their factors to TF32 on the GPU, or not; libraries differ in what they do unasked."""
    if find_spec("jax") is not None:
        jax: Any = import_module("jax")
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if tf32 else "highest")
    if find_spec("torch") is not None:
        torch: Any = import_module("torch")
        torch.set_float32_matmul_precision("high" if tf32 else "highest")


def device_name(device: str) -> str:
    """The card's name, or the processor's."""
    if device == "gpu" and find_spec("torch") is not None:
        torch: Any = import_module("torch")
        return str(torch.cuda.get_device_name())
    if device == "gpu":
        jax: Any = import_module("jax")
        return str(jax.devices("gpu")[0].device_kind)
    return f"{platform.machine()} CPU, {len(os.sched_getaffinity(0))} cores"


def measure(size: Size, dtype: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Check and time all contenders at one size."""
    rows: list[dict[str, Any]] = []
    prepared: dict[str, Callable[[], float]] = {}
    for steep, contender in zip(
        contenders(options.device, dtype, STEEP), contenders(options.device, dtype, 0.1), strict=True
    ):
        row: dict[str, Any] = {"size": str(size), "dtype": dtype, "contender": contender.name}
        try:
            row["difference"] = difference(steep, size, dtype, STEEP)
            prepared[contender.name] = times(contender, size, dtype, options.rounds, options.seconds)
        except Exception as error:  # noqa: BLE001  # no compiler, no kernel, no memory: the others go on
            row["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        rows.append(row)
    seconds = interleaved(prepared, options.rounds)
    for row in rows:
        if row["contender"] in seconds:
            row["seconds"] = median(seconds[row["contender"]])
            row["fastest"] = min(seconds[row["contender"]])
            row["teraflops"] = size.flops / row["seconds"] / 1e12
    return rows


def table(result: dict[str, Any]) -> list[str]:
    """The result in Markdown."""
    lines = [
        "| network, batch | dtype | contender | step, ms | Tflop/s | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        head = f"| {row['size']} | {row['dtype']} | {row['contender']} "
        if "seconds" in row:
            lines.append(f"{head}| {row['seconds'] * 1000:.3g} | {row['teraflops']:.3g} | {row['difference']:.1e} |")
        else:
            lines.append(f"{head}| | | {row['error'].replace('|', '/')[:80]} |")
    return lines


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--small", action="store_true", help="two small networks")
    parser.add_argument("--tf32", action="store_true", help="float32 products may round their factors to TF32")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contender (default: 15)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timing for each contender and size (default: 1)")
    parser.add_argument("--out", type=Path, default=EVIDENCE, help="the folder for the results")
    options = parser.parse_args()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need memory too
    if options.device == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    set_precision(options.tf32)

    name = device_name(options.device)
    packages = [each for each in ("numpy", "jax", "torch", "cupy") if find_spec(each) is not None]
    result: dict[str, Any] = {
        "device": name,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "packages": {each: version(each) for each in packages if each != "cupy"},
        "tf32": options.tf32,
        "rounds": options.rounds,
        "rows": [],
    }
    for size in SMALL if options.small else LARGE:
        for dtype in ("float32", "bfloat16"):
            rows = measure(size, dtype, options)
            result["rows"] += rows
            print(*table({"rows": rows})[2:], sep="\n", flush=True)

    options.out.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ("-tf32" if options.tf32 else "")
    path = options.out / f"steps-{slug}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("", name, "", *table(result), "", f"written to {path.name}", sep="\n")

    allowed = ALLOWED | ({"float32": ALLOWED["tf32"]} if options.tf32 else {})
    wrong = [row for row in result["rows"] if not row.get("difference", 0.0) <= allowed[row["dtype"]]]
    if wrong or not any(np.isfinite(row.get("seconds", np.nan)) for row in result["rows"]):
        raise SystemExit(f"wrong: {wrong or 'nothing could be measured'}")


if __name__ == "__main__":
    main()
