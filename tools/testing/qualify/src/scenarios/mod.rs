// SPDX-License-Identifier: GPL-2.0

//! The scenarios, a file each. A new file is found by itself.

automod::dir!("src/scenarios");
