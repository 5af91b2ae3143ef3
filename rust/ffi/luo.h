/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What LUO in Rust needs and only C can say, and what luo.c calls in Rust.
 */
#ifndef _LIVEUPDATE_FFI_LUO_H
#define _LIVEUPDATE_FFI_LUO_H

#include <linux/liveupdate.h>
#include <linux/types.h>

struct module;

/* References to modules, which are inline functions without CONFIG_MODULES. */
bool lu_module_get(struct module *module);
void lu_module_put(struct module *module);

/*
 * Ends the boot when the command line asks for that. Not declared __noreturn:
 * objtool knows such functions by a list of names of its own.
 */
void lu_panic_bad_incoming(void);

/* Lets lib/tests/liveupdate.c hook its FLBs up with a handler. */
void lu_test_register(struct liveupdate_file_handler *fh);

/* What luo.c calls is in Rust; see luo/exports.rs. */
void lu_luo_param_enable(bool on);
void lu_luo_param_panic(bool on);
void lu_luo_early_init(void);
int lu_luo_late_init(void);

#endif /* _LIVEUPDATE_FFI_LUO_H */
