// SPDX-License-Identifier: GPL-2.0

//! Live-updates a kernel in QEMU and shows that an assigned device came through as itself.

mod expected;
mod follow;
mod report;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use lu_demo::host;
use lu_demo::host::Options;
use lu_demo::host::Show;
use lu_demo::host::images::Side;
use lu_demo::vfio::Buffer;
use lu_demo::vfio::Plan;
use lu_vm::Device;
use lu_vm::Devices;

use crate::expected::Expected;

/// Live-update a kernel in QEMU under an assigned PCI device, and check that its owner gets it back.
///
/// The device is behind a PCIe switch and an IOMMU. A process drives it by vfio-pci and iommufd, and has
/// it copy data by DMA before the live update and after.
///
/// Kernel images are found by the environment variables LU_IMAGE_RUST_A (the kernel before) and
/// LU_IMAGE_RUST_B (the one after). `make demo-vfio` builds what is missing and sets them.
#[derive(Debug, Parser)]
struct Cli {
    /// The size of the device's DMA buffer in MiB. The device reaches no more than 256 MiB.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=192))]
    buffer_mib: u32,
    /// How many blocks of 2 KiB the device copies in either kernel. It takes 0.2 s for each.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    blocks: u32,
    #[command(flatten)]
    options: Options,
}

/// The program that is `/init` in both kernels, and the device's driver.
const GUEST: &str = "lu-demo-vfio-guest";

/// The slot of the root port above the switch.
const SLOT: u8 = 5;

/// Memory of the guest in MiB, besides twice the buffer.
const GUEST_MIB: u32 = 1024;

fn main() -> ExitCode {
    let cli = Cli::parse();
    host::conclude(
        run(&cli),
        "the device came through the live update as itself, and every byte of its buffer unchanged.",
    )
}

fn run(cli: &Cli) -> Result<()> {
    let show = Show::announce(&cli.options, Side::Rust, Side::Rust, "an assigned device")?;
    let guest = show.build_guest(GUEST)?;
    show.step("computing what the SHA-256 of the data must be");
    let buffer = Buffer {
        data_bytes: u64::from(cli.buffer_mib) << 20,
        blocks: cli.blocks.into(),
    };
    let seed = show.seed();
    // Numbers of their own, so that the blocks have nothing to do with the data.
    let order_seeds = (seed.rotate_left(32), !seed);
    let expected = Expected::compute(buffer, seed, order_seeds)?;

    let before = Plan::Before {
        seed,
        order_seed: order_seeds.0,
        buffer,
    };
    let after = Plan::After {
        order_seed: order_seeds.1,
        buffer,
    };
    let devices = Devices::behind_iommu().with(SLOT, Device::Switch(vec![Device::Edu]));
    let boot = show
        .boot("demo-vfio", show.root(&guest, &before, &after)?)
        .memory_mib(GUEST_MIB + 2 * cli.buffer_mib)
        .qemu_args(devices.qemu_args())
        .cmdline(devices.cmdline());
    let outcome = follow::run(show.start(boot)?)?;
    report::show(&outcome, &expected, cli.buffer_mib);
    report::judge(&outcome, &expected)?;
    show.check_releases(&outcome.from, &outcome.to.release)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["demo-vfio", "--seed", "0x10"]);
        assert_eq!((cli.blocks, cli.options.seed), (16, Some(16)));
        assert!(Cli::try_parse_from(["demo-vfio", "--buffer-mib", "256"]).is_err());
    }
}
