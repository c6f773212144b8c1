"""Memory and processors are asked for as Linux answers; elsewhere the benchmark is not run, and neither are these tests."""

import sys

collect_ignore = [] if sys.platform == "linux" else ["test_bench_clock.py"]
