//! System calls that this module makes itself, without a function of libc.
//!
//! Learner code may export a symbol with the name of a libc function. A call of
//! that function would then run the learner's code.

/// write(2), called once: the kernel may take only a part of the bytes.
pub(crate) fn write(descriptor: i32, bytes: &[u8]) {
    // SAFETY: write reads these bytes and changes no memory.
    unsafe {
        call(
            libc::SYS_write,
            [
                descriptor.into(),
                bytes.as_ptr().expose_provenance() as i64,
                bytes.len() as i64,
                0,
            ],
        );
    }
}

/// wait4(2) for one child, like `waitpid`: returns its status once it has
/// ended.
pub(crate) fn wait_for(child: i32) -> i32 {
    let mut status = 0_i32;
    loop {
        // SAFETY: wait4 writes the status; EINTR repeats.
        let waited = unsafe {
            let status = (&raw mut status).expose_provenance() as i64;
            call(libc::SYS_wait4, [child.into(), status, 0, 0])
        };
        if waited == i64::from(child) {
            return status;
        }
    }
}

/// exit_group(2): ends the process here, without exit handlers.
pub(crate) fn exit(code: i32) -> ! {
    loop {
        // SAFETY: the process ends.
        unsafe { call(libc::SYS_exit_group, [code.into(), 0, 0, 0]) };
    }
}

/// # Safety
/// The arguments must be those that the system call with this number demands.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: i64, arguments: [i64; 4]) -> i64 {
    let result;
    // SAFETY: the caller's promise; `syscall` itself changes rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    result
}

/// # Safety
/// The arguments must be those that the system call with this number demands.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: i64, arguments: [i64; 4]) -> i64 {
    let result;
    // SAFETY: the caller's promise.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            options(nostack)
        );
    }
    result
}
