#!/usr/bin/env bash
# Runs `sanetune ci` on the event that started the workflow: on a pull request, the configurations that it affects.
set -uo pipefail
export PYTHONSAFEPATH=1  # else Python imports from the folder that a stranger may have written

cd "$GITHUB_WORKSPACE" || exit 2
reports="${RUNNER_TEMP:-/tmp}/sanetune"
words=(--level "$SANETUNE_LEVEL" --output-format github --summary "$GITHUB_STEP_SUMMARY" --out "$reports")
while IFS= read -r file; do
  [ -n "$file" ] && words+=(--baseline "$file")
done <<< "$SANETUNE_BASELINE"
while IFS= read -r pattern; do
  [ -n "$pattern" ] && words+=(--config "$pattern")
done <<< "$SANETUNE_CONFIG"

# The commit before the change: of a pull request its base, of a push what was there, of any other event none.
before=$("$PYTHON" - "$GITHUB_EVENT_PATH" << 'PYTHON'
import json
import sys

event = json.load(open(sys.argv[1], encoding="utf-8"))
pull = event.get("pull_request") or event.get("merge_group") or {}
print((pull.get("base") or {}).get("sha") or pull.get("base_sha") or event.get("before") or "")
PYTHON
) || exit 2
[ "$SANETUNE_ALL" != true ] && [ -n "${before//0/}" ] && words+=(--since "$before")

"$PYTHON" -m sanetune ci "${words[@]}"
code=$?
{
  echo "exit-code=$code"
  echo "reports=$reports"
} >> "$GITHUB_OUTPUT"
exit "$code"
