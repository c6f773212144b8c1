"""The page docs/evidence-arrays.md, from the figures in docs/evidence that others have written."""

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
EVIDENCE = DOCS / "evidence"
RESULT = EVIDENCE / "array_libraries.json"

GOAL = 1.03
"""What a compiled step of ours may take, as a multiple of one written in JAX."""


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Steps of training in Markdown."""
    lines = [
        "| network, batch | dtype | contender | step, ms | Tflop/s | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        head = f"| {row['size']} | {row['dtype']} | {row['contender']} "
        if "seconds" in row:
            lines.append(f"{head}| {row['seconds'] * 1000:.3g} | {row['teraflops']:.3g} | {row['difference']:.1e} |")
        else:
            lines.append(f"{head}| | | {row['error'].replace('|', '/')[:80]} |")
    return lines


def digits(difference: float) -> str:
    """A difference in two digits, and 0 as itself."""
    return f"{difference:.1e}" if difference else "0"


def apart(rows: list[dict[str, Any]]) -> list[str]:
    """How far libraries are from NumPy in one dtype, in Markdown: a row for each use, and one for the largest."""
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    cells = {(row["use"], row["library"]): digits(row["largest"]) for row in rows}
    worst = [digits(max(row["largest"] for row in rows if row["library"] == library)) for library in libraries]
    return [
        f"| | {' | '.join(libraries)} |",
        f"|---|{'---|' * len(libraries)}",
        *[
            f"| {use} | {' | '.join(cells.get((use, library), '') for library in libraries)} |"
            for use in dict.fromkeys(row["use"] for row in rows)
        ],
        f"| **all** | {' | '.join(f'**{each}**' for each in worst)} |",
    ]


def differences(result: dict[str, Any]) -> list[str]:
    """The section on how far libraries are from NumPy: a table for each dtype."""
    rows: list[dict[str, Any]] = result["differences"]
    lines = [
        "## Differences from NumPy",
        "",
        f"The largest difference in any output, gradient, parameter or state over {rows[0]['cases']} cases of 5 rows,",
        "relative to the largest entry of the array, or to 1 if that is larger; 0 is no difference at all. The float32",
        "numbers are 1.2e-7 apart at 1, those of float64 2.2e-16. JAX is compiled. A library that is not in the tables",
        "was not installed.",
        "",
    ]
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        lines += [f"### In {dtype}", "", *apart([row for row in rows if row["dtype"] == dtype]), ""]
    return lines


def compiled(result: dict[str, Any]) -> list[str]:
    """The section on ours under jax.jit."""
    rows: list[dict[str, Any]] = result["compiled"]
    worst = max(row["ratio"] for row in rows)
    verdict = "reached" if worst <= GOAL else "**missed**"
    return [
        "## Ours under `jax.jit`, beside JAX's own gradient",
        "",
        "A training step (gradient and SGD) of ours and one written in JAX with `jax.value_and_grad`, both compiled,",
        f"in float32 on one core of a CPU: medians of {result['rounds']} turns of processor time, and the median of",
        f"the turns' ratios. The goal is a ratio of at most {GOAL}; the largest is {worst:.3f}: {verdict}.",
        "",
        "| network, batch | ours, ms | native JAX, ms | ratio |",
        "|---|---|---|---|",
        *[
            f"| {row['size']} | {row['ours'] * 1000:.3g} | {row['native'] * 1000:.3g} | {row['ratio']:.3f} |"
            for row in rows
        ],
        "",
    ]


def gpus(measured: list[dict[str, Any]]) -> list[str]:
    """The section on GPUs: a table for each card, or how to make one."""
    lines = [
        "## Training steps on a GPU",
        "",
        *(
            []
            if measured
            else ["**No GPU has been measured yet.** There are no figures here, and none are claimed.", ""]
        ),
        "This command checks a step of ours on the arrays of JAX, torch and CuPy against NumPy's, and times it beside",
        "native JAX and torch, eager and compiled, in float32 and bfloat16, up to 8192-16384-1000 with 8192 rows. It",
        "measures the libraries that see the GPU, names those that don't, and needs no network. It writes",
        "`docs/evidence/steps-CARD.json`, and this page anew with its figures under the card's name:",
        "",
        "```sh",
        "PYTHONPATH=src python benchmarks/gpu.py",
        "```",
        "",
        "With `--device cpu --small` it does the same on a CPU, in a minute, to see that everything works there, and",
        "prints its tables only.",
        "",
    ]
    for steps in measured:
        packages = ", ".join(f"{name} {number}" for name, number in steps["packages"].items())
        exact = "may round to TF32" if steps["tf32"] else "are exact to float32"
        absent = [f"{library} ({reason.replace('|', '/')})" for library, reason in steps["absent"].items()]
        lines += [
            f"### {steps['device']}{', TF32' if steps['tf32'] else ''}",
            "",
            f"{steps['date']}, with {packages}. Medians of {steps['rounds']} turns; float32 products {exact}.",
            "The last column is how far a step is from NumPy's in float64, relative to the largest entry.",
            *([f"Not measured: {', '.join(absent)}."] if absent else []),
            "",
            *table(steps["rows"]),
            "",
        ]
    return lines


def added_lines(result: dict[str, Any]) -> list[str]:
    """The section on examples."""
    return [
        "## Lines that several machines add",
        "",
        "Lines of each example that `examples/single_machine.py` does not have. All end with the same parameters, to",
        "rounding.",
        "",
        "| example | lines |",
        "|---|---|",
        *[f"| `examples/{name}.py` | {count} |" for name, count in result["lines"].items()],
        "",
    ]


def page(result: dict[str, Any], measured: list[dict[str, Any]]) -> str:
    """The page, from the figures of benchmarks/array_libraries.py and those of benchmarks/gpu.py."""
    packages = ", ".join(f"{name} {number}" for name, number in result["packages"].items())
    lines = [
        "# Evidence on other arrays",
        "",
        "How far other array libraries are from NumPy, and what a step costs there.",
        f"Written by `benchmarks/array_libraries.py`, {result['date']}, Python {result['python']},",
        f"{packages}.",
        "",
        *differences(result),
        *compiled(result),
        *gpus(measured),
        *added_lines(result),
    ]
    return "\n".join(lines).rstrip() + "\n"


def write_page(docs: Path = DOCS) -> Path:
    """Write the page from what has been measured so far."""
    evidence = docs / EVIDENCE.name
    result = json.loads((evidence / RESULT.name).read_text(encoding="utf-8"))
    steps = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(evidence.glob("steps-*.json"))]
    path = docs / "evidence-arrays.md"
    path.write_text(page(result, [each for each in steps if each["gpu"]]), encoding="utf-8")
    return path
