"""A bad client: opens as many transactions as it is told to, through PgBouncer, and forgets them. It comes back whenever it
is cut off."""

import os
import signal
import sys
import threading
import time

import psycopg2


def hold():
    while True:
        try:
            connection = psycopg2.connect("host=pool port=6432 dbname=board user=stats password=stats-local connect_timeout=2")
            cursor = connection.cursor()
            while True:
                cursor.execute("SELECT count(*) FROM entries")
                time.sleep(0.5)
        except psycopg2.Error as error:
            print(str(error).strip().splitlines()[0], flush=True)
            time.sleep(0.5)


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
for _ in range(int(sys.argv[1])):
    threading.Thread(target=hold).start()
