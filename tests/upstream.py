"""The template as its users see it: a published repository with releases, without a network."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from template import ROOT, SPEC, copy_sources

PROJECT = "{{cookiecutter.project_slug}}"

# As in a fork of a company, which has its own address.
OWNER_AND_NAME = "company/service-template"
URL = f"gh:{OWNER_AND_NAME}"
HTTPS_URL = f"https://github.com/{OWNER_AND_NAME}"
SSH_URL = f"git@github.com:{OWNER_AND_NAME}.git"

GIT_CONFIG = """\
[user]
    name = Test
    email = test@example.com
[init]
    defaultBranch = main
[advice]
    detachedHead = false
[url "{folder}/"]
    insteadOf = https://github.com/
    insteadOf = git@github.com:
"""


def run(*command: str | Path, cwd: Path, env: dict[str, str], exit_status: int = 0) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.returncode == exit_status, f"{command} in {cwd}:\n{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Upstream:
    """A repository on a github.com that is a local folder."""

    path: Path
    env: dict[str, str]

    def git(self, *arguments: str) -> str:
        return run("git", *arguments, cwd=self.path, env=self.env)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=A change")

    def write_changelog(self, *sections: str) -> None:
        text = "".join(f"## {section}\n\nWhat it changes.\n\n" for section in sections)
        (self.path / "CHANGELOG.md").write_text(f"# Changelog\n\n{text}")

    def release(self, *arguments: str, exit_status: int = 0) -> str:
        script = self.path / "scripts" / "release.py"
        command = (sys.executable, script, *arguments)
        return run(*command, cwd=self.path, env=self.env, exit_status=exit_status)


def publish(folder: Path) -> Upstream:
    """Publishes the template of the working tree, without any release."""
    home, github = folder / "home", folder / "github.com"
    home.mkdir()
    (home / ".gitconfig").write_text(GIT_CONFIG.format(folder=github.as_posix()))
    env = os.environ | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    upstream = Upstream(copy_sources(github / f"{OWNER_AND_NAME}.git"), env)
    for name in ("scripts", "pyproject.toml", ".gitignore", ".gitattributes"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, upstream.path / name)
    upstream.write_changelog("v0.1.0 (not released)")
    stamp = upstream.path / "cookiecutter.json"
    stamp.write_text(stamp.read_text(encoding="utf-8").replace(SPEC["__template_url"], URL))
    run(sys.executable, "scripts/sync_copier.py", cwd=upstream.path, env=env)
    upstream.git("init", "--quiet")
    upstream.commit()
    return upstream
