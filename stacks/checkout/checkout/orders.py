"""Orders and stock in PostgreSQL, through a pool of a few connections."""

import logging
import os
import random
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

log = logging.getLogger("checkout.orders")

POOL_SIZE = int(os.environ.get("DB_POOL_SIZE", "5"))
ARTICLES = 1000

# No lock_timeout and no statement_timeout: a request that waits for a lock keeps its connection for as long as it
# waits. When enough of them wait, the pool is empty and everybody else gets 503.
engine = create_engine(
    os.environ["DATABASE_URL"],
    poolclass=QueuePool,
    pool_size=POOL_SIZE,
    max_overflow=0,
    pool_timeout=float(os.environ.get("DB_POOL_TIMEOUT_SECONDS", "0.5")),
    pool_pre_ping=True,
    connect_args={"application_name": "checkout", "connect_timeout": 2},
)


class UnknownArticle(Exception):
    pass


class SoldOut(Exception):
    pass


@dataclass(frozen=True)
class Order:
    id: int
    sku: str
    quantity: int
    amount_cents: int


def any_sku():
    return f"SKU-{random.randint(1, ARTICLES):04}"


def pool_available():
    return engine.pool.size() - engine.pool.checkedout()


def ping():
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def warm_up():
    """Opens the pool's connections before the first customer pays for it. A database that is not there yet is no error."""
    connections = []
    try:
        for _ in range(POOL_SIZE):
            connections.append(engine.connect())
    except SQLAlchemyError as error:
        log.warning("database not ready: %s", str(error).splitlines()[0])
    finally:
        for connection in connections:
            connection.close()


TAKE_STOCK = text(
    "UPDATE inventory SET stock = stock - :quantity WHERE sku = :sku AND stock >= :quantity RETURNING price_cents"
)
PUT_BACK_STOCK = text("UPDATE inventory SET stock = stock + :quantity WHERE sku = :sku")
ARTICLE_EXISTS = text("SELECT 1 FROM inventory WHERE sku = :sku")
INSERT_ORDER = text(
    "INSERT INTO orders (sku, quantity, amount_cents, status, reference)"
    " VALUES (:sku, :quantity, :amount, :status, :reference) RETURNING id"
)
QUEUE_CHARGE = text("INSERT INTO charges_pending (order_id) VALUES (:id)")
SET_PAID = text("UPDATE orders SET status = 'paid', charge_id = :charge_id WHERE id = :id")
SET_FAILED = text("UPDATE orders SET status = 'failed' WHERE id = :id")


def reserve(sku, quantity, queued, reference=None):
    """Takes the stock and writes the order; with `queued` its charge is left for later, in the same transaction."""
    with engine.begin() as connection:
        price = connection.execute(TAKE_STOCK, {"sku": sku, "quantity": quantity}).scalar()
        if price is None:
            if connection.execute(ARTICLE_EXISTS, {"sku": sku}).scalar() is None:
                raise UnknownArticle(sku)
            raise SoldOut(sku)
        amount = price * quantity
        order_id = connection.execute(
            INSERT_ORDER,
            {
                "sku": sku,
                "quantity": quantity,
                "amount": amount,
                "status": "queued" if queued else "reserved",
                "reference": reference,
            },
        ).scalar()
        if queued:
            connection.execute(QUEUE_CHARGE, {"id": order_id})
    return Order(order_id, sku, quantity, amount)


def mark_paid(order_id, charge_id):
    with engine.begin() as connection:
        connection.execute(SET_PAID, {"id": order_id, "charge_id": charge_id})


def cancel(order):
    """The charge failed: the stock goes back."""
    with engine.begin() as connection:
        connection.execute(SET_FAILED, {"id": order.id})
        connection.execute(PUT_BACK_STOCK, {"sku": order.sku, "quantity": order.quantity})
