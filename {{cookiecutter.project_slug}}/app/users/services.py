import uuid

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Page, Paging, fetch_page
from app.errors import Conflict, NotFound
from app.jobs import UnitOfWork
from app.settings import get_settings
from app.users.models import User
from app.users.schemas import UserCreate, UserRead
from app.users.tasks import push_webhook, send_welcome_email, write_audit_log


async def register(uow: UnitOfWork, data: UserCreate) -> User:
    """Store a user and enqueue the jobs that follow, or neither."""
    user = User(id=uuid.uuid4(), email=data.email, full_name=data.full_name)
    uow.session.add(user)
    uow.enqueue(write_audit_log, "user_registered", user.email)
    uow.enqueue(send_welcome_email, user.email, user.full_name)
    if get_settings().webhook_url:
        uow.enqueue(push_webhook, "user_registered", user.id, user.email, user.full_name)
    try:
        await uow.session.flush()
    except IntegrityError:
        raise Conflict("A user with this email address already exists.") from None
    return user


async def list_users(session: AsyncSession, paging: Paging) -> Page[UserRead]:
    return await fetch_page(session, select(User).order_by(User.created_at, User.id), paging)


async def find_user(session: AsyncSession, user_id: uuid.UUID) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user
