"""Every module that declares tasks. Import yours here."""

from app.jobs import housekeeping, registry
from app.users import tasks as users

__all__ = ["housekeeping", "registry", "users"]
