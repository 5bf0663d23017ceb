"""The shop's checkout.

POST /checkout {"sku": "SKU-0042", "quantity": 1, "reference": "PO-7"}   all optional: a random article, one of it, no number
    201 paid · 202 accepted, to be charged later (breaker open) · 400 · 404 no such article · 409 sold out
    502 the payment provider failed · 503 no database connection in time
GET /healthz
    200 · 503 no database connection in time

Metrics and the circuit breaker are on a port of their own: ops.py.
"""

import json
import logging
import time

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import metrics
import ops
import orders
import payments

log = logging.getLogger("checkout")

REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    409: "Conflict", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
}


def start_background():
    ops.start()
    orders.warm_up()
    payments.start_worker()


def application(environ, start_response):
    started = time.perf_counter()
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    handlers = ROUTES.get(path)
    try:
        if handlers is None:
            path = "other"  # or every scanner on the network makes new time series
            status, content = 404, {"error": "not found"}
        elif method not in handlers:
            status, content = 405, {"error": "method not allowed"}
        else:
            status, content = handlers[method](environ)
    except PoolTimeout:
        metrics.POOL_TIMEOUTS.inc()
        status, content = 503, {"error": "no database connection in time"}
    except SQLAlchemyError as error:
        log.error("database: %s", str(error).splitlines()[0])
        status, content = 503, {"error": "database error"}
    except Exception:
        log.exception("%s %s", method, path)
        status, content = 500, {"error": "internal error"}

    metrics.REQUESTS.labels(method, path, str(status)).inc()
    metrics.DURATION.labels(path).observe(time.perf_counter() - started)
    body = json.dumps(content).encode() + b"\n"
    start_response(
        f"{status} {REASONS[status]}",
        [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
    )
    return [body]


def checkout(environ):
    # Read before anything is answered: bytes left in the connection would be taken for the next request.
    raw = environ["wsgi.input"].read()
    try:
        wanted = json.loads(raw) if raw.strip() else {}
        sku = wanted.get("sku") or orders.any_sku()
        quantity = int(wanted.get("quantity", 1))
        reference = wanted.get("reference")
        if not isinstance(sku, str) or not 1 <= quantity <= 100:
            raise ValueError
        if reference is not None and not (isinstance(reference, str) and len(reference) <= 64):
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        return 400, {"error": "sku must be a string, quantity a number from 1 to 100, reference a string of at most 64 characters"}

    queued = payments.breaker.is_open
    try:
        order = orders.reserve(sku, quantity, queued, reference)
    except orders.UnknownArticle:
        return 404, {"error": "no such article", "sku": sku}
    except orders.SoldOut:
        return 409, {"error": "sold out", "sku": sku}
    if queued:
        return 202, {"order_id": order.id, "status": "queued"}

    # No database connection is held while the provider thinks.
    try:
        charge_id = payments.charge(order)
    except payments.ChargeFailed as error:
        orders.cancel(order)
        return 502, {"error": "payment provider failed", "reason": str(error), "order_id": order.id}
    orders.mark_paid(order.id, charge_id)
    return 201, {"order_id": order.id, "status": "paid", "charge_id": charge_id}


def healthz(_environ):
    orders.ping()
    return 200, {"status": "ok"}


ROUTES = {
    "/checkout": {"POST": checkout},
    "/healthz": {"GET": healthz},
}
