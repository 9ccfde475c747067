#!/bin/sh
# Runs the real Codex on examples/edit.json, without any network but loopback.
# A check by hand that the events are what a real agent expects:
#
#   npm install --prefix target/agents-dev @openai/codex@0.169.0
#   cargo build -p scripted-model
#   tests/scripted-model/examples/codex.sh [apply-patch]
#
# Expected: a `file_change` (with "apply-patch": through the custom tool), a
# `command_execution`, an `agent_message`, and `turn.completed` with 3500 input
# tokens, 2200 of them cached, and 100 output tokens.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
if [ "${INSIDE:-}" != yes ]; then
    exec env INSIDE=yes unshare --net --map-root-user "$0" "$@"
fi
ip link set lo up

vendor=$root/target/agents-dev/node_modules/@openai/codex-linux-x64/vendor
codex=$vendor/x86_64-unknown-linux-musl/bin/codex
# Codex refuses a home below /tmp.
work=$root/target/tmp/scripted-codex
rm -rf "$work"
mkdir -p "$work/home" "$work/repo"
git init -q "$work/repo"

"$root/target/debug/scripted-model" "$here/edit.json" --port-file "$work/port" >"$work/model.log" &
model=$!
trap 'kill $model' EXIT
until [ -e "$work/port" ]; do kill -0 $model; sleep 0.05; done

catalog=
if [ "${1:-}" = apply-patch ]; then
    catalog="model_catalog_json = \"$here/codex-models.json\""
fi
cat >"$work/home/config.toml" <<CONFIG
model = "scripted-1"
model_provider = "scripted"
web_search = "disabled"
check_for_update_on_startup = false
$catalog
[analytics]
enabled = false
[features]
plugins = false
apps = false
unbounded_connection_retries = false
[model_providers.scripted]
name = "Scripted"
base_url = "http://127.0.0.1:$(cat "$work/port")/v1"
wire_api = "responses"
env_key = "SCRIPTED_API_KEY"
CONFIG
env -i PATH="$PATH" HOME="$work/home" CODEX_HOME="$work/home" SCRIPTED_API_KEY=scripted-key \
    "$codex" exec --json -C "$work/repo" --dangerously-bypass-approvals-and-sandbox \
    "fix the readme" </dev/null
grep -qx '# Fixed' "$work/repo/README.md" && echo "README.md is as scripted"
