"""Shopping carts in Redis: POST /carts makes one (201), GET /carts looks at one of last week (200, 404 if it has gone)."""

import random
import uuid

import redis

from service import serve

store = redis.Redis(host="redis", username="web", password="web-local", socket_timeout=1, socket_connect_timeout=1)


def make():
    name = f"cart:{uuid.uuid4()}"
    store.set(name, "book", ex=3600)
    return 201, {"cart": name}


def look():
    found = store.get(f"cart:seed:{random.randint(1, 500)}")
    return (200, {"holds": found.decode()}) if found else (404, {"error": "no such cart"})


serve({"POST /carts": make, "GET /carts": look, "GET /healthz": lambda: (200, {})})
