#!/usr/bin/env bash
# The pure crates stay pure: no runtime, no AWS, no HTTP, no clock in their
# dependency trees. A crate boundary keeps a promise that a convention does not.
set -euo pipefail
failed=0
for crate in gatewright-domain gatewright-compiler gatewright-views; do
  tree=$(cargo tree --locked --quiet --package "$crate" --edges normal --prefix none)
  if found=$(grep -E '^(tokio|aws-|hyper|reqwest|rand|chrono|time) ?' <<<"$tree"); then
    printf '%s must stay pure, but depends on:\n%s\n' "$crate" "$(sort -u <<<"$found")" >&2
    failed=1
  fi
done
# Dependencies point one way: no function knows another.
for manifest in functions/*/Cargo.toml; do
  function=$(basename "$(dirname "$manifest")")
  [ "$function" = bootstrap ] && continue
  if others=$(grep -E '^gatewright-' "$manifest" | grep -vE '^gatewright-(aws|compiler|domain|fakes|handler|steps|views)\b'); then
    printf 'functions/%s must not depend on:\n%s\n' "$function" "$others" >&2
    failed=1
  fi
done
exit $failed
