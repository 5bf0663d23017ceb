#!/usr/bin/env bash
#
# Sets up what Firedrill needs and this machine lacks: Docker Engine, Compose v2, the base image of the demo
# stack, an image with Prometheus and Alertmanager, Rust (by rustup: asks on a terminal, does it in CI), a C linker. Does
# nothing, quickly, when all of it is there.
# With --tests also what only the tests need: a Chromium that looks at the HTML report, xmllint, which holds the
# JUnit report to the schemas of CI servers, and a Prometheus that counts events.
#
# Exit codes: 0 ready · 2 wrong usage · 3 something is missing that this script cannot or may not install; it says what to do.
set -euo pipefail

# CI systems may leave HOME out; the tilde then comes from the password file.
HOME=${HOME:-$(cd ~ && pwd)}
export HOME

readonly BASE_IMAGE=debian:bookworm-slim
readonly BASE_SUITE=bookworm
readonly PULL_LIMIT=120 # seconds; a registry that is black-holed must not stall a fresh machine for ever
readonly DAEMON_LIMIT=60

say() { printf 'setup: %s\n' "$*" >&2; }

# fail MESSAGE [HINT…]: one line of what is missing, then one line per thing to do about it.
fail() {
  say "error: $1"
  shift
  local hint
  for hint in "$@"; do printf '       %s\n' "$hint" >&2; done
  exit 3
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }
# Nobody may be there to type a password: sudo counts only where it asks for none.
can_root() { is_root || { have sudo && sudo -n true 2>/dev/null; }; }
as_root() { if is_root; then "$@"; else sudo -n "$@"; fi; }

scratch=
cleanup() { if [ -n "$scratch" ]; then rm -rf -- "$scratch"; fi; }
trap cleanup EXIT
# Everything temporary lives in one directory, so that one trap removes it.
scratch_dir() {
  if [ -z "$scratch" ]; then scratch=$(mktemp -d); fi
  # mktemp makes it private, but apt fetches as the user _apt, and debootstrap's / must be readable by all.
  chmod 755 "$scratch"
}

# ---------------------------------------------------------------------------------------------------------
# The distribution

os_id=unknown
os_codename=
os_family=other # debian · ubuntu · other
read_os_release() {
  local file=${OS_RELEASE:-/etc/os-release} # the script's own test names another one
  [ -r "$file" ] || return 0
  # shellcheck disable=SC1090
  os_id=$(. "$file" && printf '%s' "${ID:-unknown}")
  # shellcheck disable=SC1090
  os_codename=$(. "$file" && printf '%s' "${VERSION_CODENAME:-}")
  case $os_id in
    debian | ubuntu) have apt-get && os_family=$os_id ;;
  esac
  return 0
}

can_install() { can_root && [ "$os_family" != other ]; }

apt_updated=no
apt_update() {
  [ "$apt_updated" = no ] || return 0
  say "refreshing the package lists"
  # Third-party sources that do not answer must not stop us: what is really missing, apt-get install will say.
  as_root apt-get update -qq >&2 || say "warning: apt-get update had errors; going on with the lists at hand"
  apt_updated=yes
}

apt_install() {
  apt_update
  say "installing $*"
  # A fresh machine is often updating itself.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" \
    >&2 </dev/null
}

apt_knows() { apt-cache show "$1" >/dev/null 2>&1; }

# The suites of Debian that this machine's apt uses, as "URI RELEASE COMPONENT" lines.
own_debian_targets() {
  [ "$os_family" = debian ] || return 0
  # shellcheck disable=SC2016  # the dollars are apt's
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
    sed 's,/ , ,' | sort -u
}

# The mirrors of Debian that this machine uses.
debian_mirrors() {
  own_debian_targets | awk -v own="$os_codename" '($2 == own || $2 ~ /^(old)?stable$/) && !seen[$1]++ { print $1 }'
}

# ---------------------------------------------------------------------------------------------------------
# Docker Engine

docker_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# It runs, and this user may not speak to it: so after it was installed by sudo.
docker_refuses() {
  case $(docker version --format '{{.Server.Version}}' 2>&1 >/dev/null) in
    *"permission denied"*) return 0 ;;
  esac
  return 1
}
fail_refused() { fail "this user may not use Docker" "sudo usermod -aG docker \"\$USER\"   then log in again"; }

install_engine() {
  if ! can_install; then
    fail "Docker is not installed" \
      "Debian, Ubuntu:  sudo $0   (installs the distribution's docker.io)" \
      "elsewhere:       https://docs.docker.com/engine/install/"
  fi
  apt_update
  local packages=(docker.io) extra
  # From trixie on the client is a package of its own; newer Compose builds images through buildx.
  for extra in docker-cli docker-buildx; do
    if apt_knows "$extra"; then packages+=("$extra"); fi
  done
  apt_install "${packages[@]}" iptables ca-certificates
}

start_engine() {
  say "starting the Docker daemon"
  if [ -d /run/systemd/system ]; then
    as_root systemctl start docker >&2 || true
  elif have service; then
    as_root service docker start >&2 || true
  fi
  local deadline=$((SECONDS + DAEMON_LIMIT))
  until docker_answers; do
    docker_refuses && fail_refused
    if [ "$SECONDS" -ge "$deadline" ]; then
      fail "the Docker daemon does not answer after ${DAEMON_LIMIT}s" \
        "look at its log:  journalctl -u docker   or   /var/log/docker.log"
    fi
    sleep 0.2 # between two looks, not instead of one
  done
}

ensure_engine() {
  have docker || install_engine
  docker_answers && return 0
  local reason
  reason=$(docker version --format '{{.Server.Version}}' 2>&1 >/dev/null | tail -n 1) || true
  if [ -n "${DOCKER_HOST:-}" ]; then
    fail "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST" "docker says: $reason"
  fi
  if docker_refuses; then fail_refused; fi
  if can_root && { have dockerd || [ -x /usr/sbin/dockerd ]; }; then
    start_engine
  elif can_install; then
    install_engine
    docker_answers || start_engine
  else
    fail "the Docker daemon does not answer" "docker says: $reason" \
      "Linux:           sudo systemctl start docker" \
      "Docker Desktop:  start the application"
  fi
}

# ---------------------------------------------------------------------------------------------------------
# Compose v2

compose_answers() {
  case $(docker compose version --short 2>/dev/null) in
    '' | v1.* | 1.* | 0.*) return 1 ;;
  esac
}

# Bookworm's own docker-compose is the Python one (v1). Trixie's package holds the plugin as one Go binary that
# runs on bookworm. It is unpacked, not installed: the machine's package sources stay as they are. No root needed.
compose_from_trixie() {
  scratch_dir
  local dir=$scratch/compose mirror apt package plugin
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/root"
  apt=(apt-get -qq
    -o "Dir::Etc::sourcelist=$dir/sources.list"
    -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$dir/lists"
    -o "Dir::Cache=$dir/cache")
  # apt would warn that its unprivileged user cannot write into a directory of root's.
  if is_root; then apt+=(-o APT::Sandbox::User=root); fi
  for mirror in $(debian_mirrors); do
    say "fetching Compose v2 from Debian trixie at $mirror"
    printf 'deb %s trixie main\n' "$mirror" >"$dir/sources.list"
    if "${apt[@]}" update >&2 && (cd "$dir" && "${apt[@]}" download docker-compose >&2); then
      package=$(find "$dir" -maxdepth 1 -name 'docker-compose_*.deb' -print -quit)
      [ -n "$package" ] || continue
      dpkg -x "$package" "$dir/root"
      plugin=$(find "$dir/root" -type f -path '*/cli-plugins/docker-compose' -print -quit)
      [ -n "$plugin" ] || continue
      install -D -m 755 "$plugin" "${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-compose"
      return 0
    fi
  done
  return 1
}

ensure_compose() {
  compose_answers && return 0
  case $os_family in
    debian)
      # From trixie on, docker-compose is Compose v2.
      case $os_codename in
        bullseye | bookworm) compose_from_trixie || true ;;
        *) if can_root; then apt_install docker-compose || true; else compose_from_trixie || true; fi ;;
      esac
      ;;
    ubuntu)
      if can_root; then apt_install docker-compose-v2 || true; fi
      ;;
  esac
  compose_answers || fail "Docker Compose v2 is missing ('docker compose version' does not answer)" \
    "Ubuntu:     sudo apt-get install docker-compose-v2" \
    "elsewhere:  https://docs.docker.com/compose/install/linux/"
}

# ---------------------------------------------------------------------------------------------------------
# The base image

has_base_image() { docker image inspect "$BASE_IMAGE" >/dev/null 2>&1; }

# How this machine's apt reaches its mirrors. What is built here must reach them the same way.
own_apt_settings() {
  have apt-config || return 0
  # Proxies on the loopback interface cannot be reached from a container.
  apt-config dump 2>/dev/null |
    grep -E '^Acquire::(http|https)::Proxy |^Acquire::Check-(Valid-Until|Date) ' |
    grep -vE 'localhost|127\.0\.0\.1|\[::1\]' || true
}

base_image_sources() { # ROOT as debootstrap left it
  local own mirror
  own=$(own_debian_targets |
    awk -v s="$BASE_SUITE" '$2 == s || $2 == s "-updates" || $2 == s "-security" { print "deb", $1, $2, $3 }')
  if [ -n "$own" ]; then
    printf '%s\n' "$own"
  else
    mirror=$(awk '$1 == "deb" { print $2; exit }' "$1/etc/apt/sources.list")
    mirror=${mirror%/}
    printf 'deb %s %s main\n' "$mirror" "$BASE_SUITE"
    printf 'deb %s %s-updates main\n' "$mirror" "$BASE_SUITE"
    printf 'deb %s-security %s-security main\n' "$mirror" "$BASE_SUITE"
  fi
}

# Debian's slim image is minbase without manuals, documentation and translations; the same is done here, with the
# same rules left inside, so that what builds here builds on the published image as well.
slim_down() { # ROOT
  local root=$1
  cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<'RULES'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/overrides/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
force-unsafe-io
RULES
  cat >"$root/etc/apt/apt.conf.d/docker-clean" <<'RULES'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
RULES
  # No service starts while a package is being installed in an image.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  find "$root/usr/share/doc" -mindepth 1 ! -name copyright -type f -delete
  find "$root/usr/share/doc" -mindepth 1 -type l -delete
  rm -rf "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/usr/share/info/* \
    "$root"/usr/share/lintian/overrides "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
    "$root"/var/log/*.log "$root"/var/log/apt "$root"/etc/hostname "$root"/etc/resolv.conf
  mkdir -p "$root/var/lib/apt/lists/partial"
}

bootstrap_base_image() {
  is_root && [ "$os_family" != other ] || return 1
  if ! have debootstrap || [ ! -r /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    apt_install debootstrap debian-archive-keyring gpgv
  fi
  scratch_dir
  local root=$scratch/base mirror settings proxy include=()
  settings=$(own_apt_settings)
  # debootstrap downloads with wget, which does not know apt's proxy.
  proxy=$(sed -n 's/^Acquire::http::Proxy "\(http[^"]*\)";$/\1/p' <<<"$settings" | head -n 1)
  if [ -n "$proxy" ]; then export http_proxy=${http_proxy:-$proxy}; fi

  # Where this machine uses no mirror of Debian (on Ubuntu), debootstrap knows one.
  local mirrors
  mapfile -t mirrors < <(debian_mirrors)
  for mirror in "${mirrors[@]}" ""; do
    include=()
    if grep -q '^https:' <<<"$mirror"; then include=(--include=ca-certificates); fi
    say "making $BASE_IMAGE with debootstrap${mirror:+ from $mirror} (about a minute, once)"
    rm -rf -- "$root"
    if debootstrap --variant=minbase "${include[@]}" \
      --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
      "$BASE_SUITE" "$root" ${mirror:+"$mirror"} >"$scratch/debootstrap.log" 2>&1; then
      base_image_sources "$root" >"$scratch/sources.list"
      cp "$scratch/sources.list" "$root/etc/apt/sources.list"
      if [ -n "$settings" ]; then printf '%s\n' "$settings" >"$root/etc/apt/apt.conf.d/90host"; fi
      if [ "${#include[@]}" -gt 0 ] && [ -r /etc/ssl/certs/ca-certificates.crt ]; then
        # A mirror behind the organisation's own authority: trust what this machine trusts.
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
      fi
      slim_down "$root"
      tar -C "$root" --numeric-owner --one-file-system -c . |
        docker import --change 'CMD ["bash"]' --message "debootstrap minbase $BASE_SUITE" - "$BASE_IMAGE" >/dev/null
      return 0
    fi
    tail -n 5 "$scratch/debootstrap.log" >&2
  done
  return 1
}

ensure_base_image() {
  has_base_image && return 0
  say "pulling $BASE_IMAGE"
  scratch_dir
  # Tried first everywhere: the published image is what the Dockerfiles name.
  if timeout "$PULL_LIMIT" docker pull --quiet "$BASE_IMAGE" >/dev/null 2>"$scratch/pull.log"; then
    return 0
  fi
  say "no registry gave it: $(tail -n 1 "$scratch/pull.log")"
  bootstrap_base_image && has_base_image && return 0
  fail "the base image $BASE_IMAGE can neither be pulled nor made here" \
    "with a registry:           docker pull $BASE_IMAGE" \
    "as root on Debian/Ubuntu:  sudo $0   (makes it with debootstrap)" \
    "from another machine:      docker save $BASE_IMAGE | ssh this-machine docker load"
}

# ---------------------------------------------------------------------------------------------------------
# Prometheus and Alertmanager, for scenarios with alerts

readonly MONITORING=firedrill-monitoring

# The name is made of what is in it, as src/stack/compose/images.rs makes it: then a drill finds the image, and builds none.
ensure_monitoring_image() {
  local file=${BASH_SOURCE[0]%/*}/../toolbox/monitoring.Dockerfile base tag
  base=$(docker image inspect --format '{{.Id}}' "$BASE_IMAGE")
  tag=$MONITORING:base-$({ cat "$file"; printf '%s' "$base"; } | sha256sum | cut -c 1-16)
  docker image inspect "$tag" >/dev/null 2>&1 && return 0
  say "building $tag: Prometheus and Alertmanager (half a minute, once)"
  scratch_dir
  if DOCKER_BUILDKIT=0 docker build --label dev.firedrill.image=monitoring --tag "$tag" - <"$file" >"$scratch/monitoring.log" 2>&1; then
    return 0
  fi
  # Only scenarios with alerts need it, and they build it themselves where they can.
  tail -n 3 "$scratch/monitoring.log" >&2
  say "warning: no image with Prometheus and Alertmanager; scenarios with alerts cannot be drilled here"
}

# ---------------------------------------------------------------------------------------------------------
# Rust

readonly RUSTUP=https://sh.rustup.rs
rustup_hint() { printf '%s:  curl --proto =https --tlsv1.2 -sSf %s | sh' "https://rustup.rs" "$RUSTUP"; }

# Downloads and runs the installer of the Rust project. It writes only into the home directory and needs no root.
install_rust() {
  have curl || { can_install && apt_install curl ca-certificates; } ||
    fail "cargo is not installed, and there is no curl to fetch rustup with" "Debian, Ubuntu:  sudo apt-get install curl"
  say "installing Rust by rustup into ${CARGO_HOME:-$HOME/.cargo}"
  scratch_dir
  curl --proto =https --tlsv1.2 --silent --show-error --fail --location --retry 2 --max-time 60 \
    --output "$scratch/rustup-init.sh" "$RUSTUP" ||
    fail "cargo is not installed, and rustup could not be fetched from $RUSTUP" \
      "with another mirror:    install Rust as https://rust-lang.github.io/rustup/installation/other.html says" \
      "on another machine:     copy ~/.cargo and ~/.rustup from one that has them" \
      "by the distribution:    where its cargo is $(wanted_rust) or newer"
  sh "$scratch/rustup-init.sh" -y --no-modify-path --profile minimal >&2 </dev/null ||
    fail "rustup could not install Rust; what it said stands above" "again:  $0"
}

# The oldest Rust that builds this, as Cargo.toml says it.
wanted_rust() { sed -n 's/^rust-version = "\(.*\)"$/\1/p' "${BASH_SOURCE[0]%/*}/../Cargo.toml"; }

# On a terminal the user is asked; in CI nobody is there, and the machine is thrown away.
may_install_rust() {
  if [ -n "${CI:-}" ]; then return 0; fi
  [ -t 0 ] && [ -t 2 ] || return 1
  local answer
  say "cargo is not installed"
  read -r -p "setup: install Rust by rustup (https://rustup.rs) into your home directory? [Y/n] " answer || return 1
  case $answer in '' | [yY]*) return 0 ;; *) return 1 ;; esac
}

ensure_rust() {
  # rustup puts cargo where a non-login shell does not look.
  local own=${CARGO_HOME:-$HOME/.cargo}/bin
  if ! have cargo && [ -x "$own/cargo" ]; then PATH=$own:$PATH; fi
  if ! have cargo; then
    may_install_rust || fail "cargo is not installed" "$(rustup_hint)" "or let this script do it:  CI=true $0"
    install_rust
    PATH=$own:$PATH
    have cargo || fail "rustup ended well, and there is no cargo in $own" "$(rustup_hint)"
  fi
  if ! have cc; then
    if can_install; then
      apt_install gcc libc6-dev
    else
      fail "no C linker (cc) for cargo" "Debian, Ubuntu:  sudo apt-get install gcc libc6-dev"
    fi
  fi
}

# ---------------------------------------------------------------------------------------------------------
# The browser of the tests

has_browser() {
  local name
  for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome google-chrome-stable; do
    if have "$name"; then return 0; fi
  done
  return 1
}

ensure_browser() {
  has_browser && return 0
  if [ -n "${CHROMIUM:-}" ]; then
    fail "CHROMIUM=$CHROMIUM is no program" "name one that is there, or unset CHROMIUM to have one looked for"
  fi
  local how
  case $os_family in
    debian)
      if can_install; then
        apt_install chromium || true
        if has_browser; then return 0; fi
      fi
      how="sudo apt-get install chromium"
      ;;
    # Its package is a stand-in for a snap, which does not run everywhere.
    ubuntu) how="sudo snap install chromium" ;;
    *) how="install Chromium or Google Chrome, so that one of chromium and google-chrome is on the PATH" ;;
  esac
  fail "no Chromium, in which the tests look at the HTML report; this script could not install it" \
    "install it:             $how" \
    "or name one you have:   CHROMIUM=/path/to/chrome make test" \
    "or test without it:     cargo nextest run -E 'not binary(html)'"
}

ensure_xmllint() {
  have xmllint && return 0
  if can_install; then
    apt_install libxml2-utils || true
    if have xmllint; then return 0; fi
  fi
  fail "no xmllint, by which the tests hold the JUnit report to the schemas of CI servers; this script could not install it" \
    "Debian, Ubuntu:  sudo apt-get install libxml2-utils" \
    "elsewhere:       install libxml2 with its programs"
}

ensure_prometheus() {
  have "${PROMETHEUS:-prometheus}" && return 0
  if can_install; then
    apt_install prometheus || true
    if have prometheus; then return 0; fi
  fi
  fail "no prometheus, which the tests of SLIs in PromQL ask; this script could not install it" \
    "Debian, Ubuntu:  sudo apt-get install prometheus" \
    "elsewhere:       https://prometheus.io/download/, and PROMETHEUS=/path/to/prometheus make test"
}

usage() {
  say "error: unknown argument $1"
  say "usage: $0 [--tests]"
  exit 2
}

main() {
  local tests=no
  while [ "$#" -gt 0 ]; do
    case $1 in
      --tests) tests=yes ;;
      *) usage "$1" ;;
    esac
    shift
  done
  read_os_release
  ensure_engine
  ensure_compose
  ensure_base_image
  ensure_monitoring_image
  ensure_rust
  if [ "$tests" = yes ]; then
    ensure_browser
    ensure_xmllint
    ensure_prometheus
  fi
}

main "$@"
