"""A plain Dramatiq worker in one process, like the service's worker."""

import os
import signal
import time
from queue import SimpleQueue

import dramatiq
from bare import work as bare
from bare.command import main
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

broker = RedisBroker(url=os.environ["REDIS_URL"], middleware=[AsyncIO()])
dramatiq.set_broker(broker)
wait = dramatiq.actor(bare.wait)


def work() -> None:
    threads = int(os.environ["CONCURRENCY"])
    worker = dramatiq.Worker(broker, worker_timeout=100, worker_threads=threads)
    worker.queue_prefetch = threads
    worker.start()
    stop = SimpleQueue[int]()
    signal.signal(signal.SIGTERM, lambda number, _: stop.put(number))
    stop.get()


def send(count: int, seconds: float) -> None:
    for _ in range(count):
        wait.send(time.time(), seconds)


if __name__ == "__main__":
    main(work, send)
