#!/usr/bin/env python3
"""Sends calls that are drawn from a seed, or those of a file, to a server with Toxiproxy's API, and prints each with its answer as JSON.

    toxiproxy-server -port 8474 &
    tests/toxiproxy/record.py http://127.0.0.1:8474 > tests/toxiproxy/calls.json

and with another server, which has no proxies yet either:

    tests/toxiproxy/record.py http://127.0.0.1:8474 tests/toxiproxy/edges.json > /tmp/edges.json
"""
import json
import random
import re
import sys
import urllib.error
import urllib.request

URL, SEED, CALLS, FILES = sys.argv[1], 17, 400, sys.argv[2:]
draw = random.Random(SEED)
PROXIES = ["shop", "cache", "a b", "none"]
TOXICS = ["latency_downstream", "slow", "bandwidth_upstream", "none"]
KINDS = ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "noop", "latancy", ""]
STREAMS = ["upstream", "downstream", "Upstream", "sideways", None]
ATTRIBUTES = ["latency", "jitter", "rate", "delay", "timeout", "average_size", "size_variation", "bytes", "other"]


def toxic():
    body = {"type": draw.choice(KINDS)}
    if draw.random() < 0.5:
        body["name"] = draw.choice(TOXICS)
    if draw.random() < 0.6:
        body["stream"] = draw.choice(STREAMS)
    if draw.random() < 0.4:
        body["toxicity"] = draw.choice([0, 0.1, 0.5, 1, 1.0, "1", None])
    if draw.random() < 0.7:
        value = lambda: draw.choice([0, 1, 250, -3, 1.5, "7", None])
        body["attributes"] = {name: value() for name in draw.sample(ATTRIBUTES, 2)}
    if draw.random() < 0.05:
        body["attributes"] = draw.choice([[], "x", 3])
    return body


def proxy():
    body = {"name": draw.choice(PROXIES[:3]), "listen": draw.choice(["127.0.0.1:0", "localhost:0"]), "upstream": draw.choice(["127.0.0.1:9", "127.0.0.1:7"])}
    for key in list(body):
        if draw.random() < 0.06:
            body[key] = draw.choice([None, "", 5])
    if body["listen"] in (None, "", 5):
        body["listen"] = "127.0.0.1:0"
    if draw.random() < 0.4:
        body["enabled"] = draw.choice([True, False, None, "yes"])
    if draw.random() < 0.1:
        body["Name"] = body.pop("name")
    return body


def call():
    kind = draw.random()
    one = urllib.request.quote(draw.choice(PROXIES))
    of = urllib.request.quote(draw.choice(TOXICS))
    if kind < 0.18:
        return "POST", "/proxies", proxy()
    if kind < 0.24:
        return "GET", "/proxies", None
    if kind < 0.30:
        return "POST", "/populate", draw.choice([[proxy(), proxy()], [proxy()], {"name": "x"}, [{}]])
    if kind < 0.36:
        return "GET", f"/proxies/{one}", None
    if kind < 0.44:
        return draw.choice(["POST", "PATCH"]), f"/proxies/{one}", {"enabled": draw.choice([True, False]), "upstream": "127.0.0.1:9"}
    if kind < 0.48:
        return "DELETE", f"/proxies/{one}", None
    if kind < 0.68:
        return "POST", f"/proxies/{one}/toxics", toxic()
    if kind < 0.74:
        return "GET", f"/proxies/{one}/toxics", None
    if kind < 0.79:
        return "GET", f"/proxies/{one}/toxics/{of}", None
    if kind < 0.87:
        return draw.choice(["POST", "PATCH"]), f"/proxies/{one}/toxics/{of}", toxic()
    if kind < 0.92:
        return "DELETE", f"/proxies/{one}/toxics/{of}", None
    if kind < 0.94:
        return "POST", "/reset", None
    if kind < 0.97:
        return draw.choice(["PUT", "DELETE", "GET"]), draw.choice(["/reset", "/populate", "/proxies", f"/proxies/{one}"]), None
    return "GET", draw.choice(["/", "/nowhere", "/proxies/", f"/proxies/{one}/nothing"]), None


def send(method, path, text):
    data = None if text is None else text.encode()
    request = urllib.request.Request(URL + path, data=data, method=method, headers={"User-Agent": "record"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get("Content-Type"), answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers.get("Content-Type"), answer.read().decode()


def drawn():
    method, path, body = call()
    text = None if body is None else json.dumps(body)
    if text and draw.random() < 0.04:
        text = draw.choice(["", "{", text[:-1], "[]", "null", "7", text + " trailing"])
    return method, path, text


given = [(one["method"], one["path"], one["body"]) for file in FILES for one in json.load(open(file))]
calls = []
for method, path, text in given or (drawn() for _ in range(CALLS)):
    status, kind, answer = send(method, path, text)
    calls.append({"method": method, "path": path, "body": text, "status": status, "type": kind, "answer": re.sub(r'("listen":"[^"]*:)\d+"', r'\g<1>0"', answer)})
print("[\n" + ",\n".join(json.dumps(one) for one in calls) + "\n]")
