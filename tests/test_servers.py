"""Tests are skipped if their server is missing, and the summary names it. In CI they fail."""

import pytest
from template import ROOT

NEEDS_RABBITMQ = """
from servers import leave_out

def test_kills(): leave_out("rabbitmq-server")
def test_freezes(): leave_out("rabbitmq-server")
"""
USES_A_STAND_IN = """
from servers import LEFT_OUT

def test_project(record_property): record_property(LEFT_OUT, "used no real Redis")
"""


@pytest.fixture(autouse=True)
def conftest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_REAL_SERVERS", raising=False)
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))


def test_the_summary_says_how_to_install_a_missing_server(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NEEDS_RABBITMQ)
    run = pytester.runpytest()
    assert run.ret == 0
    missing = "there is no rabbitmq-server on this machine: apt-get install rabbitmq-server"
    run.stdout.fnmatch_lines(["*left out on this machine*", f"2 tests skipped: {missing}"])


def test_the_summary_names_the_tests_that_used_a_stand_in(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES_A_STAND_IN)
    run = pytester.runpytest()
    assert run.ret == 0
    run.stdout.fnmatch_lines(["1 test used no real Redis"])


def test_a_complete_run_has_no_such_summary(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_all(): pass")
    assert "left out" not in pytester.runpytest().stdout.str()


def test_a_missing_server_fails_where_real_ones_are_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_REAL_SERVERS", "1")
    pytester.makepyfile(NEEDS_RABBITMQ)
    pytester.runpytest().assert_outcomes(failed=2)
