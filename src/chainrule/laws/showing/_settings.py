"""Lines that show a setting of the whole process before and after a call: what differs of it, and no more."""

from collections.abc import Iterator

from chainrule.laws.showing.program import Program
from chainrule.laws.trials.settings import SETTINGS

CODES = {
    "the state of numpy.random": "(int(np.random.get_state()[1][0]), np.random.get_state()[2])",
    "the filters of warnings": "list(warnings.filters)",
    "the random state of torch": "hash(bytes(torch.get_rng_state().numpy()))",
}
"""What reads a setting in lines, where others would be long; the place alone of NumPy's is the same after a seed."""

_OF_NAMES = (
    "{{k: v for k, v in {0}.items() if v != {1}.get(k)}}",
    "{{k: v for k, v in {1}.items() if v != {0}.get(k)}}",
)

DIFFERENCES: dict[str, tuple[tuple[str, str], ...]] = {
    "numpy.get_printoptions": (_OF_NAMES,),
    "the environment": (_OF_NAMES,),
    "the filters of warnings": (
        ("[each for each in {0} if each not in {1}]", "[each for each in {1} if each not in {0}]"),
        ("{0}[:1]", "{1}[:1]"),
    ),
}
"""What is printed where all of a setting would tell secrets, or is long: that which differs."""


def of_setting(name: str, call: str) -> Iterator[Program]:
    """The programs for a setting that a call changes."""
    read = SETTINGS[name]
    code = CODES.get(name, read.code)
    for now, before in DIFFERENCES.get(name, (("{0}", "{1}"),)):
        lines = (*read.imports, f"before = {code}", call)
        yield Program(lines, now.format(code, "before"), before.format(code, "before"))
