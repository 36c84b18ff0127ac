"""The commands of each bare engine: `work` runs its worker, `send` reads orders from stdin.

An order is a line, `COUNT SECONDS`. The answer is `sent`.
"""

import sys
from collections.abc import Callable


def main(work: Callable[[], object], send: Callable[[int, float], object]) -> None:
    if sys.argv[1:] == ["work"]:
        work()
        return
    for order in sys.stdin:
        count, seconds = order.split()
        send(int(count), float(seconds))
        print("sent", flush=True)
