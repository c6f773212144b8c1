"""Memory and processors are asked for as Linux answers: elsewhere there is no benchmark, and nothing to test."""

import sys

collect_ignore = [] if sys.platform == "linux" else ["test_bench_clock.py"]
