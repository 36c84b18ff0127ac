"""What a measured task does, in the service and in the bare engine: it waits, and notes when."""

import asyncio
import os
import time

# A short line that is appended by one call does not mix with those of other processes.
file = os.open(os.environ["PROBE_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def wait(sent_at: float, seconds: float) -> None:
    os.write(file, f"started {sent_at} {time.time()}\n".encode())
    if seconds:
        await asyncio.sleep(seconds)
    os.write(file, f"finished {sent_at} {time.time()}\n".encode())
