# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Running the stages of `make test` and adding up their tests. Sourced after
# lib.sh, never run.

tests_passed=0 tests_failed=0 tests_bad=()

# Count results in a log, as "PASSED FAILED": the closing lines of cargo test,
# of nextest, and of our own scripts.
count_results() {
	sed -e 's/\x1b\[[0-9;]*m//g' "$1" | awk '
		/^test result: / { p += $4; f += $6 }
		/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
		/^ *Summary \[/ {
			for (i = 2; i <= NF; i++) {
				if ($i ~ /^passed/) p += $(i - 1)
				if ($i ~ /^failed/ || $i == "timed" || $i == "exec") f += $(i - 1)
			}
		}
		END { print p + 0, f + 0 }'
}

# stage NAME COMMAND...: run it, keep its output, count its tests. A stage that
# fails without a failed test, or passes without any test, counts as a failure.
stage() {
	local name=$1 log p f status=0 start=$SECONDS
	shift
	log=$LOGS/test-${name// /-}.log
	say
	say "=== $name (log: $log)"
	"$@" 2>&1 | tee "$log" || status=$?
	read -r p f < <(count_results "$log")
	if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
		say "error: $name ended with status $status"
		f=1
	elif [ "$status" -eq 0 ] && [ "$p" -eq 0 ]; then
		say "error: $name ran no test"
		f=1
	fi
	tests_passed=$((tests_passed + p)) tests_failed=$((tests_failed + f))
	[ "$f" -eq 0 ] || tests_bad+=("$name: $f failed (see $log)")
	say "=== $name: $p passed, $f failed, $(elapsed $((SECONDS - start)))"
}

# The verdict, and the counts alone on the last line. Fails if anything did.
verdict() {
	say
	if [ "$tests_failed" -eq 0 ] && [ "$tests_passed" -gt 0 ]; then
		say "PASSED: everything, in $(elapsed "$SECONDS")."
	else
		say "FAILED, after $(elapsed "$SECONDS"):"
		printf '  %s\n' "${tests_bad[@]:-no test was run}" >&2
	fi
	printf '%d passed, %d failed\n' "$tests_passed" "$tests_failed"
	[ "$tests_failed" -eq 0 ] && [ "$tests_passed" -gt 0 ]
}
