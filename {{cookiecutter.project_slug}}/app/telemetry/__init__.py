"""Log lines, traces, and what must not appear in either.

`configure_logging` is called once per process. Everywhere else, use `logging.getLogger(__name__)`:
each line carries the ids of its request, job and trace. The rest is the platform's own: leave it
alone.
"""

from app.telemetry.log import configure_logging

__all__ = ["configure_logging"]
