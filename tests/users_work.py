"""Changes that the user of a project makes before an update."""

import difflib
from pathlib import Path

from checks import UV, environment
from upstream import run

TASK = """

@task()
async def greet(uow: UnitOfWork, user_id: uuid.UUID) -> None:
    user = await uow.session.get_one(User, user_id)
    domain = idna.encode(user.email.partition("@")[2]).decode()
    uow.session.add(AuditEntry(event="greeted", subject=domain))
"""
SERVICE = """

async def greet_user(uow: UnitOfWork, user_id: uuid.UUID) -> User:
    user = await find_user(uow.session, user_id)
    uow.enqueue(greet, user.id)
    return user
"""
ROUTE = """

@router.post("/{user_id}/greetings", status_code=202, response_model=UserRead)
async def greet_user(uow: Uow, user_id: uuid.UUID) -> User:
    return await services.greet_user(uow, user_id)
"""
TEST = """\
import httpx

from app.database import Database
from app.jobs import Job, unit_of_work
from app.users.models import AuditEntry, User
from app.users.tasks import greet
from tests.support.rows import rows
from tests.users.test_routes import ADA


async def test_a_greeting_is_a_job(client: httpx.AsyncClient, database: Database) -> None:
    user = (await client.post("/users", json=ADA)).json()
    response = await client.post(f"/users/{user['id']}/greetings")
    assert response.status_code == 202
    assert [job.task for job in await rows(database, Job)][-1] == "greet"


async def test_a_greeting_is_written_down(client: httpx.AsyncClient, database: Database) -> None:
    await client.post("/users", json=ADA)
    [user] = await rows(database, User)
    async with unit_of_work(database) as uow:
        await greet(uow, user.id)
    [entry] = await rows(database, AuditEntry)
    assert (entry.event, entry.subject) == ("greeted", "example.com")
"""
LAST_SETTING = '    """How long failed jobs are kept. They can be retried until then."""\n'
SETTING = f"""\
{LAST_SETTING}
    greeting: str = "Hello"
    \"\"\"How to greet.\"\"\"
"""
LAST_ROW = (
    "| `JOBS_FAILED_RETENTION_DAYS` | `365` "
    "| How long failed jobs are kept. They can be retried until then. |\n"
)
SERVER = """
  cache:
    image: valkey/valkey:8-alpine
    volumes:
      - cache:/data

volumes:
"""

APPENDED = {
    "app/users/tasks.py": TASK,
    "app/users/services.py": SERVICE,
    "app/users/routes.py": ROUTE,
    "tests/users/test_greetings.py": TEST,
    "README.md": "\n## Our runbook\n\nCall the operator.\n",
    "compose.yaml": "  cache:\n",
    "Procfile": "clock: sleep infinity\n",
    ".env.example": "\n# How to greet.\n# GREETING=Hello\n",
    ".gitignore": "/reports/\n",
}
REPLACED = {
    "app/users/tasks.py": [
        ("import httpx\n", "import httpx\nimport idna\n"),
        ("import AuditEntry\n", "import AuditEntry, User\n"),
    ],
    "app/users/services.py": [("import push_webhook", "import greet, push_webhook")],
    "app/settings.py": [(LAST_SETTING, SETTING)],
    "docs/operations.md": [(LAST_ROW, f"{LAST_ROW}| `GREETING` | `Hello` | How to greet. |\n")],
    "app/web/middleware.py": [("Something went wrong. The error has been logged.", "Sorry.")],
    "compose.yaml": [("\nvolumes:\n", SERVER)],
}
DELETED = [".editorconfig"]
# Other packages depend on both already, so nothing is downloaded.
DEPENDENCIES = [["idna>=3"], ["--dev", "iniconfig>=2"]]

# Written by tools.
NOT_WORK = {"uv.lock", ".cruft.json"}


def work_on(project: Path) -> None:
    for path, replacements in REPLACED.items():
        for old, new in replacements:
            text = (project / path).read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{path}: {old}"
            (project / path).write_text(text.replace(old, new), encoding="utf-8")
    for path, text in APPENDED.items():
        with (project / path).open("a", encoding="utf-8") as file:
            file.write(text)
    for path in DELETED:
        (project / path).unlink()
    for dependency in DEPENDENCIES:
        run(UV, "add", "--quiet", *dependency, cwd=project, env=environment())


Difference = dict[str, list[str]]


def read_work(project: Path) -> dict[str, list[str]]:
    """The lines of every file that git does not ignore."""
    listed = run(
        *("git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"),
        cwd=project,
        env=environment(),
    ).splitlines()
    files = {path: project / path for path in listed if path not in NOT_WORK}
    return {
        path: file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        for path, file in files.items()
        if file.exists()
    }


def difference(before: Path, after: Path) -> Difference:
    """The removed and added lines of each file, or that the file is gone."""
    old, new = read_work(before), read_work(after)
    return {
        path: [
            line
            for line in difflib.ndiff(old.get(path, []), new[path])
            if line.startswith(("-", "+"))
        ]
        if path in new
        else ["gone"]
        for path in old.keys() | new.keys()
        if old.get(path) != new.get(path)
    }
