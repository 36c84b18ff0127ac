"""Free ports for the servers of the tests."""

import secrets
import socket
from contextlib import suppress

# Higher ones are used for outgoing connections, and could be taken before the server starts.
PORTS = range(10_000, 32_768)


def free_port() -> int:
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
