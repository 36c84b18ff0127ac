"""Free ports, for servers of our own."""

import secrets
import socket
from contextlib import suppress

# Systems lend higher ones to outgoing connections, any of which could take a port
# between our choice and the server's start.
NEVER_LENT = range(10_000, 32_768)


def free_port() -> int:
    while True:
        port = secrets.choice(NEVER_LENT)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
