"""What every bare engine answers to: `work` runs its worker, `send` takes orders from stdin.

An order is a line, `TASK COUNT SECONDS INTERVAL`; `sent` is the answer when all have been sent.
"""

import os
import sys
import time
from collections.abc import Callable

# As the service's own worker has them, or as the engine comes.
AT_DEFAULTS = "AT_DEFAULTS" in os.environ


def main(work: Callable[[], object], send: Callable[[str, int, float], object]) -> None:
    if sys.argv[1:] == ["work"]:
        work()
        return
    for order in sys.stdin:
        task, count, seconds, interval = order.split()
        if float(interval):
            for _ in range(int(count)):
                send(task, 1, float(seconds))
                time.sleep(float(interval))
        else:
            send(task, int(count), float(seconds))
        print("sent", flush=True)
