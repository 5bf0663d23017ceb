"""The little of a web server that both services need."""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """`routes` of a subclass: (method, path) → a function that returns status and content."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in one segment, at once: otherwise Nagle and delayed ACKs add 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    routes = {}

    def do_GET(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def answer(self, method):
        # Read before anything is answered: bytes left in the connection would be taken for the next request.
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        route = self.routes.get((method, self.path))
        status, content = route() if route else (404, {"error": "not found"})
        text = isinstance(content, str)
        body = content.encode() if text else json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4" if text else "application/json")
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


def serve(port, routes):
    handler = type("Routes", (Handler,), {"routes": routes})
    return Server(("", port), handler)


def stop_at_once():
    # As PID 1 the process has no default handler: without this a stop would take ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
