"""Sells tickets.

POST /reserve → 201 {"seat": "B17"} · 502 the hall does not answer · 503 no connection to the hall in time
GET /healthz  → 200

GET /metrics on port 9100, which answers also when every connection is in use.
"""

import http.client
import json
import os
import queue
import threading

import web

HOST = os.environ["SEATS_HOST"]
SIZE = int(os.environ.get("POOL_SIZE", "5"))
TIMEOUT = float(os.environ.get("POOL_TIMEOUT_SECONDS", "0.5"))

# A connection is opened by the first reservation that uses it, and again after a failure. Last in, first out.
pool = queue.LifoQueue()
for _ in range(SIZE):
    pool.put(http.client.HTTPConnection(HOST, 8080, timeout=1))

lock = threading.Lock()
counts = {"requests": 0, "timeouts": 0, "failures": 0}


def count(what):
    with lock:
        counts[what] += 1


def reserve():
    count("requests")
    try:
        connection = pool.get(timeout=TIMEOUT)
    except queue.Empty:
        count("timeouts")
        return 503, {"error": "no connection to the hall in time"}
    try:
        connection.request("POST", "/seat")
        return 201, json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()
        count("failures")
        return 502, {"error": "the hall does not answer"}
    finally:
        pool.put(connection)


def metrics():
    lines = [
        ("pool_size", "gauge", SIZE),
        ("pool_available", "gauge", pool.qsize()),
        ("pool_timeouts_total", "counter", counts["timeouts"]),
        ("reservations_total", "counter", counts["requests"]),
        ("reservation_failures_total", "counter", counts["failures"]),
    ]
    return 200, "".join(f"# TYPE {name} {kind}\n{name} {value}\n" for name, kind, value in lines)


if __name__ == "__main__":
    web.stop_at_once()
    operations = web.serve(9100, {("GET", "/metrics"): metrics})
    threading.Thread(target=operations.serve_forever, daemon=True).start()
    web.serve(8080, {("POST", "/reserve"): reserve, ("GET", "/healthz"): lambda: (200, {"status": "ok"})}).serve_forever()
