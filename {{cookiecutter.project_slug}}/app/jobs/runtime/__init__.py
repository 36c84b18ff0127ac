"""How jobs reach the engine, and how they run: the same on every engine.

- `ledger.py`: the transitions of a job. `due.py`: which jobs are due. `leases.py`: leases.
- `relay.py`: sends jobs to the engine, those of a request at once and all others when due.
- `patience.py`: tells a silent broker from a late event loop.
- `timetable.py`: enqueues what has a schedule.
- `perform.py`: runs one job. `call.py`: limits its task. `retries.py`: when it is tried again.
- `threads.py`: threads for tasks that block.
- `workers.py`: starts the worker processes.

`app/main.py` runs the relay, and `app/engine.py` calls `perform`. Nothing here needs to change for
a new task.
"""

from app.jobs.runtime.leases import keep_leased
from app.jobs.runtime.perform import perform
from app.jobs.runtime.relay import Engine, QueueFull, Relay, in_batches
from app.jobs.runtime.workers import run_workers

__all__ = ["Engine", "QueueFull", "Relay", "in_batches", "keep_leased", "perform", "run_workers"]
