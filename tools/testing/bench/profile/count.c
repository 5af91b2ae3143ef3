// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts instructions by where they are in memory and by
 * what the guest is doing.
 *
 * The guest's program says what begins by a no-op that nobody else has: its
 * displacement is a magic number and what begins. Within the
 * kernel, where nothing can be said, reaching certain addresses says it. They count
 * once each and in their order, from where the guest has said ARM on.
 *
 * Arguments: out=FILE for the counts; arm=ID; at=ID:ADDRESS, as often as needed.
 *
 * Debian's QEMU has plugins but no header for them, so what is needed of it is
 * declared here. It is version 1 of the interface.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS = 0, QEMU_PLUGIN_INLINE_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*callback)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter,
					      uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*callback)(unsigned int, void *), int flags,
					    void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, void *),
				    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t number);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* nopl MAGIC+id(%rax,%rax,1); src/mark.rs executes it. */
static const unsigned char mark_code[4] = { 0x0f, 0x1f, 0x84, 0x00 };
enum { MARK_BYTES = 8, MARK_MAGIC = 0x4c554200, IDS = 16, MAX_PLACES = 8 };

/* Instructions that QEMU translates together and that are executed one after the other. */
struct block {
	uint64_t address;
	uint64_t length; /* in instructions */
	uint64_t count;
	uint64_t seen; /* of the count, when something began the last time */
	uint64_t by_id[IDS];
	struct block *next;
};

enum { BUCKETS = 1 << 16 };
static struct block *blocks[BUCKETS];

static struct {
	unsigned int id;
	uint64_t address;
} places[MAX_PLACES];
static unsigned int nr_places;
static unsigned int next_place = MAX_PLACES;

static FILE *out;
static unsigned int current_id, arm_id = IDS;
static uint64_t begun[IDS];

static struct block *find(uint64_t address, uint64_t length)
{
	struct block **bucket = &blocks[(address ^ address >> 16 ^ length * 7919) % BUCKETS];
	struct block *block;

	for (block = *bucket; block; block = block->next)
		if (block->address == address && block->length == length)
			return block;
	block = calloc(1, sizeof(*block));
	if (!block) {
		fputs("count.c: out of memory\n", stderr);
		exit(1);
	}
	block->address = address;
	block->length = length;
	block->next = *bucket;
	*bucket = block;
	return block;
}

/* What was executed since the last time belongs to what was begun then. */
static void settle(void)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct block *block = blocks[i]; block; block = block->next) {
			block->by_id[current_id] += block->count - block->seen;
			block->seen = block->count;
		}
}

static void begin(unsigned int id)
{
	settle();
	current_id = id;
	begun[id]++;
}

static void on_mark(unsigned int cpu, void *data)
{
	unsigned int id = (uintptr_t)data;

	(void)cpu;
	begin(id);
	if (id == arm_id)
		next_place = 0;
}

static void on_place(unsigned int cpu, void *data)
{
	(void)cpu;
	if ((uintptr_t)data != next_place)
		return;
	begin(places[next_place].id);
	next_place++;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t length = qemu_plugin_tb_n_insns(tb);
	struct block *block = find(qemu_plugin_tb_vaddr(tb), length);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->count, 1);
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const unsigned char *code = qemu_plugin_insn_data(insn);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		uint32_t value;

		for (uintptr_t place = 0; place < nr_places; place++)
			if (address == places[place].address)
				qemu_plugin_register_vcpu_insn_exec_cb(
					insn, on_place, QEMU_PLUGIN_CB_NO_REGS, (void *)place);
		if (qemu_plugin_insn_size(insn) != MARK_BYTES ||
		    memcmp(code, mark_code, sizeof(mark_code)))
			continue;
		memcpy(&value, code + sizeof(mark_code), sizeof(value));
		if ((value ^ MARK_MAGIC) < IDS)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
				(void *)(uintptr_t)(value ^ MARK_MAGIC));
	}
}

/* For each of what the guest was doing, and how often, a list of addresses and instructions there. */
static void at_exit(qemu_plugin_id_t plugin, void *data)
{
	(void)plugin;
	(void)data;
	settle();
	for (unsigned int id = 1; id < IDS; id++) {
		if (!begun[id])
			continue;
		fprintf(out, "begun %u %" PRIu64 "\n", id, begun[id]);
		for (size_t i = 0; i < BUCKETS; i++)
			for (struct block *block = blocks[i]; block; block = block->next)
				if (block->by_id[id])
					fprintf(out, "%" PRIx64 " %" PRIu64 "\n", block->address,
						block->by_id[id] * block->length);
	}
	if (fclose(out)) {
		perror("count.c: writing the counts");
		exit(1);
	}
}

/* QEMU passes what it knows of the machine as the second argument, which is of no use here. */
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info,
							       int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		const char *argument = argv[i];

		if (!strncmp(argument, "out=", 4)) {
			out = fopen(argument + 4, "w");
		} else if (sscanf(argument, "arm=%u", &arm_id) == 1) {
			continue;
		} else if (nr_places < MAX_PLACES &&
			   sscanf(argument, "at=%u:%" SCNx64, &places[nr_places].id,
				  &places[nr_places].address) == 2 &&
			   places[nr_places].id < IDS) {
			nr_places++;
		} else {
			fprintf(stderr, "count.c: '%s' is not understood\n", argument);
			return 1;
		}
	}
	if (!out) {
		fputs("count.c: there is no file to write to\n", stderr);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
