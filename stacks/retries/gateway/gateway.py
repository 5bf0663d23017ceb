"""Asks the worker for a quote, and asks again at once when no answer comes."""

import http.client
import http.server
import os
import threading
import time

ATTEMPTS = int(os.environ.get("ATTEMPTS", "4"))
NO_RETRIES = "/flags/no-retries"
TIMEOUT = 0.5
STATS_OF = 5

lock = threading.Lock()
seconds = {}


def count(what):
    now = int(time.monotonic())
    with lock:
        for old in [second for second in seconds if second < now - STATS_OF]:
            del seconds[old]
        seconds.setdefault(now, {"requests": 0, "attempts": 0})[what] += 1


def stats():
    with lock:
        total = {what: sum(second[what] for second in seconds.values()) for what in ("requests", "attempts")}
    return "".join(f"{what}_per_second {number / STATS_OF:.1f}\n" for what, number in total.items())


def ask_worker():
    count("attempts")
    connection = http.client.HTTPConnection("worker", 8081, timeout=TIMEOUT)
    try:
        connection.request("GET", "/price")
        answer = connection.getresponse()
        return answer.read().decode() if answer.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()


def quote():
    count("requests")
    for _ in range(1 if os.path.exists(NO_RETRIES) else ATTEMPTS):
        price = ask_worker()
        if price is not None:
            return 200, price
    return 503, "no quote\n"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, text = (200, stats()) if self.path == "/stats" else quote()
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


Server(("", 8080), Handler).serve_forever()
