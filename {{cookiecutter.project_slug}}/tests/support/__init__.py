"""What every test may use.

- `fixtures.py`: `database`, `client`, `engine`, `environ`, `mail_server`, `webhook_receiver`, `stack`.
- `jobs.py`: `run_jobs(database)` runs what was enqueued.
- `rows.py`: `rows(database, Model)` reads a table.
- `problems.py`: `is_problem(response, 404)`.
- `waiting.py`: `eventually(condition)`.
- The other modules are what the fixtures are made of.
"""
