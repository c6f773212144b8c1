"""Memory that a step frees is there for the next one, without new pages of the system."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
import chainrule

def step():
    held = [np.ones(2**18) for _ in range(24)]  # 48 MiB, 12,288 pages: more than a heap has in holes after an import

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**settings: str) -> int:
    """The pages that the system makes in the second of two equal steps."""
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | settings
    run = subprocess.run([sys.executable, "-c", FAULTS], env=paths, capture_output=True, check=True, text=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they like")
def test_a_step_uses_the_memory_of_the_one_before_it() -> None:
    assert faults() < 100
    assert faults(MALLOC_TRIM_THRESHOLD_="131072") > 4000  # as glibc begins, for those who say so
