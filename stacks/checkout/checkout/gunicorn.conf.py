"""How gunicorn runs the service; read from the working directory."""

import os
import selectors

bind = "0.0.0.0:8080"

# One process: pool, breaker and metrics are one each. More threads than requests can pile up while they wait for
# the pool (arrival rate × pool time-out + pool size), so that a drained pool never keeps /healthz from answering.
workers = 1
worker_class = "gthread"
threads = 64

# Longer than any client in front of us keeps an idle connection: the side that sends must be the one to close.
keepalive = 75
# Requests that hang in the database are not worth waiting for on the way out.
graceful_timeout = 1
worker_tmp_dir = "/dev/shm"


def post_worker_init(worker):
    # The worker's loop looks up once a second only; gunicorn's own signal pipe wakes it for a stop at once.
    worker.poller.register(worker.PIPE[0], selectors.EVENT_READ, lambda pipe: os.read(pipe, 512))

    import app

    app.start_background()


def worker_exit(_server, _worker):
    # Threads stuck in the database would keep the interpreter from leaving.
    os._exit(0)
