"""The statements of the ledger.

They are built once, and executed without a session: most of a job's cost is SQLAlchemy's.
"""

from typing import Any

from sqlalchemy import (
    BindParameter,
    Case,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased

from app.db import Timestamp
from app.db import utc_now as now
from app.jobs.models import OPEN, Job, Status
from app.settings import get_settings

NOW = bindparam("now", callable_=now, type_=Timestamp)
UNTIL = bindparam("until", callable_=lambda: now() + get_settings().jobs_lease, type_=Timestamp)
JOB = bindparam("job", type_=Uuid)
JOBS = bindparam("jobs", type_=Uuid, expanding=True)

before = aliased(Job)
# Not EXISTS, for which PostgreSQL may read all jobs that have succeeded.
OUTCOME_BEFORE = select(before.status).where(before.id == Job.after_id).scalar_subquery()
HAS_GONE_BEFORE = or_(Job.after_id.is_(None), OUTCOME_BEFORE == Status.SUCCEEDED)
# Its time has come, and the job that it follows has succeeded.
MAY_START = and_(Job.run_at <= NOW, HAS_GONE_BEFORE)
IS_ORPHANED = and_(Job.status == Status.RUNNING, Job.lease_until <= NOW)
TRIED_ENOUGH = Job.attempts >= Job.max_tries

MAY_BE_CLAIMED = and_(
    Job.id.in_(JOBS),
    OPEN,
    or_(and_(Job.status == Status.QUEUED, MAY_START), and_(IS_ORPHANED, ~TRIED_ENOUGH)),
)
CLAIM = (
    update(Job)
    .where(MAY_BE_CLAIMED)
    .values(status=Status.RUNNING, attempts=Job.attempts + 1, lease_until=UNTIL, started_at=NOW)
    .returning(Job)
)
CHANGE = (
    update(Job)
    .where(Job.id == JOB, Job.status == Status.RUNNING, Job.attempts == bindparam("attempt"))
    .returning(Job.id)
)
RENEW = CHANGE.values(lease_until=UNTIL)
GIVE_BACK = CHANGE.values(lease_until=None, status=Status.QUEUED)
LEAVE = CHANGE.values(lease_until=None, error=bindparam("reason"))
FAIL = LEAVE.values(status=Status.FAILED, finished_at=NOW)
TRY_AGAIN = LEAVE.values(status=Status.QUEUED, run_at=bindparam("at"))

# One job that another process has locked, and may never let go of, must not hold up the others.
unlocked = select(Job.id).where(MAY_BE_CLAIMED).with_for_update(skip_locked=True).cte("unlocked")
CLAIM_UNLOCKED = CLAIM.where(Job.id.in_(select(unlocked.c.id)))
# Each job with the number of its try.
TRIES: BindParameter[Any] = bindparam("tries", expanding=True)
held = aliased(Job)
IS_HELD = and_(
    # The first is for the index, the second is the fence.
    Job.id.in_(JOBS),
    tuple_(Job.id, Job.attempts).in_(TRIES),
    Job.status == Status.RUNNING,
)
WAITS_FOR_ONE = and_(
    Job.after_id.in_(JOBS),
    # Not OPEN: SQLite would read the index of all open jobs instead of that of followers.
    Job.status == Status.QUEUED,
    Job.lease_until.is_(None),
    Job.run_at <= NOW,
    exists()
    .where(held.id == Job.after_id, held.status == Status.RUNNING)
    .where(tuple_(held.id, held.attempts).in_(TRIES)),
)


def own(value: object, others: object) -> Case[Any]:
    return case((Job.status == Status.RUNNING, value), else_=others)


# Jobs, and in the same breath those that waited for them.
SUCCEED = (
    update(Job)
    .where(or_(IS_HELD, WAITS_FOR_ONE))
    .values(
        status=own(Status.SUCCEEDED, Job.status),
        lease_until=own(null(), UNTIL),
        error=own(null(), Job.error),
        finished_at=own(NOW, null()),
    )
    .returning(Job)
)
