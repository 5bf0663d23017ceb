"""A notice board: POST /entries writes (201), GET /entries reads (200). Every request has a connection of its own to
PgBouncer, which is what PgBouncer is for."""

import contextlib

import psycopg2

from service import Unavailable, serve

DSN = "host=pool port=6432 dbname=board user=board password=board-local connect_timeout=2"


@contextlib.contextmanager
def cursor():
    try:
        with contextlib.closing(psycopg2.connect(DSN)) as connection, connection, connection.cursor() as it:
            yield it
    except psycopg2.OperationalError as error:
        raise Unavailable(str(error).strip().splitlines()[0]) from error


def write():
    with cursor() as it:
        it.execute("INSERT INTO entries (author) VALUES ('a visitor') RETURNING id")
        return 201, {"entry": it.fetchone()[0]}


def read():
    with cursor() as it:
        it.execute("SELECT id, author FROM entries ORDER BY id DESC LIMIT 5")
        return 200, [{"entry": id, "author": author} for id, author in it.fetchall()]


serve({"POST /entries": write, "GET /entries": read, "GET /healthz": lambda: (200, {})})
