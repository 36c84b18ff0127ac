"""What the tasks have noted: when each was sent, was started and was finished."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Notes:
    started: list[tuple[float, float]]
    finished: list[tuple[float, float]]

    @property
    def rate(self) -> float:
        """Jobs per second, from the first start to the last end."""
        begin = min(at for _, at in self.started)
        return len(self.finished) / (max(at for _, at in self.finished) - begin)

    @property
    def waits(self) -> list[float]:
        """How long after it was sent each job was started."""
        return [at - sent_at for sent_at, at in self.started]


def read_notes(file: Path, skip: int = 0) -> Notes:
    """Those from the given byte on."""
    lines = [line.split() for line in file.read_bytes()[skip:].decode().splitlines()]
    times = {event: [] for event in ("started", "finished")}
    for event, sent_at, at in lines:
        times[event].append((float(sent_at), float(at)))
    return Notes(**times)


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
