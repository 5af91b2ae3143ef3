#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Put this repository into a kernel tree, and take it out again:
#
#	mount.sh mount KDIR [--remount]
#	mount.sh unmount KDIR
#
# With PATCHES=no in the environment the hooks in C drivers stay out, and with them
# what needs them: see HAVE_* in Kconfig.
#
# KDIR/kernel/liveupdate becomes a symbolic link to this repository, our ABI
# headers become links in place of the tree's own, and patches/series, if there
# is one, is applied. What was there before waits in KDIR/.liveupdate-mainline.
#
# No file of the tree is edited in place: a tree that shares its files with
# another one by hard links stays apart from it.

. "$(dirname "$0")/lib.sh"

readonly ROOM=.liveupdate-mainline

# Paths below include/ that this repository brings.
our_headers() {
	[ -d "$REPO/include" ] || return 0
	(cd "$REPO" && find include -type f -name '*.h' | sort)
}

# Names in patches/series, without comments; nothing if there is no series.
our_patches() {
	[ "${PATCHES:-yes}" != no ] && [ -f "$REPO/patches/series" ] || return 0
	sed -e 's/#.*//' -e 's/[[:space:]].*$//' -e '/^$/d' "$REPO/patches/series"
}

check_tree() {
	local version
	[ -n "$KDIR" ] || die "KDIR is not set" "Say which kernel tree is meant: make $ACTION KDIR=~/linux"
	[ -d "$KDIR" ] || die "there is no directory $KDIR"
	KDIR=$(cd "$KDIR" && pwd -P)
	if [ ! -f "$KDIR/Kbuild" ] || [ ! -f "$KDIR/init/Kconfig" ] || ! grep -q '^VERSION = ' "$KDIR/Makefile" 2>/dev/null; then
		die "$KDIR is no Linux source tree: it has no Kbuild, init/Kconfig or Makefile with a VERSION" \
			"If it is a build's output directory, name the source tree instead."
	fi
	[ "$ACTION" = mount ] || return 0
	version=$(tree_version "$KDIR")
	[ "$version" = "$LINUX_VERSION" ] ||
		die "$KDIR is Linux $version; this repository is made for Linux $LINUX_VERSION" \
			"'make source' fetches such a tree and prints its path."
	if ! grep -q 'liveupdate/' "$KDIR/kernel/Makefile" || ! grep -q 'kernel/liveupdate/Kconfig' "$KDIR/init/Kconfig"; then
		die "$KDIR does not build kernel/liveupdate: kernel/Makefile or init/Kconfig do not name it"
	fi
}

# Which repository is mounted there? Fails if none is.
mounted_from() {
	[ -f "$KDIR/$ROOM/repository" ] && cat "$KDIR/$ROOM/repository"
}

# Is what was mounted what would be mounted now? Contents of headers may differ,
# for they are links; names may not, and patches must be the same to the byte.
is_current() {
	local patch
	[ -f "$KDIR/$ROOM/complete" ] || return 1
	[ "$(readlink "$KDIR/kernel/liveupdate")" = "$REPO" ] || return 1
	[ "$(cat "$KDIR/$ROOM/headers")" = "$(our_headers)" ] || return 1
	[ "$(cat "$KDIR/$ROOM/patches/series")" = "$(our_patches)" ] || return 1
	while read -r patch; do
		cmp -s "$REPO/patches/$patch" "$KDIR/$ROOM/patches/$patch" || return 1
	done < <(our_patches)
}

run_patch() {
	patch -d "$KDIR" -p1 --batch --forward --no-backup-if-mismatch --reject-file=- "$@"
}

# Reverse what the room's `applied` lists, last first.
reverse_patches() {
	local name
	[ -f "$KDIR/$ROOM/patches/applied" ] || return 0
	while name=$(tail -n 1 "$KDIR/$ROOM/patches/applied") && [ -n "$name" ]; do
		if ! run_patch --dry-run -R -i "$KDIR/$ROOM/patches/$name" >"$KDIR/$ROOM/patch.log" 2>&1; then
			cat "$KDIR/$ROOM/patch.log" >&2
			die "$name can no longer be taken out of $KDIR: the lines above say which file changed since" \
				"Bring those files back to what they were after the mount, then run 'make unmount' again."
		fi
		run_patch -R -i "$KDIR/$ROOM/patches/$name" >"$KDIR/$ROOM/patch.log" 2>&1 ||
			die "$name could not be reversed in $KDIR; see $KDIR/$ROOM/patch.log"
		sed -i '$d' "$KDIR/$ROOM/patches/applied"
	done
}

apply_patches() {
	local name room=$KDIR/$ROOM/patches
	mkdir -p "$room"
	our_patches >"$room/series"
	: >"$room/applied"
	while read -r name; do
		[ -f "$REPO/patches/$name" ] || { undo_mount; die "patches/series names $name, which is not in patches/"; }
		mkdir -p "$(dirname "$room/$name")"
		cp "$REPO/patches/$name" "$room/$name"
		if ! run_patch --dry-run -i "$room/$name" >"$KDIR/$ROOM/patch.log" 2>&1; then
			grep -vE '^(patching|checking) file .*$' "$KDIR/$ROOM/patch.log" >&2 || true
			local files
			# patch quotes the header of a file that it cannot find at all.
			files=$(awk '/^(checking|patching) file/ { file = $3 }
				/FAILED|previously applied/ { print file }
				/^\|\+\+\+ / { sub("^[^/]*/", "", $2); print $2 }' "$KDIR/$ROOM/patch.log" | sort -u | paste -sd' ')
			undo_mount
			die "patches/$name does not apply to $KDIR${files:+ (in $files)}; the tree is as it was"
		fi
		run_patch -i "$room/$name" >"$KDIR/$ROOM/patch.log" 2>&1 ||
			die "patches/$name failed half-way in $KDIR; see $KDIR/$ROOM/patch.log"
		printf '%s\n' "$name" >>"$room/applied"
	done <"$room/series"
}

# Paths below KDIR whose content a mount changes: what a build may have to redo.
list_touched() {
	our_headers
	while read -r name; do
		sed -n 's,^+++ [^/]*/\([^[:space:]]*\).*,\1,p' "$KDIR/$ROOM/patches/$name"
	done <"$KDIR/$ROOM/patches/series"
}

do_mount() {
	local header
	mkdir -p "$KDIR/$ROOM/original/kernel"
	# From here on an interrupted mount can be taken back by an unmount.
	printf '%s\n' "$REPO" >"$KDIR/$ROOM/repository"
	our_headers >"$KDIR/$ROOM/headers"
	mv -T "$KDIR/kernel/liveupdate" "$KDIR/$ROOM/original/kernel/liveupdate"
	ln -s "$REPO" "$KDIR/kernel/liveupdate"
	while read -r header; do
		mkdir -p "$KDIR/$(dirname "$header")" "$KDIR/$ROOM/original/$(dirname "$header")"
		if [ -e "$KDIR/$header" ]; then
			mv -T "$KDIR/$header" "$KDIR/$ROOM/original/$header"
		fi
		ln -s "$REPO/$header" "$KDIR/$header"
	done <"$KDIR/$ROOM/headers"
	apply_patches
	list_touched >"$KDIR/$ROOM/touched"
	touch "$KDIR/$ROOM/complete"
}

# Put one path back: restore PATH TARGET-OF-OUR-LINK. Only our own link is ever
# removed, so a file that somebody put in its place is not lost.
restore() {
	local path=$1 target=$2
	if [ "$(readlink "$KDIR/$path")" = "$target" ]; then
		rm "$KDIR/$path"
	elif [ -e "$KDIR/$path" ] && [ -e "$KDIR/$ROOM/original/$path" ]; then
		die "$KDIR/$path is no longer the link that the mount made; move it away and unmount again"
	fi
	if [ -e "$KDIR/$ROOM/original/$path" ]; then
		mv -T "$KDIR/$ROOM/original/$path" "$KDIR/$path"
	fi
}

undo_mount() {
	local header from
	from=$(mounted_from)
	reverse_patches
	if [ -f "$KDIR/$ROOM/headers" ]; then
		while read -r header; do
			restore "$header" "$from/$header"
		done <"$KDIR/$ROOM/headers"
	fi
	restore kernel/liveupdate "$from"
	rm -rf "${KDIR:?}/$ROOM"
}

usage() {
	die "usage: mount.sh mount KDIR [--remount] | mount.sh unmount KDIR"
}

[ $# -ge 1 ] || usage
ACTION=$1 KDIR=${2:-} REMOUNT=${3:-}
case $ACTION in
mount)
	check_tree
	if from=$(mounted_from); then
		if [ "$from" != "$REPO" ] && [ "$REMOUNT" != --remount ]; then
			die "$KDIR already has another repository mounted: $from" \
				"To take this one ($REPO) instead: make mount KDIR=$KDIR REMOUNT=1"
		fi
		if [ "$from" = "$REPO" ] && is_current; then
			say "$REPO is already mounted in $KDIR."
			exit 0
		fi
		undo_mount
	fi
	[ ! -L "$KDIR/kernel/liveupdate" ] ||
		die "$KDIR/kernel/liveupdate is a symbolic link that this script did not make; remove it first"
	[ -d "$KDIR/kernel/liveupdate" ] || die "$KDIR has no directory kernel/liveupdate to take the place of"
	do_mount
	say "Mounted $REPO as $KDIR/kernel/liveupdate."
	;;
unmount)
	check_tree
	if ! from=$(mounted_from); then
		say "Nothing is mounted in $KDIR."
		exit 0
	fi
	undo_mount
	say "Unmounted $from from $KDIR; the tree is as it was."
	;;
*) usage ;;
esac
