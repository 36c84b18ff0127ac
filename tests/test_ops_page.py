"""The operators' page in a real browser."""

import json
import secrets
from pathlib import Path

import pytest
import shop
from checks import UV
from servers import leave_out

# In each of three forms: 11 places, each for axe and for its width. Then actions and attacks.
CHECKS = 3 * 11 * 2 + 25


@pytest.mark.long
def test_the_page_works_in_a_browser_for_people_and_not_for_attackers(
    sources: Path, tmp_path: Path
) -> None:
    if not shop.browser():
        leave_out("chromium")
    project = shop.make(sources, tmp_path)
    token = secrets.token_hex()
    production = {
        "ENVIRONMENT": "production",
        "OPS_TOKEN": token,
        "API_TOKEN": secrets.token_hex(),
        "TRUSTED_HOSTS": "localhost,127.0.0.1,ops.example",
    }
    with (
        shop.running(project, OPS_TOKEN=token) as own,
        shop.running(project, **production) as public,
    ):
        fail = [UV, "run", "python", "-m", "app.shop.seed", "one_failure"]
        given = {"development": own, "production": public, "token": token, "fail": fail}
        done = shop.node(tmp_path, "check.mjs", json.dumps(given | {"project": str(project)}))
    assert done.stdout == f"{CHECKS} checks\n", done.stdout
