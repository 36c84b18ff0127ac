"""Writes the lists of settings in the template from the code of rendered projects.

The tests of the projects fail if these lists are stale.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import UV, environment
from template import CHOICES, ROOT, copy_sources, render

PROJECT = ROOT / "{{cookiecutter.project_slug}}"
TEMPLATES = ROOT / "templates"
SLUG = "the-slug-of-the-project"
ROW = re.compile(r"^\| `[A-Z_]+` \|.*\n", re.MULTILINE)
ENTRY = re.compile(r"^\n# .*\n# [A-Z_]+=.*\n", re.MULTILINE)

Blocks = list[str]


def stub(kind: str, fragment: str) -> str:
    return f'{{% include cookiecutter.__{kind} ~ "/{fragment}" %}}\n'


def read(engine: str, database: str, sources: Path, folder: Path) -> tuple[Blocks, Blocks]:
    """The rows of the README and the entries of .env.example, generated from the code."""
    answers = {"engine": engine, "database": database, "project_slug": SLUG}
    project = render(sources, answers, folder / f"{engine}-{database}")
    command = [UV, "run", "--quiet", "--no-dev", "python", "-m", "scripts.settings"]
    if subprocess.run(command, cwd=project, env=environment()).returncode:
        sys.exit(f"cannot read the settings of {engine} with {database}")
    texts = (project / name for name in ("docs/operations.md", ".env.example"))
    operations, example = (path.read_text(encoding="utf-8") for path in texts)
    slug = "{{ cookiecutter.project_slug }}"
    found = ROW.findall(operations), ENTRY.findall(example)
    return tuple([block.replace(SLUG, slug) for block in blocks] for blocks in found)


def write(path: Path, blocks: Blocks) -> None:
    path.write_text("".join(blocks), encoding="utf-8", newline="\n")


def of_database(blocks: Blocks) -> str:
    return next(block for block in blocks if "DATABASE_URL" in block)


def main(folder: Path) -> None:
    sources = copy_sources(folder / "template")
    engine, database = CHOICES["engine"][0], CHOICES["database"][0]
    found = {name: read(name, database, sources, folder) for name in CHOICES["engine"]}
    shared = tuple(
        [block for block in blocks if all(block in theirs[kind] for theirs in found.values())]
        for kind, blocks in enumerate(found[engine])
    )
    for name, theirs in found.items():
        for kind, common, blocks in zip(("settings.md", "env"), shared, theirs, strict=True):
            own = [block for block in blocks if block not in common]
            write(TEMPLATES / "engines" / name / kind, own)
    for name in CHOICES["database"]:
        theirs = found[engine] if name == database else read(engine, name, sources, folder)
        for kind, blocks in zip(("settings.md", "env"), theirs, strict=True):
            write(TEMPLATES / "databases" / name / kind, [of_database(blocks)])

    for path, pattern, fragment, blocks in (
        (PROJECT / "docs" / "operations.md", ROW, "settings.md", shared[0]),
        (PROJECT / ".env.example", ENTRY, "env", shared[1]),
    ):
        text = path.read_text(encoding="utf-8")
        mine = [stub("database", fragment) if b == of_database(blocks) else b for b in blocks]
        whole = [stub("engine", fragment), *mine]
        start = text.index(whole[0])
        end = max(found.end() for found in pattern.finditer(text, start))
        write(path, [text[:start], *whole, text[end:]])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
