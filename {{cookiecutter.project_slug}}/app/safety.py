"""What may stand in development, and nowhere else."""

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import SecretStr

SHORTEST_SECRET = 16
# What hardly ever occurs in a text that was drawn.
PLACEHOLDER = re.compile(
    "change|default|example|password|placeholder|random|replace|secret|your[-_ ]", re.IGNORECASE
)


def is_guessable(secret: str) -> bool:
    is_short = len(secret) < SHORTEST_SECRET or len(set(secret)) < SHORTEST_SECRET / 3
    return is_short or PLACEHOLDER.search(secret) is not None


def faults_of(secrets: Mapping[str, SecretStr], hosts: Sequence[str]) -> Iterator[str]:
    """One line for each reason not to start; none of them shows a secret."""
    values = {name: secret.get_secret_value() for name, secret in secrets.items()}
    for name, value in values.items():
        if is_guessable(value):
            yield f"{name} must be {SHORTEST_SECRET} random characters or more"
    if len(set(values.values())) < len(values):
        yield f"{', '.join(values)} must differ"
    if "*" in hosts:
        yield "TRUSTED_HOSTS must not be *"
