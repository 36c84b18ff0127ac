"""Compares rendered projects."""

import stat
from pathlib import Path

Tree = dict[str, tuple[int, bytes]]


def read_tree(root: Path) -> Tree:
    """The permissions and the content of every file, by its path."""
    return {
        path.relative_to(root).as_posix(): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def differing(one: Tree, other: Tree) -> set[str]:
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
