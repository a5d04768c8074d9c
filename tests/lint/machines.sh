#!/usr/bin/env bash
# Two linters that are not ours read every compiled machine, those for rollbacks
# too; each finds what the other misses: asl-validator JSONata and structure, statelint dangling transitions.
set -euo pipefail
here=$(dirname "$0")
for machine in statemachines/*.asl.json; do
  "$here/node_modules/.bin/asl-validator" --json-path "$machine"
  .venv/lint/bin/statelint --eval-jsonata "$machine"
done
