"""What a machine need not have, and what is then not collected.

Memory and processors are asked for as Linux answers: elsewhere there is no benchmark, and nothing to test. Steps of
other libraries need one of them.
"""

import sys
from importlib.util import find_spec

NEEDED = {
    "test_bench_workloads.py": sys.platform == "linux",
    "test_bench_gpu_here.py": any(find_spec(name) is not None for name in ("jax", "torch")),
}

collect_ignore = [name for name, there in NEEDED.items() if not there]
