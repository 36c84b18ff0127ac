"""Through real processes: the web process, the broker and the workers of both queues."""

from itertools import count

import pytest

from tests.support.stack import Json, Stack

pytestmark = pytest.mark.slow

REPORTS = 50

numbers = count()


@pytest.fixture
def user_id(stack: Stack) -> str:
    person = {"email": f"user{next(numbers)}@example.com", "full_name": "Somebody New"}
    response = stack.client.post("/users", json=person)
    return str(response.raise_for_status().json()["id"])


def place(stack: Stack, user_id: str, card: str) -> dict[str, Json]:
    """The order, and its jobs by their tasks."""
    data = {"user_id": user_id, "total": "19.90", "card": card}
    order = stack.client.post("/orders", json=data).raise_for_status().json()
    return {"order": order, **{job["task"]: job for job in order.pop("jobs")}}


def until_order_is(stack: Stack, order: Json, status: str) -> None:
    def is_so() -> bool:
        return bool(stack.client.get(f"/orders/{order['id']}").json()["status"] == status)

    stack.service.until(is_so)


def request_report(stack: Stack, email: str) -> Json:
    headers = stack.api_headers
    response = stack.client.post("/orders/reports", json={"email": email}, headers=headers)
    assert response.status_code == 202, response.text
    found: Json = response.json()
    return found


def test_an_order_is_packed_after_a_payment_that_had_to_wait(stack: Stack, user_id: str) -> None:
    placed = place(stack, user_id, "busy")
    until_order_is(stack, placed["order"], "packed")
    payment = stack.until_succeeded(placed["charge_card"])
    assert payment["attempts"] >= 2
    assert payment["failures"][0]["error"] == "TryAgain: too many requests"
    # Its predecessor has not failed.
    assert stack.until_ended(placed["mark_unpaid"])["status"] == "cancelled"


def test_an_order_that_cannot_be_paid_is_marked(stack: Stack, user_id: str) -> None:
    placed = place(stack, user_id, "declined")
    until_order_is(stack, placed["order"], "unpaid")
    payment = stack.until_ended(placed["charge_card"])
    assert (payment["status"], payment["attempts"]) == ("failed", 1)
    assert payment["error"] == "GiveUp: the card is closed"


def test_a_report_shows_its_progress_and_is_downloaded(stack: Stack, user_id: str) -> None:
    placed = place(stack, user_id, "good")
    until_order_is(stack, placed["order"], "packed")
    stack.mail_server.hold()
    report = request_report(stack, "report@example.com")
    assert request_report(stack, "report@example.com")["id"] == report["id"]

    def is_shown() -> bool:
        found = stack.client.get(report["url"]).json()
        return (found["progress"], found["progress_note"]) == (90, "sending a mail")

    stack.service.until(is_shown)
    stack.mail_server.release()
    stack.until_succeeded(report)
    path = f"/orders/reports/{report['id']}"
    response = stack.client.get(path, headers=stack.api_headers)
    assert f"{placed['order']['id']},{user_id},packed,19.90" in response.text.splitlines()


def test_a_running_report_is_cancelled(stack: Stack) -> None:
    stack.mail_server.hold()
    report = request_report(stack, "report@example.com")
    stack.service.until(lambda: stack.mail_server.arrived)
    assert stack.client.post(f"{report['url']}/cancel").status_code == 202
    assert stack.until_ended(report)["status"] == "cancelled"
    stack.mail_server.release()


def test_slow_reports_delay_no_other_job(stack: Stack, user_id: str) -> None:
    stack.mail_server.hold()
    reports = [request_report(stack, f"reader{n}@example.com") for n in range(REPORTS)]
    stack.service.until(lambda: stack.mail_server.arrived)
    placed = place(stack, user_id, "good")
    until_order_is(stack, placed["order"], "packed")
    found = [stack.client.get(report["url"]).json()["status"] for report in reports]
    assert {*found} <= {"queued", "running"}
    stack.mail_server.release()
    stack.until_all_succeeded(reports)
