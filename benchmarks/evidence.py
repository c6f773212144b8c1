"""Write docs/evidence.md: what was tried to prove the library wrong, and what came of it.

Run by `make evidence`. Every number on the page comes from here; none is typed.
"""

import argparse
import json
import platform
from collections import Counter
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from broken import AFFINE, ELEMENTWISE, LOSSES, OPTIMIZERS, Broken, report_of
from catalogue import LAYERS, OTHERS, Subject

DOCS = Path(__file__).parent.parent / "docs"
DTYPES = (np.float32, np.float64)


def tried(subject: Subject, cases: int) -> tuple[Counter[str], list[str]]:
    """Try every law on drawn cases: the number of verdicts by law, and the verdicts that say that one is broken."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for seed in range(cases):
        rng = np.random.default_rng(seed)
        case = subject.make(rng, int(rng.integers(1, 7)), DTYPES[seed % 2])
        for name, law in subject.laws.items():
            verdicts = law(subject.layer, *case, rng)
            counts[name] += len(verdicts)
            failures += [f"{subject.name}, seed {seed}: {verdict}" for verdict in verdicts if not verdict.ok]
    return counts, failures


def laws(cases: int) -> list[str]:
    """The section on laws."""
    rows: list[str] = []
    total = 0
    failures: list[str] = []
    for subject in (*LAYERS, *OTHERS):
        counts, failed = tried(subject, cases)
        failures += failed
        total += sum(counts.values())
        rows.append(f"| {subject.name} | {len(subject.laws)} | {cases:,} | {sum(counts.values()):,} | {len(failed)} |")
    subjects = len(LAYERS) + len(OTHERS)
    return [
        "## Laws",
        "",
        f"{subjects} subjects, {subjects * cases:,} drawn cases in float32 and float64, {total:,} verdicts.",
        f"Laws found broken: {len(failures)}.",
        "",
        "| subject | laws | cases | verdicts | broken |",
        "|---|---|---|---|---|",
        *rows,
        *[f"\n    {failure}" for failure in failures[:10]],
        "",
    ]


def broken() -> list[str]:
    """The section on broken subjects."""
    subjects: list[Broken] = [*AFFINE, *ELEMENTWISE, *LOSSES, *OPTIMIZERS]
    rows: list[str] = []
    accepted = 0
    for subject in sorted(subjects, key=lambda each: (len(each.laws), sorted(each.laws), each.name)):
        failures = report_of(subject).failures
        accepted += not failures
        rejecting = dict.fromkeys(verdict.law for verdict in failures)
        note = next((verdict.note for verdict in failures if verdict.note), "").replace("|", "/")
        rows.append(f"| {subject.name} | {', '.join(rejecting)} | {note} |")
    return [
        "## Broken on purpose",
        "",
        f"{len(subjects)} layers, losses and optimizers with a mistake planted in each, of which {accepted} passed.",
        "Each law has at least one that only it rejects.",
        "",
        "| mistake | rejected by | what the report says first |",
        "|---|---|---|",
        *rows,
        "",
    ]


def oracles() -> list[str]:
    """The section on other libraries, where they are installed."""
    if any(find_spec(name) is None for name in ("torch", "jax")):
        return []
    differences: Any = import_module("oracles.differences")  # needs torch and jax
    rows: list[dict[str, Any]] = differences.table()
    return [
        "## Other libraries",
        "",
        "The largest difference from torch's and JAX's own derivatives, relative to the largest entry of the array.",
        "",
        "| subject | library | dtype | cases | largest difference |",
        "|---|---|---|---|---|",
        *[
            f"| {row['subject']} | {row['library']} | {row['dtype']} | {row['cases']:,} | {row['largest']:.1e} |"
            for row in rows
        ],
        "",
    ]


def mutants() -> list[str]:
    """The section on mutants: the result of `make mutants`, if it has been run."""
    path = DOCS / "evidence" / "mutants.json"
    if not path.exists():
        return []
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    counts: dict[str, int] = result["counts"]
    return [
        "## Mutants",
        "",
        f"`make mutants`, with {', '.join(f'{name} {of}' for name, of in result['versions'].items())}, changed the",
        f"mathematical core in {counts['mutants']:,} ways, one at a time.",
        f"The tests noticed {counts['killed'] + counts['timeout']:,} of them, {result['score']:.1%}.",
        "",
        "The others change nothing that anybody could notice, or nothing that matters:",
        "",
        *survivors(result["survivors"]),
    ]


def survivors(found: list[dict[str, str]]) -> list[str]:
    """A table for each reason."""
    lines: list[str] = []
    for reason in dict.fromkeys(each["reason"] for each in found):
        same = [each for each in found if each["reason"] == reason]
        lines += [
            f"**{len(same)}.** {reason}",
            "",
            "| function | was | becomes |",
            "|---|---|---|",
            *[f"| {place(each)} | {code(each['was'])} | {code(each['becomes'])} |" for each in same],
            "",
        ]
    return lines


def place(survivor: dict[str, str]) -> str:
    """The file and the function."""
    return f"{survivor['file'].removeprefix('src/chainrule/')}, {survivor['function']}"


def code(line: str) -> str:
    """A line of code in a cell of a table."""
    return f"`{line}`".replace("|", "&#124;").replace("\n", " ") if line.strip() else "nothing"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="drawn cases for each subject (default: 1000)")
    cases: int = parser.parse_args().cases
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "attrs", "hypothesis"))
    lines = [
        "# Evidence",
        "",
        "What was tried to prove the library wrong, and what came of it. Written by `make evidence`,",
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {packages}.",
        "",
        *laws(cases),
        *broken(),
        *oracles(),
        *mutants(),
    ]
    (DOCS / "evidence.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
