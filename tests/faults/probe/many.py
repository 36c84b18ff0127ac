"""Statements that create many finished jobs, for each database."""

# One in a thousand has failed. A million of them ended within 46 days.
MANY = {
    "postgresql": """
        INSERT INTO jobs (
            id, task, queue, arguments, failures, is_follower, cancel_requested,
            attempts, max_tries, status, run_at, created_at, finished_at
        )
        SELECT gen_random_uuid(), 'task_' || (n % 10), 'default', '{}', '[]', false, false, 1, 5,
               CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'succeeded' END, at, at, at
        FROM (SELECT n, now() - n * interval '4 seconds' AS at FROM generate_series(1, :n) n) many
    """,
    "sqlite": """
        INSERT INTO jobs (
            id, task, queue, arguments, failures, is_follower, cancel_requested,
            attempts, max_tries, status, run_at, created_at, finished_at
        )
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n)
        SELECT lower(hex(randomblob(16))), 'task_' || (n % 10), 'default', '{}', '[]', 0, 0, 1, 5,
               CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'succeeded' END, at, at, at
        FROM (SELECT n, strftime('%Y-%m-%d %H:%M:%f000', unixepoch() - 4 * n, 'unixepoch') AS at
              FROM numbers)
    """,
}
# In production PostgreSQL updates its statistics by itself. SQLite has none.
STATISTICS = {"postgresql": "ANALYZE jobs", "sqlite": "SELECT 1"}
