"""One project, made by the command line of cookiecutter and of copier, from its start to its end.

The reference is a template of one file, made by the same tool: what is left is the tool's own
start. **All combinations** are those of every answer, rendered by `make render-all` on every
core; its reference makes as many of the one file.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from checks import environment
from template import CHOICES, ROOT, combinations

from benchmarks.bench import Bench
from benchmarks.comparison import Comparison, alternating

TITLE = "Rendering"
AGAINST = "a template of one file"


def measure(bench: Bench) -> Iterator[Comparison]:
    bench.say("rendering")
    folder = bench.folder / "rendering"
    shutil.rmtree(folder, ignore_errors=True)
    one_file = template_of_one_file(folder / "one-file")
    for tool in (cookiecutter, copier):
        subjects = [
            partial(timed, tool(source, folder / "out"), folder / "out")
            for source in (bench.sources, one_file)
        ]
        measured = alternating(bench.plan.few_rounds, *subjects)
        yield Comparison([f"by {tool.__name__}"], "s", AGAINST, *measured)
    count = len(combinations(*CHOICES))
    every = [sys.executable, str(ROOT / "scripts" / "render_all.py"), str(folder / "all")]
    [seconds] = alternating(1, partial(timed, every, folder / "all"), warm_up=False)
    case = [f"all {count:,} combinations, per project"]
    yield Comparison(case, "ms", "no reference", [1000 * each / count for each in seconds])


def template_of_one_file(folder: Path) -> Path:
    project = folder / "{{cookiecutter.project_slug}}"
    project.mkdir(parents=True)
    (project / "README.md").write_text("# {{ cookiecutter.project_slug }}\n")
    (folder / "cookiecutter.json").write_text(json.dumps({"project_slug": "my-service"}))
    hidden = {"type": "yaml", "when": False, "default": "project_slug: my-service"}
    settings = {"_subdirectory": "{% raw %}{{cookiecutter.project_slug}}{% endraw %}"}
    settings |= {"_templates_suffix": "", "cookiecutter": hidden}
    (folder / "copier.yml").write_text(json.dumps(settings))
    return folder


def cookiecutter(source: Path, output: Path) -> list[str]:
    options = ["--no-input", "--default-config", "--output-dir", str(output)]
    return ["cookiecutter", str(source), *options]


def copier(source: Path, output: Path) -> list[str]:
    return ["copier", "copy", "--quiet", "--defaults", str(source), str(output / "my-service")]


def timed(command: list[str], output: Path) -> float:
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    began = time.perf_counter()
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    return time.perf_counter() - began
