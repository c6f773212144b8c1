"""The generated parts of docs/evidence-arrays.md, from the figures in docs/evidence that others have written."""

import json
from collections.abc import Sequence
from pathlib import Path

from speed.harness import Row
from speed.page import filled, table

DOCS = Path(__file__).parent.parent / "docs"
EVIDENCE = DOCS / "evidence"
RESULT = EVIDENCE / "array_libraries.json"

GOAL = 1.02
"""The time that a compiled step of ours may take, as a multiple of one written in JAX."""


def write_page(docs: Path = DOCS) -> Path:
    """Write the page from what has been measured so far."""
    evidence, page = docs / EVIDENCE.name, docs / "evidence-arrays.md"
    result = json.loads((evidence / RESULT.name).read_text("utf-8"))
    steps = [json.loads(path.read_text("utf-8")) for path in sorted(evidence.glob("steps-*.json"))]
    page.write_text(filled(page.read_text("utf-8"), parts(result, [each for each in steps if each["gpu"]])), "utf-8")
    return page


def parts(result: Row, cards: Sequence[Row]) -> dict[str, str]:
    """Every generated part, by its name."""
    worst = max(row["ratio"] for row in result["compiled"])
    lines = [[f"`examples/{name}.py`", str(count)] for name, count in result["lines"].items()]
    return {
        "written": f"Written by `benchmarks/array_libraries.py`, {result['date']}, Python {result['python']},\n"
        f"{_packages(result)}.",
        "differences": f"Over {result['differences'][0]['cases']} cases of 5 rows:\n\n"
        + "\n\n".join(
            f"### In {dtype}\n\n{apart([row for row in result['differences'] if row['dtype'] == dtype])}"
            for dtype in dict.fromkeys(row["dtype"] for row in result["differences"])
        ),
        "compiled": f"Medians of {result['rounds']} turns. The goal is a ratio of at most {GOAL}; the largest is "
        f"{worst:.3f}: {'reached' if worst <= GOAL else '**missed**'}.\n\n{compiled(result['compiled'])}",
        "cards": "\n\n".join(map(card, cards))
        or "**No GPU has been measured yet.** There are no figures here, and none are claimed.",
        "lines": table(["example", "lines"], lines),
    }


def apart(rows: Sequence[Row]) -> str:
    """The differences of libraries from NumPy in one dtype: a row for each use, and one for the largest."""
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    lines = [
        [
            use,
            *(
                "".join(_digits(row["largest"]) for row in rows if (row["use"], row["library"]) == (use, name))
                for name in libraries
            ),
        ]
        for use in dict.fromkeys(row["use"] for row in rows)
    ]
    worst = [_digits(max(row["largest"] for row in rows if row["library"] == name)) for name in libraries]
    return table(["", *libraries], [*lines, [f"**{each}**" for each in ("all", *worst)]])


def _digits(difference: float) -> str:
    return f"{difference:.1e}" if difference else "0"


def compiled(rows: Sequence[Row]) -> str:
    """Steps of ours under jax.jit, beside native ones."""
    lines = [
        [row["size"], *(f"{row[name] * 1000:.3g}" for name in ("ours", "native")), f"{row['ratio']:.3f}"]
        for row in rows
    ]
    return table(["network, batch", "ours, ms", "native JAX, ms", "ratio"], lines)


def card(result: Row) -> str:
    """The measurements on a GPU."""
    absent = "; ".join(f"{name} ({reason})" for name, reason in result["absent"].items())
    return (
        f"### {result['device']}{', TF32' if result['tf32'] else ''}\n\n"
        f"{result['date']}, with {_packages(result)}. Medians of {result['rounds']} turns; float32 products "
        f"{'may round to TF32' if result['tf32'] else 'are exact to float32'}.\n"
        "The last column is how far a step is from NumPy's in float64, relative to the largest entry.\n"
        f"{f'Not measured: {absent}.' if absent else ''}\n\n{steps_table(result['rows'])}"
    )


def _packages(result: Row) -> str:
    return ", ".join(f"{name} {number}" for name, number in result["packages"].items())


def steps_table(rows: Sequence[Row]) -> str:
    """Steps of training."""
    lines = [
        [row["size"], row["dtype"], row["contender"]]
        + (
            [f"{row['seconds'] * 1000:.3g}", f"{row['teraflops']:.3g}", f"{row['difference']:.1e}"]
            if "seconds" in row
            else ["", "", row["error"][:80]]
        )
        for row in rows
    ]
    return table(["network, batch", "dtype", "contender", "step, ms", "Tflop/s", "largest difference"], lines, text=3)
