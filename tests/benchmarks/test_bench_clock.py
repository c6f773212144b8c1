"""The whole way, in processes: who agrees is timed, and who can't take part is named with the reason."""

from speed import waterfall
from speed.clock import Plan, predictions, train_steps
from speed.probe import fresh
from speed.roster import ENTRIES, LIMIT, ORIGINAL, OURS, THINC
from speed.size import Size
from speed.team import Team
from speed.threads import ONE

SIZE = Size(6, 5, 3, 4)
PLAN = Plan(rounds=3, block=0.001, longest=1.0)


def test_a_team_is_timed_and_who_is_not_installed_is_named() -> None:
    said: list[str] = []
    # thinc is never where tests are run: it sets NumPy's random state on import.
    with Team([ENTRIES[name] for name in (LIMIT, OURS, ORIGINAL, THINC)], ONE) as team:
        rows = {row["contender"]: row for row in train_steps(team, SIZE, PLAN, said.append)}
        predicted = {row["contender"]: row for row in predictions(team, SIZE, PLAN, said.append)}
    assert all(member.process.poll() is not None for member in team.members)
    assert said
    for found, what in ((rows, "steps"), (predicted, "predictions")):
        assert list(found) == [LIMIT, OURS, ORIGINAL, THINC]
        assert found[THINC]["failure"] == "ModuleNotFoundError: No module named 'thinc'"
        assert "seconds" not in found[THINC]
        for name in (LIMIT, OURS, ORIGINAL):
            row = found[name]
            assert (row["what"], row["size"], row["threads"], row["rounds"]) == (what, "6-5-3/4", ONE, 3)
            assert 0 < row["seconds"]["low"] <= row["seconds"]["median"] <= row["seconds"]["high"]
        assert found[LIMIT]["to_limit"] == found[OURS]["ours_to_it"] == {"median": 1.0, "low": 1.0, "high": 1.0}


def test_a_waterfall_has_every_part() -> None:
    found = waterfall.of_size(SIZE, 1)
    assert [kernel["name"] for kernel in found["kernels"]] == [
        name for call in found["calls"] for name in call["kernels"]
    ]
    assert set(found["steps"]) == {"training_step", "value_and_grad, then step"}
    assert all(each["seconds"] > 0 for each in (*found["kernels"], *found["calls"]))


def test_memory_is_that_of_the_steps() -> None:
    size = Size(300, 400, 50, 60)
    arrays = fresh("memory", "--traced", str(size))["peak"]
    least = 4 * (2 * size.parameters + size.batch * size.n_in)  # parameters, gradients, the batch
    assert least < arrays < 4 * least
    process = fresh("memory", OURS, str(size))
    assert least < process["before"] <= process["ever"]
    assert process["during"] <= process["ever"]


def test_a_numerical_gradient_is_measured_and_right() -> None:
    found = fresh("numerical", "2", "5")
    assert found["parameters"] == 39_760
    assert found["original"] > 0
    assert found["complex error"] < 1e-12
    assert found["central error"] < 1e-5


def test_training_is_counted() -> None:
    found = fresh("training", "3")
    assert (found["steps"], found["data"]) == (3, "random")
    assert 0 < found["loss"] < 3
    assert found["seconds"] > 0


def test_an_import_is_timed() -> None:
    found = fresh("imports")
    assert found["numpy"] > 0
    assert found["chainrule"] > 0
