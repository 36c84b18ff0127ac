import uuid

from fastapi import APIRouter, Response

from app.database import Page
from app.jobs import JobRead
from app.orders import services
from app.orders.models import Order
from app.orders.schemas import OrderCreate, OrderPlaced, OrderRead
from app.web import ApiOnly, PagingQuery, Session, Uow

router = APIRouter(prefix="/orders", tags=["orders"])


class CsvResponse(Response):
    media_type = "text/csv"


@router.post("", status_code=201)
async def place_order(uow: Uow, data: OrderCreate) -> OrderPlaced:
    """Place an order. A job packs it."""
    order = await services.place(uow, data)
    return OrderPlaced(
        **OrderRead.model_validate(order).model_dump(),
        jobs=[JobRead.model_validate(job) for job in uow.jobs],
    )


@router.get("", dependencies=[ApiOnly])
async def list_orders(session: Session, paging: PagingQuery) -> Page[OrderRead]:
    """The oldest first."""
    return await services.list_orders(session, paging)


@router.get("/export", dependencies=[ApiOnly], response_class=CsvResponse)
async def export_orders(session: Session) -> CsvResponse:
    """All orders as CSV."""
    return CsvResponse(await services.export(session))


@router.get("/{order_id}", response_model=OrderRead)
async def read_order(session: Session, order_id: uuid.UUID) -> Order:
    return await services.find_order(session, order_id)
