"""The payment provider: charging, the circuit breaker around it, and the queue of what is charged later."""

import collections
import json
import logging
import os
import threading
import time
from pathlib import Path

import urllib3
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

import metrics
import orders
import release

log = logging.getLogger("checkout.payments")

URL = os.environ["PAYMENTS_URL"].rstrip("/")
# From this amount on the customer's bank is asked as well.
STRONG_FROM_CENTS = float(release.settings.get("STRONG_AUTHENTICATION_FROM_CENTS", "inf"))
# A feature that is switched on while the shop runs: where at the provider points are counted after each charge.
POINTS_SWITCH = Path("/tmp/points")
http = urllib3.PoolManager(maxsize=64, retries=False, timeout=urllib3.Timeout(connect=1.0, read=1.0))


class ChargeFailed(Exception):
    pass


class Breaker:
    """People open and close it, through the operations port, and it then stays so.

    With `opens_at` it also opens by itself, when so many of the last 20 calls have failed. The worker then tries queued charges every
    few seconds, and closes it when they go through: no customer is needed to find out that the provider is well again.
    """

    CALLS = 20
    TRY_SECONDS = 5

    def __init__(self, opens_at):
        self.opens_at = opens_at
        self.is_open = False
        self.failed = collections.deque(maxlen=self.CALLS)
        self.lock = threading.Lock()
        self.next_try = None

    @property
    def state(self):
        return "open" if self.is_open else "closed"

    def set(self, state):
        with self.lock:
            self._set(state)
            self.next_try = None

    def add(self, failed):
        with self.lock:
            self.failed.append(failed)
            if self.opens_at and not self.is_open and sum(self.failed) >= self.opens_at:
                self._set("open")
                self.next_try = time.monotonic() + self.TRY_SECONDS

    def is_to_be_tried(self):
        with self.lock:
            if self.next_try is None or time.monotonic() < self.next_try:
                return False
            self.next_try = time.monotonic() + self.TRY_SECONDS
            return True

    def tried(self):
        with self.lock:
            if self.next_try is not None:  # no person has decided meanwhile
                self._set("closed")
                self.next_try = None

    def _set(self, state):
        log.warning("breaker payments: %s -> %s", self.state, state)
        self.is_open = state == "open"
        self.failed.clear()


class ErrorRatio:
    """Share of failed calls among those of the last few seconds; NaN when there were none."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.calls = collections.deque()
        self.lock = threading.Lock()

    def add(self, failed):
        with self.lock:
            self.calls.append((time.monotonic(), failed))
            self._forget()

    def value(self):
        with self.lock:
            self._forget()
            return sum(failed for _, failed in self.calls) / len(self.calls) if self.calls else float("nan")

    def _forget(self):
        oldest = time.monotonic() - self.seconds
        while self.calls and self.calls[0][0] < oldest:
            self.calls.popleft()


breaker = Breaker(opens_at=int(os.environ.get("BREAKER_OPENS_AT") or 0))
error_ratio = ErrorRatio(seconds=5)


def charge(order):
    """Charges an order and returns the charge's id. Safe to repeat: the provider knows the order by its id."""
    body = json.dumps({"order_id": order.id, "amount_cents": order.amount_cents})
    path = "/v2/charge" if order.amount_cents >= STRONG_FROM_CENTS else "/charge"
    try:
        answer = http.request("POST", f"{URL}{path}", body=body, headers={"Content-Type": "application/json"})
        outcome = str(answer.status)
        if answer.status != 200:
            raise ChargeFailed(f"payments answered {answer.status} to {path}")
        charge_id = json.loads(answer.data)["charge_id"]
    except urllib3.exceptions.HTTPError as error:
        outcome = "no_answer"
        raise ChargeFailed(f"no answer from payments: {type(error).__name__}") from error
    except (ValueError, KeyError, TypeError) as error:
        outcome = "bad_answer"
        raise ChargeFailed("payments gave an answer that makes no sense") from error
    finally:
        metrics.UPSTREAM_REQUESTS.labels("payments", outcome).inc()
        error_ratio.add(outcome != "200")
        breaker.add(outcome != "200")
    if POINTS_SWITCH.exists():
        _count_points(POINTS_SWITCH.read_text().strip(), body)
    return charge_id


def _count_points(path, body):
    """Nothing depends on the answer: a failure is counted, and no more."""
    outcome = "no_answer"
    try:
        outcome = str(http.request("POST", f"{URL}{path}", body=body, headers={"Content-Type": "application/json"}).status)
    except urllib3.exceptions.HTTPError as error:
        log.info("no answer about points: %s", type(error).__name__)
    metrics.UPSTREAM_REQUESTS.labels("payments", outcome).inc()
    error_ratio.add(outcome != "200")


# The worker has a connection of its own: it must not compete with customers for theirs.
_engine = create_engine(
    os.environ["DATABASE_URL"],
    pool_size=1,
    max_overflow=0,
    pool_pre_ping=True,
    connect_args={"application_name": "checkout-charges", "connect_timeout": 2},
)
_COUNT = text("SELECT count(*) FROM charges_pending")
_NEXT = text(
    "SELECT o.id, o.sku, o.quantity, o.amount_cents FROM charges_pending p JOIN orders o ON o.id = p.order_id"
    " ORDER BY p.queued_at, p.order_id LIMIT 20"
)
_DONE = text("DELETE FROM charges_pending WHERE order_id = :id")


def start_worker():
    threading.Thread(target=_work, name="charges", daemon=True).start()


def _work():
    while True:
        charged = 0
        try:
            if not breaker.is_open:
                charged = _charge_queued()
            elif breaker.is_to_be_tried():
                _charge_queued(trial=True)
                breaker.tried()
            with _engine.connect() as connection:
                metrics.CHARGES_PENDING.set(connection.execute(_COUNT).scalar())
        except ChargeFailed as error:
            log.warning("queued charges wait: %s", error)
        except SQLAlchemyError as error:
            metrics.CHARGES_PENDING.set(float("nan"))
            log.warning("queued charges wait: %s", str(error).splitlines()[0])
        except Exception:
            log.exception("queued charges")
        # A full batch means that there is more; a short pause in between leaves the processor to customers.
        time.sleep(0.05 if charged else 0.25)


def _charge_queued(trial=False):
    with _engine.connect() as connection:
        batch = [orders.Order(*row) for row in connection.execute(_NEXT)]
    for order in batch:
        if breaker.is_open and not trial:
            break
        charge_id = charge(order)
        with _engine.begin() as connection:
            connection.execute(orders.SET_PAID, {"id": order.id, "charge_id": charge_id})
            connection.execute(_DONE, {"id": order.id})
    return len(batch)
