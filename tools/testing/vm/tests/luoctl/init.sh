#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# The init of the luoctl test, in the kernel before and in the kernel after. Says
# "luoctl: ok ..." or "luoctl: FAIL ..." for each thing that must hold, and
# "luoctl: done SIDE" in the end.

export PATH=/bin
busybox mkdir -p /dev /proc /sys /run /tmp /mnt /data /out
# Without /proc busybox does not know its own path, which the links need.
busybox mount -t proc proc /proc
busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug

say() { echo "<5>luoctl: $*" >/dev/kmsg; }

# check NAME COMMAND...: the command must succeed.
check() {
	name=$1
	shift
	if "$@" >/tmp/out 2>&1; then
		say "ok $name"
	else
		say "FAIL $name: $(head -c 300 /tmp/out | tr '\n' '|')"
	fi
}

# refuse NAME TEXT COMMAND...: the command must fail and say TEXT.
refuse() {
	name=$1 text=$2
	shift 2
	if "$@" >/tmp/out 2>&1; then
		say "FAIL $name: it succeeded"
	elif grep -q "$text" /tmp/out; then
		say "ok $name"
	else
		say "FAIL $name: $(head -c 300 /tmp/out | tr '\n' '|')"
	fi
}

# Wait until FILE has TEXT in it, for 20 seconds at most.
await() {
	for _ in $(seq 200); do
		grep -q "$2" "$1" 2>/dev/null && return 0
		sleep 0.1
	done
	cat "$1"
	return 1
}

lists() { luoctl list | grep -q "$1"; }

make_data() {
	seq 100000 >/data/numbers
	head -c 3000000 /bin/busybox >/data/program
	: >/data/empty
	chmod 640 /data/numbers
	chmod 4755 /data/program
	mkdir -p /data/other
	echo other >/data/other/numbers
}

before() {
	check "status says that it works" sh -c 'luoctl status --json | grep -q "\"usable\":true"'
	luoctl create vm --hold --file 1=/data/numbers --file 0x10=/data/program \
		--file 3=/data/empty --file 4=/data/other/numbers </dev/null >/run/vm.log 2>&1 &
	vm=$!
	check "create holds, and says ready" await /run/vm.log '^ready'
	check "what is held is listed" lists 'outgoing  vm  4 files'
	refuse "a name is taken once" "already being prepared" \
		luoctl create vm --hold --file 1=/data/empty
	check "the refused one left nothing behind" lists 'outgoing  vm  4 files'

	mkfifo /run/pipe
	luoctl create gone --hold --file 1=/data/empty </run/pipe >/run/gone.log 2>&1 &
	gone=$!
	exec 9>/run/pipe
	check "a second one holds beside it" await /run/gone.log '^ready'
	check "and is listed too" lists 'outgoing  gone  1 files'
	exec 9>&-
	check "the end of its input ends it" wait $gone
	check "and then it is not listed" sh -c '! luoctl list | grep -q gone'

	check "the first still runs" kill -0 $vm
	say "done before"
	luoctl create big --file 7=/data/program --kexec /next/kernel --initrd /next/initrd \
		--cmdline "$(cat /proc/cmdline) luoctl=after" >/dev/kmsg 2>&1
	say "FAIL create --kexec came back"
}

# The directory has no room for the file until a signal says that it has.
retry() {
	mount -t tmpfs -o size=64k tmpfs /mnt
	luoctl retrieve big --token 7 --out /mnt/program --discard-rest </dev/null >/run/retry.log 2>&1 &
	pid=$!
	check "retrieve keeps the session when it cannot write" await /run/retry.log 'is kept'
	check "and goes on running" kill -0 $pid
	mount -o remount,size=16m /mnt
	kill -HUP $pid
	check "and succeeds when there is room" wait $pid
	check "with the content of before" cmp /mnt/program /data/program
}

after() {
	check "status names the kernel before" sh -c \
		'luoctl status --json | grep -q "\"previous\":{\"release\":\"[^\"]*\",\"kexecs\":1}"'
	check "what was held is listed" lists 'incoming  vm  4 files.*waiting'
	check "and listed again" lists 'incoming  vm  4 files.*waiting'
	check "and so is the other" lists 'incoming  big  1 files.*waiting'
	refuse "an unknown name is an error" "left no session" luoctl retrieve none --all --out-dir /out
	refuse "and there is nothing to finish" "left no session" luoctl finish none
	refuse "what was closed before is gone" "left no session" luoctl finish gone

	check "all files come back" luoctl retrieve vm --all --out-dir /out
	check "with their content" cmp /out/program /data/program
	check "under both names" cmp /out/numbers.1 /data/numbers
	check "of the same name" cmp /out/numbers.4 /data/other/numbers
	check "an empty one too" cmp /out/empty /data/empty
	check "with their modes" [ "$(stat -c %a /out/numbers.1)" = 640 ]
	check "but without set-user-ID" [ "$(stat -c %a /out/program)" = 755 ]
	check "the session is finished" lists 'incoming  vm  4 files.*finished'
	refuse "and cannot be taken again" "left no session" luoctl retrieve vm --all --out-dir /out
	retry
	check "status still works" sh -c 'luoctl status | grep -q "live update  yes"'
	say "done after"
	poweroff -f
}

make_data
if grep -q luoctl=after /proc/cmdline; then after; else before; fi
sleep 5
poweroff -f
