"""URLs of brokers as they come: with TLS, users, escaped passwords, options, sockets."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from brokers.proxy import address_of
from checks import UV, environment, install
from matrix import takes_rabbitmq
from ports import free_port
from servers import find_redis_server
from template import CHOICES, ROOT, render

ENGINES = [engine for engine in CHOICES["engine"] if engine != "background"]
PASSWORD = "p@ss/w:rd?#%&;"  # noqa: S105 - every character that a URL must escape
ESCAPED = "p%40ss%2Fw%3Ard%3F%23%25%26%3B"
PATIENCE_SECONDS = 30


def ask(project: Path, urls: list[str], setting: str) -> dict[str, int | str]:
    """For each URL the number of waiting jobs, or why there is none."""
    script = ROOT / "tests" / "brokers" / "ask.py"
    done = subprocess.run(
        [UV, "run", "--quiet", "python", script, setting, *urls],
        cwd=project,
        env=environment(PYTHONPATH=str(project)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(urls, answers, strict=True))


@dataclass
class Redis:
    port: int
    tls_port: int
    path: Path
    ca: Path


@contextmanager
def running_redis(project: Path, folder: Path) -> Iterator[Redis]:
    """It knows two users, and its certificate is from an authority that nobody knows."""
    authority = trustme.CA()
    ca, certificate = folder / "ca.pem", folder / "certificate.pem"
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    redis = Redis(free_port(), free_port(), folder / "redis.sock", ca)
    settings = {
        "bind": "127.0.0.1 ::1",
        "port": redis.port,
        "tls-port": redis.tls_port,
        "tls-cert-file": certificate,
        "tls-key-file": certificate,
        "tls-ca-cert-file": ca,
        "tls-auth-clients": "no",
        "unixsocket": redis.path,
        "requirepass": PASSWORD,
        "save": "",
        "dir": folder,
    }
    words = [str(word) for name in settings for word in (f"--{name}", settings[name])]
    acl = ["--user", "jobs", "on", f">{PASSWORD}", "~*", "&*", "+@all"]
    with subprocess.Popen([find_redis_server(project), *words, *acl]) as server:
        try:
            given_up_at = time.monotonic() + PATIENCE_SECONDS
            while not redis.path.exists():
                assert server.poll() is None, "Redis does not start"
                assert time.monotonic() < given_up_at
                time.sleep(0.01)
            yield redis
        finally:
            server.terminate()


@contextmanager
def listening(certificate: Path) -> Iterator[tuple[int, set[bool]]]:
    """A server that only accepts TLS connections, and notes whether its clients trust it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trusted: set[bool] = set()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                        trusted.add(True)
                    except OSError:
                        trusted.add(False)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], trusted
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


# One test for each engine, because importing its packages takes most of the time.
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_takes_every_url_and_trusts_no_unknown_certificate(
    engine: str, sources: Path, shared: Path, tmp_path: Path
) -> None:
    project = render(sources, {"engine": engine, "database": "sqlite"}, tmp_path)
    install(project, shared / "environments")
    reaches_redis_at_every_url_that_it_trusts(project, tmp_path)
    follows_a_moved_address(project, tmp_path)
    if takes_rabbitmq({"engine": engine}):
        verifies_certificates_of_rabbitmq(project, tmp_path)


def reaches_redis_at_every_url_that_it_trusts(project: Path, folder: Path) -> None:
    with running_redis(project, folder) as redis:
        login, ca = f":{ESCAPED}@", f"ssl_ca_certs={redis.ca}"
        place, secure = f"localhost:{redis.port}", f"localhost:{redis.tls_port}"
        expected = {
            f"redis://{login}{place}": 0,
            f"redis://jobs{login}{place}/3": 0,
            f"redis://{login}{place}?db=3&health_check_interval=30&socket_timeout=0.9": 0,
            f"redis://{login}[::1]:{redis.port}/0": 0,
            f"unix://jobs{login}{redis.path}?db=3": 0,
            f"rediss://{login}{secure}/3?{ca}": 0,
            f"rediss://{login}{secure}/0?ssl_cert_reqs=none": 0,
            f"rediss://{login}{secure}/0": "certificate verify failed: self-signed",
            f"rediss://{login}127.0.0.1:{redis.tls_port}/0?{ca}": "IP address mismatch",
        }
        wrong = {
            f"rediss://{secure}?ssl_cert_reqs=maybe": "maybe",
            f"rediss://{secure}?ssl_ca_certs=/missing.pem": "cannot read ssl_ca_certs",
            f"redis://{place}?{ca}": "ssl_ca_certs",
            f"redis://{place}/0?colour=red": "colour",
            f"redis://{place}/jobs": "the path must be the number of a database",
            f"redis://:to/ken@{place}/0": "not a URL. Is the password encoded, such as / as %2F?",
        }
        answers = ask(project, [*expected, *wrong], "REDIS_URL")
    for url, reason in wrong.items():
        assert str(answers[url]).startswith("Wrong settings: REDIS_URL: "), url
        assert len(str(answers[url]).splitlines()) == 1
        assert reason in str(answers[url])
    assert {url: found_in(answers[url], expected[url]) for url in expected} == expected


def follows_a_moved_address(project: Path, folder: Path) -> None:
    """In a planned failover, the old server stays up as a replica and refuses to write."""
    with ExitStack() as stack:
        old, new = (stack.enter_context(plain_redis(project, folder)) for _ in range(2))
        address = stack.enter_context(address_of(old))
        sender = stack.enter_context(
            subprocess.Popen(
                [UV, "run", "--quiet", "python", ROOT / "tests" / "brokers" / "send.py"],
                cwd=project,
                env=environment(
                    PYTHONPATH=str(project), REDIS_URL=f"redis://127.0.0.1:{address.port}"
                ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        assert send(sender) == "sent"
        address.target = new
        with socket.create_connection(("127.0.0.1", old)) as connection:
            connection.sendall(f"REPLICAOF 127.0.0.1 {new}\r\n".encode())
            assert connection.recv(100) == b"+OK\r\n"
        answers = [send(sender) for _ in range(5)]
        sender.communicate()
    assert answers[-1] == "sent", answers


def send(sender: subprocess.Popen[str]) -> str:
    assert sender.stdin and sender.stdout
    sender.stdin.write("\n")
    sender.stdin.flush()
    return sender.stdout.readline().strip()


@contextmanager
def plain_redis(project: Path, folder: Path) -> Iterator[int]:
    port = free_port()
    command = [find_redis_server(project), "--port", str(port), "--save", "", "--dir", folder]
    with subprocess.Popen([*command, "--bind", "127.0.0.1"]) as server:
        try:
            given_up_at = time.monotonic() + PATIENCE_SECONDS
            while not is_listening(port):
                assert server.poll() is None, "Redis does not start"
                assert time.monotonic() < given_up_at
                time.sleep(0.01)
            yield port
        finally:
            server.terminate()


def is_listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def found_in(answer: int | str, expected: int | str) -> int | str:
    """What was expected, if the answer contains it. Else all of the answer."""
    return expected if isinstance(expected, str) and expected in str(answer) else answer


def verifies_certificates_of_rabbitmq(project: Path, folder: Path) -> None:
    """This server does not speak AMQP: a handshake with TLS is enough here."""
    certificate, ca = folder / "certificate.pem", folder / "ca.pem"
    expected = {
        ("localhost", ""): False,
        ("127.0.0.1", f"?ssl_ca_certs={ca}"): False,
        ("localhost", f"?ssl_ca_certs={ca}"): True,
        ("localhost", "?ssl_cert_reqs=none"): True,
    }
    wrong = [
        "amqps://localhost?ssl_cert_reqs=maybe",
        "amqps://localhost?ssl_ca_certs=/missing.pem",
        "amqp://localhost?colour=red",
    ]
    with ExitStack() as stack:
        servers = {case: stack.enter_context(listening(certificate)) for case in expected}
        urls = [
            f"amqps://user:{ESCAPED}@{host}:{port}/%2F{query}"
            for (host, query), (port, _) in servers.items()
        ]
        answers = ask(project, [*urls, *wrong], "BROKER_URL")
    assert {case: trusted for case, (_, trusted) in servers.items()} == {
        case: {is_trusted} for case, is_trusted in expected.items()
    }
    assert [url for url in wrong if "Wrong settings: BROKER_URL" not in str(answers[url])] == []
