"""Where and on what it was measured; and who computes where."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
# What is measured has a core of its own. The rest shares the others: clients, Redis, PostgreSQL.
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
    return f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {_system()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else os.uname().machine


def _system() -> str:
    return f"{os.uname().sysname} {os.uname().release.partition('-')[0]}"


def load() -> float:
    """How many processes want to compute, besides us: above 0, figures are too low."""
    return os.getloadavg()[0]


def stolen() -> float:
    """Seconds of this machine's cores that others on the same hardware have had so far."""
    file = Path("/proc/stat")
    ticks = file.read_text().split()[8] if file.exists() else 0
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def version_of(*command: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = said.replace("v=", " ").split()
    return next(word for word in words if word[0].isdigit())
