"""A shop: POST /orders takes an order (201) until the disk is full (503). `BEGUN PERCENT_PER_SECOND` in the file /run/filling
fills the disk; without it the disk is empty."""

import time

from service import Unavailable, serve


def disk_used():
    try:
        with open("/run/filling", encoding="ascii") as file:
            begun, speed = map(float, file.read().split())
    except (OSError, ValueError):
        return 0.0
    return max(0.0, min(100.0, (time.time() - begun) * speed))


def order():
    if disk_used() >= 100:
        raise Unavailable("no space left on the device")
    return 201, {"order": "taken"}


serve(
    {"POST /orders": order, "GET /healthz": lambda: (200, {})},
    metrics=lambda: f"disk_used_percent {disk_used()}\n",
    counted=[("/orders", 201), ("/orders", 503)],
)
