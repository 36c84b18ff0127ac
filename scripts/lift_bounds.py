"""Allow a rendered project any newer version of its engine: lift_bounds.py PROJECT

`engine.py` uses private parts of some engines, so their bounds end at the version that was tested.
The weekly run lifts them, and shows which of the next versions still work.
"""

import re
import sys
from pathlib import Path

ENGINES = Path(__file__).resolve().parent.parent / "templates" / "engines"
NAME = re.compile(r'^    "([\w-]+)', re.MULTILINE)
UPPER_BOUND = re.compile(r",<=?[\w.]+")


def engine_packages() -> set[str]:
    fragments = ENGINES.glob("*/dependencies.txt")
    return {name for path in fragments for name in NAME.findall(path.read_text(encoding="utf-8"))}


def lift(line: str, packages: set[str]) -> str:
    found = NAME.match(line)
    return UPPER_BOUND.sub("", line) if found and found[1] in packages else line


def main(project: Path) -> None:
    file = project / "pyproject.toml"
    before = file.read_text(encoding="utf-8").splitlines(keepends=True)
    packages = engine_packages()
    after = [lift(line, packages) for line in before]
    file.write_text("".join(after), encoding="utf-8", newline="\n")
    lifted = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
    print("lifted:", *lifted or ["nothing, the engine has no bounds"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
