# Prints each runtime that is found: name, version, program, further programs beside it, with tabs between them.
shopt -s nullglob
IFS=: read -ra search <<<"$PATH"

say() { # name, version, program, further programs
  local name=$1 version=$2 program=$3 directory others=()
  shift 3
  [[ $version =~ ([0-9]+(\.[0-9]+)*) ]] || return 0
  version=${BASH_REMATCH[1]}
  directory=${program%/*}
  for other; do
    if [[ -x $directory/$other ]]; then others+=("$other"); fi
  done
  printf '%s\t%s\t%s\t%s\n' "$name" "$version" "$program" "${others[*]}"
}

ask() { # program, arguments: what it says, in time
  timeout 10 "$@" 2>/dev/null </dev/null | head -n 1
}

for directory in "${search[@]}" /opt/node*/bin /opt/nodejs*/bin /usr/local/node*/bin /usr/local/lib/nodejs/*/bin /usr/lib/node*/bin; do
  [[ -x $directory/node ]] && say node "$(ask "$directory/node" --version)" "$directory/node" npm npx corepack
done
for directory in "${search[@]}" /opt/python*/bin /usr/local/python*/bin; do
  for program in "$directory"/python3 "$directory"/python3.[0-9] "$directory"/python3.[0-9][0-9]; do
    [[ -x $program ]] && say python "$(ask "$program" -c 'import platform; print(platform.python_version())')" "$program"
  done
done
for directory in "${search[@]}" /usr/local/go/bin /usr/lib/go*/bin /opt/go*/bin; do
  [[ -x $directory/go ]] && say go "$(ask "$directory/go" version)" "$directory/go" gofmt
done
for directory in "${search[@]}" /usr/local/rustup/toolchains/*/bin /opt/rust*/bin /usr/lib/rust-*/bin; do
  [[ -x $directory/rustc ]] && say rust "$(ask "$directory/rustc" --version)" "$directory/rustc" \
    cargo rustdoc rustfmt cargo-fmt cargo-clippy clippy-driver
done
for directory in "${search[@]}" /usr/lib/jvm/*/bin /opt/java*/bin /opt/jdk*/bin; do
  [[ -x $directory/javac ]] && say java "$(ask "$directory/javac" -version)" "$directory/java" \
    javac jar javadoc jshell jlink keytool
done
exit 0
