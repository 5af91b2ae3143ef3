#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Fetch Debian's newest source of Linux 7.3 into the cache, without touching the
# system's apt configuration. The last line printed is the path of the tree.
# Once unpacked it serves without a network; UPDATE=1 asks for a newer one.

. "$(dirname "$0")/lib.sh"

SOURCES=$CACHE/source
APT=$CACHE/apt

# The tree in use, if there is one: the file `current` names it.
current_tree() {
	local tree
	[ -f "$SOURCES/current" ] || return 1
	tree=$SOURCES/$(cat "$SOURCES/current")
	[ -f "$tree/Makefile" ] || return 1
	printf '%s\n' "$tree"
}

# apt-get with lists, cache and sources of its own.
apt_own() {
	apt-get -q \
		-o Dir::Etc::sourcelist="$APT/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::Lists="$APT/lists" -o Dir::State::status="$APT/status" -o Dir::Cache="$APT/cache" \
		-o APT::Sandbox::User="$(id -un)" -o APT::Default-Release= \
		-o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# Where this system gets its Debian from: that place has the backports, too.
# DEB_MIRROR in the environment names another one.
deb_mirror() {
	local codename mirror
	codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # The dollars are apt's.
	mirror=${DEB_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		awk -v release="$codename" '$2 == release { print $1; exit }')}
	[ -n "$mirror" ] || die "apt's sources do not say where '$codename' comes from" \
		"Set DEB_MIRROR to the address of a Debian mirror and run 'make source' again."
	printf '%s\n' "$mirror"
}

download() {
	local deb mirror
	mirror=$(deb_mirror)
	[ -r "$DEB_KEYRING" ] || die "$DEB_KEYRING is missing; install the package debian-archive-keyring"
	mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial" "$APT/debs"
	: >"$APT/status"
	printf 'deb [signed-by=%s] %s %s main\n' "$DEB_KEYRING" "$mirror" "$DEB_SUITE" >"$APT/sources.list"
	say "Asking $mirror for the newest $LINUX_PACKAGE of $DEB_SUITE."
	apt_own update >&2 ||
		die "apt-get could not read $DEB_SUITE from $mirror" "Check the network, then run 'make source' again."
	(cd "$APT/debs" && apt_own download "$LINUX_PACKAGE" >&2) ||
		die "apt-get could not download $LINUX_PACKAGE from $DEB_SUITE"
	deb=$(find "$APT/debs" -name "${LINUX_PACKAGE}_*.deb" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
	[ -n "$deb" ] || die "apt-get reported success, yet there is no $LINUX_PACKAGE in $APT/debs"
	printf '%s\n' "$deb"
}

# Unpack into a directory of its own and rename it: half a tree never has the
# final name.
unpack() {
	local deb=$1 version=$2 name=$3 temporary
	temporary=$(mktemp -d "$SOURCES/.unpack.XXXXXX")
	# shellcheck disable=SC2064 # The name is wanted as it is now.
	trap "rm -rf '$temporary'" EXIT
	say "Unpacking $LINUX_PACKAGE $version (1.6 GB, half a minute or so)."
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$LINUX_PACKAGE.tar.xz" |
		tar -xJ -C "$temporary" --strip-components=1 ||
		die "$deb could not be unpacked" "Remove it and run 'make source' again; is the disk full?"
	[ "$(tree_version "$temporary")" = "$LINUX_VERSION" ] ||
		die "$deb does not hold Linux $LINUX_VERSION, judging by its Makefile"
	chmod 755 "$temporary"
	mv -T "$temporary" "$SOURCES/$name"
	trap - EXIT
}

if [ -n "${UPDATE:-}" ] || ! tree=$(current_tree); then
	lock_cache
	# Another make may have fetched it while this one waited.
	if [ -n "${UPDATE:-}" ] || ! tree=$(current_tree); then
		mkdir -p "$SOURCES"
		rm -rf "$SOURCES"/.unpack.*
		deb=$(download)
		version=$(dpkg-deb -f "$deb" Version)
		name=${version//[!A-Za-z0-9.+-]/-}
		tree=$SOURCES/$name
		[ -f "$tree/Makefile" ] || unpack "$deb" "$version" "$name"
		printf '%s\n' "$name" >"$SOURCES/.current.new"
		mv "$SOURCES/.current.new" "$SOURCES/current"
		rm -f "$APT"/debs/*.deb
		say "Linux source: Debian's $LINUX_PACKAGE $version"
	fi
fi
printf '%s\n' "$tree"
