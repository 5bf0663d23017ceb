"""The operations port: it answers when the shop cannot, because it needs neither its threads nor its database pool.

GET /metrics, /debug/metrics                         Prometheus text format
GET /admin/breaker/payments                          {"upstream": "payments", "state": "closed", "opens_at": 5}
PUT /admin/breaker/payments {"state": "open"}        or "closed"
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import REGISTRY
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

import metrics
import orders
import payments
import release

PORT = 9100
BREAKERS = {"payments": payments.breaker}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path in ("/metrics", "/debug/metrics"):
            self.answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
        elif breaker := self.breaker():
            self.answer_state(breaker)
        else:
            self.answer_json(404, {"error": "not found"})

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        breaker = self.breaker()
        if breaker is None:
            self.answer_json(404, {"error": "not found"})
            return
        try:
            state = json.loads(body)["state"]
        except (ValueError, KeyError, TypeError):
            state = None
        if state not in ("open", "closed"):
            self.answer_json(400, {"error": 'body must be {"state": "open"} or {"state": "closed"}'})
            return
        breaker.set(state)
        self.answer_state(breaker)

    def breaker(self):
        prefix = "/admin/breaker/"
        return BREAKERS.get(self.path[len(prefix):]) if self.path.startswith(prefix) else None

    def answer_state(self, breaker):
        self.answer_json(200, {"upstream": self.path.rsplit("/", 1)[1], "state": breaker.state, "opens_at": breaker.opens_at or None})

    def answer_json(self, status, content):
        self.answer(status, json.dumps(content).encode() + b"\n", "application/json")

    def answer(self, status, body, content_type):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        """Quiet: a scrape every second would be most of the log."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


def start():
    metrics.POOL_SIZE.set_function(orders.engine.pool.size)
    metrics.POOL_AVAILABLE.set_function(orders.pool_available)
    metrics.UPSTREAM_ERROR_RATIO.labels("payments").set_function(payments.error_ratio.value)
    metrics.BREAKER_OPEN.labels("payments").set_function(lambda: float(payments.breaker.is_open))
    metrics.BUILD_INFO.labels(release.VERSION).set(1)
    server = Server(("", PORT), Handler)
    threading.Thread(target=server.serve_forever, name="ops", daemon=True).start()
