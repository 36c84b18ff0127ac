"""What every test may use.

- `fixtures.py`: the fixtures `database`, `client`, `engine`, `environ`, `mail_server`,
  `webhook_receiver`, and `stack`, which is the whole service in processes of its own.
- `jobs.py`: `run_jobs(database)` runs what was enqueued.
- `rows.py`: `rows(database, Model)` reads a table.
- `problems.py`: `is_problem(response, 404)`.
- `waiting.py`: `eventually(condition)`.
- The other modules are what the fixtures are made of.
"""
