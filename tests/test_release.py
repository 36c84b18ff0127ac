"""A release: what it stamps, when it is refused, and that its parts agree."""

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
    """A template whose v0.1.0 is released, and whose v0.2.0 is ready."""
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
def test_what_is_no_version_is_refused(version: str, upstream: Upstream) -> None:
    assert "is no version" in upstream.release(version, exit_status=1)


@pytest.mark.parametrize("version", ["v0.2.0", "v0.10.0"])
def test_a_version_that_is_not_newer_is_refused(version: str, upstream: Upstream) -> None:
    upstream.git("tag", "v0.10.0")
    assert f"{version} is not newer than v0.10.0" in upstream.release(version, exit_status=1)


def test_changes_that_are_not_committed_are_refused(upstream: Upstream) -> None:
    (upstream.path / "new.txt").write_text("new")
    assert "not committed" in upstream.release("v0.2.0", exit_status=1)


@pytest.mark.parametrize(
    "section", ["v0.3.0 (not released)", "v0.2.0 (2026-01-31)", "v0.2.0", "Next (not released)"]
)
def test_a_changelog_without_a_section_for_it_is_refused(section: str, upstream: Upstream) -> None:
    upstream.write_changelog(section, RELEASED)
    upstream.commit()
    assert "CHANGELOG.md does not begin" in upstream.release("v0.2.0", exit_status=1)


def test_a_changelog_that_says_nothing_is_refused(upstream: Upstream) -> None:
    (upstream.path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {PENDING}\n\n## {RELEASED}\n")
    upstream.commit()
    assert "does not say" in upstream.release("v0.2.0", exit_status=1)


def test_what_is_refused_leaves_everything_as_it_was(upstream: Upstream) -> None:
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
def test_agreement_is_silent(sections: list[str], tags: list[str], upstream: Upstream) -> None:
    arrange(upstream, sections, tags)
    assert upstream.release("--check") == ""


def test_before_its_first_release_the_template_bears_the_version_to_come(
    upstream: Upstream,
) -> None:
    arrange(upstream, ["v0.1.0 (not released)"], [])
    assert upstream.release("--check") == ""


@pytest.mark.parametrize(
    ("sections", "tags", "complaint"),
    [
        (["v0.2.0 (2026-01-31)"], [], "neither the last release nor the one to come"),
        ([PENDING, RELEASED], ["v0.2.0"], "the newest tag is ['v0.2.0']"),
        ([PENDING], ["v0.1.0"], "the newest tag is ['v0.1.0']"),
        ([RELEASED, PENDING], [], "does not have its versions in order"),
        (["v0.3.0 (2026-01-31)", PENDING], [], "is not released, and is not the first"),
    ],
)
def test_a_disagreement_is_told(
    sections: list[str], tags: list[str], complaint: str, upstream: Upstream
) -> None:
    arrange(upstream, sections, tags)
    assert complaint in upstream.release("--check", exit_status=1)


def test_a_stamp_that_nobody_wrote_elsewhere_is_told(upstream: Upstream) -> None:
    stamp = upstream.path / "cookiecutter.json"
    stamp.write_text(stamp.read_text().replace('"v0.1.0"', '"v0.2.0"'))
    assert "pyproject.toml does not have" in upstream.release("--check", exit_status=1)


def test_a_tag_on_a_commit_with_another_stamp_is_told(upstream: Upstream) -> None:
    upstream.git("tag", "v0.0.9")
    assert "the tag of this commit ['v0.0.9']" in upstream.release("--check", exit_status=1)


def arrange(upstream: Upstream, sections: list[str], tags: list[str]) -> None:
    """The stamp stays v0.1.0."""
    upstream.git("tag", "--delete", "v0.1.0")
    for tag in tags:
        upstream.git("tag", tag)
    upstream.write_changelog(*sections)
    upstream.commit()


def test_this_template_agrees() -> None:
    script = [sys.executable, ROOT / "scripts" / "release.py", "--check"]
    checked = subprocess.run(script, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
