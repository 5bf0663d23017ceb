"""A stub of a provider's status page: GET /api/v2/summary.json over TLS, with a certificate that it makes when it starts."""

import json
import os
import signal
import ssl
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ.get("NAME", "status.stripe.com")
SUMMARY = {
    "page": {"name": "Payments provider", "url": f"https://{NAME}"},
    "status": {"indicator": "none", "description": "All Systems Operational"},
    "components": [{"name": "API", "status": "operational"}],
    "incidents": [],
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == "/api/v2/summary.json"
        body = json.dumps(SUMMARY if found else {"error": "not found"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    # As PID 1 the process has no default handler: without this a stop would take ten seconds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-days", "2"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*made, "-keyout", "/tls/key.pem", "-out", "/tls/cert.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls/cert.pem", "/tls/key.pem")
    server = ThreadingHTTPServer(("", 8443), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
