"""Show in README.md what a user gets, from real runs.

python scripts/show.py           write it
python scripts/show.py --check   fail if questions or tree are stale (a demo's ids differ)
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
    """A session as the terminal shows it: what is typed stands where it was typed."""
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
    said = re.sub(r"\): (?=\S| |$)", lambda _: f"): {next(typed)}\n", run.stdout, flags=re.M)
    lines = [line.rstrip().removeprefix("  ") for line in said.splitlines()]
    start = "$ uvx cookiecutter gh:fastapi-jobs/cookiecutter-fastapi-jobs"
    return "\n".join([start, *filter(None, lines)])


def tree(folder: Path) -> list[str]:
    """The top, and the folders of app/."""
    top = sorted(folder.iterdir(), key=lambda path: (path.is_file(), path.name))
    lines = []
    for path in top:
        last = path == top[-1]
        lines.append(f"{'└── ' if last else '├── '}{path.name}{'/' if path.is_dir() else ''}")
        if path.name == "app":
            inside = sorted(inner.name for inner in path.iterdir() if inner.is_dir())
            lines += [f"│   ├── {name}/" for name in inside[:-1]] + [f"│   └── {inside[-1]}/"]
    return lines


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
        sys.exit("README.md shows what is no more: run `make docs`")
    if not is_check:
        README.write_text(shown("demo", demo(folder), readme), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
