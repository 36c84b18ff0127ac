"""Profiles the running process by package. Both the service and the lean app serve these routes."""

import cProfile
import pstats
import sysconfig
import time
from collections import Counter
from pathlib import Path

from fastapi import APIRouter

PACKAGES = Path(sysconfig.get_paths()["purelib"])
STANDARD = Path(sysconfig.get_paths()["stdlib"])

router = APIRouter()
profile = cProfile.Profile(time.thread_time, builtins=False)
started = {"process": 0.0, "thread": 0.0}


@router.get("/cpu")
async def cpu() -> float:
    """Seconds of CPU that this process has used so far."""
    return time.process_time()


@router.post("/profile/start")
async def start() -> None:
    started.update(process=time.process_time(), thread=time.thread_time())
    profile.enable()


@router.post("/profile/stop")
async def stop() -> dict[str, float]:
    """Seconds of CPU by package. A package includes the C functions that it calls."""
    profile.disable()
    process = time.process_time() - started["process"]
    thread = time.thread_time() - started["thread"]
    found = Counter({"other threads": process - thread})
    for (file, _, _), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        found[package_of(Path(file))] += row[2]
    profile.clear()
    return dict(found)


def package_of(file: Path) -> str:
    for folder in (PACKAGES, STANDARD):
        if file.is_relative_to(folder):
            name = file.relative_to(folder).parts[0].removesuffix(".py")
            return name if folder == PACKAGES else f"Python: {name}"
    return "the app" if file.exists() else "generated code"
