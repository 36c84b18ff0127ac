"""Releases the template, so that projects can update to it.

python scripts/release.py v1.2.3    stamp the version, date the CHANGELOG, commit and tag
python scripts/release.py --check   fail if stamp, tags and CHANGELOG disagree
"""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = ROOT / "cookiecutter.json"
COPIER = ROOT / "copier.yml"
PYPROJECT = ROOT / "pyproject.toml"
CHANGELOG = ROOT / "CHANGELOG.md"

# copier orders tags by PEP 440. Tags of this form have the same order for every tool.
VERSION = r"v(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)"
SECTION = re.compile(
    rf"^## ({VERSION}) \((not released|\d{{4}}-\d\d-\d\d)\)\n(.*?)(?=^## |\Z)", re.M | re.S
)
PENDING = "not released"


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def order(version: str) -> list[int]:
    return [int(number) for number in version.removeprefix("v").split(".")]


def versions(tags: str) -> list[str]:
    """Oldest first, without tags that are not versions."""
    return sorted(filter(re.compile(VERSION).fullmatch, tags.split()), key=order)


def sections() -> list[tuple[str, str, str]]:
    """Version, date and text, in the order of the file."""
    return SECTION.findall(CHANGELOG.read_text(encoding="utf-8"))


def stamp() -> str:
    return str(json.loads(STAMP.read_text(encoding="utf-8"))["__template_version"])


def replace(file: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, file.read_text(encoding="utf-8"), count=1, flags=re.M)
    if count != 1:
        sys.exit(f"no line of {file.name} matches {pattern}")
    file.write_text(text, encoding="utf-8", newline="\n")


def refusal(version: str) -> str | None:
    """The reason why this version cannot be released now, if there is one."""
    if not re.fullmatch(VERSION, version):
        return f"{version!r} is not a version like v1.2.3"
    released = versions(git("tag", "--list"))
    if released and order(version) <= order(released[-1]):
        return f"{version} is not newer than {released[-1]}"
    if git("status", "--porcelain"):
        return "there are uncommitted changes"
    top = next(iter(sections()), ("", "", ""))
    if top[:2] != (version, PENDING):
        return f"the first section of CHANGELOG.md is not `## {version} ({PENDING})`"
    if not top[2].strip():
        return f"the section of {version} in CHANGELOG.md is empty"
    return None


def release(version: str) -> None:
    if reason := refusal(version):
        sys.exit(f"Not released: {reason}.")
    replace(STAMP, r'^(  "__template_version": ")[^"]*', rf"\g<1>{version}")
    replace(PYPROJECT, r'^version = ".*"', f'version = "{version.removeprefix("v")}"')
    today = datetime.now(UTC).date().isoformat()
    replace(CHANGELOG, rf"^## {re.escape(version)} \({PENDING}\)", f"## {version} ({today})")
    subprocess.run([sys.executable, ROOT / "scripts" / "sync_copier.py"], check=True)
    names = [file.name for file in (STAMP, COPIER, PYPROJECT, CHANGELOG)]
    git("commit", "--quiet", f"--message=Release {version}", "--", *names)
    git("tag", "--annotate", f"--message={version}", version)
    print(f"Released {version}. Publish it: git push --follow-tags")


def disagreements() -> list[str]:
    """Between releases the stamp stays the last version, so that new projects can update."""
    stamped, tags = stamp(), versions(git("tag", "--list"))
    written = [version for version, _, _ in sections()]
    dated = [version for version, date, _ in sections() if date != PENDING]
    pending = [version for version, date, _ in sections() if date == PENDING]
    released = tags or dated[::-1]  # a shallow clone has no tags
    newest, here = released[-1:], versions(git("tag", "--points-at", "HEAD"))
    checks = {
        f"the version in pyproject.toml is not the stamp {stamped}": (
            f'\nversion = "{stamped.removeprefix("v")}"\n' in PYPROJECT.read_text(encoding="utf-8")
        ),
        "the versions in CHANGELOG.md are not in order, newest first": (
            written == sorted(written, key=order, reverse=True)
        ),
        "CHANGELOG.md has an unreleased section that is not the first": (
            pending in ([], written[:1])
        ),
        f"the newest tag is {newest}, the newest release in CHANGELOG.md {dated[:1]}": (
            newest == dated[:1]
        ),
        f"the stamp {stamped} is neither the last release nor the next one": (
            [stamped] in (newest, pending)
        ),
        f"the stamp is {stamped}, but the tag of this commit is {here}": here in ([], [stamped]),
    }
    return [problem for problem, is_fine in checks.items() if not is_fine]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] != "--check":
        release(sys.argv[1])
    elif problems := disagreements():
        sys.exit("\n".join(problems))
