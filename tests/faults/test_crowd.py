"""Many processes run side by side, and nothing breaks."""

from pathlib import Path

import pytest
from audit import audited
from matrix import fault, on_postgresql
from process import until
from report import Recorder
from service import running

pytestmark = pytest.mark.slow


@fault(
    "Nothing breaks: 4 web processes and 2 workers (no workers on `background`) run 2,000 jobs",
    promise="every job runs, and none is started twice",
)
@on_postgresql
@pytest.mark.long
def test_crowd(project: Path, tmp_path: Path, cell: Recorder) -> None:
    # With this lease no process looks dead, however busy the machine is.
    with running(project, tmp_path, webs=4, workers=2, JOBS_LEASE_SECONDS="300") as service:
        for number, url in enumerate(service.urls):
            service.enqueue(500, 0.01, first=500 * number, url=url)
        took = until("all jobs to succeed", 300, service.all_succeeded)
        audit = audited(service, 2000)
    assert audit.started_again == 0
    cell(audit, f"{2000 / took:.0f} jobs a second")
