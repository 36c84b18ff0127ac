"""A domain is added to a project with the steps of docs/domains.md."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checks import UV, environment, install
from postgres import PostgreSQL
from template import CHOICES, render

ENGINES, DATABASES = CHOICES["engine"], CHOICES["database"]
# What the copies of app/users and tests/users become.
ADAPTED = Path(__file__).parents[1] / "docs" / "example"
# After each of these lines comes another, for the new domain. `make fmt` sorts the imports.
REGISTERED = {
    "app/main.py": {
        "from app.users.routes import router as users": (
            "from app.orders.routes import router as orders"
        ),
        "    app.include_router(users)": "    app.include_router(orders)",
    },
    "app/tasks.py": {
        "from app.users import tasks as users": "from app.orders import tasks as orders",
        "__all__ = [": '    "orders",',
    },
    "migrations/env.py": {
        "from app.users import models as users": "from app.orders import models as orders",
        "__all__ = [": '    "orders",',
    },
}
COPIED = ("app/orders", "tests/orders")


def run(project: Path, *command: str, **settings: str) -> str:
    done = subprocess.run(
        command,
        cwd=project,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        pytest.fail(f"{command}:\n{done.stdout[-8000:]}", pytrace=False)
    return done.stdout


MakeProject = Callable[[str, str], Path]


@pytest.fixture
def make_project(sources: Path, shared: Path, tmp_path: Path) -> MakeProject:
    def make(engine: str, database: str) -> Path:
        project = render(sources, {"engine": engine, "database": database}, tmp_path)
        author = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        run(project, "git", "init", "--quiet")
        run(project, "git", "add", "--all")
        run(project, "git", *author, "commit", "--quiet", "--message=New")
        install(project, shared / "environments")
        return project

    return make


def add_domain(project: Path) -> None:
    for copy in COPIED:
        original = project / copy.replace("orders", "users")
        made = shutil.ignore_patterns("__pycache__")
        shutil.copytree(original, project / copy, ignore=made)
        for file in (project / copy).rglob("*.py"):
            if not (ADAPTED / file.relative_to(project)).exists():
                file.unlink()
        shutil.copytree(ADAPTED / copy, project / copy, ignore=made, dirs_exist_ok=True)
    for path, lines in REGISTERED.items():
        text = (project / path).read_text(encoding="utf-8")
        text = text.replace('__all__ = ["', '__all__ = [\n"')
        for line, another in lines.items():
            assert text.count(f"{line}\n") == 1, (path, line)
            text = text.replace(f"{line}\n", f"{line}\n{another}\n")
        (project / path).write_text(text, encoding="utf-8")


def changed(project: Path) -> set[str]:
    listed = run(project, "git", "status", "--porcelain", "--untracked-files=all")
    return {line[3:] for line in listed.splitlines()} - {"uv.lock", ".venv"}


def migrations(project: Path) -> list[Path]:
    return sorted((project / "migrations" / "versions").glob("*.py"))


@contextmanager
def database_url(project: Path, database: str) -> Iterator[str]:
    if database == "sqlite":
        yield "sqlite:///app.db"
        return
    postgres = PostgreSQL(project, environment())
    postgres.start()
    try:
        yield postgres.url
    finally:
        postgres.stop(signal.SIGINT)
        postgres.remove()


@pytest.mark.long
def test_a_project_with_one_more_domain_passes_all_its_checks(make_project: MakeProject) -> None:
    project = make_project("background", "sqlite")
    add_domain(project)
    run(project, "make", "revision", "m=add orders")
    run(project, "make", "fmt", "lint")
    run(project, "make", "test-all")
    edited = {path for path in changed(project) if not path.startswith(COPIED)}
    assert edited == {*REGISTERED, migrations(project)[-1].relative_to(project).as_posix()}
    documented = (project / "docs" / "domains.md").read_text(encoding="utf-8")
    assert [path for path in [*REGISTERED, *COPIED] if path not in documented] == []


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_service_runs_on_every_engine(engine: str, make_project: MakeProject) -> None:
    # The databases take turns.
    database = DATABASES[ENGINES.index(engine) % len(DATABASES)]
    project = make_project(engine, database)
    add_domain(project)
    with database_url(project, database) as url:
        run(project, "make", "revision", "m=add orders", DATABASE_URL=url)
        tests = [UV, "run", "pytest", "--quiet", "-m", "", "tests/orders"]
        run(project, *tests, DATABASE_URL=url)


@pytest.mark.parametrize("database", DATABASES)
def test_the_migration_of_a_new_domain_is_complete(
    database: str, make_project: MakeProject
) -> None:
    project = make_project("background", database)
    add_domain(project)
    with database_url(project, database) as url:
        run(project, "make", "revision", "m=add orders", DATABASE_URL=url)
        [_, migration] = migrations(project)
        text = migration.read_text(encoding="utf-8")
        for column in (
            '"status", sa.String(length=16), nullable=False',
            '"total", sa.Numeric(precision=12, scale=2), nullable=False',
            '"created_at", sa.DateTime(timezone=True), nullable=False',
        ):
            assert f"sa.Column({column})" in text
        assert '(["user_id"], ["users.id"], name=op.f("fk_orders_user_id"))' in text
        run(project, UV, "run", "ruff", "check", str(migration))
        run(project, UV, "run", "ruff", "format", "--check", str(migration))
        again = run(project, "make", "revision", "m=add orders", DATABASE_URL=url)
        assert "The models have not changed" in again
        assert len(migrations(project)) == 2
        run(project, UV, "run", "alembic", "check", DATABASE_URL=url)
        run(project, UV, "run", "alembic", "downgrade", "0001", DATABASE_URL=url)


def test_two_migrations_of_the_same_name_are_two_files(make_project: MakeProject) -> None:
    project = make_project("background", "sqlite")
    model = project / "app" / "users" / "models.py"
    for column in ("phone", "nickname"):
        text = model.read_text(encoding="utf-8")
        line = "    full_name: Mapped[str] = mapped_column(Text)\n"
        model.write_text(text.replace(line, f"{line}    {column}: Mapped[str | None]\n"))
        run(project, "make", "revision", "m=change users")
    assert len(migrations(project)) == 3
    run(project, "make", "migrate")
