"""An address that can be moved from one server to another. Open connections stay where they are."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Address:
    def __init__(self, server: socket.socket, target: int) -> None:
        self.port = server.getsockname()[1]
        self.target = target
        self._server = server

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                target = socket.create_connection(("127.0.0.1", self.target))
                for pair in ((client, target), (target, client)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def address_of(port: int) -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(server, port)
        thread = threading.Thread(target=address.serve)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
