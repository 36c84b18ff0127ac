import uuid
from typing import Annotated

from fastapi import APIRouter, Path

from app.database import Page
from app.jobs import JobRead
from app.users import services
from app.users.models import User
from app.users.schemas import UserCreate, UserRead, UserRegistered
from app.web import ApiOnly, PagingQuery, Session, Uow

router = APIRouter(prefix="/users", tags=["users"])

UserId = Annotated[uuid.UUID, Path(description="The id of a user")]


@router.post("", status_code=201)
async def register_user(uow: Uow, data: UserCreate) -> UserRegistered:
    """Register a user. The response lists the jobs that follow, such as the welcome mail.

    Responds 409 if the email address belongs to another user.
    """
    user = await services.register(uow, data)
    return UserRegistered(
        **UserRead.model_validate(user).model_dump(),
        jobs=[JobRead.model_validate(job) for job in uow.jobs],
    )


@router.get("", dependencies=[ApiOnly])
async def list_users(session: Session, paging: PagingQuery) -> Page[UserRead]:
    """List the users, the oldest first."""
    return await services.list_users(session, paging)


@router.get("/{user_id}", response_model=UserRead, dependencies=[ApiOnly])
async def read_user(session: Session, user_id: UserId) -> User:
    """Read a user."""
    return await services.find_user(session, user_id)
