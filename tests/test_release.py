"""Releases: what they stamp, when they are refused, and that stamp, tags and CHANGELOG agree."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from template import ROOT
from upstream import Upstream, publish

RELEASED, PENDING = "v0.1.0 (2026-01-31)", "v0.2.0 (not released)"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    upstream = publish(tmp_path_factory.mktemp("upstream"))
    upstream.release("v0.1.0")
    upstream.write_changelog(PENDING, RELEASED)
    upstream.commit()
    return upstream


@pytest.fixture
def upstream(original: Upstream, tmp_path: Path) -> Upstream:
    """A template that has released v0.1.0 and is ready to release v0.2.0."""
    return replace(original, path=shutil.copytree(original.path, tmp_path / "template"))


def versions(upstream: Upstream) -> dict[str, str]:
    def text(name: str) -> str:
        return (upstream.path / name).read_text(encoding="utf-8")

    return {
        "cookiecutter.json": json.loads(text("cookiecutter.json"))["__template_version"],
        "copier.yml": yaml.safe_load(text("copier.yml"))["computed_template_version"]["default"],
        "pyproject.toml": "v" + tomllib.loads(text("pyproject.toml"))["project"]["version"],
        "CHANGELOG.md": re.findall(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", text("CHANGELOG.md"), re.M)[
            0
        ],
        "tag": upstream.git("describe", "--exact-match").strip(),
    }


def test_a_release_stamps_dates_commits_and_tags(upstream: Upstream) -> None:
    for version in ("v0.2.0", "v0.10.0"):
        upstream.write_changelog(f"{version} (not released)", RELEASED)
        upstream.commit()
        upstream.release(version)
        assert set(versions(upstream).values()) == {version}
        assert upstream.git("status", "--porcelain") == ""
        upstream.release("--check")


def test_a_release_changes_nothing_but_the_version(upstream: Upstream) -> None:
    upstream.release("v0.2.0")
    changed = upstream.git("show", "--numstat", "--format=").splitlines()
    assert changed == [
        "1\t1\tCHANGELOG.md",
        "1\t1\tcookiecutter.json",
        "1\t1\tcopier.yml",
        "1\t1\tpyproject.toml",
    ]


@pytest.mark.parametrize("version", ["0.2.0", "v0.2", "v0.02.0", "v0.2.0rc1", "v0.2.0 ", "latest"])
def test_an_invalid_version_is_refused(version: str, upstream: Upstream) -> None:
    assert "is not a version" in upstream.release(version, exit_status=1)


@pytest.mark.parametrize("version", ["v0.2.0", "v0.10.0"])
def test_a_version_that_is_not_newer_is_refused(version: str, upstream: Upstream) -> None:
    upstream.git("tag", "v0.10.0")
    assert f"{version} is not newer than v0.10.0" in upstream.release(version, exit_status=1)


def test_uncommitted_changes_are_refused(upstream: Upstream) -> None:
    (upstream.path / "new.txt").write_text("new")
    assert "uncommitted" in upstream.release("v0.2.0", exit_status=1)


@pytest.mark.parametrize(
    "section", ["v0.3.0 (not released)", "v0.2.0 (2026-01-31)", "v0.2.0", "Next (not released)"]
)
def test_a_changelog_without_a_section_for_it_is_refused(section: str, upstream: Upstream) -> None:
    upstream.write_changelog(section, RELEASED)
    upstream.commit()
    assert "the first section of CHANGELOG.md is not" in upstream.release("v0.2.0", exit_status=1)


def test_an_empty_changelog_section_is_refused(upstream: Upstream) -> None:
    (upstream.path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {PENDING}\n\n## {RELEASED}\n")
    upstream.commit()
    assert "is empty" in upstream.release("v0.2.0", exit_status=1)


def test_a_refused_release_changes_nothing(upstream: Upstream) -> None:
    before = upstream.git("rev-parse", "HEAD")
    upstream.release("v0.3.0", exit_status=1)
    assert upstream.git("rev-parse", "HEAD") == before
    assert upstream.git("status", "--porcelain") == ""
    assert upstream.git("tag").split() == ["v0.1.0"]


@pytest.mark.parametrize(
    ("sections", "tags"),
    [([PENDING, RELEASED], ["v0.1.0"]), ([RELEASED], ["v0.1.0"]), ([RELEASED], [])],
    ids=["between two releases", "released", "a shallow clone"],
)
def test_check_prints_nothing_if_everything_agrees(
    sections: list[str], tags: list[str], upstream: Upstream
) -> None:
    arrange(upstream, sections, tags)
    assert upstream.release("--check") == ""


def test_before_the_first_release_the_stamp_is_the_next_version(
    upstream: Upstream,
) -> None:
    arrange(upstream, ["v0.1.0 (not released)"], [])
    assert upstream.release("--check") == ""


@pytest.mark.parametrize(
    ("sections", "tags", "problem"),
    [
        (["v0.2.0 (2026-01-31)"], [], "neither the last release nor the next one"),
        ([PENDING, RELEASED], ["v0.2.0"], "the newest tag is ['v0.2.0']"),
        ([PENDING], ["v0.1.0"], "the newest tag is ['v0.1.0']"),
        ([RELEASED, PENDING], [], "are not in order"),
        (["v0.3.0 (2026-01-31)", PENDING], [], "an unreleased section that is not the first"),
    ],
)
def test_check_reports_a_disagreement(
    sections: list[str], tags: list[str], problem: str, upstream: Upstream
) -> None:
    arrange(upstream, sections, tags)
    assert problem in upstream.release("--check", exit_status=1)


def test_check_reports_a_stamp_that_is_not_in_pyproject(upstream: Upstream) -> None:
    stamp = upstream.path / "cookiecutter.json"
    stamp.write_text(stamp.read_text().replace('"v0.1.0"', '"v0.2.0"'))
    assert "the version in pyproject.toml is not" in upstream.release("--check", exit_status=1)


def test_check_reports_a_tag_with_another_stamp(upstream: Upstream) -> None:
    upstream.git("tag", "v0.0.9")
    assert "the tag of this commit is ['v0.0.9']" in upstream.release("--check", exit_status=1)


def arrange(upstream: Upstream, sections: list[str], tags: list[str]) -> None:
    """The stamp stays v0.1.0."""
    upstream.git("tag", "--delete", "v0.1.0")
    for tag in tags:
        upstream.git("tag", tag)
    upstream.write_changelog(*sections)
    upstream.commit()


def test_check_passes_on_this_template() -> None:
    script = [sys.executable, ROOT / "scripts" / "release.py", "--check"]
    checked = subprocess.run(script, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
