// SPDX-License-Identifier: GPL-2.0

//! What the driver needs of VFIO's and iommufd's ioctls, as `linux/vfio.h` and `linux/iommufd.h` have it.
//!
//! Each structure begins with its own size, which the caller writes there.

use std::mem::offset_of;

use rustix::ioctl::Opcode;
use rustix::ioctl::opcode;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

/// Both families have this letter: VFIO from 100 on, iommufd from 128 on.
const TYPE: u8 = b';';

pub(crate) const VFIO_DEVICE_GET_REGION_INFO: Opcode = opcode::none(TYPE, 108);
pub(crate) const VFIO_DEVICE_BIND_IOMMUFD: Opcode = opcode::none(TYPE, 118);
pub(crate) const VFIO_DEVICE_ATTACH_IOMMUFD_PT: Opcode = opcode::none(TYPE, 119);
pub(crate) const IOMMU_IOAS_ALLOC: Opcode = opcode::none(TYPE, 0x81);
pub(crate) const IOMMU_IOAS_MAP_FILE: Opcode = opcode::none(TYPE, 0x8f);

/// The region that is BAR 0.
pub(crate) const VFIO_PCI_BAR0_REGION_INDEX: u32 = 0;
/// The region that is configuration space.
pub(crate) const VFIO_PCI_CONFIG_REGION_INDEX: u32 = 7;

/// The address for the device is the caller's choice.
pub(crate) const IOMMU_IOAS_MAP_FIXED_IOVA: u32 = 1 << 0;
/// The device may write.
pub(crate) const IOMMU_IOAS_MAP_WRITEABLE: u32 = 1 << 1;
/// The device may read.
pub(crate) const IOMMU_IOAS_MAP_READABLE: u32 = 1 << 2;

/// `struct vfio_region_info`
#[derive(Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct RegionInfo {
    pub(crate) argsz: u32,
    pub(crate) flags: u32,
    pub(crate) index: u32,
    pub(crate) cap_offset: u32,
    pub(crate) size: u64,
    pub(crate) offset: u64,
}

/// `struct vfio_device_bind_iommufd`
#[derive(Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct BindIommufd {
    pub(crate) argsz: u32,
    pub(crate) flags: u32,
    pub(crate) iommufd: i32,
    pub(crate) out_devid: u32,
    pub(crate) token_uuid_ptr: u64,
}

/// `struct vfio_device_attach_iommufd_pt`
#[derive(Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct AttachIommufdPt {
    pub(crate) argsz: u32,
    pub(crate) flags: u32,
    pub(crate) pt_id: u32,
    pub(crate) pasid: u32,
}

/// `struct iommu_ioas_alloc`
#[derive(Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct IoasAlloc {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) out_ioas_id: u32,
}

/// `struct iommu_ioas_map_file`
#[derive(Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct IoasMapFile {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) ioas_id: u32,
    pub(crate) fd: i32,
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) iova: u64,
}

const _: () = {
    assert!(size_of::<RegionInfo>() == 32 && offset_of!(RegionInfo, offset) == 24);
    assert!(size_of::<BindIommufd>() == 24 && offset_of!(BindIommufd, token_uuid_ptr) == 16);
    assert!(size_of::<AttachIommufdPt>() == 16 && offset_of!(AttachIommufdPt, pt_id) == 8);
    assert!(size_of::<IoasAlloc>() == 12 && offset_of!(IoasAlloc, out_ioas_id) == 8);
    assert!(size_of::<IoasMapFile>() == 40 && offset_of!(IoasMapFile, start) == 16);
};
