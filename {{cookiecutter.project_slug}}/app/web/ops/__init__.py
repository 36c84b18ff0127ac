"""The operators' page at /ops: what the jobs do, and buttons to retry, cancel and run them.

It is rendered on the server and works without JavaScript. All text is escaped, the pages allow no
script but `static/ops.js`, and they show only those arguments of a job that identify it.
"""

from app.web.ops.pages import router

__all__ = ["router"]
