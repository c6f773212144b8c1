"""`make memory`: what caches keep, and the peaks of steps and predictions, written into docs/memory.md."""
