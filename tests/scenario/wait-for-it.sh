#!/usr/bin/env bash
# wait-for-it.sh HOST:PORT [-t SECONDS]: waits until the port takes connections. Ours, for the scenario's step 16.
target=$1
seconds=15
[ "$2" = -t ] && seconds=$3
for ((end = SECONDS + seconds; SECONDS <= end; )); do
    if (exec 3<>"/dev/tcp/${target%:*}/${target#*:}") 2>/dev/null; then
        echo "wait-for-it: $target is available"
        exit 0
    fi
    sleep 0.2
done
echo "wait-for-it: $target is not available after $seconds s" >&2
exit 1
