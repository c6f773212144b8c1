"""Write the generated parts of docs/evidence.md: what was tried to prove the library wrong, and what came of it.

Run by `make evidence`. Every number on the page comes from here; none is typed.
"""

import argparse
import json
import math
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from adversaries.judging import KNOWN
from broken import AFFINE, ELEMENTWISE, LOSSES, OPTIMIZERS, Broken, report_of
from catalogue import ENCODERS, LAYERS, OTHERS, PARTLY_FIXED, Subject
from code_lines import PACKAGE, code_lines, files, public
from speed.page import filled, present, table

PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"
DTYPES = (np.float32, np.float64)
DRAWN = 100
"""Cases of each subject beside other libraries."""
SERVED = 300
"""Random networks that onnxruntime runs."""


def tried(subject: Subject, cases: int) -> tuple[int, list[str]]:
    """Try every law on drawn cases: the number of verdicts, and those that say that a law is broken."""
    count = 0
    failures: list[str] = []
    for seed in range(cases):
        rng = np.random.default_rng(seed)
        case = subject.make(rng, int(rng.integers(1, 7)), DTYPES[seed % 2])
        verdicts = [verdict for law in subject.laws.values() for verdict in law(subject.layer, *case, rng)]
        count += len(verdicts)
        failures += [f"{subject.name}, seed {seed}: {verdict}" for verdict in verdicts if not verdict.ok]
    return count, failures


def laws(cases: int) -> str:
    """The verdicts of every law on every subject."""
    subjects = (*LAYERS, *PARTLY_FIXED, *ENCODERS, *OTHERS)
    found = [tried(subject, cases) for subject in subjects]
    failures = [failure for _, failed in found for failure in failed]
    rows = [
        [subject.name, *(f"{number:,}" for number in (len(subject.laws), cases, count, len(failed)))]
        for subject, (count, failed) in zip(subjects, found, strict=True)
    ]
    total = (
        f"{len(subjects)} subjects, {len(subjects) * cases:,} drawn cases in float32 and float64, "
        f"{sum(count for count, _ in found):,} verdicts.\nLaws found broken: {len(failures)}."
    )
    verdicts = table(["subject", "laws", "cases", "verdicts", "broken"], rows)
    return "\n\n".join([total, verdicts, *(f"    {failure}" for failure in failures[:10])])


def as_it_is(text: str) -> str:
    """Text in which stars are stars, as in `2**70`, and nothing is printed bold."""
    return text.replace("*", r"\*")


def broken() -> str:
    """The report on every subject with a mistake."""
    subjects: list[Broken] = [*AFFINE, *ELEMENTWISE, *LOSSES, *OPTIMIZERS]
    rows: list[list[str]] = []
    for subject in sorted(subjects, key=lambda each: (len(each.laws), sorted(each.laws), each.name)):
        failures = report_of(subject).failures
        note = next((verdict.note for verdict in failures if verdict.note), "")
        rows.append([subject.name, ", ".join(dict.fromkeys(verdict.law for verdict in failures)), as_it_is(note)])
    passed = sum(not row[1] for row in rows)
    return (
        f"{len(subjects)} layers, losses and optimizers with a mistake planted in each, of which {passed} passed.\n"
        "Each law has at least one that only it rejects.\n\n"
        + table(["mistake", "rejected by", "what the report says first"], rows, text=3)
    )


def adversaries() -> str:
    """The results of the last `make adversaries`: a line for each list, and what is judged otherwise or not at all."""
    lists: dict[str, dict[str, Any]] = json.loads((PAGE.with_suffix("") / "adversaries.json").read_text("utf-8"))
    rows: list[list[str]] = []
    for name, of in lists.items():
        verdicts = [f"{of['verdicts'].get(state, 0):,}" for state in ("right", "WRONG", "cannot tell")]
        counts = (f"{of['cases']:,}", f"{of['seeds']}")
        rows.append([name, of["judged"], *counts, *verdicts, f"{len(of['against their authors'])}"])
    head = ["list", "judged", "cases", "seeds", "right", "WRONG", "cannot tell", "against its author"]
    surprises = [[name, each] for name, of in lists.items() for each in of["against their authors"]]
    reasons = [
        [name, as_it_is(note), f"{count}"]
        for name, of in lists.items()
        if name.startswith("right")
        for note, count in of["cannot tell"].items()
    ]
    parts = [table(head, rows, text=2)]
    if surprises:
        parts += ["These are against their authors:", table(["list", "verdict"], surprises, text=2)]
    for found in [of["names"] for of in lists.values() if "names" in of]:
        places = {"the part": "the part that is wrong", "a place": "the place that raises", "another": "another part"}
        named = [f"{place} in {len(found.get(key, []))}" for key, place in places.items()]
        parts += [f"Of wrong networks, the report names {', '.join(named)},\nand none in {len(found.get('none', []))}."]
    parts += [f"{len(KNOWN)} mistakes are judged right at every seed, and not counted there:"]
    parts += [table(["mistake", "why it is right"], [[*each] for each in KNOWN.items()], text=2)]
    if reasons:
        parts += ["What could not be told of right ones:", table(["list", "note", "times"], reasons, text=2)]
    return "\n\n".join(parts)


def oracles() -> str:
    """The largest differences of other libraries' derivatives from ours, where they are installed."""
    if any(find_spec(name) is None for name in ("torch", "jax")):
        return "Not measured: torch or JAX was not installed."
    differences: Any = import_module("oracles.differences")  # needs torch and jax
    return f"Over {DRAWN} drawn cases of each.\n\n" + table(differences.HEAD, differences.table(DRAWN))


def onnx() -> str:
    """The published test cases of ONNX's operators, if it is installed."""
    if find_spec("onnx") is None:
        return "Not measured: onnx was not installed."
    tests: Any = import_module("oracles.test_oracle_onnx")  # needs onnx
    found: dict[tuple[str, str], list[float]] = {}
    for operator, cases in tests.cases().items():
        for got, published in map(tests.ours_and_published, cases):
            scale = max(1.0, float(np.abs(published).max(initial=0)))
            of_dtype = found.setdefault((operator, published.dtype.name), [])
            of_dtype.append(float(np.abs(got - published).max(initial=0)) / scale)
    rows = [[*key, f"{len(each)}", f"{max(each):.1e}"] for key, each in sorted(found.items())]
    return table(["operator", "dtype", "cases", "largest difference"], rows, text=2)


def served() -> str:
    """The largest differences of what onnxruntime gives from what `prediction` gives, if it is installed."""
    if any(find_spec(name) is None for name in ("onnx", "onnxruntime")):
        return "Not measured: onnx or onnxruntime was not installed."
    tests: Any = import_module("interop.test_onnx")  # needs both
    largest: Callable[..., float] = import_module("served").largest_difference
    layers = {each.name: [tests.layer_of(each, seed) for seed in range(5)] for each in tests.SUBJECTS}
    networks = {made.__name__.replace("_", " "): [tests.network_of(made)] for made in tests.NETWORKS}
    drawn = {f"{SERVED} drawn networks": [tests.random_network(seed) for seed in range(SERVED)]}
    found = {name: max(largest(*each) for each in cases) for name, cases in (layers | networks | drawn).items()}
    versions = f"onnxruntime {version('onnxruntime')}, onnx {version('onnx')}."
    rows = [[name, f"{difference:.1e}"] for name, difference in found.items()]
    return f"{versions}\n\n{table(['layer or network', 'largest difference'], rows)}"


def sklearn() -> str:
    """The verdicts of scikit-learn's checks of estimators, if it is installed."""
    if find_spec("sklearn") is None:
        return "Not tried: scikit-learn was not installed."
    checks: Any = import_module("sklearn.utils.estimator_checks")
    ours: Any = import_module("chainrule.interop.sklearn")  # needs it
    found: dict[str, dict[str, str]] = {}
    for estimator in (ours.NetworkClassifier(), ours.NetworkRegressor()):
        for verdict in checks.check_estimator(estimator, on_skip=None, on_fail=None):
            statuses = found.setdefault(verdict["check_name"], {})
            name, status = type(estimator).__name__, verdict["status"]
            statuses[name] = status if statuses.get(name, status) == status else "failed"  # some are tried twice
    names = ["NetworkClassifier", "NetworkRegressor"]
    rows = [[check, *(of.get(name, "") for name in names)] for check, of in found.items()]
    return f"scikit-learn {version('scikit-learn')}.\n\n{table(['check', *names], rows, text=3)}"


def mutants() -> str:
    """The results of the last `make mutants`: a line for each room."""
    result: dict[str, Any] = json.loads((PAGE.with_suffix("") / "mutants.json").read_text("utf-8"))
    rooms: dict[str, dict[str, int]] = result["rooms"]
    sums = {name: sum(room[name] for room in rooms.values()) for name in ("made", "tried", "noticed")}
    rows = [
        [name, f"{of['made']:,}", f"{of['tried']:,}", f"{of['noticed']:,}", share(of)]
        for name, of in {**rooms, "all": sums}.items()
    ]
    versions = ", ".join(f"{name} {of}" for name, of in result["versions"].items())
    total = (
        f"{result['written']}, {versions}: of {sums['made']:,} changes {sums['tried']:,} were drawn and tried.\n"
        f"The tests noticed {sums['noticed']:,}, {share(sums)}. The others are in `docs/evidence/mutants.json`."
    )
    return f"{total}\n\n{table(['room', 'changes', 'tried', 'noticed', 'share'], rows, text=1)}"


def lines() -> str:
    """The number of lines of code of each file of the catalogue."""
    rows: list[list[str]] = []
    for path in files():
        source = path.read_text("utf-8")
        defined = ", ".join(f"`{name}`" for name in public(path))
        rows.append([f"{path.relative_to(PACKAGE).as_posix()}", defined, f"{code_lines(source)}"])
    return table(["file", "defines", "lines of code"], rows, text=2)


def share(of: dict[str, int]) -> str:
    """The share of mutants that was noticed; of a draw with two standard errors (Agresti and Coull, 1998)."""
    n, noticed = of["tried"], of["noticed"]
    p = (noticed + 2) / (n + 4)
    share = f"{noticed / max(n, 1):.1%}"
    return share if n == of["made"] else f"{share} ± {2 * math.sqrt(p * (1 - p) / (n + 4)):.1%}"


def written() -> str:
    """The day, and with what the laws were tried."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "attrs", "hypothesis"))
    return f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {packages}."


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=16, help="drawn cases for each subject (default: 16)")
    parser.add_argument("--only", help="one part of the page, such as mutants")
    options = parser.parse_args()
    makers: dict[str, Callable[[], str]] = {
        "laws": partial(laws, options.cases),
        "written": written,
        "broken": broken,
        "adversaries": adversaries,
        "oracles": oracles,
        "onnx": onnx,
        "served": served,
        "sklearn": sklearn,
        "mutants": mutants,
        "lines": lines,
    }
    parts = {name: make() for name, make in makers.items() if options.only in {None, name}}
    page = PAGE.read_text("utf-8")
    PAGE.write_text(filled(page, present(page) | parts), "utf-8")


if __name__ == "__main__":
    main()
