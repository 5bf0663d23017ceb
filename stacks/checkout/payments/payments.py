"""A stub of the card provider.

POST /charge {"order_id": 7, "amount_cents": 1999} → 200 {"charge_id": "ch_7", "status": "succeeded"}
GET /healthz → 200
"""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one segment, at once: otherwise Nagle and delayed ACKs add 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/healthz":
            self.answer(200, {"status": "ok"})
        else:
            self.answer(404, {"error": "not found"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/charge":
            self.answer(404, {"error": "not found"})
            return
        try:
            charge = json.loads(body)
            order_id, amount = int(charge["order_id"]), int(charge["amount_cents"])
        except (ValueError, KeyError, TypeError):
            self.answer(400, {"error": "order_id and amount_cents are required"})
            return
        if amount <= 0:
            self.answer(400, {"error": "amount_cents must be positive"})
            return
        # The same order gives the same charge: asking again after a lost answer does no harm.
        self.answer(200, {"charge_id": f"ch_{order_id}", "status": "succeeded"})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        """Quiet: one line per charge would be most of the log."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    # As PID 1 the process has no default handler: without this a stop would take ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server(("", 8080), Handler) as server:
        # ThreadingHTTPServer would wait for open keep-alive connections on the way out.
        server.block_on_close = False
        server.serve_forever()
