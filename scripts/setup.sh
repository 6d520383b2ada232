#!/bin/sh
# Installs the Debian packages that one step of the Makefile needs.
#
#   scripts/setup.sh GROUP…      every GROUP is a list in scripts/packages/
#
# Says nothing when nothing is missing. Installs when it may (root, or sudo that asks for no password);
# otherwise prints the command for the person at the keyboard and exits with 1. Usage errors exit with 2.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

say() {
    printf 'setup: %s\n' "$*" >&2
}

# One package a line, with the oldest version that will do after >=; # starts a comment.
listed() {
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$here/packages/$1"
}

# is_installed NAME[>=VERSION]
is_installed() {
    about=$(dpkg-query --show --showformat='${db:Status-Status} ${Version}' "${1%%>=*}" 2>/dev/null) || return 1
    [ "${about%% *}" = installed ] || return 1
    case $1 in
        *">="*) dpkg --compare-versions "${about#* }" ge "${1#*>=}" ;;
    esac
}

# are_installed NAME[>=VERSION]…
are_installed() {
    for one in "$@"; do
        is_installed "$one" || return 1
    done
}

# Runs a command as root, or fails if that is not ours to do.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# apt_install NAME[>=VERSION]…
apt_install() {
    # shellcheck disable=SC2046  # one word per package is wanted
    set -- $(printf '%s\n' "$@" | sed 's/>=.*//')
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --quiet --no-install-recommends "$@" >&2
}

require_rust() {
    command -v cargo >/dev/null && return 0
    say "Rust is missing: install it with rustup (https://rustup.rs), then open a new shell"
    exit 1
}

if [ $# -eq 0 ]; then
    say "usage: scripts/setup.sh GROUP…   groups: $(cd "$here/packages" && echo *)"
    exit 2
fi

wanted=
for group in "$@"; do
    if [ ! -f "$here/packages/$group" ]; then
        say "no list of packages named '$group' in $here/packages"
        exit 2
    fi
    wanted="$wanted $(listed "$group")"
done

require_rust

if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian; make sure you have what these packages bring:$(echo "$wanted" | tr '\n' ' ')"
    exit 0
fi

missing=
for package in $wanted; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! as_root true; then
    say "some packages are missing; install them with"
    printf '    sudo apt-get install%s\n' "$(echo "$missing" | sed 's/>=[^ ]*//g')" >&2
    exit 1
fi

say "installing$missing"
# shellcheck disable=SC2086  # one word per package is wanted
if ! apt_install $missing 2>/dev/null || ! are_installed $missing; then
    say "refreshing the list of packages"
    as_root apt-get update --quiet --quiet >&2
    apt_install $missing
    are_installed $missing || { say "Debian's lists have not all of:$missing"; exit 1; }
fi
