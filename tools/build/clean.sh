#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Remove what builds left in this clone; with --all also the cache, which all
# clones of this user share.

. "$(dirname "$0")/lib.sh"

rm -rf "$REPO/target" "$LOGS"
# Objects of an in-tree build of a kernel that has this clone mounted.
find "$REPO" -path "$REPO/.git" -prune -o \
	-type f \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' -o -name '.*.d' -o -name modules.order \
	-o -name bindings_generated.rs \) -exec rm -f {} +
if [ "${1:-}" = --all ]; then
	lock_cache
	# The lock file stays: another make may be waiting for it.
	find "$CACHE" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
	say "Removed $CACHE; the next build starts from nothing."
fi
