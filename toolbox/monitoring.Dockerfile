# The team's alerts in a drill: Prometheus and Alertmanager with their tools, as Debian has them. Of the packages the programs
# alone are taken: what they depend on is scripts for a web page that nobody opens and users that a container does not have.
FROM debian:bookworm-slim

RUN apt-get update \
 && cd /tmp && apt-get download prometheus prometheus-alertmanager \
 && for package in *.deb; do dpkg-deb -x "$package" .; done \
 && mv usr/bin/prometheus usr/bin/promtool usr/bin/prometheus-alertmanager usr/bin/amtool /usr/local/bin/ \
 && mkdir -p /usr/share/prometheus && mv usr/share/prometheus/alertmanager /usr/share/prometheus/ \
 && rm -rf /tmp/* /var/lib/apt/lists/*

WORKDIR /work
STOPSIGNAL SIGKILL
CMD ["sleep", "infinity"]
