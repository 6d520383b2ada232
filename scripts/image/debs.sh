#!/bin/sh
# debs.sh PACKAGE[=VERSION]…: fetches arm64 packages of Debian, unpacks each, and prints the directory of each.
# It uses an apt of its own below output/cache: no root rights, no foreign architecture on this machine,
# no maintainer script is ever run. Packages and trees are kept by version. Each is noted in the file PACKAGES_LIST.
set -eu
. "$(dirname "$0")/common"

apt=$cache/apt
lists_max_age_days=1

# The sources of this machine that are Debian's own, with the firmware of the Raspberry Pi beside `main`.
write_sources() {
    # shellcheck disable=SC2016 # apt expands these, not the shell
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(SIGNED_BY)' 'Created-By: Packages' 'Origin: Debian' \
        2>/dev/null | sort -u | while read -r uri release signed_by; do
        options=
        [ -f "$signed_by" ] && options="[signed-by=$signed_by] "
        echo "deb $options$uri $release main non-free-firmware"
    done >"$apt/sources.list"
    [ -s "$apt/sources.list" ] || fail "this machine has no Debian package lists: run 'apt-get update' first"
}

# Hooks of this machine's apt (some empty its package cache) must not run for ours.
write_config() {
    cat >"$apt/apt.conf" <<END
#clear APT::Update;
#clear APT::Architectures;
#clear DPkg::Post-Invoke;
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
APT::Get::Download-Only "true";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/sources.d";
Dir::Etc::preferencesparts "$apt/preferences.d";
END
}

refresh() {
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/sources.d" "$apt/preferences.d" "$cache/deb"
    : >"$apt/status"
    write_config
    if [ -n "$(find "$apt/updated" -mtime "-$lists_max_age_days" 2>/dev/null)" ]; then
        return
    fi
    write_sources
    say "   reading Debian's arm64 package lists"
    if apt-get -q -c "$apt/apt.conf" update >"$apt/update.log" 2>&1; then
        touch "$apt/updated"
    else
        [ -f "$apt/updated" ] || fail "cannot read Debian's package lists, see $apt/update.log"
        say "   no fresh package lists, going on with those of $(date -r "$apt/updated" +%F)"
    fi
}

# unpack FILE PACKAGE[=VERSION]: fetches and unpacks one package unless that version is there already.
unpack() {
    tree=$cache/tree/${1%.deb}
    if [ ! -d "$tree" ]; then
        if [ ! -f "$cache/deb/$1" ]; then
            say "   fetching $1"
            (cd "$cache/deb" && apt-get -q -c "$apt/apt.conf" download "$2" >/dev/null 2>"$apt/error.log") ||
                fail "cannot fetch $2: $(tail -n 1 "$apt/error.log")"
        fi
        rm -rf "$tree.part"
        mkdir -p "$tree.part"
        dpkg-deb -x "$cache/deb/$1" "$tree.part"
        mv "$tree.part" "$tree"
    fi
    printf '%s\n' "$tree"
    [ -z "${PACKAGES_LIST:-}" ] || printf '%s\n' "${tree##*/}" >>"$PACKAGES_LIST"
}

refresh
files=$(apt-get -q -c "$apt/apt.conf" --print-uris download "$@" 2>"$apt/error.log" | awk '{ print $2 }') ||
    fail "Debian has not all of these arm64 packages: $* ($(tail -n 1 "$apt/error.log"))"
for package in "$@"; do
    file=$(printf '%s\n' "$files" | grep -m 1 "^${package%%=*}_") || fail "Debian has no arm64 package '$package'"
    unpack "$file" "$package"
done
