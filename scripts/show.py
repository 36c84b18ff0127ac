"""Writes the sessions that README.md shows, from real runs.

python scripts/show.py           write them
python scripts/show.py --check   fail if the questions or the tree are stale (each demo differs)
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import environment
from template import ROOT, copy_sources

README = ROOT / "README.md"
ANSWERS = ("Orders", "", "", "2", "2", "", "", "", "")


def questions(folder: Path) -> str:
    """A session as the terminal shows it, with the typed answers."""
    sources = copy_sources(folder / "template")
    run = subprocess.run(
        ["cookiecutter", str(sources), "--default-config", "--output-dir", str(folder)],
        input="".join(f"{answer}\n" for answer in ANSWERS),
        env=environment(COLUMNS="100", NO_COLOR="1", TERM="dumb"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    typed = iter(ANSWERS)
    output = re.sub(r"\): (?=\S| |$)", lambda _: f"): {next(typed)}\n", run.stdout, flags=re.M)
    lines = [line.rstrip().removeprefix("  ") for line in output.splitlines()]
    start = "$ uvx cookiecutter gh:fastapi-jobs/cookiecutter-fastapi-jobs"
    return "\n".join([start, *filter(None, lines)])


def tree(folder: Path) -> list[str]:
    """The folders, those of app/, and the visible files."""
    lines = []
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        lines.append(f"├── {path.name}/")
        if path.name == "app":
            rooms = sorted(inner.name for inner in path.iterdir() if inner.is_dir())
            lines += [f"│   ├── {name}/" for name in rooms[:-1]] + [f"│   └── {rooms[-1]}/"]
    files = sorted(path.name for path in folder.glob("[!.]*") if path.is_file())
    return [*lines, f"└── {', '.join(files)}"]


def demo(folder: Path) -> str:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), "arq", "sqlite", str(folder)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return "$ make demo ENGINE=arq\n" + run.stdout.replace(f"{folder}/", "build/")


def shown(name: str, text: str, readme: str) -> str:
    block = f"<!-- {name} -->\n```console\n{text.rstrip()}\n```\n"
    pattern = rf"<!-- {name} -->\n```console\n.*?\n```\n"
    return re.sub(pattern, lambda _: block, readme, count=1, flags=re.S)


def main(folder: Path) -> None:
    is_check = "--check" in sys.argv
    before = README.read_text(encoding="utf-8")
    readme = shown("questions", questions(folder), before)
    readme = shown("tree", "\n".join(["orders/", *tree(folder / "orders")]), readme)
    if is_check and readme != before:
        sys.exit("README.md is stale: run `make docs`")
    if not is_check:
        README.write_text(shown("demo", demo(folder), readme), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
