"""Wrong layers, each of which a checker should reject."""

from adversaries.case import Adversary
from adversaries.wrong_cancelling import cancelling
from adversaries.wrong_derivatives import derivatives
from adversaries.wrong_douts import douts
from adversaries.wrong_dtypes import dtypes
from adversaries.wrong_memory import memory
from adversaries.wrong_rows import rows
from adversaries.wrong_sizes import sizes
from adversaries.wrong_state import state
from adversaries.wrong_structures import structures
from adversaries.wrong_surrogates import integers, surrogates
from adversaries.wrong_values import values

WRONG_LAYERS: list[Adversary] = [
    *derivatives(),
    *cancelling(),
    *sizes(),
    *values(),
    *dtypes(),
    *douts(),
    *memory(),
    *state(),
    *rows(),
    *structures(),
    *surrogates(),
    *integers(),
]
