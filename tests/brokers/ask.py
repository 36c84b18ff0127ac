"""Runs in a rendered project: asks the broker at each URL how many jobs wait in it."""

import asyncio
import importlib
import json
import sys
import traceback
from os import environ
from typing import Any


async def ask(engine: Any) -> object:
    async with engine.connect(None) as connected:
        try:
            return await connected.waiting("default")
        except Exception:
            return traceback.format_exc()


def main(setting: str, urls: list[str]) -> None:
    for url in urls:
        environ[setting] = url
        # Some engines read the URL when they are imported.
        sys.modules.pop("app.engine", None)
        try:
            answer = asyncio.run(ask(importlib.import_module("app.engine")))
        except SystemExit as refused:
            answer = str(refused)
        print(json.dumps(answer))


main(sys.argv[1], sys.argv[2:])
