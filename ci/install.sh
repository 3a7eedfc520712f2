#!/usr/bin/env bash
# Installs what the action's input `install` names; "action": the very version of the action, with its pinned packages.
set -euo pipefail
export PYTHONSAFEPATH=1  # else Python imports from the folder that a stranger may have written

if [ "$INSTALL" = action ]; then
  "$PYTHON" -m pip install --quiet --constraint "$GITHUB_ACTION_PATH/constraints.txt" "$GITHUB_ACTION_PATH"
else
  "$PYTHON" -m pip install --quiet "$INSTALL"
fi
