"""Runs in a project and corrupts the messages of the given ids on its Redis, each in another way.

It finds them by their content, so that it works for every engine.
"""

import base64
import sys
import uuid
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from redis import Redis

GARBAGE = b"\x80\x00garbage\xff{"
NO_ID = "z" * 36


def messages(redis: Any) -> Iterator[tuple[bytes, Callable[[bytes], object]]]:
    """Each message with a function that replaces it."""
    for key in redis.scan_iter():
        match redis.type(key):
            case b"string":
                yield redis.get(key), partial(redis.set, key, keepttl=True)
            case b"hash":
                for field, message in redis.hgetall(key).items():
                    yield message, partial(redis.hset, key, field)
            case b"list":
                for index, message in enumerate(redis.lrange(key, 0, -1)):
                    yield message, partial(redis.lset, key, index)


def spellings(job_id: str) -> list[bytes]:
    """The id, and the id within base64, at each of the three possible offsets."""
    plain = job_id.encode()
    return [plain] + [base64.b64encode(b"\0" * n + plain)[4 * (n > 0) : 44] for n in range(3)]


def opened(message: bytes) -> bytes:
    try:
        return zlib.decompress(message)
    except zlib.error:
        return message


def renamed(message: bytes, job_id: str, other: str) -> bytes:
    text = opened(message)
    is_packed = text != message
    for old, new in zip(spellings(job_id), spellings(other), strict=True):
        text = text.replace(old, new)
    return zlib.compress(text) if is_packed else text


def spoil(redis: Any, job_id: str, change: Callable[[bytes], bytes]) -> None:
    found = [
        (message, put) for message, put in messages(redis) if job_id.encode() in opened(message)
    ]
    assert found, f"no message carries {job_id}"
    for message, put in found:
        assert change(message) != message
        put(change(message))


def litter(redis: Any, queue: str) -> None:
    [key] = [
        key for key in redis.scan_iter(f"*{queue}?default") if redis.type(key) in (b"zset", b"list")
    ]
    if redis.type(key) == b"zset":
        redis.zadd(key, {GARBAGE: 1})
    else:
        redis.lpush(key, GARBAGE)


if __name__ == "__main__":
    url, queue, garbage, unknown, misshapen = sys.argv[1:]
    with Redis.from_url(url) as redis:
        spoil(redis, garbage, lambda _: GARBAGE)
        spoil(redis, unknown, lambda message: renamed(message, unknown, str(uuid.uuid4())))
        spoil(redis, misshapen, lambda message: renamed(message, misshapen, NO_ID))
        litter(redis, queue)
