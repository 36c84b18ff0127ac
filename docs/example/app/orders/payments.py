"""Stands in for the client of a payment provider, with the cards that providers offer for tests."""

from decimal import Decimal

seen: set[str] = set()


class Declined(Exception):
    """The provider will never charge this card."""


class Busy(Exception):
    """The provider asks to come back later."""


def charge(card: str, amount: Decimal) -> None:
    if card == "declined":
        raise Declined("the card is closed")
    if card.startswith("busy") and card not in seen:
        seen.add(card)
        raise Busy("too many requests")
