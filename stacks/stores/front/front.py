"""Orders in three stores, with the client's `?reference=7` where it gives one. Every request opens its own connections: no pool hides
what a store does."""

import http.server
import itertools
import os
import re
import threading
import urllib.parse

import psycopg2
import pymysql
import redis

ROLE = os.environ.get("ROLE", "app")
REDIS_HOST = os.environ.get("REDIS_HOST", "redis")
BYPASS = "/flags/bypass-cache"
# A firewall of one rule, a regular expression over the request; none without it.
RULE = os.environ.get("RULE")
FIREWALL_OFF = "/flags/firewall-off"
numbers = itertools.count()


def pg(customer, reference=None):
    connection = psycopg2.connect(host="pg", user=ROLE, password="app-local", dbname="stores", connect_timeout=2)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orders (customer, note, reference) VALUES (%s, repeat('x', 200), %s)", (customer, reference))
            # Some thousand rows: a statement of milliseconds.
            cursor.execute("SELECT count(note) FROM orders WHERE customer BETWEEN %s AND %s", (customer, customer + 999))
            return cursor.fetchone()[0]
    finally:
        connection.close()


def maria(customer, reference=None):
    connection = pymysql.connect(
        host="maria", user=ROLE, password="app-local", database="stores",
        connect_timeout=2, read_timeout=2, autocommit=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders (customer, reference) VALUES (%s, %s)", (customer, reference))
            cursor.execute("SELECT count(*) FROM orders WHERE customer = %s", (customer,))
            return cursor.fetchone()[0]
    finally:
        connection.close()


def cache():
    return redis.Redis(host=REDIS_HOST, socket_timeout=2, socket_connect_timeout=2)


def keys(customer):
    with cache() as client:
        client.set(f"customer:{customer}", "x" * 200)
        return len(client.get("session:1") or b"") or fail("nobody is logged in any more")


def fail(why):
    raise RuntimeError(why)


def catalog(number):
    if os.path.exists(BYPASS):
        return from_pg(number)
    with cache() as client:
        found = client.get(f"item:{number}")
        if found is None:
            found = from_pg(number)
            client.set(f"item:{number}", found, ex=60)
        return found


def from_pg(number):
    connection = psycopg2.connect(host="pg", user=ROLE, password="app-local", dbname="stores", connect_timeout=2)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM items WHERE id = %s", (number,))
            return cursor.fetchone()[0]
    finally:
        connection.close()


def upload(number):
    path = f"/uploads/{threading.get_ident()}"
    with open(path, "w") as file:
        file.write("x" * 200)
    os.remove(path)
    return number


PATHS = {"/upload": upload, "/pg": pg, "/maria": maria, "/redis": keys, "/catalog": catalog, "/healthz": lambda _: "ok"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        reference = [("reference", value) for value in urllib.parse.parse_qs(url.query).get("reference", [])]
        try:
            if RULE and not os.path.exists(FIREWALL_OFF):
                re.search(RULE, self.path)
            status, text = 200, str(PATHS[url.path](next(numbers) % 100 + 1, **dict(reference)))
        except KeyError:
            status, text = 404, "there is no such page"
        except Exception as error:  # whatever a store says, the user gets a 503
            status, text = 503, f"{type(error).__name__}: {error}"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


with cache() as client:
    client.set("session:1", "somebody")
Server(("", 8080), Handler).serve_forever()
