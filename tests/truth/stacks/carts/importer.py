"""A bad client: writes what it imports into Redis megabyte by megabyte, and deletes none of it. It comes back
whenever it is cut off."""

import signal
import sys
import time
import uuid

import redis

MEGABYTES_PER_SECOND = float(sys.argv[1])
MOST, LEAST = 100_000, 50

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

while True:
    try:
        store = redis.Redis(host="redis", username="jobs", password="jobs-local", single_connection_client=True)
        size = MOST
        while True:
            try:
                store.set(f"import:{uuid.uuid4()}", b"x" * size)
                time.sleep(size / 1e6 / MEGABYTES_PER_SECOND)
                size = min(2 * size, MOST)
            except redis.ResponseError as error:
                if "OOM" not in str(error):
                    raise
                # Smaller ones still fit, down to the last byte.
                size = max(size // 2, LEAST)
                time.sleep(0.01)
    except redis.RedisError as error:
        print(error, flush=True)
        time.sleep(0.5)
