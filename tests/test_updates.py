"""Updates and changes of the engine keep the user's work on a project."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from checks import UV, environment
from living import LivingProject
from template import CHOICES, render
from upstream import PROJECT, Upstream, publish, run
from users_work import Difference, difference, work_on


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Upstream:
    """v0.1.0, and a v0.2.0 with changes."""
    upstream = publish(tmp_path_factory.mktemp("upstream"))
    upstream.release("v0.1.0")
    project = upstream.path / PROJECT
    change(project / "README.md", "## Try it\n", "## Try it out\n")
    change(project / "app/web/middleware.py", "Gives each request", "Gives every request")
    change(project / ".editorconfig", "root = true\n", "root = true\n# learnt\n")
    image = project / "docs/images/ops.png"
    image.write_bytes(image.read_bytes() + b"\x00newer")
    (project / "app" / "web" / "clock.py").write_text('"""Tells the time."""\n')
    upstream.write_changelog("v0.2.0 (not released)", "v0.1.0 (2026-01-31)")
    upstream.commit()
    upstream.release("v0.2.0")
    return upstream


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file}: {old}"
    file.write_text(text.replace(old, new), encoding="utf-8")


class Work:
    """The user's changes to a project."""

    def __init__(self, project: LivingProject) -> None:
        self._project = project
        with TemporaryDirectory() as folder:
            untouched = shutil.copytree(project.path, Path(folder) / "untouched")
            work_on(project.path)
            self._done = difference(untouched, project.path)
        project.commit()

    def lost(self, engine: str) -> dict[str, tuple[object, object]]:
        """Differences to a new project of the newest template that are not the user's changes."""
        now = self._beside_a_new_one(engine)
        return {
            path: (self._done.get(path), now.get(path))
            for path in self._done.keys() | now.keys()
            if self._done.get(path) != now.get(path)
        }

    def _beside_a_new_one(self, engine: str) -> Difference:
        upstream, answers = self._project.upstream, {"project_slug": "orders", "engine": engine}
        with TemporaryDirectory() as folder:
            new = render(upstream.path, answers, Path(folder))
            run("git", "init", "--quiet", cwd=new, env=upstream.env)
            return difference(new, self._project.path)


# The slow tests take minutes. test_projects.py runs them on identical files, and
# test_waiting_jobs.py starts the processes after a change of the engine.
WHOLE = [["mypy"], ["pytest", "--quiet"]]
QUICK = [["pytest", "--quiet", "tests/users"]]


def check(project: LivingProject, tests: list[list[str]]) -> None:
    for command in (["ruff", "check"], ["ruff", "format", "--check"], *tests):
        run(UV, "run", "--quiet", *command, cwd=project.path, env=environment())


FIRST, *OTHERS = CHOICES["engine"]


# copier updates what cookiecutter has made, and cruft merges with git as copier does.
@pytest.mark.long
@pytest.mark.parametrize(
    ("tool", "engines"),
    [("copier", [*OTHERS, FIRST]), ("cookiecutter", OTHERS[:1]), ("cruft", [OTHERS[-1], FIRST])],
    ids=["copier", "cookiecutter", "cruft"],
)
def test_updates_and_changes_of_the_engine_keep_the_users_work(
    tool: str, engines: list[str], upstream: Upstream, tmp_path: Path
) -> None:
    project = LivingProject(tool, upstream, tmp_path)
    work = Work(project)
    project.take_newest_template()
    assert work.lost(FIRST) == {}
    for engine in engines:
        project.commit()
        project.change_engine(engine)
        assert work.lost(engine) == {}, engine
        check(project, QUICK)
    if tool == "copier":
        check(project, WHOLE)


def test_changing_the_engine_with_copier_does_not_update_the_template(
    upstream: Upstream, tmp_path: Path
) -> None:
    project = LivingProject("copier", upstream, tmp_path)
    project.change_engine("arq")
    answers = (project.path / ".copier-answers.yml").read_text(encoding="utf-8")
    assert "\n_commit: v0.1.0\n" in answers
    assert '\nengine: "arq"\n' in answers
    assert not (project.path / "app" / "web" / "clock.py").exists()


def test_a_project_of_cookiecutter_can_be_linked_to_cruft(
    upstream: Upstream, tmp_path: Path
) -> None:
    project = LivingProject("cookiecutter", upstream, tmp_path)
    work = Work(project)
    project.link_to_cruft()
    project.commit()
    project.take_newest_template()
    assert work.lost("background") == {}


def test_uncommitted_changes_are_refused(upstream: Upstream, tmp_path: Path) -> None:
    project = LivingProject("cookiecutter", upstream, tmp_path)
    (project.path / "Procfile").write_text("web: mine\n")
    with pytest.raises(AssertionError, match="is dirty"):
        project.take_newest_template()
    assert (project.path / "Procfile").read_text() == "web: mine\n"
