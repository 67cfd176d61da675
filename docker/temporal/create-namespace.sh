#!/bin/sh
# Makes the namespace unless it is there. A server that has just started may refuse for some seconds, so that it tries again.
set -eu

: "${TEMPORAL_ADDRESS:?}" "${NAMESPACE:=default}" "${RETENTION:=720h}" "${TRIES:=30}" "${PAUSE_SECONDS:=2}"

try=1
while [ "$try" -le "$TRIES" ]; do
  if temporal operator namespace describe --namespace "$NAMESPACE" >/dev/null 2>&1; then
    echo "namespace $NAMESPACE is there"
    exit 0
  fi
  if temporal operator namespace create --namespace "$NAMESPACE" --retention "$RETENTION"; then
    echo "namespace $NAMESPACE is made"
    exit 0
  fi
  echo "try $try of $TRIES failed"
  try=$((try + 1))
  sleep "$PAUSE_SECONDS"
done
echo "namespace $NAMESPACE could not be made at $TEMPORAL_ADDRESS" >&2
exit 1
