/*
 * Lets a user-mode Linux that is older than the processor run on it (preloaded into the UML kernel alone).
 *
 * UML keeps a process's floating point registers in a buffer of the size that was the largest when it was written, and
 * Linux takes them back (PTRACE_SETREGSET) only at their whole size: with AMX that is 11 KiB, and UML ends with
 * "ptrace set fp regs failed, errno = 14" at the first program. So what is given back is filled up with zeros: the
 * state of registers that nothing inside has used.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

static char whole[1 << 16] __attribute__((aligned(64)));

long ptrace(enum __ptrace_request request, ...)
{
    va_list list;
    va_start(list, request);
    long pid = va_arg(list, long);
    long address = va_arg(list, long);
    void *data = va_arg(list, void *);
    va_end(list);

    if (request == PTRACE_SETREGSET && address == NT_X86_XSTATE) {
        struct iovec *part = data, all = {whole, sizeof whole};
        if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, address, &all) == 0 && all.iov_len > part->iov_len) {
            memset(whole, 0, all.iov_len);
            memcpy(whole, part->iov_base, part->iov_len);
            return syscall(SYS_ptrace, request, pid, address, &all);
        }
    }
    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        long word;
        long result = syscall(SYS_ptrace, request, pid, address, &word);
        return result < 0 ? result : word;
    }
    return syscall(SYS_ptrace, request, pid, address, data);
}
