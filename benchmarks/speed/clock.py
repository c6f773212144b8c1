"""One size with one number of threads: agreement first, then time."""

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeAlias

from attrs import asdict, frozen

from speed.agreement import STEPS
from speed.problem import Problem
from speed.reference import Reference, train
from speed.roster import ENTRIES, LIMIT, OURS
from speed.rounds import interleaved
from speed.size import Size
from speed.spread import Spread
from speed.team import FailureError, Member, Team
from speed.threads import ONE

Row: TypeAlias = dict[str, Any]
Say: TypeAlias = Callable[[str], None]

BEFORE = 0.005
"""Seconds of each block that are not timed, in which caches and threads wake up; none where a step takes longer."""

REST = 0.03
"""Seconds between blocks where threads are several: those of the last contender go on waiting for work that long."""


@frozen
class Plan:
    """How long it may take."""

    rounds: int
    block: float
    """Seconds that a block takes, at least."""
    longest: float
    """Seconds that all rounds of a size take, at most: where steps are long, rounds are fewer, but 5."""


def train_steps(team: Team, size: Size, plan: Plan, say: Say) -> list[Row]:
    """Training steps of everybody who agrees with the reference."""
    say("the reference")
    return _measured(team, team.members, size, "steps", plan, partial(_learn, _reference(size)), say)


def predictions(team: Team, size: Size, plan: Plan, say: Say) -> list[Row]:
    """Predictions of everybody who agrees."""
    members = [member for member in team.members if ENTRIES[member.name].predicts]
    return _measured(team, members, size, "predictions", plan, _predict, say)


@cache
def _reference(size: Size) -> Reference:
    """Once for every size: in float64 it takes as long as the contenders."""
    return train(Problem.draw(size), STEPS)


def _learn(reference: Reference, member: Member, size: Size) -> Row:
    return member.ask("learn", size=str(size), reference=asdict(reference))


def _predict(member: Member, size: Size) -> Row:
    return member.ask("predict", size=str(size))


def _measured(
    team: Team,
    members: Sequence[Member],
    size: Size,
    what: str,
    plan: Plan,
    agree: Callable[[Member, Size], Row],
    say: Say,
) -> list[Row]:
    rows: dict[str, Row] = {}
    counts: dict[str, tuple[int, int]] = {}
    for member in members:
        say(f"{member.name} agrees?")
        row: Row = {
            "what": what,
            "size": str(size),
            "threads": team.threads,
            "contender": member.name,
            "dtype": ENTRIES[member.name].dtype.__name__,
        }
        rows[member.name] = row
        try:
            row |= agree(member, size)
            counts[member.name] = _counts(member, what, plan)
        except FailureError as failure:
            row["failure"] = str(failure)
    running = {member.name: member for member in members if member.name in counts}
    cpu: dict[str, list[float]] = {name: [] for name in running}

    def block(name: str) -> float:
        if team.threads != ONE:
            time.sleep(REST)
        before, count = counts[name]
        took = running[name].ask("time", what=what, before=before, count=count)
        cpu[name].append(took["cpu"] / took["wall"])
        return float(took["wall"]) / count

    lasting = sum(block(name) * counts[name][1] for name in running)
    rounds = min(plan.rounds, max(int(plan.longest / lasting), 5))
    say(f"{rounds} rounds of {len(running)} contenders")
    seconds = interleaved({name: partial(block, name) for name in running}, rounds)
    for name, taken in seconds.items():
        rows[name] |= {
            "rounds": rounds,
            "block": counts[name][1],
            "seconds": asdict(Spread.of(taken)),
            "busy": Spread.of(cpu[name]).median,
        }
        for other, key in ((LIMIT, "to_limit"), (OURS, "ours_to_it")):
            if other in seconds:
                over, under = (taken, seconds[other]) if key == "to_limit" else (seconds[other], taken)
                rows[name][key] = asdict(Spread.of_ratios(over, under))
    return list(rows.values())


def _counts(member: Member, what: str, plan: Plan) -> tuple[int, int]:
    """How many are done untimed and timed: found by doubling until they take a tenth of a block."""
    count, took = 1, member.ask("time", what=what, before=0, count=1)["wall"]
    while took < plan.block / 10:
        count *= 2
        took = member.ask("time", what=what, before=0, count=count)["wall"]
    each = took / count
    return round(BEFORE / each), max(1, round(plan.block / each))
