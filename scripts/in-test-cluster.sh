#!/usr/bin/env bash
#
# in-test-cluster.sh COMMAND…: runs a command with a Kubernetes cluster for tests: that of FIREDRILL_TEST_KUBECONFIG, or one of its
# own, which is taken down again if it was not up before.
#
# Exit codes: those of the command · 3 there is no cluster; it says why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ -z "${FIREDRILL_TEST_KUBECONFIG:-}" ]; then
  if ! FIREDRILL_TEST_KUBECONFIG=$("$here/test-cluster.sh" status 2>/dev/null); then
    FIREDRILL_TEST_KUBECONFIG=$("$here/test-cluster.sh" up)
    trap '"$here/test-cluster.sh" down' EXIT
  fi
  # Its kubectl lies beside its kubeconfig.
  PATH=$PATH:$(dirname "$FIREDRILL_TEST_KUBECONFIG")/bin
fi
export FIREDRILL_TEST_KUBECONFIG PATH
export KUBECONFIG=$FIREDRILL_TEST_KUBECONFIG
"$@"
