"""Writes copier.yml from cookiecutter.json and the rules in hooks/pre_gen_project.py.

Before that, writes into these rules the packages that a project may depend on.

python scripts/sync_copier.py           write both files
python scripts/sync_copier.py --check   fail if one is stale
"""

import json
import re
import runpy
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
HOOK = ROOT / "hooks" / "pre_gen_project.py"
COPIER = ROOT / "copier.yml"

DEPENDENCY = re.compile(r'^    "([a-z0-9-]+)', re.MULTILINE)
LIST_IN_HOOK = re.compile(r'(?<=^DEPENDENCIES = """\n).*?(?=\n""")', re.MULTILINE | re.DOTALL)

PUBLIC = [name for name in SPEC if not name.startswith("_")]
PRIVATE = [name for name in SPEC if name.startswith("__") and name != "__prompts__"]
# cookiecutter resolves an include from templates/, copier from the root of the repository.
INCLUDE_FOLDERS = ("__engine", "__database", "__license")


def dependencies() -> set[str]:
    """The dependencies of all projects that can be rendered."""
    texts = [ROOT / "{{cookiecutter.project_slug}}" / "pyproject.toml"]
    texts += ROOT.glob("templates/*/*/*dependencies.txt")
    return {name for path in texts for name in DEPENDENCY.findall(path.read_text(encoding="utf-8"))}


def hook_py() -> str:
    names = textwrap.fill(" ".join(sorted(dependencies())), 100, break_on_hyphens=False)
    return LIST_IN_HOOK.sub(names, HOOK.read_text(encoding="utf-8"))


def quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML


def computed(name: str) -> str:
    """In copier, the name of a question cannot begin with an underscore."""
    return "computed_" + name.removeprefix("__")


def in_copier(template: str) -> str:
    return template.replace("cookiecutter.__", "computed_").replace("cookiecutter.", "")


def settings() -> list[str]:
    environment = SPEC["_jinja2_env_vars"] | {"keep_trailing_newline": True}
    return [
        "# Written by scripts/sync_copier.py from cookiecutter.json and hooks/: do not edit.",
        '_min_copier_version: "9.4.0"',
        '_subdirectory: "{% raw %}{{cookiecutter.project_slug}}{% endraw %}"',
        '_templates_suffix: ""',
        "_envops:",
        *(f"  {name}: {quoted(value)}" for name, value in environment.items()),
        "_exclude:  # otherwise copier leaves an empty folder",
        "  - \"{% if ci != 'github' %}.github{% endif %}\"",
        "",
    ]


def choice(name: str) -> list[str]:
    values, labels = SPEC[name], SPEC["__prompts__"][name]
    return [
        f"  help: {quoted(labels['__prompt__'])}",
        f"  default: {quoted(values[0])}",
        "  choices:",
        *(f"    {quoted(labels[value])}: {quoted(value)}" for value in values),
    ]


def free_text(name: str) -> list[str]:
    # A match may be the empty string, hence `is none`.
    refused = "".join(
        f"{{% if ({name} | regex_search({quoted(pattern)})) is none %}}{message}{{% endif %}}"
        for pattern, message in runpy.run_path(str(HOOK))["RULES"][name]
    )
    return [
        f"  help: {quoted(SPEC['__prompts__'][name])}",
        f"  default: {quoted(in_copier(SPEC[name]))}",
        f"  validator: {quoted(refused)}",
    ]


def question(name: str) -> list[str]:
    lines = choice(name) if isinstance(SPEC[name], list) else free_text(name)
    return [f"{name}:", "  type: str", *lines, ""]


def hidden(name: str) -> list[str]:
    prefix = "templates/" if name in INCLUDE_FOLDERS else ""
    value = quoted(prefix + in_copier(SPEC[name]))
    return [f"{computed(name)}:", "  type: str", "  when: false", f"  default: {value}", ""]


def namespace() -> list[str]:
    names = {name: name for name in PUBLIC} | {name: computed(name) for name in PRIVATE}
    pairs = ", ".join(f"{name!r}: {source}" for name, source in names.items())
    value = quoted("{{ {" + pairs + "} | tojson }}")
    return [
        "# The template reads its answers by the name that cookiecutter gives them.",
        "cookiecutter:",
        "  type: json",
        "  when: false",
        f"  default: {value}",
        "",
    ]


def copier_yml() -> str:
    lines = settings()
    for name in PUBLIC:
        lines += question(name)
    lines += ["# Computed: never asked, never stored.", ""]
    for name in PRIVATE:
        lines += hidden(name)
    return "\n".join(lines + namespace())


if __name__ == "__main__":
    # In this order, because copier.yml contains the rules of the hook.
    for target, text_of in ((HOOK, hook_py), (COPIER, copier_yml)):
        if "--check" not in sys.argv:
            target.write_text(text_of(), encoding="utf-8", newline="\n")
        elif not target.exists() or target.read_text(encoding="utf-8") != text_of():
            sys.exit(f"{target.name} is stale: run `make sync`")
