"""Write copier.yml from cookiecutter.json and the rules in hooks/pre_gen_project.py.

python scripts/sync_copier.py           write it
python scripts/sync_copier.py --check   fail if it is stale
"""

import json
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
RULES = runpy.run_path(str(ROOT / "hooks" / "pre_gen_project.py"))["RULES"]

PUBLIC = [name for name in SPEC if not name.startswith("_")]
PRIVATE = [name for name in SPEC if name.startswith("__") and name != "__prompts__"]
# cookiecutter resolves an include from templates/, copier from the root of the repository.
INCLUDE_FOLDERS = ("__engine", "__database", "__license")


def quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML


def computed(name: str) -> str:
    """copier allows no question whose name begins with an underscore."""
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
        "_exclude:  # or it would be made, and stay empty",
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
    pattern, message = RULES[name]
    # A match may be the empty string, hence `is none`.
    refused = f"{{% if ({name} | regex_search({quoted(pattern)})) is none %}}"
    return [
        f"  help: {quoted(SPEC['__prompts__'][name])}",
        f"  default: {quoted(in_copier(SPEC[name]))}",
        f"  validator: {quoted(refused + message + '{% endif %}')}",
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
        "# What the template reads: the name that cookiecutter gives its answers.",
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
    target = ROOT / "copier.yml"
    if "--check" not in sys.argv:
        target.write_text(copier_yml(), encoding="utf-8", newline="\n")
    elif not target.exists() or target.read_text(encoding="utf-8") != copier_yml():
        sys.exit("copier.yml is stale: run `make sync`")
