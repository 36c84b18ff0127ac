"""Everything that a request passes, and the routes that every service has.

Import from here what a route may ask for. The other modules are wired up in `app/main.py`: leave
them alone unless you change what holds for every route.
"""

from app.web.deps import ApiOnly, OpsOnly, PagingQuery, Session, Uow

__all__ = ["ApiOnly", "OpsOnly", "PagingQuery", "Session", "Uow"]
