#!/usr/bin/env bash
# Makes the base images that the examples and tests start FROM, out of Debian packages, with no image registry around.
#
#   images/make.sh [--force] [debian|busybox|python|postgres ...]     (all of them when none is named)
#
# TARE=...   the program that imports and builds (default: target/release/tare beside this folder). Anything that
#            understands `import`, `build`, `image inspect` and `image rm` will do, so `TARE=docker` works too.
#
# debian and busybox are packed from packages on this machine; python and postgres are Dockerfiles on top of debian.
# Mirror, suites and proxy are those of this machine's own apt, and go into the image, so that `apt-get install` in a
# container does what it does here. Every image carries the hash of its recipe as a label: one that is there with the
# right hash is left alone.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -r -a engine <<<"${TARE:-$here/../target/release/tare}"
force=no

say() { printf '\033[1mimages:\033[0m %s\n' "$*" >&2; }
die() { printf 'images: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"; }

work=$(mktemp -d "${TMPDIR:-/tmp}/tare-images.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The file with this machine's Debian sources: deb822 on a new machine, one-line on an older one. Files of other
# vendors are not looked at: their packages have no place in a base image.
apt_sources() {
    local file
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        if [ -s "$file" ] && grep -Eq '^(URIs:|deb )' "$file"; then
            echo "$file"
            return
        fi
    done
    die "no Debian sources in /etc/apt: neither sources.list.d/debian.sources nor sources.list names a mirror"
}

# The first suite named there, without the -updates and -security that follow it.
apt_suite() {
    awk '/^Suites:/ { print $2; exit }
         /^deb / { i = 2; if ($i ~ /^\[/) { while ($i !~ /\]$/) i++; i++ } print $(i + 1); exit }' "$1"
}

# What else apt was told here about fetching: proxies, retries, expired indexes.
apt_settings() {
    apt-config dump | grep -E '^Acquire::(https?::Proxy|https?::Timeout|Retries|Check-Valid-Until|ForceIPv4)[^:]* "[^"]' || true
}

# recipe NAME: a hash over everything that decides what comes out.
recipe() {
    {
        cat "$here/make.sh"
        find "$here/$1" -type f -print0 | sort -z | xargs -0 sha256sum | sed "s|$here||"
        case $1 in
        python | postgres) recipe debian ;;
        *) cat "$(apt_sources)"; apt_settings ;;
        esac
    } | sha256sum | cut -c1-32
}

fresh() { # NAME TAG: is the image there, made by this very recipe?
    [ "$force" = no ] &&
        [ "$("${engine[@]}" image inspect --format '{{index .Config.Labels "tare.recipe"}}' "$2" 2>/dev/null)" = "$(recipe "$1")" ]
}

build() { # NAME TAG...
    local name=$1 tag args=()
    shift
    for tag; do args+=(-t "$tag"); done
    "${engine[@]}" build "${args[@]}" --label "tare.recipe=$(recipe "$name")" "$here/$name"
}

import() { # NAME TAR, as NAME-rootfs, which the folder's Dockerfile starts from
    "${engine[@]}" import "$2" "$1-rootfs:latest" >/dev/null
}

rootfs_debian() {
    need mmdebstrap mmdebstrap
    local sources suite
    sources=$(apt_sources)
    suite=$(apt_suite "$sources")
    [ -n "$suite" ] || die "no suite is named in $sources"
    cp "$sources" "$work/$(basename "$sources")"
    apt_settings >"$work/90machine"
    # Manuals, translations and documentation weigh a third of a minimal Debian and nobody reads them in a container;
    # the same rule goes into the image for what is installed there later. Licences stay.
    cat >"$work/docs" <<'DPKG'
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
DPKG
    local keep=()
    [ ! -s "$work/90machine" ] || keep=(--customize-hook="copy-in $work/90machine /etc/apt/apt.conf.d/")
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,netbase,tzdata --skip=check/empty \
        --dpkgopt="$work/docs" \
        --aptopt='Acquire::Languages "none"' \
        --aptopt='Acquire::GzipIndexes "true"' \
        --aptopt='APT::AutoRemove::SuggestsImportant "false"' \
        "${keep[@]}" \
        --customize-hook='rm -rf "$1"/var/log/* "$1"/var/cache/* ; mkdir -p "$1/var/cache/apt/archives/partial"' \
        --customize-hook=': >"$1/etc/hostname"; : >"$1/etc/resolv.conf"' \
        "$suite" "$work/debian.tar" "$work/$(basename "$sources")"
}

rootfs_busybox() {
    local root=$work/busybox tool
    mkdir -p "$root"/{bin,etc,root,tmp,var,proc,sys,dev,usr/bin} "$work/deb"
    chmod 1777 "$root/tmp"
    (cd "$work/deb" && { apt-get -qq download busybox-static || { apt-get -qq update && apt-get -qq download busybox-static; }; }) 2>/dev/null ||
        die "apt-get could not download busybox-static"
    dpkg-deb --fsys-tarfile "$work"/deb/busybox-static_*.deb | tar -x -C "$work/deb" ./bin/busybox
    install -m 755 "$work/deb/bin/busybox" "$root/bin/busybox"
    for tool in $("$root/bin/busybox" --list); do
        [ "$tool" = busybox ] || ln -s busybox "$root/bin/$tool"
    done
    ln -s ../../bin/env "$root/usr/bin/env"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    tar -C "$root" --owner=0 --group=0 --numeric-owner --sort=name -cf "$work/busybox.tar" .
}

make_image() {
    local name=$1
    shift
    if fresh "$name" "$1"; then
        say "$1 is up to date"
        return
    fi
    say "making $*"
    if declare -F "rootfs_$name" >/dev/null; then
        "rootfs_$name"
        import "$name" "$work/$name.tar"
        rm -f "$work/$name.tar"
    fi
    build "$name" "$@"
    if declare -F "rootfs_$name" >/dev/null; then
        "${engine[@]}" image rm "$name-rootfs:latest" >/dev/null 2>&1 || true
    fi
}

wanted=()
for arg; do
    case $arg in
    --force) force=yes ;;
    debian | busybox | python | postgres) wanted+=("$arg") ;;
    *) die "no recipe named '$arg' (there are: debian busybox python postgres)" ;;
    esac
done
[ ${#wanted[@]} -gt 0 ] || wanted=(debian busybox python postgres)

for name in "${wanted[@]}"; do
    case $name in
    debian) make_image debian debian:latest "debian:$(apt_suite "$(apt_sources)")" ;;
    busybox) make_image busybox busybox:latest ;;
    python) make_image python python:3 python:latest python:3-slim ;;
    postgres) make_image postgres postgres:latest postgres:15 ;;
    esac
done
