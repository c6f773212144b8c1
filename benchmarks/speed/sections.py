"""The results as tables: one function a table of the page."""

from collections.abc import Sequence
from typing import Any

from speed.clock import Row
from speed.quantity import duration, ratio
from speed.roster import ROSTER
from speed.table import table
from speed.threads import ONE


def steps(rows: Sequence[Row], threads: str, what: str = "steps") -> str:
    """A table for each size: the time of a step, the middle half of it, and its ratios to the limit and to ours."""
    chosen = [row for row in rows if row["what"] == what and row["threads"] == threads]
    sizes = list(dict.fromkeys(row["size"] for row in chosen))
    return "\n\n".join(f"**{heading(size)}**\n\n{one_size(chosen, size)}" for size in sizes)


def heading(size: str) -> str:
    """A size in words."""
    network, _, batch = size.partition("/")
    return f"{network}, batch {int(batch):,}"


def one_size(rows: Sequence[Row], size: str) -> str:
    """The table of one size, the fastest first; then what was not measured."""
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
    """Why a contender has no time."""
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
        f"Measured {found['date']} on {found['processor']}, {found['cores']} cores, {found['memory'] / 2**30:.0f} GiB, "
        f"{found['system']}, Python {found['python']}.\n"
        f"BLAS of NumPy: {blas.get('internal_api', 'unknown')} {blas.get('version', '')} "
        f"({blas.get('architecture', '')}, {blas.get('threading_layer', '')}).\n"
        f"{versions}."
    )


def threads_in_words(threads: str, cores: int) -> str:
    """One thread, or how many."""
    return "one thread" if threads == ONE else f"all {cores} threads"
