//! Counts every allocation of this process, Rust's and C's: the functions of the C library are replaced by
//! ones that count and call the originals, which glibc also exports under `__libc_` names. Linux with glibc
//! only; elsewhere only Rust's would be counted, so nothing is.
#![allow(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use counting::count;

/// Allocations so far; unknown on this system.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn count() -> Option<u64> {
    None
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod counting {
    use core::ffi::{c_int, c_void};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    static COUNT: AtomicU64 = AtomicU64::new(0);

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(memory: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(align: usize, size: usize) -> *mut c_void;
    }

    /// Allocations so far.
    pub fn count() -> Option<u64> {
        Some(COUNT.load(Relaxed))
    }

    /// Not a locked addition: the measured thread is the only one that allocates meanwhile.
    fn tick() {
        COUNT.store(COUNT.load(Relaxed) + 1, Relaxed);
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        tick();
        // SAFETY: the original, with the caller's own argument.
        unsafe { __libc_malloc(size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
        tick();
        // SAFETY: the original, with the caller's own arguments.
        unsafe { __libc_calloc(count, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
        tick();
        // SAFETY: the original, with the caller's own arguments.
        unsafe { __libc_realloc(memory, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
        tick();
        // SAFETY: glibc's aligned_alloc is its memalign.
        unsafe { __libc_memalign(align, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
        tick();
        // SAFETY: the original, with the caller's own arguments.
        let memory = unsafe { __libc_memalign(align, size) };
        if memory.is_null() {
            return libc::ENOMEM;
        }
        // SAFETY: the caller of posix_memalign passes a valid place for the result.
        unsafe { out.write(memory) };
        0
    }
}
