import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field

from app.jobs import JobRead
from app.orders.models import OrderStatus

Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2, examples=["19.90"])]


class OrderCreate(BaseModel):
    user_id: uuid.UUID
    total: Amount
    card: str = Field(max_length=100, description="Token of the payment provider")


class OrderRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    user_id: uuid.UUID
    status: OrderStatus
    total: Decimal
    created_at: datetime


class OrderPlaced(OrderRead):
    jobs: Sequence[JobRead]


class ReportCreate(BaseModel):
    email: EmailStr = Field(description="Who is told when the report is ready")
