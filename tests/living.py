"""A project over time: made by a tool, committed, updated, moved to another engine."""

import re
import shlex
from pathlib import Path

from template import ROOT
from upstream import HTTPS_URL, URL, Upstream, run

CREATE = {
    "cookiecutter": [
        *["cookiecutter", URL, "--checkout", "v0.1.0", "--no-input", "project_slug=orders"],
    ],
    "copier": [
        *["copier", "copy", "--quiet", "--defaults", "--vcs-ref", "v0.1.0"],
        *["--data", "project_slug=orders", URL, "orders"],
    ],
    "cruft": [
        *["cruft", "create", HTTPS_URL, "--checkout", "v0.1.0", "--no-input"],
        *["--extra-context", '{"project_slug": "orders"}'],
    ],
}
# copier updates what cookiecutter has made.
MANAGER = {"cookiecutter": "copier", "copier": "copier", "cruft": "cruft"}


def commands(readme: Path, heading: str) -> list[list[str]]:
    """The commands of a section, without `uvx`: the tools are installed here."""
    section = readme.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    whole_lines = section.partition("\n## ")[0].replace("\\\n", "")
    lines = re.findall(r"^\$ uvx (.*)$", whole_lines, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


class LivingProject:
    def __init__(self, tool: str, upstream: Upstream, folder: Path) -> None:
        self.upstream = upstream
        self.manager = MANAGER[tool]
        self.path = folder / "orders"
        run(*CREATE[tool], cwd=folder, env=upstream.env)
        self.run("git", "init", "--quiet")
        self.commit()

    def run(self, *command: str) -> str:
        return run(*command, cwd=self.path, env=self.upstream.env)

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message=What was done")

    def take_newest_template(self) -> None:
        self.run(*self._documented(ROOT / "README.md", "Keep a project up to date", "update"))

    def link_to_cruft(self) -> None:
        self.manager = "cruft"
        command = self._documented(ROOT / "README.md", "Keep a project up to date", "link")
        self.run(*(HTTPS_URL if word.startswith("https://") else word for word in command))

    def change_engine(self, engine: str) -> None:
        command = self._documented(self.path / "docs" / "engine.md", "Change the engine", "update")
        assert "celery" in " ".join(command)
        self.run(*(word.replace("celery", engine) for word in command))

    def _documented(self, readme: Path, heading: str, verb: str) -> list[str]:
        [command] = [
            command for command in commands(readme, heading) if command[:2] == [self.manager, verb]
        ]
        return command
