"""Measure, print, and where nothing was left out, write the page."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from speed import clock, sections
from speed.machine import described
from speed.options import Options, read
from speed.progress import done, say
from speed.roster import ENTRIES
from speed.size import PREDICTED
from speed.team import Team
from speed.threads import ONE, cores

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "speed" / "results.json"


def main() -> int:
    """Run what the command line asks for."""
    options = read()
    results = measured(options)
    if options.everything:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def measured(options: Options) -> dict[str, Any]:
    """Measure everything that is asked for, and print each table when it is there."""
    results: dict[str, Any] = {"machine": described(), "rows": []}
    for threads in options.threads:
        if threads != ONE and len(cores()) == 1:
            continue
        results["rows"] += clocked(options, threads)
    return results


def clocked(options: Options, threads: str) -> list[clock.Row]:
    """Steps and predictions with so many threads."""
    rows: list[clock.Row] = []
    say(f"starting {len(options.names)} contenders, {sections.threads_in_words(threads, len(cores()))}")
    with Team([ENTRIES[name] for name in options.names], threads) as team:
        plans = [(clock.train_steps, size) for size in options.sizes if "steps" in options.parts]
        plans += [(clock.predictions, size) for size in PREDICTED if "predictions" in options.parts]
        for measure, size in plans:
            label = f"{size}, {threads} thread{'s' * (threads != ONE)}"
            found = measure(team, size, options.plan, partial(say, label))
            done()
            print(f"\n{found[0]['what']}, {label}\n\n{sections.one_size(found, str(size))}", flush=True)
            rows += found
    return rows
