"""The database: tables, sessions that read or write, pages of rows, and migrations.

Models derive from `Base`. Services are given a session or a unit of work and never open one. An
outage is a `DatabaseUnavailable` on every database, and a response of 503. Each process first calls
`check_database_url()`. `engines.py` and `batching.py` hide what differs between databases: leave
them alone.
"""

from app.database.base import Base, Timestamp, new_id
from app.database.clock import FromNow, utc_now
from app.database.engines import DatabaseFull, DatabaseUnavailable
from app.database.paging import Page, Paging, fetch_page
from app.database.sessions import Database, check_database_url, open_database

__all__ = [
    "Base",
    "Database",
    "DatabaseFull",
    "DatabaseUnavailable",
    "FromNow",
    "Page",
    "Paging",
    "Timestamp",
    "check_database_url",
    "fetch_page",
    "new_id",
    "open_database",
    "utc_now",
]
