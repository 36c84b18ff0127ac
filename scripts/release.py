"""Release the template, so that projects can update to it.

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

# copier orders tags as PEP 440 does; with these alone, so does everybody.
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
    """Oldest first; tags that are no versions are not ours."""
    return sorted(filter(re.compile(VERSION).fullmatch, tags.split()), key=order)


def sections() -> list[tuple[str, str, str]]:
    """Version, date and text, in the order of the file."""
    return SECTION.findall(CHANGELOG.read_text(encoding="utf-8"))


def stamp() -> str:
    return str(json.loads(STAMP.read_text(encoding="utf-8"))["__template_version"])


def replace(file: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, file.read_text(encoding="utf-8"), count=1, flags=re.M)
    if count != 1:
        sys.exit(f"{file.name} has no line like {pattern}")
    file.write_text(text, encoding="utf-8", newline="\n")


def refusal(version: str) -> str | None:
    """Why this cannot be released now."""
    if not re.fullmatch(VERSION, version):
        return f"{version!r} is no version: write it like v1.2.3"
    released = versions(git("tag", "--list"))
    if released and order(version) <= order(released[-1]):
        return f"{version} is not newer than {released[-1]}"
    if git("status", "--porcelain"):
        return "there are changes that are not committed"
    top = next(iter(sections()), ("", "", ""))
    if top[:2] != (version, PENDING):
        return f"CHANGELOG.md does not begin with a section `## {version} ({PENDING})`"
    if not top[2].strip():
        return f"CHANGELOG.md does not say what {version} changes in a project"
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
    """Between releases the stamp is the last one's: projects made then can update to the next."""
    stamped, tags = stamp(), versions(git("tag", "--list"))
    written = [version for version, _, _ in sections()]
    dated = [version for version, date, _ in sections() if date != PENDING]
    pending = [version for version, date, _ in sections() if date == PENDING]
    released = tags or dated[::-1]  # a shallow clone has no tags
    newest, here = released[-1:], versions(git("tag", "--points-at", "HEAD"))
    checks = {
        f"pyproject.toml does not have the version of the stamp, {stamped}": (
            f'\nversion = "{stamped.removeprefix("v")}"\n' in PYPROJECT.read_text(encoding="utf-8")
        ),
        "CHANGELOG.md does not have its versions in order, the newest first": (
            written == sorted(written, key=order, reverse=True)
        ),
        "CHANGELOG.md has a section that is not released, and is not the first": (
            pending in ([], written[:1])
        ),
        f"the newest tag is {newest}, the newest date of CHANGELOG.md {dated[:1]}": (
            newest == dated[:1]
        ),
        f"the stamp is {stamped}: neither the last release nor the one to come": (
            [stamped] in (newest, pending)
        ),
        f"the stamp is {stamped}, and the tag of this commit {here}": here in ([], [stamped]),
    }
    return [problem for problem, is_fine in checks.items() if not is_fine]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] != "--check":
        release(sys.argv[1])
    elif problems := disagreements():
        sys.exit("\n".join(problems))
