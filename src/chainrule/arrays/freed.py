"""Freed memory stays with the process, because the first touch of new memory takes as long as twelve products.

When nobody holds an array any more, its memory goes to the C library, and that of Linux, glibc, gives it back to the
system: blocks of 128 KiB and more at once, and the end of its heap. Each step then begins with pages that the system
must make and clear: at (batch, length, width, heads) of (16, 128, 128, 8), 7,000 in a step of a GPT of two blocks,
which take 15 of its 100 ms, and at (64, 32, 64, 4) 2,500, which take 5 of 32 ms.

glibc learns from what is freed. After a block of up to 32 MiB that the system gave, all up to its size come from the
heap, of which up to twice as much stays (mallopt(3), M_MMAP_THRESHOLD). One such block teaches it as much as there is
to learn, and costs nothing, as nobody touches it. Who has set one of glibc's thresholds keeps it, and in other C
libraries nothing changes.
"""

import numpy as np

LARGEST = 2**25 - 2**13
"""Bytes: 32 MiB, with some room for what the C library writes beside them."""


def freed_memory_stays() -> None:
    """Let the C library keep what is freed: gaps in its heap, and up to 64 MiB at the end."""
    np.empty(LARGEST, np.uint8)
