"""Public names are loaded when they are first asked for: a program loads what it uses."""

import subprocess
import sys

import pytest

import chainrule

EACH_FIRST = """
import sys
import chainrule
homes = vars(chainrule)["_HOMES"]
for name in {home.rpartition(".")[0] or home: name for name, home in homes.items()}.values():
    for loaded in [module for module in sys.modules if module.partition(".")[0] == "chainrule"]:
        del sys.modules[loaded]
    import chainrule
    getattr(chainrule, name)
"""

A_NETWORK = """
import sys
from chainrule import affine, prediction, relu, sequential
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("chainrule.")}))
print(*sorted(name for name in sys.modules if name.startswith("chainrule.layers.")))
"""


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_name_of_every_folder_can_be_the_first_that_is_asked_for() -> None:
    run(EACH_FIRST)


def test_a_program_that_predicts_loads_its_layers_and_no_checks() -> None:
    rooms, layers = run(A_NETWORK).splitlines()
    assert not {"checking", "inspecting", "laws", "losses", "optimizers"} & {*rooms.split()}
    assert layers == "chainrule.layers.activations chainrule.layers.activations.relu chainrule.layers.affine"


def test_names_are_listed_before_they_are_loaded() -> None:
    (missing,) = run("import chainrule; print({*chainrule.__all__} - {*dir(chainrule)})").splitlines()
    assert missing == "set()"


def test_a_name_that_is_none_is_refused_in_the_words_of_python() -> None:
    with pytest.raises(AttributeError, match=r"module 'chainrule' has no attribute 'rellu'") as caught:
        getattr(chainrule, "rel" + "lu")
    assert (caught.value.name, caught.value.obj) == ("rellu", chainrule)
