"""Every adversary and the checker's verdict on it; run as a program, the counts for all of them."""

import json
import os
import sys
import time
import warnings
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from adversaries.against_right import RIGHT_KERNELS
from adversaries.against_wrong import WRONG_KERNELS
from adversaries.case import Adversary, AgainstCase, LayerCase, LossCase, NetworkCase
from adversaries.losses_right import RIGHT_LOSSES
from adversaries.losses_wrong import WRONG_LOSSES
from adversaries.network_making import NAME
from adversaries.networks_right import RIGHT_NETWORKS
from adversaries.networks_wrong import WRONG_NETWORKS
from adversaries.optimizers_right import RIGHT_OPTIMIZERS
from adversaries.optimizers_wrong import WRONG_OPTIMIZERS
from adversaries.right_layers import RIGHT_LAYERS
from adversaries.wrong_layers import WRONG_LAYERS
from chainrule import Report, check_against, check_layer, check_loss, check_network, check_optimizer

LISTS = {
    "wrong layers": WRONG_LAYERS,
    "right layers": RIGHT_LAYERS,
    "wrong losses": WRONG_LOSSES,
    "right losses": RIGHT_LOSSES,
    "wrong optimizers": WRONG_OPTIMIZERS,
    "right optimizers": RIGHT_OPTIMIZERS,
    "wrong networks": WRONG_NETWORKS,
    "right networks": RIGHT_NETWORKS,
    "wrong kernels": WRONG_KERNELS,
    "right kernels": RIGHT_KERNELS,
}

CONTRACT = "a cache may hold the caller's parameters: they are constant here"
KNOWN = {
    "softmax: overflows beyond 88, in float32": "where it overflows, and in float64, it is right",
    "linear: W is cached without a copy": CONTRACT,
    "scale and shift: gamma is cached without a copy": CONTRACT,
    "layer norm: the mean of squares less the square of the mean": "digits are lost in rows far from 0 alone, as of 30",
}
"""Adversaries that are judged otherwise than their authors do, and why."""


@frozen
class Listed:
    """An adversary, and the list that it is from."""

    group: str
    adversary: Adversary

    @property
    def wrong(self) -> bool:
        """True if it is wrong, by its author."""
        return self.group.startswith("wrong")


def listed(every: int = 1, of_networks: int | None = None) -> list[Listed]:
    """Every so manieth of each list; a network takes as long as ten others."""

    def step(group: str) -> int:
        return of_networks if of_networks and group.endswith("networks") else every

    return [Listed(group, each) for group, some in LISTS.items() for each in some[:: step(group)]]


def judged(adversary: Adversary, seed: int = 0) -> Report:
    """Make it and check it."""
    made, rng = adversary.make(), np.random.default_rng(seed)
    if isinstance(made, LayerCase):
        return check_layer(made.layer, made.params, made.x, rng=rng, surrogate=made.surrogate)
    if isinstance(made, LossCase):
        return check_loss(made.loss, made.out, made.targets, rng=rng)
    if isinstance(made, NetworkCase):
        return check_network(made.network, made.loss, made.params, made.x, made.targets, rng=rng)
    if isinstance(made, AgainstCase):
        options: Any = {"frozen": made.frozen, "deterministic": made.deterministic}
        return check_against(made.f, made.reference, *made.args, rng=rng, **options)
    return check_optimizer(made.optimizer, made.params, made.grads, rng=rng)


def place_named(adversary: Adversary, report: Report) -> str:
    """Place that a report names of a wrong network: `"the part"`, `"a place"` that raised, `"another"` or `"none"`."""
    if adversary.kind == "loss":
        return "the part" if any(verdict.law.startswith("loss_") for verdict in report.failures) else "none"
    notes = [verdict.note for verdict in report.failures if "he fault is in" in verdict.note]
    if not notes:
        raised = any(" raised " in f" {verdict.note}" and "; in " in verdict.note for verdict in report.failures)
        return "a place" if raised else "none"
    return "the part" if all(NAME in note for note in notes) else "another"


@contextmanager
def process_kept() -> Generator[None]:
    """Put back what belongs to the whole process, which some wrong ones change; warnings are not shown."""
    torch = sys.modules.get("torch")
    undo: list[Callable[[], object]] = [
        partial(np.random.set_state, np.random.get_state()),
        partial(np.setbufsize, np.getbufsize()),
        partial(sys.setrecursionlimit, sys.getrecursionlimit()),
        partial(os.chdir, os.getcwd()),  # noqa: PTH109  # os.chdir is what undoes it
    ]
    if torch is not None:
        undo.append(partial(torch.set_default_dtype, torch.get_default_dtype()))
    environment, printing = os.environ.copy(), np.get_printoptions()
    with np.errstate(all="warn"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for each in undo:
                each()
            os.environ.clear()
            os.environ.update(environment)
            np.set_printoptions(**printing)


def judge_all(group: str, seeds: range) -> dict[str, Any]:
    """Judge a list, print the counts, those judged wrongly, and what could not be told, and return them."""
    counts, surprises, reasons, started = Counter[str](), list[str](), Counter[str](), time.perf_counter()
    places: dict[str, list[str]] = {}
    for each, seed in product([each for each in listed() if each.group == group], seeds):
        with process_kept():
            report = judged(each.adversary, seed)
        state = "WRONG" if report.failures else ("cannot tell" if report.undecided else "right")
        counts[state] += 1
        reasons.update(f"{verdict.law}: {verdict.note}" for verdict in report.undecided[:1] if state == "cannot tell")
        if state == "WRONG" and group == "wrong networks":
            places.setdefault(place_named(each.adversary, report), []).append(each.adversary.name)
        if (state == "WRONG") != each.wrong and each.adversary.name not in KNOWN:
            laws = ", ".join(sorted({verdict.law for verdict in report.failures}))
            surprises.append(f"{state}: {each.adversary.name}, seed {seed}{f' ({laws})' if laws else ''}")
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    seconds = round(time.perf_counter() - started)
    print(f"{group}: {len(LISTS[group])} at seeds {seeds.start} to {seeds[-1]}: {said}; {seconds} s", flush=True)
    for line in (*surprises, *(f"cannot tell, {count} times: {reason}" for reason, count in reasons.most_common())):
        print(f"    {line}", flush=True)
    if places:
        print(f"    names {', '.join(f'{place}: {len(some)}' for place, some in places.items())}", flush=True)
    for place in ("another", "a place", "none"):
        for name in places.get(place, []):
            print(f"    names {place}: {name}", flush=True)
    return {
        "judged": f"{datetime.now(UTC):%Y-%m-%d}",
        "cases": len(LISTS[group]),
        "seeds": len(seeds),
        "verdicts": dict(sorted(counts.items())),
        "against their authors": surprises,
        "cannot tell": dict(reasons.most_common()),
        "seconds": seconds,
        **({"names": places} if places else {}),
    }


def main() -> None:
    """Judge the lists that the command names, at the seeds that it names."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--list", choices=[*LISTS], action="append", help="one of the lists; all of them by default")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many seeds each is judged at (1)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="the first of them (0)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace what FILE, of JSON, holds of these lists")
    options = parser.parse_args()
    for group in options.list or LISTS:
        found = judge_all(group, range(options.first_seed, options.first_seed + options.seeds))
        if options.write is not None:
            known: Any = json.loads(options.write.read_text("utf-8")) if options.write.exists() else {}
            options.write.write_text(json.dumps({**known, group: found}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
