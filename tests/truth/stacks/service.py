"""What the web servers of these stacks share: users on port 8080, operations on port 9100.

GET /metrics            error_ratio (answers of 500 and above among those of the last 3 s), alert_active, http_requests_total
PUT /alerting/off|on    switches the alert off, and on again; it changes nothing for users
"""

import collections
import contextlib
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Unavailable(Exception):
    """Nothing was done; the user is told 503."""


class Pool:
    """At most `size` connections, used in turn. Who finds none free in time is turned away."""

    def __init__(self, connect, alive, size, timeout):
        self.connect, self.alive, self.timeout = connect, alive, timeout
        self.places = queue.Queue()
        for _ in range(size):
            self.places.put(None)

    @contextlib.contextmanager
    def connection(self):
        try:
            connection = self.places.get(timeout=self.timeout)
        except queue.Empty:
            raise Unavailable("no connection free in time") from None
        try:
            if connection is None or not self.alive(connection):
                connection = None
                connection = self.connect()
            yield connection
            connection.commit()
        except Exception:
            with contextlib.suppress(Exception):
                connection.rollback()
            raise
        finally:
            self.places.put(connection)


class Health:
    """The answers of the last three seconds, and the alert that rests on them."""

    def __init__(self, counted):
        self.answers, self.lock, self.alerting = collections.deque(), threading.Lock(), True
        self.requests = collections.Counter(dict.fromkeys(counted, 0))

    def add(self, path, status):
        with self.lock:
            self.answers.append((time.monotonic(), status >= 500))
            self.requests[path, status] += 1

    def error_ratio(self):
        with self.lock:
            while self.answers and self.answers[0][0] < time.monotonic() - 3:
                self.answers.popleft()
            return sum(failed for _, failed in self.answers) / len(self.answers) if self.answers else 0.0

    def metrics(self):
        ratio = self.error_ratio()
        counters = [f'http_requests_total{{path="{path}",status="{status}"}} {n}\n' for (path, status), n in list(self.requests.items())]
        return f"error_ratio {ratio}\nalert_active {int(self.alerting and ratio > 0.25)}\n" + "".join(counters)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self, status, content):
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(routes, metrics=lambda: "", counted=()):
    """Serves `routes`, {"POST /loans": function that returns (status, object)}, for ever. `metrics` are shown beside those of
    all; `counted` are counters, (path, status), that are there from the start."""
    health = Health(counted)

    class Users(Handler):
        def handle_any(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            route = routes.get(f"{self.command} {path}")
            try:
                status, content = route() if route else (404, {"error": "not found"})
            except Unavailable as error:
                status, content = 503, {"error": str(error)}
            except Exception as error:
                print(f"{self.command} {self.path}: {error}".splitlines()[0], flush=True)
                status, content = 500, {"error": "internal error"}
            health.add(path if route else "", status)
            self.answer(status, json.dumps(content) + "\n")

        do_GET = do_POST = handle_any

    class Operations(Handler):
        def do_GET(self):
            self.answer(200, health.metrics() + metrics())

        def do_PUT(self):
            health.alerting = not self.path.endswith("/off")
            self.answer(200, health.metrics())

    threading.Thread(target=Server(("", 9100), Operations).serve_forever, daemon=True).start()
    Server(("", 8080), Users).serve_forever()
