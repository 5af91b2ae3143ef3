// SPDX-License-Identifier: GPL-2.0
/*
 * The C side of the live update orchestrator: kernel parameters, initcalls
 * and inline functions. Everything that decides is in rust/luo.
 */

#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "kernel/liveupdate/luo_internal.h"
#include "luo.h"

/* liveupdate=on|off: whether there is a /dev/liveupdate. Off by default. */
static int __init lu_param_liveupdate(char *arg)
{
	bool on;
	int err;

	err = kstrtobool(arg, &on);
	if (err) {
		pr_warn("liveupdate=%s is neither on nor off, live update stays off\n",
			arg ?: "");
		return err;
	}
	lu_luo_param_enable(on);
	return 0;
}
early_param("liveupdate", lu_param_liveupdate);

/*
 * liveupdate_incoming=ignore|panic: what to do about state of the previous
 * kernel that cannot be read. The default, ignore, keeps the memory reserved
 * and goes on without that state; mainline always panics.
 */
static int __init lu_param_liveupdate_incoming(char *arg)
{
	if (arg && !strcmp(arg, "panic")) {
		lu_luo_param_panic(true);
	} else if (arg && !strcmp(arg, "ignore")) {
		lu_luo_param_panic(false);
	} else {
		pr_warn("liveupdate_incoming=%s is neither ignore nor panic, using ignore\n",
			arg ?: "");
		return -EINVAL;
	}
	return 0;
}
early_param("liveupdate_incoming", lu_param_liveupdate_incoming);

/* FLBs may be asked for by the initcalls of drivers, so this comes first. */
static int __init lu_luo_early(void)
{
	lu_luo_early_init();
	return 0;
}
early_initcall(lu_luo_early);

/* Userspace is what needs the outgoing side and the device. */
static int __init lu_luo_late(void)
{
	return lu_luo_late_init();
}
late_initcall(lu_luo_late);

/*
 * Mainline exports none of these. Handlers of what may be a module want them,
 * and series on the lists export them, too.
 */
EXPORT_SYMBOL_GPL(liveupdate_enabled);
EXPORT_SYMBOL_GPL(liveupdate_register_file_handler);
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);
EXPORT_SYMBOL_GPL(liveupdate_register_flb);
EXPORT_SYMBOL_GPL(liveupdate_unregister_flb);
EXPORT_SYMBOL_GPL(liveupdate_flb_get_incoming);
EXPORT_SYMBOL_GPL(liveupdate_flb_put_incoming);
EXPORT_SYMBOL_GPL(liveupdate_flb_get_outgoing);
EXPORT_SYMBOL_GPL(liveupdate_flb_put_outgoing);

bool lu_module_get(struct module *module)
{
	return try_module_get(module);
}

void lu_module_put(struct module *module)
{
	module_put(module);
}

void lu_panic_bad_incoming(void)
{
	panic("liveupdate: the state of the previous kernel cannot be read (see above), and liveupdate_incoming=panic is set\n");
}

void lu_test_register(struct liveupdate_file_handler *fh)
{
	liveupdate_test_register(fh);
}
