"""Mutation testing: how many small mistakes in the core and in the checker the tests notice.

    python benchmarks/mutants.py --sample 1000

makes every small change that mutmut knows (a `+` for a `-`, a `<` for a `<=`, an argument left out, ...), draws some of
them, as many from each room as its share is, runs the tests against each, and asks that at least 95% are noticed: a
test fails, or does not end. What survives counts whatever the reason. It writes `docs/evidence/mutants.json`, with
every survivor. Without `--sample` it takes all of them, for some hours.

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
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "mutants"
"""The folder of mutmut's copy of the sources and of its results."""

LOG = WORK / "log.txt"
EVIDENCE = ROOT / "docs" / "evidence" / "mutants.json"

GOAL = 0.95
"""The share of mutants that must be noticed."""

NOTICED = ("killed", "timeout", "segfault")
"""Mutmut's names for mutants that the tests noticed."""

UNTRIED = "not checked"
"""Mutmut's name for mutants that it has not come to."""


def main() -> int:
    """Run everything; 0 if the tests are strong enough."""
    parser = argparse.ArgumentParser(description="Mutation testing of the core and of the checker.")
    parser.add_argument("--jobs", type=int, default=1, help="how many mutants to test at a time")
    parser.add_argument("--sample", type=int, help="how many to draw (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--keep", action="store_true", help="go on with the folder of the last run")
    options = parser.parse_args()
    if not options.keep:
        shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(exist_ok=True)
    print(f"Testing mutants; the log is {LOG.relative_to(ROOT)}", flush=True)
    if options.sample is None:
        run(options.jobs)
    else:
        run(options.jobs, next(iter(sorted(results())), "chainrule.tree.x_leaves__mutmut_1"))  # one makes all of them
        run(options.jobs, *drawn(results(), options.sample, options.seed))
    return judge(results())


def run(jobs: int, *names: str) -> None:
    """Make the mutants, and run the tests against those that are named, or against each."""
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutation", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs), *names]
    with LOG.open("a", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False)  # noqa: S603  # commands of our own
    if done.returncode:
        print(*LOG.read_text(encoding="utf-8").replace("\r", "\n").splitlines()[-40:], sep="\n")
        sys.exit(f"mutmut failed with status {done.returncode}")


def results() -> dict[str, str]:
    """The status of each mutant, by mutmut's name of it."""
    lines = mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if line.strip())


def drawn(names: Iterable[str], count: int, seed: int) -> list[str]:
    """As many of these, from each room as its share is: each one so many after the last, in an order by rooms."""
    order = random.Random(seed)  # noqa: S311  # what is drawn is no secret
    shuffled = sorted(sorted(names), key=lambda name: (room(name), order.random()))
    return [shuffled[i * len(shuffled) // count] for i in range(min(count, len(shuffled)))]


def room(name: str) -> str:
    """The room of the package that a mutant stands in, or the file at its top."""
    return name.split(".")[1]


def mutmut(*arguments: str) -> str:
    """The output of a mutmut command."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8").stdout  # noqa: S603  # commands of our own


def change(name: str) -> dict[str, str]:
    """The place of a mutant, and what it changes."""
    lines = mutmut("show", name).splitlines()
    file = next(line.removeprefix("--- ") for line in lines if line.startswith("--- "))
    body = lines[lines.index(f"+++ {file}") + 1 :]
    was, becomes = ("\n".join(line[1:].strip() for line in body if line.startswith(sign)) for sign in "-+")
    mangled = name.rpartition(".")[2].partition("__mutmut_")[0]  # x_name, or xǁClassǁname
    function = mangled.removeprefix("x").removeprefix("_").strip("ǁ").replace("ǁ", ".")
    return {"file": file, "function": function, "was": was, "becomes": becomes}


def judge(statuses: dict[str, str]) -> int:
    """Say what was found, and write it down."""
    tried = {name: status for name, status in statuses.items() if status != UNTRIED}
    noticed = {name for name, status in tried.items() if status in NOTICED}
    made, counts, seen = (Counter(map(room, names)) for names in (statuses, tried, noticed))
    rooms = {name: {"made": made[name], "tried": counts[name], "noticed": seen[name]} for name in sorted(made)}
    for name, count in rooms.items():
        print(f"{name:20} {count['made']:5} made {count['tried']:5} tried {count['noticed']:5} noticed")
    score = len(noticed) / len(tried)
    print(f"{len(tried)} of {len(statuses)} mutants tried, {score:.1%} of them noticed; {GOAL:.0%} must be")
    packages = {name: version(name) for name in ("numpy", "hypothesis", "mutmut")}
    evidence = {
        "written": f"{datetime.now(UTC):%Y-%m-%d}",
        "versions": {"python": platform.python_version(), **packages},
        "rooms": rooms,
        "survivors": [change(name) for name in sorted(tried.keys() - noticed)],
    }
    EVIDENCE.parent.mkdir(parents=True, exist_ok=True)
    EVIDENCE.write_text(json.dumps(evidence, indent=2) + "\n", encoding="utf-8")
    print(f"Wrote {EVIDENCE.relative_to(ROOT)}")
    return int(score < GOAL)


if __name__ == "__main__":
    sys.exit(main())
