"""The results as tables: one function a table of the page."""

from collections.abc import Sequence
from typing import Any

from speed import goals
from speed.clock import Row
from speed.quantity import duration, megabytes, ratio
from speed.roster import ROSTER
from speed.size import BOOK
from speed.spread import Spread
from speed.table import table
from speed.threads import ALL, ONE

QUIET = 0.97
"""The share of its processor that a process has at least, in the middle, where little else is at work."""


def written(results: dict[str, Any]) -> dict[str, str]:
    """Every generated part of the page, by its name there."""
    rows = results["rows"]
    return {
        "machine": f"{machine(results['machine'])}\n{quiet(rows)}",
        "roster": roster(),
        "goals": goals.written(results),
        "one-thread": clocked(rows, ONE, "steps"),
        "all-threads": clocked(rows, ALL, "steps"),
        "predictions": clocked(rows, ONE, "predictions"),
        "waterfall": waterfalls(results["waterfall"]),
        "calls": calls(next(found for found in results["waterfall"] if found["size"] == str(BOOK))),
        "memory": memory(results["memory"]),
        "startup": startup(results["startup"], results["imports"]),
        "training": training(results["training"]),
        "numerical": numerical(results["numerical"]),
    }


def clocked(rows: Sequence[Row], threads: str, what: str) -> str:
    """A table for each size."""
    chosen = [row for row in rows if row["what"] == what and row["threads"] == threads]
    sizes = list(dict.fromkeys(row["size"] for row in chosen))
    return "\n\n".join(f"**{heading(size)}**\n\n{one_size(chosen, size)}" for size in sizes)


def heading(size: str) -> str:
    """A size in words."""
    network, _, batch = size.partition("/")
    return f"{network}, batch {int(batch):,}"


def one_size(rows: Sequence[Row], size: str) -> str:
    """The table of one size, the fastest first; then who was not measured, and why."""
    here = [row for row in rows if row["size"] == size]
    timed = sorted((row for row in here if "seconds" in row), key=lambda row: row["seconds"]["median"])
    lines = [
        [
            row["contender"],
            duration(row["seconds"]["median"]),
            f"{duration(row['seconds']['low'])} – {duration(row['seconds']['high'])}",
            ratio(row["to_limit"]["median"]) if "to_limit" in row else "",
            ratio(row["ours_to_it"]["median"]) if "ours_to_it" in row else "",
        ]
        for row in timed
    ]
    head = ["contender", "time", "middle half of the rounds", "× the limit", "ours takes, of it"]
    return "\n\n".join([table(head, lines), *(failure(row) for row in here if "failure" in row)])


def failure(row: Row) -> str:
    """Why a contender has no figure."""
    return f"{row['contender']} was not measured: {row['failure']}."


def roster() -> str:
    """Who is who."""
    return table(
        ["contender", "what it is", "dtype"],
        [[entry.name, entry.what, entry.dtype.__name__] for entry in ROSTER],
        text=3,
    )


def machine(found: dict[str, Any]) -> str:
    """The machine and the versions, in a paragraph."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    blas: dict[str, Any] = found["blas"][0] if found["blas"] else {}
    return (
        f"Measured on {found['date']}: {found['processor']}, {found['cores']} cores, "
        f"{found['memory'] / 2**30:.0f} GiB of memory, {found['system']}, Python {found['python']}.\n"
        f"The BLAS of NumPy is {blas.get('internal_api', 'unknown')} {blas.get('version', '')} "
        f"({blas.get('architecture', '')}, {blas.get('threading_layer', '')}).\n"
        f"Versions: {versions}."
    )


def quiet(rows: Sequence[Row]) -> str:
    """How much of the time a process with one thread had the processor that it was kept to."""
    shares = [row["busy"] for row in rows if row["threads"] == ONE and "busy" in row]
    if not shares:
        return ""
    middle, worst = Spread.of(shares).median, min(shares)
    text = (
        f"With one thread, a process had its processor for {middle:.0%} of the time that was taken, "
        f"in the median over contenders and sizes, and {worst:.0%} at worst."
    )
    return text if middle >= QUIET else f"**The machine was busy: these figures say little.**\n{text}"


def waterfalls(found: Sequence[dict[str, Any]]) -> str:
    """A table for each size."""
    return "\n\n".join(waterfall(one) for one in found)


def waterfall(found: dict[str, Any]) -> str:
    """Every kernel, how much of the step it is, and times what the five products take."""
    whole = found["steps"]["training_step"]
    kernels = found["kernels"]
    between = whole - sum(kernel["seconds"] for kernel in kernels)
    products = sum(kernel["seconds"] for kernel in kernels if kernel["product"])
    lines = [
        [
            f"{kernel['name']}{' (product)' if kernel['product'] else ''}",
            microseconds(kernel["seconds"]),
            f"{kernel['seconds'] / whole:.1%}",
            f"{kernel['seconds'] / products:.2f}",
        ]
        for kernel in kernels
    ]
    for name, seconds in (
        ("everything between them", between),
        ("the whole step", whole),
        ("the five products alone", products),
    ):
        lines.append([name, microseconds(seconds), f"{seconds / whole:.1%}", f"{seconds / products:.2f}"])
    return table([f"part of a step at {heading(found['size'])}", "µs", "of the step", "× the products"], lines)


def calls(found: dict[str, Any]) -> str:
    """Every call of the library, beside the kernels that it stands for."""
    bare = {kernel["name"]: kernel["seconds"] for kernel in found["kernels"]}
    lines: list[list[str]] = []
    total = kernels = 0.0
    for call in found["calls"]:
        own = sum(bare[name] for name in call["kernels"])
        lines.append([f"`{call['name']}`", microseconds(call["seconds"]), microseconds(own)])
        total, kernels = total + call["seconds"], kernels + own
    lines.append(["all of them", microseconds(total), microseconds(kernels)])
    lines += [[f"`{name}`", microseconds(seconds), ""] for name, seconds in found["steps"].items()]
    return table(["call", "µs", "its kernels, µs"], lines)


def microseconds(seconds: float) -> str:
    """One decimal."""
    return f"{seconds * 1e6:.1f}"


def memory(found: dict[str, Any]) -> str:
    """The peak of each process, the least first, and ours array by array."""
    rows = sorted((row for row in found["rows"] if "during" in row), key=lambda row: row["during"])
    lines = [[row["contender"], *(megabytes(row[key]) for key in ("before", "during", "ever"))] for row in rows]
    arrays = found["arrays"]
    account = (
        f"In arrays, a step of ours holds {megabytes(arrays['peak'])} at its peak; parameters, gradients and what the "
        f"caches must hold are {megabytes(arrays['needed'])}: {arrays['peak'] / arrays['needed']:.2f} times as much."
    )
    head = [f"process at {heading(found['arrays']['size'])}", "before a step", "peak of a step", "peak since its start"]
    return "\n\n".join([table(head, lines), *(failure(row) for row in found["rows"] if "failure" in row), account])


def startup(rows: Sequence[Row], imports: dict[str, Any]) -> str:
    """Seconds to the first step, and the import."""
    lines = [[row["contender"], duration(row["median"]), duration(row["least"])] for row in rows if "median" in row]
    head = ["from starting Python to the first step", "median", "least"]
    text = (
        f"`import numpy` takes {duration(imports['numpy'])}, `import chainrule` after it "
        f"{duration(imports['chainrule'])}: medians of {imports['repeats']} fresh processes."
    )
    return "\n\n".join([table(head, lines), *(failure(row) for row in rows if "failure" in row), text])


def training(found: dict[str, Any]) -> str:
    """The sentence on training."""
    data = "MNIST" if found["data"] == "MNIST" else "random pictures of the number and size of MNIST's"
    return (
        f"{found['steps']:,} steps of batch 100 at 784-50-10 take {duration(found['seconds'])} of one core on {data}, "
        f"of which drawing the batches takes {duration(found['batches'])}."
    )


def numerical(rows: Sequence[dict[str, Any]]) -> str:
    """The table of numerical gradients."""
    lines: list[list[str]] = []
    for row in rows:
        original = row["original"]
        lines.append([f"the original's loop, batch {row['batch']}", duration(original), "1.00", ""])
        lines += [
            [f"{method}, batch {row['batch']}", duration(row[method]), ratio(original / row[method]), f"{error:.1e}"]
            for method, error in (("central", row["central error"]), ("complex", row["complex error"]))
        ]
    return table(["all parameters of 784-50-10", "time", "times faster", "largest relative error"], lines)
