"""A registration through every process of the service, with a real mail server and receiver."""

import json

from tests.support.stack import Stack

ADA = {"email": "ada@example.com", "full_name": "Ada Lovelace"}


def test_a_registration_sends_a_mail_and_a_webhook(stack: Stack) -> None:
    response = stack.client.post("/users", json=ADA)
    assert response.status_code == 201
    stack.until_all_succeeded(response.json()["jobs"])
    [message] = stack.mail_server.messages
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Welcome, Ada Lovelace")
    [webhook] = stack.webhook_receiver.webhooks
    assert json.loads(webhook.body)["user_id"] == response.json()["id"]
