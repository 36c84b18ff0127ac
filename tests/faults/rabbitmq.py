"""A private RabbitMQ that runs for the length of a block."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ports import free_port
from process import until
from servers import leave_out

# The script on PATH would start the node of the system.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class RabbitMQ:
    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def stop(self) -> None:
        self.send_signal(signal.SIGTERM)
        self._process.wait(60)


@contextmanager
def running_rabbitmq() -> Iterator[RabbitMQ]:
    if not os.access(PROGRAM, os.X_OK):
        leave_out("rabbitmq-server")
    # The user of RabbitMQ cannot enter the directories of pytest.
    with tempfile.TemporaryDirectory() as directory:
        identity = {"user": "rabbitmq", "group": "rabbitmq"} if os.geteuid() == 0 else {}
        if identity:
            shutil.chown(directory, **identity)
        port, epmd = free_port(), str(free_port())
        environment = os.environ | {
            "HOME": directory,
            "RABBITMQ_MNESIA_BASE": directory,
            "RABBITMQ_LOG_BASE": directory,
            "RABBITMQ_PID_FILE": f"{directory}/pid",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": f"faults{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": epmd,
        }
        with Path(directory, "output.log").open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM],
                env=environment,
                cwd=directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity,
            )
        broker = RabbitMQ(process, f"amqp://guest:guest@127.0.0.1:{port}/%2F")
        try:
            started = "Starting broker... completed"
            until("RabbitMQ", 90, lambda: started in Path(log.name).read_text(errors="replace"))
            yield broker
        finally:
            broker.stop()
            subprocess.run(["epmd", "-port", epmd, "-kill"], stdout=subprocess.DEVNULL)
