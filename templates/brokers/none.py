"""This engine needs no broker, so the tests start none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Broker:
    is_real = True
    description = "no broker"

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
