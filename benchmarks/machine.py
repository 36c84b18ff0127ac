"""Which machine is measured on, and which process runs on which of its cores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
# What is measured has a core of its own. Clients, Redis and PostgreSQL share the others.
MEASURED, OTHERS = {*CORES[:1]}, {*CORES[1:]}


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Processes and threads that are started in the block stay on these cores."""
    if len(CORES) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def described() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = f"{os.uname().sysname} {os.uname().release.partition('-')[0]}"
    return f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {system}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else os.uname().machine
