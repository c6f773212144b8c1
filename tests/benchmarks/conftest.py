"""What a machine need not have, and what is then not collected.

Memory and processors are asked for as Linux answers: elsewhere there is no benchmark, and nothing to test. Steps of other
libraries need one of them.
"""

import sys
from importlib.util import find_spec

collect_ignore = [
    *([] if sys.platform == "linux" else ["test_bench_clock.py"]),
    *([] if find_spec("jax") or find_spec("torch") else ["test_bench_gpu_here.py"]),
]
