"""A few connections to PostgreSQL. Nobody waits long for them, and they come back by themselves when the database does."""

import os
import queue
import select
import sys
import threading
import time

import psycopg2
from psycopg2 import extensions

# For one answer of the server, a connect included. The server itself may hang, so the client keeps the time.
ANSWER_SECONDS = 1.0
# For a free connection.
WAIT_SECONDS = 0.3
# Between two attempts to connect.
PAUSE_SECONDS = 0.1


class NoConnection(Exception):
    pass


def _wait(connection):
    """psycopg2 calls this instead of blocking in libpq."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(0.0, deadline - time.monotonic())
        wants = [connection.fileno()]
        ready = select.select(*((wants, [], []) if state == extensions.POLL_READ else ([], wants, [])), left)
        if not any(ready):
            raise psycopg2.OperationalError("the database does not answer in time")


extensions.set_wait_callback(_wait)


class Pool:
    def __init__(self, size):
        self.free = queue.LifoQueue()
        self.missing = threading.Semaphore(size)
        threading.Thread(target=self._connect, name="connect", daemon=True).start()

    def run(self, statement, values=()):
        """Runs a statement in a transaction of its own; it is committed when this returns."""
        try:
            connection = self.free.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            raise NoConnection from None
        healthy = False
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                rows = cursor.fetchall() if cursor.description else []
            healthy = True
            return rows
        except psycopg2.IntegrityError:
            healthy = True
            raise
        finally:
            if healthy:
                self.free.put(connection)
            else:
                connection.close()
                self.missing.release()

    def _connect(self):
        """Replaces connections that were lost, one at a time: a request never waits for a name or a server."""
        told = None
        while True:
            self.missing.acquire()
            while True:
                try:
                    connection = psycopg2.connect(os.environ["DATABASE_URL"], application_name="app")
                    connection.autocommit = True
                    break
                except psycopg2.Error as error:
                    reason = (str(error).splitlines() or ["no connection"])[0]
                    if reason != told:
                        print(f"no connection: {reason}", file=sys.stderr)
                        told = reason
                    time.sleep(PAUSE_SECONDS)
            if told:
                print("connected", file=sys.stderr)
                told = None
            self.free.put(connection)
