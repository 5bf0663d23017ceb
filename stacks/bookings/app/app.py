"""Takes bookings.

POST /bookings/{n} → 201 stored: the row is committed · 409 there is a booking of that number
                     503 no database connection in time, or the database failed · 500 the database refuses the row
GET /healthz       → 200 · 503 the database cannot be written to

Numbers below 0 are for smoke tests by people and monitors; nobody is charged for them.
"""

import json
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
from psycopg2 import errors

from pool import NoConnection, Pool

# Those who still book; see db/seed.sql.
FIRST_CUSTOMER, CUSTOMERS = 201, 300

pool = Pool(size=8)


def book(number):
    customer = FIRST_CUSTOMER + number % CUSTOMERS
    try:
        pool.run("INSERT INTO bookings (n, customer) VALUES (%s, %s)", (number, customer))
    except errors.UniqueViolation:
        return 409, {"error": "there is a booking of that number"}
    except errors.IntegrityError as error:
        return 500, {"error": str(error).splitlines()[0]}
    return 201, {"booking": number, "customer": customer}


def healthz():
    if pool.run("SELECT pg_is_in_recovery()") == [(False,)]:
        return 200, {"status": "ok"}
    return 503, {"error": "the database is being restored"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one segment, at once: otherwise Nagle and delayed ACKs add 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer(healthz if self.path == "/healthz" else None)

    def do_POST(self):
        number = re.fullmatch(r"/bookings/(-?\d{1,18})", self.path)
        self.answer((lambda: book(int(number[1]))) if number else None)

    def answer(self, handler):
        # Read before anything is answered: bytes left in the connection would be taken for the next request.
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, content = handler() if handler else (404, {"error": "not found"})
        except NoConnection:
            status, content = 503, {"error": "no database connection in time"}
        except psycopg2.Error as error:
            status, content = 503, {"error": (str(error).splitlines() or ["no connection"])[0]}
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        """Quiet: one line per request would be most of the log."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    # It would wait for open keep-alive connections on the way out.
    block_on_close = False


if __name__ == "__main__":
    # As PID 1 the process has no default handler: without this a stop would take ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Server(("", 8080), Handler).serve_forever()
