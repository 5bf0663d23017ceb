#!/usr/bin/env bash
#
# Throughput, added latency and memory of `firedrill proxy` beside HAProxy and, where `toxiproxy-server` is in the PATH, the real
# Toxiproxy: the same wrk against the same nginx, one after the other in each round, so that all meet the same machine. Prints a line for
# each, with the median of the rounds, and its ratio to HAProxy's.
#
#   benches/proxy.sh target/release/firedrill [ROUNDS] [SECONDS]
#
# Needs wrk, haproxy and nginx (Debian: apt-get install wrk haproxy nginx-light).
set -euo pipefail

firedrill=${1:?the executable of firedrill}
rounds=${2:-3}
seconds=${3:-5}
for program in wrk haproxy nginx curl; do
  command -v "$program" >/dev/null || { echo "$program is missing: apt-get install wrk haproxy nginx-light curl" >&2; exit 3; }
done

dir=$(mktemp -d)
chmod 755 "$dir"
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
ulimit -n 65536 2>/dev/null || true

printf ok >"$dir/small"
head -c 1048576 /dev/zero >"$dir/large"
cat >"$dir/nginx.conf" <<NGINX
daemon off; master_process off; worker_rlimit_nofile 65536; pid $dir/nginx.pid; error_log $dir/nginx.log;
events { worker_connections 16384; }
http { access_log off; keepalive_requests 100000000; sendfile on; server { listen 127.0.0.1:18080 backlog=8192; root $dir; } }
NGINX
cat >"$dir/haproxy.cfg" <<HAPROXY
global
  maxconn 4000
  nbthread 2
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen tcp
  mode tcp
  bind 127.0.0.1:18081
  server backend 127.0.0.1:18080
listen http
  mode http
  bind 127.0.0.1:18082
  server backend 127.0.0.1:18080
HAPROXY
proxy() { printf '{"name":"%s","listen":"127.0.0.1:%s","upstream":"127.0.0.1:18080","toxics":[%s]}' "$1" "$2" "$3"; }
# HTTP is parsed where a toxic of HTTP is, also one that never acts.
never='{"type":"http_status","toxicity":0,"attributes":{"status":503}}'
# A process each, so that the memory is that of the one kind.
printf '[%s]' "$(proxy tcp 18083 '')" >"$dir/firedrill-tcp.json"
printf '[%s]' "$(proxy http 18084 "$never")" >"$dir/firedrill-http.json"
printf '[%s]' "$(proxy tcp 18085 '')" >"$dir/toxiproxy.json"

start() { "$@" >"$dir/${1##*/}.out" 2>&1 & pids+=($!); }
start nginx -c "$dir/nginx.conf" -e "$dir/nginx.log"
start haproxy -f "$dir/haproxy.cfg"
haproxy_pid=$!
ports="18081:haproxy-tcp:$haproxy_pid 18082:haproxy-http:$haproxy_pid"
start "$firedrill" proxy --listen 127.0.0.1:18474 --config "$dir/firedrill-tcp.json"
ports="$ports 18083:firedrill-tcp:$!"
start "$firedrill" proxy --listen 127.0.0.1:18476 --config "$dir/firedrill-http.json"
ports="$ports 18084:firedrill-http:$!"
if command -v toxiproxy-server >/dev/null; then
  start toxiproxy-server -port 18475 -config "$dir/toxiproxy.json"
  ports="$ports 18085:toxiproxy:$!"
fi
for port in 18080 $(for each in $ports; do echo "${each%%:*}"; done); do
  for _ in $(seq 100); do curl -fsS -o /dev/null "http://127.0.0.1:$port/small" 2>/dev/null && break; sleep 0.1; done
done

median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
memory() { awk '/VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }

printf '%-11s %-6s %-14s %12s %10s %9s %8s\n' connections body proxy requests/s p99 ratio MiB
for connections in 64 1500; do
  for body in small large; do
    for _ in $(seq "$rounds"); do
      for each in 18080:direct:0 $ports; do
        IFS=: read -r port name pid <<<"$each"
        wrk --threads 2 --connections "$connections" --duration "${seconds}s" --latency "http://127.0.0.1:$port/$body" >"$dir/wrk"
        awk '/Requests\/sec/ { print $2 }' "$dir/wrk" >>"$dir/rate-$connections-$body-$name"
        awk '$1 == "99%" { print $2 }' "$dir/wrk" >"$dir/p99-$connections-$body-$name"
        [ "$pid" = 0 ] || memory "$pid" >"$dir/memory-$connections-$body-$name"
      done
    done
    base=$(median <"$dir/rate-$connections-$body-haproxy-tcp")
    for each in 18080:direct:0 $ports; do
      IFS=: read -r _ name _ <<<"$each"
      of="$connections-$body-$name"
      rate=$(median <"$dir/rate-$of")
      printf '%-11s %-6s %-14s %12s %10s %9s %8s\n' "$connections" "$body" "$name" "$rate" "$(cat "$dir/p99-$of")" \
        "$(awk -v a="$rate" -v b="$base" 'BEGIN { printf "%.2f", a / b }')" "$(cat "$dir/memory-$of" 2>/dev/null || echo -)"
    done
  done
done
