"""The hall's reservation host, a stub: every reservation takes its time, however many come.

POST /seat → 200 {"seat": "B17"} · GET /healthz → 200
"""

import os
import random
import time

import web

SECONDS = float(os.environ.get("RESERVATION_SECONDS", "0.2"))


def seat():
    time.sleep(SECONDS)
    return 200, {"seat": f"{random.choice('ABCDEFGH')}{random.randint(1, 40)}"}


if __name__ == "__main__":
    web.stop_at_once()
    web.serve(8080, {("POST", "/seat"): seat, ("GET", "/healthz"): lambda: (200, {"status": "ok"})}).serve_forever()
