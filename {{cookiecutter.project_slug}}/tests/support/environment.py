"""The settings of a test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.settings import Settings, get_settings

Environ = Callable[..., None]


@contextmanager
def clean_environment(directory: Path) -> Iterator[Environ]:
    """Without the settings of this machine and its .env file. Yields a function that sets some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        patch.setenv("OTEL_SDK_DISABLED", "true")
        get_settings.cache_clear()

        def set_variables(**values: str) -> None:
            for name, value in values.items():
                patch.setenv(name, value)
            get_settings.cache_clear()

        yield set_variables
    get_settings.cache_clear()
