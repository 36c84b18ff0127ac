"""Starts the worker processes of a service."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Thread

from app.jobs.task import all_queues

Work = Callable[[str], None]


def run_workers(work: Work, per_queue: int = 1) -> None:
    """Run workers for the queues named on the command line, or for all queues.

    Each has a process of its own, so that a queue of slow jobs holds up no other. If one of them
    ends, all end.
    """
    known = all_queues()
    queues = sys.argv[1:] or known
    if unknown := sorted({*queues} - {*known}):
        raise SystemExit(f"no task has the queue {', '.join(unknown)}: use {', '.join(known)}")
    if len(queues) * per_queue == 1:
        work(queues[0])
        return
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_work_until_parent_ends, args=(work, queue), name=queue)
        for queue in queues
        for _ in range(per_queue)
    ]
    for process in processes:
        process.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _terminate(processes))
    wait([process.sentinel for process in processes])
    _terminate(processes)
    for process in processes:
        process.join()
    raise SystemExit(max(abs(process.exitcode or 0) for process in processes))


def _terminate(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()


def _work_until_parent_ends(work: Work, queue: str) -> None:
    # A terminal interrupts all processes of its group, but only the parent decides.
    os.setsid()
    Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    work(queue)


def _end_with(parent: BaseProcess | None) -> None:
    if parent:
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
