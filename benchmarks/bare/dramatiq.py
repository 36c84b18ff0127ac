"""A plain Dramatiq worker, in one process, as the service has it."""

import os
import signal
import time
from queue import SimpleQueue

import dramatiq
from bare.command import AT_DEFAULTS, main
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from probe import work as probe

middleware = None if AT_DEFAULTS else [AsyncIO()]
broker = RedisBroker(url=os.environ["REDIS_URL"], middleware=middleware)
if AT_DEFAULTS:
    broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
asynchronous = dramatiq.actor(probe.asynchronous)
synchronous = dramatiq.actor(probe.synchronous)


def work() -> None:
    worker = dramatiq.Worker(broker, worker_timeout=1000 if AT_DEFAULTS else 100)
    worker.start()
    stop = SimpleQueue[int]()
    signal.signal(signal.SIGTERM, lambda number, _: stop.put(number))
    stop.get()


def send(task: str, count: int, seconds: float) -> None:
    for _ in range(count):
        broker.get_actor(task).send(time.time(), seconds)


if __name__ == "__main__":
    main(work, send)
