"""The template for scripts and tests: its questions, and how to render it."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import jinja2
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
SPEC = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
CHOICES = {name: values for name, values in SPEC.items() if isinstance(values, list)}

SOURCES = ("cookiecutter.json", "copier.yml", "hooks", "templates", "{{cookiecutter.project_slug}}")
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", "uv.lock")


def combinations(*names: str) -> list[dict[str, str]]:
    return [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*(CHOICES[name] for name in names))
    ]


def name_of(answers: dict[str, str]) -> str:
    return "-".join(answers.values()).lower().replace(".", "-")


def copy_sources(target: Path) -> Path:
    """Without .git, because copier would clone it and use the newest tag, not the working tree."""
    target.mkdir(parents=True)
    for source in SOURCES:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target / source, ignore=LEFTOVERS)
        else:
            shutil.copy2(ROOT / source, target / source)
    return target


def memoise_jinja() -> None:
    """Each render creates a new environment, and spends most of its time on compiling again."""
    compile_now = jinja2.Environment.compile
    compiled: dict[tuple[Any, ...], Any] = {}

    def compile_once(environment: jinja2.Environment, source: Any, *args: Any) -> Any:
        kind = (type(environment), environment.trim_blocks, environment.lstrip_blocks)
        key = (*kind, source, *args)
        if key not in compiled:
            compiled[key] = compile_now(environment, source, *args)
        return compiled[key]

    jinja2.Environment.compile = compile_once


def render(sources: Path, answers: dict[str, str], output: Path) -> Path:
    """Writes what `cookiecutter` writes for these answers, without starting its hooks."""
    project = Path(
        cookiecutter(
            str(sources),
            no_input=True,
            accept_hooks=False,
            # The user's own configuration would change answers, and would be changed.
            default_config={"replay_dir": str(sources.parent / "replays")},
            extra_context={"project_slug": name_of(answers), **answers},
            output_dir=str(output),
        )
    )
    for folder in (project / ".github" / "workflows", project / ".github"):
        if not any(folder.iterdir()):
            folder.rmdir()
    return project
