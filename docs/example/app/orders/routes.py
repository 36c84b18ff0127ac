import uuid

from fastapi import APIRouter, Response

from app.database import Page
from app.jobs import Job, JobRead
from app.orders import services
from app.orders.models import Order
from app.orders.schemas import OrderCreate, OrderPlaced, OrderRead, ReportCreate
from app.web import ApiOnly, PagingQuery, Session, Uow

router = APIRouter(prefix="/orders", tags=["orders"])


class CsvResponse(Response):
    media_type = "text/csv"


@router.post("", status_code=201)
async def place_order(uow: Uow, data: OrderCreate) -> OrderPlaced:
    """Place an order. Jobs charge the card and pack the order."""
    order = await services.place(uow, data)
    return OrderPlaced(
        **OrderRead.model_validate(order).model_dump(),
        jobs=[JobRead.model_validate(job) for job in uow.jobs],
    )


@router.get("", dependencies=[ApiOnly])
async def list_orders(session: Session, paging: PagingQuery) -> Page[OrderRead]:
    """The oldest first."""
    return await services.list_orders(session, paging)


@router.post("/reports", status_code=202, response_model=JobRead, dependencies=[ApiOnly])
async def request_report(uow: Uow, data: ReportCreate) -> Job:
    """Ask for a report of all orders. Poll the job of the response until it has succeeded."""
    return await services.request_report(uow, data.email)


@router.get("/reports/{job_id}", response_class=CsvResponse, dependencies=[ApiOnly])
async def download_report(session: Session, job_id: uuid.UUID) -> CsvResponse:
    """Download a report as CSV. Responds 409 while it is not ready."""
    return CsvResponse(await services.read_report(session, job_id))


# Only an id, so that the paths above have no other methods.
@router.get("/{order_id:uuid}", response_model=OrderRead)
async def read_order(session: Session, order_id: uuid.UUID) -> Order:
    return await services.find_order(session, order_id)


@router.post("/{order_id:uuid}/cancel", response_model=OrderRead)
async def cancel_order(uow: Uow, order_id: uuid.UUID) -> Order:
    """Cancel an order that is not paid. Responds 409 to another one."""
    return await services.cancel(uow, order_id)
