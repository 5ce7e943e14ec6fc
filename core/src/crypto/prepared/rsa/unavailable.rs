//! Stands for `ifma` on architectures that have no vector path: no modulus is ever prepared here.

/// Has no values.
pub(super) enum Modulus {}

pub(super) fn cpu_supports() -> bool {
    false
}

impl Modulus {
    pub(super) fn new(_n: &[u8]) -> Option<Modulus> {
        None
    }

    pub(super) fn raise(&self, _s: &[u8], _out: &mut [u8]) {
        match *self {}
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match *self {}
    }
}
