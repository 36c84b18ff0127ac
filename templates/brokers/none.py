"""This engine needs no broker, so the tests start none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Broker:
    description = "no broker"
    # The command that installs a real server, where a fake one stands in for it.
    missing: str | None = None

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def empty(self) -> None: ...

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...


@contextmanager
def running_broker(directory: Path) -> Iterator[Broker]:
    yield Broker()
