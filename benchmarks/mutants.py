"""Mutation testing: how many small mistakes in the mathematical core the tests notice.

    python benchmarks/mutants.py

makes every small change to the core that mutmut knows (a `+` for a `-`, a `<` for a `<=`, an argument left out, ...),
runs the tests against each, and asks for two things:

* at least 95% of these mutants are noticed: a test fails, or does not end;
* every other one is in `tests/survivors.toml`, with the reason why it is equivalent to the original or harmless.

It then writes `docs/evidence/mutants.json`. The list knows a mutant by its file, its function and the lines that it
changes, so that editing one function leaves the entries for others alone. An entry that no survivor needs is an error
too: either the code has changed, or a test has shown the reason to be wrong.

What is mutated and which tests are run is in `pyproject.toml`, under `tool.mutmut`. mutmut does not change module
constants (`STEP`, `SHRINK`, ...), the fields and defaults of classes, decorators or what they decorate (`@overload`;
methods of `@frozen` and `@record` classes are mutated as others are), calls of `len` and `isinstance`, and defaults of
parameters that are more than a name or a number. Tests pin those without its help.

Run it on Linux on x86-64: where a long double is no longer than a double, a few more survive.

To work on one file, keep the folder of a run and name the mutants:

    HYPOTHESIS_PROFILE=mutation .venv-mutants/bin/mutmut run 'chainrule.tree.*'
    .venv-mutants/bin/mutmut show chainrule.tree.x_dot__mutmut_1
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "mutants"
"""The folder of mutmut's copy of the sources and of its results."""

LOG = WORK / "log.txt"
SURVIVORS = ROOT / "tests" / "survivors.toml"
EVIDENCE = ROOT / "docs" / "evidence" / "mutants.json"

GOAL = 0.95
"""The share of mutants that must be noticed."""

NOTICED = ("killed", "timeout", "segfault")
"""Mutmut's names for mutants that the tests noticed."""

STATUSES = (*NOTICED, "survived", "no tests", "suspicious")
"""Mutmut's names for mutants after a whole run."""


class Mutant(NamedTuple):
    """A change to the core."""

    file: str
    function: str
    was: str
    becomes: str


def main() -> int:
    """Run everything; 0 if the tests are strong enough and every survivor is explained."""
    parser = argparse.ArgumentParser(description="Mutation testing of the mathematical core.")
    parser.add_argument("--jobs", type=int, default=1, help="how many mutants to test at a time")
    parser.add_argument("--keep", action="store_true", help="judge the results of the last run, without another")
    options = parser.parse_args()
    if not options.keep:
        run(options.jobs)
    statuses = results()
    survivors = {shown(name): status for name, status in sorted(statuses.items()) if status not in NOTICED}
    return judge(Counter(statuses.values()), survivors, listed())


def run(jobs: int) -> None:
    """Make the mutants and run the tests against each, from a clean start."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    print(f"Testing mutants; the log is {LOG.relative_to(ROOT)}", flush=True)
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutation", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs)]
    with LOG.open("w", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False)  # noqa: S603  # commands of our own
    if done.returncode:
        print(*LOG.read_text(encoding="utf-8").replace("\r", "\n").splitlines()[-40:], sep="\n")
        sys.exit(f"mutmut failed with status {done.returncode}")


def results() -> dict[str, str]:
    """The status of each mutant, by mutmut's name of it."""
    lines = mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if line.strip())


def shown(name: str) -> Mutant:
    """The change that a mutant makes."""
    lines = mutmut("show", name).splitlines()
    file = next(line.removeprefix("--- ") for line in lines if line.startswith("--- "))
    body = lines[lines.index(f"+++ {file}") + 1 :]
    was, becomes = ("\n".join(line[1:].strip() for line in body if line.startswith(sign)) for sign in "-+")
    mangled = name.rpartition(".")[2].partition("__mutmut_")[0]  # x_name, or xǁClassǁname
    return Mutant(file, mangled.removeprefix("x").removeprefix("_").strip("ǁ").replace("ǁ", "."), was, becomes)


def mutmut(*arguments: str) -> str:
    """The output of a mutmut command."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8").stdout  # noqa: S603  # commands of our own


def listed() -> dict[Mutant, str]:
    """The survivors that are known, each with its reason."""
    groups: list[dict[str, Any]] = tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))["because"]
    return {
        Mutant(each["file"], each["function"], each["was"], each["becomes"]): " ".join(group["reason"].split())
        for group in groups
        for each in group["mutants"]
    }


def judge(counts: Counter[str], survivors: dict[Mutant, str], known: dict[Mutant, str]) -> int:
    """Say what was found, and write it down where it is as it should be."""
    total = counts.total()
    score = sum(counts[status] for status in NOTICED) / total
    print(f"{total} mutants:", ", ".join(f"{n} {status}" for status, n in counts.most_common()))
    print(f"score {score:.2%}; {len(survivors)} different survivors, {len(known)} listed")
    unexplained = [mutant for mutant in survivors if mutant not in known]
    for mutant in unexplained:
        print(f"\n{survivors[mutant]}, and not in {SURVIVORS.relative_to(ROOT)}:\n{entry(mutant)}")
    needless = [mutant for mutant in known if mutant not in survivors]
    for mutant in needless:
        print(f"\nlisted, but no survivor:\n{entry(mutant)}")
    if score < GOAL or unexplained or needless:
        print(f"\nFAILED: {GOAL:.0%} must be noticed, and every survivor, and nothing else, be listed with a reason")
        return 1
    EVIDENCE.parent.mkdir(parents=True, exist_ok=True)
    EVIDENCE.write_text(json.dumps(evidence(counts, score, known), indent=2) + "\n", encoding="utf-8")
    print(f"Wrote {EVIDENCE.relative_to(ROOT)}")
    return 0


def entry(mutant: Mutant) -> str:
    """A mutant as the list of survivors writes it."""
    quoted = {
        name: f"'''{text}'''" if "'" in text or "\n" in text else f"'{text}'" for name, text in mutant._asdict().items()
    }
    return "\n".join(["[[because.mutants]]", *(f"{name} = {text}" for name, text in quoted.items())])


def evidence(counts: Counter[str], score: float, known: dict[Mutant, str]) -> dict[str, object]:
    """The content of `docs/evidence/mutants.json`."""
    return {
        "command": "make mutants",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "hypothesis", "mutmut")},
        },
        "counts": {"mutants": counts.total(), **{status: counts[status] for status in STATUSES}},
        "score": round(score, 4),
        "goal": GOAL,
        "survivors": [{**mutant._asdict(), "reason": reason} for mutant, reason in sorted(known.items())],
    }


if __name__ == "__main__":
    sys.exit(main())
