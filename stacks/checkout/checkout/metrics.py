"""What the service tells Prometheus. Gauges that are functions are computed when they are scraped: see ops.py."""

from prometheus_client import Counter, Gauge, Histogram

BUILD_INFO = Gauge("build_info", "Always 1; which release this is", ["version"])
REQUESTS = Counter("http_requests_total", "Requests answered", ["method", "path", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from request to answer",
    ["path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5),
)
POOL_SIZE = Gauge("db_pool_size", "Database connections that the pool may hold")
POOL_AVAILABLE = Gauge("db_pool_available", "Database connections that are free to be used")
POOL_TIMEOUTS = Counter("db_pool_timeouts_total", "Requests that got no database connection in time")
UPSTREAM_REQUESTS = Counter("upstream_requests_total", "Calls to other services", ["upstream", "outcome"])
UPSTREAM_ERROR_RATIO = Gauge("upstream_error_ratio", "Share of calls of the last 5 s that failed", ["upstream"])
BREAKER_OPEN = Gauge("breaker_open", "1 while the circuit breaker is open", ["upstream"])
CHARGES_PENDING = Gauge("charges_pending", "Accepted orders that are still to be charged")
