// SPDX-License-Identifier: GPL-2.0

//! Flattened device trees, through the kernel's libfdt.
//!
//! C counterpart: `lib/fdt`.

use kernel::prelude::*;

use crate::abi::PAGE_SIZE;

use super::bindings;

/// A tree that somebody else wrote, for reading.
///
/// # Invariants
///
/// The header is valid and says that the tree is no longer than the slice. libfdt checks the rest
/// as it goes.
#[derive(Clone, Copy)]
pub(crate) struct Fdt<'a>(&'a [u8]);

/// A node of a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(c_int);

/// The root node.
pub(crate) const ROOT: Node = Node(0);

/// Bytes of a header (`struct fdt_header`).
const HEADER_LEN: usize = 40;
/// Where in the header the big-endian size of all is.
const TOTALSIZE: core::ops::Range<usize> = 4..8;

impl<'a> Fdt<'a> {
    /// Looks at `bytes` as a tree. `EINVAL` if they are not one.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() < HEADER_LEN || !bytes.as_ptr().addr().is_multiple_of(8) {
            return Err(EINVAL);
        }
        // SAFETY: The header is in bounds, and nothing else is looked at.
        if unsafe { bindings::fdt_check_header(bytes.as_ptr().cast()) } != 0 {
            return Err(EINVAL);
        }
        if total_size(bytes) > bytes.len() {
            return Err(EINVAL);
        }
        // INVARIANT: Checked above.
        Ok(Self(bytes))
    }

    fn as_ptr(&self) -> *const c_void {
        self.0.as_ptr().cast()
    }

    /// The bytes that belong to the tree.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.0.get(..total_size(self.0)).unwrap_or(self.0)
    }

    /// Whether the root node says that it is compatible with `what`.
    pub(crate) fn is_compatible(&self, what: &CStr) -> bool {
        // SAFETY: By the type invariant libfdt stays in bounds; the string is terminated.
        unsafe {
            bindings::fdt_node_check_compatible(self.as_ptr(), ROOT.0, what.as_char_ptr()) == 0
        }
    }

    /// A property of eight bytes in the machine's byte order. `EINVAL` if it has another length
    /// or is missing.
    pub(crate) fn u64(&self, node: Node, name: &CStr) -> Result<u64> {
        let mut len = 0;
        // SAFETY: By the type invariant libfdt stays in bounds, and it takes any offset.
        let value =
            unsafe { bindings::fdt_getprop(self.as_ptr(), node.0, name.as_char_ptr(), &mut len) };
        if value.is_null() || len != 8 {
            return Err(EINVAL);
        }
        // SAFETY: libfdt found eight bytes there.
        Ok(unsafe { value.cast::<u64>().read_unaligned() })
    }

    /// The child of the root that has this name. `ENOENT` if there is none, `EINVAL` if the tree is damaged.
    pub(crate) fn child(&self, name: &CStr) -> Result<Node> {
        // SAFETY: By the type invariant libfdt stays in bounds.
        let offset =
            unsafe { bindings::fdt_subnode_offset(self.as_ptr(), ROOT.0, name.as_char_ptr()) };

        match offset {
            0.. => Ok(Node(offset)),
            _ if offset == -(bindings::FDT_ERR_NOTFOUND as c_int) => Err(ENOENT),
            _ => Err(EINVAL),
        }
    }

    /// The children of the root.
    pub(crate) fn children(self) -> impl Iterator<Item = Node> + 'a {
        // SAFETY: By the type invariant libfdt stays in bounds.
        let first = unsafe { bindings::fdt_first_subnode(self.as_ptr(), ROOT.0) };
        core::iter::successors(Some(first), move |offset| {
            // SAFETY: As above; the offset came from libfdt.
            Some(unsafe { bindings::fdt_next_subnode(self.as_ptr(), *offset) })
        })
        .take_while(|offset| *offset >= 0)
        .map(Node)
    }

    /// The name of a node.
    pub(crate) fn name(&self, node: Node) -> Option<&'a CStr> {
        let mut len = 0;
        // SAFETY: By the type invariant libfdt stays in bounds.
        let name = unsafe { bindings::fdt_get_name(self.as_ptr(), node.0, &mut len) };
        let len = usize::try_from(len).ok()?.checked_add(1)?;
        if name.is_null() {
            return None;
        }
        // SAFETY: libfdt found a name of this length and a NUL behind it.
        CStr::from_bytes_with_nul(unsafe { core::slice::from_raw_parts(name.cast(), len) }).ok()
    }
}

fn total_size(bytes: &[u8]) -> usize {
    match bytes.get(TOTALSIZE) {
        Some([a, b, c, d]) => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
        _ => usize::MAX,
    }
}

/// A tree of one page that is being written, closed after each change.
pub(crate) struct FdtPage<'a>(&'a mut [u8]);

/// Why a child could not be added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddError {
    /// There is one of this name.
    Exists,
    /// The page is full.
    Full,
}

impl From<AddError> for Error {
    fn from(error: AddError) -> Error {
        match error {
            AddError::Exists => EEXIST,
            AddError::Full => ENOMEM,
        }
    }
}

impl<'a> FdtPage<'a> {
    /// Begins a tree with a root that has a `compatible` and one property of eight bytes.
    pub(crate) fn create(
        page: &'a mut [u8],
        compatible: &CStr,
        name: &CStr,
        value: u64,
    ) -> Result<Self> {
        let fdt = page.as_mut_ptr().cast::<c_void>();
        let len = page.len().min(PAGE_SIZE);
        let compat = compatible.to_bytes_with_nul();
        // SAFETY: `len` bytes may be written at `fdt`, and libfdt stays in them; the properties are
        // as long as said. An error in one step makes the next ones fail as well.
        let err = unsafe {
            bindings::fdt_create(fdt, len as c_int)
                | bindings::fdt_finish_reservemap(fdt)
                | bindings::fdt_begin_node(fdt, c"".as_char_ptr())
                | bindings::fdt_property(
                    fdt,
                    c"compatible".as_char_ptr(),
                    compat.as_ptr().cast(),
                    compat.len() as c_int,
                )
                | bindings::fdt_property(fdt, name.as_char_ptr(), (&raw const value).cast(), 8)
                | bindings::fdt_end_node(fdt)
                | bindings::fdt_finish(fdt)
        };
        if err != 0 {
            return Err(ENOMEM);
        }
        Ok(Self(page))
    }

    /// Goes on with a tree that [`FdtPage::create`] began.
    pub(crate) fn open(page: &'a mut [u8]) -> Self {
        Self(page)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }

    /// Adds a child to the root, with properties of eight bytes; all of it or nothing.
    pub(crate) fn add_child(
        &mut self,
        name: &CStr,
        properties: &[(&CStr, u64)],
    ) -> Result<(), AddError> {
        let fdt = self.as_ptr();
        let len = self.0.len().min(PAGE_SIZE);
        // SAFETY: The page may be written, and libfdt stays in `len` bytes from here on.
        if unsafe { bindings::fdt_open_into(fdt, fdt, len as c_int) } < 0 {
            return Err(AddError::Full);
        }
        let result = add_open(fdt, name, properties);
        // SAFETY: As above.
        unsafe { bindings::fdt_pack(fdt) };
        result
    }

    /// Removes the first child of the root whose property has this value.
    pub(crate) fn remove_child(&mut self, property: &CStr, value: u64) -> bool {
        let Ok(tree) = Fdt::new(self.0) else {
            return false;
        };
        let Some(node) = tree
            .children()
            .find(|node| tree.u64(*node, property) == Ok(value))
        else {
            return false;
        };
        let fdt = self.as_ptr();
        // SAFETY: The page may be written, and libfdt stays in the tree, which only shrinks.
        unsafe {
            bindings::fdt_del_node(fdt, node.0);
            bindings::fdt_pack(fdt);
        }
        true
    }
}

/// Adds a child to a tree that has room behind it.
fn add_open(fdt: *mut c_void, name: &CStr, properties: &[(&CStr, u64)]) -> Result<(), AddError> {
    // SAFETY: The caller opened the tree, so that libfdt knows how far it may write.
    let node = unsafe { bindings::fdt_add_subnode(fdt, ROOT.0, name.as_char_ptr()) };
    if node == -(bindings::FDT_ERR_EXISTS as c_int) {
        return Err(AddError::Exists);
    }
    if node < 0 {
        return Err(AddError::Full);
    }
    for (key, value) in properties {
        // SAFETY: As above; the property is eight bytes long.
        let err = unsafe {
            bindings::fdt_setprop_namelen(
                fdt,
                node,
                key.as_char_ptr(),
                key.to_bytes().len() as c_int,
                core::ptr::from_ref(value).cast(),
                8,
            )
        };
        if err < 0 {
            // SAFETY: As above.
            unsafe { bindings::fdt_del_node(fdt, node) };
            return Err(AddError::Full);
        }
    }
    Ok(())
}
