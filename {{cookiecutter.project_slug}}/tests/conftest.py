"""Your fixtures belong here. Those of the project are in tests/support."""

pytest_plugins = ["tests.support.fixtures"]
