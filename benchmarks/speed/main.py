"""Measure, print, and where nothing was left out, write the page and its pictures."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from speed import clock, memory, numerical, page, picture, sections, startup, training, waterfall
from speed.machine import described
from speed.options import Options, read
from speed.progress import done, say
from speed.roster import ENTRIES, JAX, OURS, TORCH
from speed.size import BOOK, LARGE, PREDICTED, SMALL, WIDE
from speed.team import Team
from speed.threads import ALL, ONE, cores
from speed.workloads import versions

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "speed.md"
FOLDER = DOCS / "speed"
RESULTS = FOLDER / "results.json"


def main() -> int:
    """Run what the command line asks for."""
    options = read()
    if options.render:
        if not RESULTS.exists():
            print("There are no results to write the page from: run make bench.")
            return 1
        write(json.loads(RESULTS.read_text(encoding="utf-8")))
        return 0
    if options.against is not None:
        found = list(versions.measure(options.sizes, options.against.resolve(), options.quick))
        show("Old against new", versions.written(found))
        return 0
    results = measured(options)
    if options.everything:
        FOLDER.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        write(results)
        show("Goals", sections.written(results)["goals"])
        print(f"\nWrote {PAGE.relative_to(DOCS.parent)} and what is in {FOLDER.relative_to(DOCS.parent)}/")
    else:
        print("\nThe page is as it was: something was left out.")
    return 0


def write(results: dict[str, Any]) -> None:
    """Put the results into the page, and draw its pictures."""
    PAGE.write_text(page.filled(PAGE.read_text(encoding="utf-8"), sections.written(results)), encoding="utf-8")
    (FOLDER / "steps.svg").write_text(picture.steps(results["rows"]), encoding="utf-8")
    (FOLDER / "waterfall.svg").write_text(picture.waterfall(results["waterfall"]), encoding="utf-8")


def measured(options: Options) -> dict[str, Any]:
    """Measure everything that is asked for, and print each table when it is there."""
    results: dict[str, Any] = {"machine": described(), "rows": []}
    print(sections.machine(results["machine"]), flush=True)
    quick, chosen = options.quick, tuple(name for name in (OURS, JAX, TORCH) if name in options.names)
    if "waterfall" in options.parts:
        say("where one step's time goes")
        sizes = (SMALL, BOOK, WIDE) if quick else (SMALL, BOOK, WIDE, LARGE)
        found = [waterfall.measure(size, 11 if quick else 51) for size in sizes]
        results["waterfall"] = found
        show("One step", sections.waterfalls(found))
        show(f"Its calls at {BOOK}", sections.calls(found[1]))
    if "training" in options.parts:
        say("training")
        results["training"] = training.measure(training.STEPS // (10 if quick else 1), options.data)
        show("Training", sections.training(results["training"]))
    if "numerical" in options.parts:
        say("numerical gradients")
        results["numerical"] = numerical.measure(200 if quick else 4000)
        show("Numerical gradients", sections.numerical(results["numerical"]))
    if "startup" in options.parts:
        say("first steps and imports")
        results["startup"] = startup.measure(chosen, BOOK, 1 if quick else 5)
        results["imports"] = startup.imports(3 if quick else 15)
        show("Starting", sections.startup(results["startup"], results["imports"]))
    if "memory" in options.parts:
        say("memory")
        results["memory"] = memory.measure(chosen if quick else options.names, BOOK if quick else LARGE)
        show("Memory", sections.memory(results["memory"]))
    for threads in options.threads:
        if threads == ONE or len(cores()) > 1:
            results["rows"] += clocked(options, threads)
    return results


def clocked(options: Options, threads: str) -> list[clock.Row]:
    """Steps and predictions with so many threads."""
    plans = [(clock.train_steps, size) for size in options.sizes if "steps" in options.parts]
    plans += [(clock.predictions, size) for size in PREDICTED if "predictions" in options.parts and threads == ONE]
    rows: list[clock.Row] = []
    if not plans:
        return rows
    with Team([ENTRIES[name] for name in options.names], threads) as team:
        for measure, size in plans:
            label = f"{sections.heading(str(size))}, {'all threads' if threads == ALL else 'one thread'}"
            found = measure(team, size, options.plan, partial(say, label))
            show(f"{found[0]['what'].capitalize()}: {label}", sections.one_size(found, str(size)))
            rows += found
    return rows


def show(title: str, text: str) -> None:
    """Print a table under its title."""
    done()
    print(f"\n{title}\n\n{text}", flush=True)
