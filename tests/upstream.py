"""The template as others meet it: a published repository with releases, and no network."""

import os
import subprocess
from pathlib import Path

from template import SPEC

URL = SPEC["__template_url"].replace("gh:", "https://github.com/")
OWNER_AND_NAME = SPEC["__template_url"].removeprefix("gh:")
PROJECT = "{{cookiecutter.project_slug}}"
CHANGELOG = "# Changelog\n\n## {version} (not released)\n\nWhat is new.\n"


def run(
    *command: str | Path, cwd: Path, env: dict[str, str], fails: bool = False
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert bool(done.returncode) == fails, f"{command}\n{done.stdout}"
    return done


def isolated(home: Path, *published: Path) -> dict[str, str]:
    """An environment in which github.com is the given repositories, by https and by ssh."""
    home.mkdir(parents=True, exist_ok=True)
    lines = ["[user]", "name = Test", "email = test@example.com", "[init]", "defaultBranch = main"]
    for repository in published:
        lines.append(f'[url "{repository}"]')
        lines += [
            f"insteadOf = {address}{OWNER_AND_NAME}{suffix}"
            for address in ("https://github.com/", "git@github.com:")
            for suffix in (".git", "")
        ]
    (home / ".gitconfig").write_text("\n".join(lines) + "\n")
    return os.environ | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
