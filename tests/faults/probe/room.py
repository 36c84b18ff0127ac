"""Stops a SQLite file from growing while a test requests it."""

import os
from pathlib import Path

from sqlalchemy import Connection, Engine, event

NO_ROOM = Path(os.environ["PROBE_NOTES"]).with_name("no_room")
UNLIMITED = 0xFFFFFFFE


@event.listens_for(Engine, "begin")
def limit_pages(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # SQLite raises this to the current size.
        most = 1 if NO_ROOM.exists() else UNLIMITED
        connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")
