"""The databases of the tests: each is a file of its own."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


class Server:
    description = f"SQLite {sqlite3.sqlite_version}"

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def create(self) -> str:
        return f"sqlite:///{self._directory / uuid.uuid4().hex}.db"

    def copy(self, url: str) -> str:
        new = self.create()
        shutil.copyfile(_file(url), _file(new))
        return new

    def drop(self, url: str) -> None:
        for file in self._directory.glob(f"{_file(url).name}*"):
            file.unlink()


def _file(url: str) -> Path:
    return Path(make_url(url).database or "")


@contextmanager
def running_server(directory: Path) -> Iterator[Server]:
    yield Server(directory)
