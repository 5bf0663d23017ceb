"""The library's desk: POST /loans lends a book (201), GET /books lists some (200)."""

import random

import pymysql

from service import Pool, serve


def connect():
    return pymysql.connect(
        host="db", user="library", password="library-local", database="library", connect_timeout=2, read_timeout=10
    )


def alive(connection):
    try:
        connection.ping(reconnect=False)
        return True
    except pymysql.Error:
        return False


pool = Pool(connect, alive, size=12, timeout=0.5)


def lend():
    book = random.randint(1, 500)
    with pool.connection() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO loans (book) VALUES (%s)", (book,))
        loan = cursor.lastrowid
        cursor.execute("UPDATE books SET lent = lent + 1 WHERE id = %s", (book,))
    return 201, {"loan": loan, "book": book}


def books():
    with pool.connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, title FROM books WHERE id >= %s ORDER BY id LIMIT 5", (random.randint(1, 490),))
        return 200, [{"id": id, "title": title} for id, title in cursor.fetchall()]


serve({"POST /loans": lend, "GET /books": books, "GET /healthz": lambda: (200, {})})
