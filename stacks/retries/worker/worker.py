"""Computes quotes, two at a time and 50 ms each. Who comes while all are busy waits in a queue, and is answered in the end,
whether or not anybody waits for it still. A full queue refuses."""

import http.server
import threading
import time

AT_ONCE = 2
TAKES = 0.05
QUEUE = 160

busy = threading.Semaphore(AT_ONCE)
lock = threading.Lock()
waiting = 0


def enter():
    global waiting
    with lock:
        if waiting >= QUEUE:
            return False
        waiting += 1
        return True


def leave():
    global waiting
    with lock:
        waiting -= 1


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if not enter():
            return self.answer(503, b"the queue is full\n")
        with busy:
            leave()
            time.sleep(TAKES)
        self.answer(200, b"42\n")

    def answer(self, status, body):
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # nobody waits for it any more

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        pass


Server(("", 8081), Handler).serve_forever()
