"""Free ports for private servers."""

import secrets
import socket
from contextlib import suppress

# Operating systems use higher ports for outgoing connections. One of these could take a port
# after it is chosen and before the server starts.
NOT_EPHEMERAL = range(10_000, 32_768)


def free_port() -> int:
    while True:
        port = secrets.choice(NOT_EPHEMERAL)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
