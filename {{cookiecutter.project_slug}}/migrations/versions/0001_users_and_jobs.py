"""users and jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
OPEN = sa.text("finished_at IS NULL")
FINISHED = sa.text("finished_at IS NOT NULL")
HAS_KEY = sa.text("finished_at IS NULL AND key IS NOT NULL")
NOT_SUCCEEDED = sa.text("status != 'succeeded'")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_tries", sa.Integer(), nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("is_follower", sa.Boolean(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.Column("traceparent", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("progress", sa.Integer()),
        sa.Column("progress_note", sa.Text()),
        sa.Column("result", sa.JSON()),
        sa.Column("unknown_since", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["lease_until", "run_at"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index(
        "ix_jobs_key",
        "jobs",
        ["task", "key"],
        unique=True,
        sqlite_where=HAS_KEY,
        postgresql_where=HAS_KEY,
    )
    op.create_index(
        "ix_jobs_finished_at",
        "jobs",
        ["finished_at"],
        sqlite_where=FINISHED,
        postgresql_where=FINISHED,
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_index("ix_jobs_task", "jobs", ["task", "created_at"])
    op.create_index(
        "ix_jobs_status",
        "jobs",
        ["status", "created_at"],
        sqlite_where=NOT_SUCCEEDED,
        postgresql_where=NOT_SUCCEEDED,
    )
    op.create_table(
        "job_predecessors",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("predecessor_id", sa.Uuid(), nullable=False),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "predecessor_id", name="pk_job_predecessors"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_predecessors_job_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["predecessor_id"], ["jobs.id"], name="fk_job_predecessors_predecessor_id"
        ),
    )
    op.create_index("ix_job_predecessors_predecessor_id", "job_predecessors", ["predecessor_id"])
    op.create_table(
        "schedules",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("job_id", sa.Uuid()),
        sa.PrimaryKeyConstraint("task", name="pk_schedules"),
    )


def downgrade() -> None:
    op.drop_table("schedules")
    op.drop_table("job_predecessors")
    op.drop_table("jobs")
    op.drop_table("audit_entries")
    op.drop_table("users")
