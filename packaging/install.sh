#!/bin/sh
# Installs tare from files that are here: nothing is fetched.
#
#   install.sh [ARCHIVE]      tare-VERSION-linux-MACHINE.tar.gz; without it, the unpacked archive that this script lies in
#   PREFIX=/usr/local         where to
#   DESTDIR=                  in front of it, for who makes packages
set -eu
prefix=${PREFIX:-/usr/local}
destination=${DESTDIR:-}$prefix
say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

from=$(cd "$(dirname "$0")" && pwd)
if [ $# -gt 0 ]; then
    [ -f "$1" ] || die "$1: no such file"
    sums=$(dirname "$1")/SHA256SUMS
    if [ -f "$sums" ]; then
        (cd "$(dirname "$1")" && grep " $(basename "$1")\$" SHA256SUMS | sha256sum -c --quiet -) || die "$1 is not what SHA256SUMS says"
    else
        say "no SHA256SUMS beside $1: its contents are not checked"
    fi
    unpacked=$(mktemp -d)
    trap 'rm -rf "$unpacked"' EXIT
    tar -xzf "$1" -C "$unpacked" --strip-components=1
    from=$unpacked
fi
[ -x "$from/bin/tare" ] || die "no bin/tare beside this script: give the archive's name"
mkdir -p "$destination" 2>/dev/null && [ -w "$destination" ] || die "$destination cannot be written: call it with sudo, or PREFIX=\$HOME/.local"
(cd "$from" && tar -cf - bin share) | tar -xf - -C "$destination" --no-same-owner
for name in docker docker-compose; do
    there=$(command -v $name || true)
    if [ -z "$there" ] || [ "$(readlink "$there")" = tare ]; then
        ln -sf tare "$destination/bin/$name"
        say "$name is tare now"
    else
        say "$there stays as it is: call tare by its own name"
    fi
done
if [ "$(id -u)" = 0 ] && [ -d /run/systemd/system ] && [ -z "${DESTDIR:-}" ]; then
    mkdir -p "$destination/lib/systemd/system"
    sed "s|@BIN@|$prefix/bin|" "$from/tare.service" >"$destination/lib/systemd/system/tare.service"
    say "systemctl enable tare    starts containers with a restart policy when the machine does"
fi
case ":$PATH:" in
*":$prefix/bin:"*) say "$("$destination/bin/tare" --version)" ;;
*) say "$prefix/bin is not on PATH: add it, or call $prefix/bin/tare" ;;
esac
