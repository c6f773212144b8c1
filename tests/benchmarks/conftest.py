"""Packages that a machine need not have, and the tests that are then not collected.

Memory and processors are asked for as Linux answers: elsewhere there is no benchmark, and nothing to test. Steps of
other libraries need one of them.
"""

import sys

NEEDED = {
    "test_bench_memory.py": sys.platform == "linux",
    "test_bench_workloads.py": sys.platform == "linux",
}

collect_ignore = [name for name, there in NEEDED.items() if not there]
