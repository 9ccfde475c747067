#!/bin/bash
# tries: every set-uid and set-gid program of the system, and those that have file capabilities
# must observe: no mount that honours them, and the same ids after each
. "$ESCAPE_LIBRARY/probe.sh"

me=$(id -u)
for mount in $(cut -d' ' -f5,6 --output-delimiter='|' /proc/self/mountinfo); do
  case ",${mount#*|}," in
    *,nosuid,*) observed "${mount%|*}" ;;
    # What covers a file in /proc is the null device or an empty folder, for ever.
    *,ro,*) case $mount in /proc/*) observed "${mount%|*}" ;; *) escaped 'a mount without nosuid' "${mount%|*}" ;; esac ;;
    *) escaped 'a mount without nosuid' "${mount%|*}" ;;
  esac
done

# The dynamic loader says with which ids the kernel started a program, before the program's own code runs.
while read -r program; do
  ids=$(LD_SHOW_AUXV=1 timeout 5 "$program" --version < /dev/null 2> /dev/null | awk '/^AT_EUID/ { print $2; exit }')
  if [ -n "$ids" ] && [ "$ids" != "$me" ]; then
    escaped "$program" "started with the user id $ids"
  else
    observed "$program"
  fi
done < <(timeout 20 find /usr/bin /usr/sbin /usr/lib /usr/libexec /opt -xdev -type f -perm /6000 2> /dev/null)

for attempt in 'sudo -n id -u' 'pkexec --disable-internal-agent id -u' 'su -c id' 'newgrp root' 'doas -n id -u'; do
  command -v "${attempt%% *}" > /dev/null || continue
  # shellcheck disable=SC2086 # Words are what is wanted.
  said=$(timeout 5 $attempt < /dev/null 2> /dev/null)
  if [ "$me" != 0 ] && [ "$said" = 0 ]; then escaped "$attempt" 'gave root'; else observed "$attempt"; fi
done
end
