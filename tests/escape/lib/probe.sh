# What a probe in bash says, and how it ends; the same as probe.py.

name=$(basename "$0" .sh)
checked=0
verdict=contained
findings=

# finding WHAT SAYS
finding() {
  local what says
  what=$(plain "$1") says=$(plain "$2")
  findings+="${findings:+, }{\"what\": \"$what\", \"says\": \"$says\"}"
}

plain() { printf '%s' "$1" | tr -c 'a-zA-Z0-9 _./:=,;()+-' ' ' | cut -c1-300; }

# observed WHAT: tried, and contained.
observed() { checked=$((checked + 1)); }

# escaped WHAT SAYS
escaped() {
  checked=$((checked + 1)) verdict=escaped
  finding "$@"
}

# untested WHAT WHY
untested() {
  [ "$verdict" = escaped ] || verdict=untested
  finding "$@"
}

# end: prints the verdict and exits.
end() {
  [ "$checked$findings" = 0 ] && untested 'the probe' 'checked nothing'
  printf '{"probe": "%s", "verdict": "%s", "checked": %d, "findings": [%s]}\n' "$name" "$verdict" "$checked" "$findings"
  case $verdict in contained) exit 0 ;; escaped) exit 1 ;; *) exit 77 ;; esac
}

if [ -z "${ESCAPE_SANDBOX:-}" ]; then
  untested ESCAPE_SANDBOX 'is not set: probes run only where somebody says that a sandbox is'
  end
fi
