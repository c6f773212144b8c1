"""Measure, print, and where nothing was left out, write the page and its pictures.

A workload is a module of `speed.workloads` with a function `measure`, which gives a row of figures for each case, and a
function `parts`, which makes texts of the rows; a text stands where the page has a place of its name. `pictures` makes
files, where there are some.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from speed import goals, machine
from speed.contender import ROSTER
from speed.harness import Row
from speed.options import Options, read
from speed.page import filled, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "speed.md"
FOLDER = PAGE.with_suffix("")
RESULTS = FOLDER / "results.json"
ELSEWHERE = FOLDER / "elsewhere.json"
"""The results of another machine: see `--elsewhere`."""


def workload(name: str) -> Any:
    """The module of a workload."""
    return import_module(f"speed.workloads.{name}")


def main() -> None:
    """Run what the command line asks for."""
    options = read()
    if not options.render:
        found = measured(options)
        if options.add:
            found = added(json.loads(RESULTS.read_text("utf-8")), found)
        elif not options.everything:
            print("The page is as it was: something was left out.")
            return
        FOLDER.mkdir(exist_ok=True)
        path = ELSEWHERE if options.elsewhere else RESULTS
        path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    results, elsewhere = (json.loads(path.read_text("utf-8")) for path in (RESULTS, ELSEWHERE))
    PAGE.write_text(filled(PAGE.read_text("utf-8"), texts(results, elsewhere)), "utf-8")
    for name, picture in pictures(results).items():
        (FOLDER / name).write_text(picture, "utf-8")
    print(f"{goals.written(results)}\n\nWrote {PAGE.name} and what is in {FOLDER.name}/")


def measured(options: Options) -> dict[str, Any]:
    """Measure everything that is asked for, and print each table when it is there."""
    results: dict[str, Any] = {"machine": machine.described()}
    print(machine.written(results["machine"]), end="\n\n", flush=True)
    for name in options.parts:
        module = workload(name)
        results[name] = [*said(name, module.measure(options))]
        texts = module.parts(results[name])
        print(*[f"{part}\n\n{text}\n" for part, text in texts.items() if text], sep="\n", flush=True)
    return results


def added(page: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The page's figures, with the rows of some layers and the whole of other parts, which bear their date.

    Raises
    ------
    SystemExit
        If they are of another machine: they would stand beside figures that do not compare.
    """
    of = ("processor", "cores", "system", "blas")
    if [page["machine"][each] for each in of] != [found["machine"][each] for each in of]:
        raise SystemExit("This is not the machine of the page, which is as it was.")
    date = {"date": found["machine"]["date"]}
    new = {name: [row | date for row in rows] for name, rows in found.items() if name != "machine"}
    if "layers" in new:
        names = [*workload("layers").LINES]
        kept = [row for row in page["layers"] if row["layer"] not in {row["layer"] for row in new["layers"]}]
        new["layers"] = sorted(kept + new["layers"], key=lambda row: names.index(row["layer"]))
    return page | new


def said(name: str, rows: Iterable[Row]) -> Iterable[Row]:
    """The rows as they come, whose words are said."""
    for row in rows:
        print(f"{name}:", *(text for text in row.values() if isinstance(text, str)), file=sys.stderr, flush=True)
        yield row


def texts(results: dict[str, Any], elsewhere: dict[str, Any]) -> dict[str, str]:
    """Every generated part of the page, by its name there."""
    rows = {name: found for name, found in results.items() if name != "machine"}
    roster = [[name, entry.what, entry.dtype] for name, entry in ROSTER.items()]
    parts = {
        "machine": f"{machine.written(results['machine'])}\n{machine.quiet(rows['steps'])}",
        "roster": table(["contender", "what it is", "dtype"], roster, text=3),
        "goals": goals.written(rows),
        "elsewhere-machine": machine.written(elsewhere["machine"]),
        "elsewhere-goals": goals.written({name: found for name, found in elsewhere.items() if name != "machine"}),
        "elsewhere-networks": workload("networks").parts(elsewhere["networks"])["networks"],
    }
    return parts | {
        part: "\n\n".join([text, *since(name, rows[name])])
        for name in rows
        for part, text in workload(name).parts(rows[name]).items()
    }


def since(name: str, rows: Sequence[Row]) -> list[str]:
    """All that was measured after the rest of the page: some layers, or a whole part."""
    later: dict[str, dict[str, None]] = {}
    for row in rows:
        if "date" in row:
            later.setdefault(row["date"], {})[f"`{row['layer']}`" if name == "layers" else "all of it"] = None
    return [f"Measured since, on {date}: {', '.join(names)}." for date, names in later.items()]


def pictures(results: dict[str, Any]) -> dict[str, str]:
    """Every picture, by the name of its file."""
    modules = {name: workload(name) for name in results if name != "machine"}
    drawn = [module.pictures(results[name]) for name, module in modules.items() if hasattr(module, "pictures")]
    return {name: picture for each in drawn for name, picture in each.items()}
