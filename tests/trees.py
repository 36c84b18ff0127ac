"""A rendered project as data: what is in it, to compare."""

import stat
from pathlib import Path

Tree = dict[str, tuple[int, bytes]]


def read_tree(root: Path) -> Tree:
    """Every file by its path: permissions and content."""
    return {
        path.relative_to(root).as_posix(): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def differing(one: Tree, other: Tree) -> set[str]:
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
