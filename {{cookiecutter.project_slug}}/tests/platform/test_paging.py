"""Pages of rows."""

import httpx
import pytest

from app.database import Database, paging
from tests.platform.data import add_job


async def test_a_long_list_is_not_counted_to_its_end(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MAX_COUNT", 2)
    for _ in range(3):
        await add_job(database)
    page = (await client.get("/jobs")).json()
    assert (len(page["items"]), page["total"]) == (3, 2)
