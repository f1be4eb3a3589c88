/* h5_sandbox.c - what is left to a program that reads a stranger's file: memory, time, one descriptor
 *
 * libhdf5 crashes and hangs on hostile files, and its upstream says that it is not made for them. So by
 * the time it sees the first byte this process can do nothing but compute and write its stream:
 * - no descriptor above 2 can be made (RLIMIT_NOFILE), which every POSIX system knows;
 * - Landlock takes the file system away, where the kernel has it;
 * - seccomp leaves memory, write(1) and exit, where the kernel has it; all else is EPERM.
 * Time is counted as CPU time, so that a busy machine refuses nothing: 50 ms and 1 ms for each 4 KiB.
 * That is a hundred times what a sound file takes. */
#define _GNU_SOURCE /* syscall, close_range */
#include "h5/h5_program.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define GIB ((uint64_t)1 << 30)

static void limit(int what, uint64_t value)
{
    const struct rlimit most = {(rlim_t)value, (rlim_t)value};

    setrlimit((__rlimit_resource_t)what, &most);
}

static void limit_time(uint64_t size)
{
    const uint64_t ms = 50 + size / 4096;
    const struct itimerval timer = {
            .it_value = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)}};

    setitimer(ITIMER_PROF, &timer, NULL); /* SIGPROF ends the program */
    limit(RLIMIT_CPU, ms / 1000 + 2);
    alarm((unsigned)(10 + ms / 100)); /* the wall clock, should the machine sleep */
}

/* All the rights that the first version of Landlock knows, and none given back. */
static void leave_file_system(void)
{
#ifdef SYS_landlock_create_ruleset
    const struct landlock_ruleset_attr rights = {.handled_access_fs = (1 << 13) - 1};
    const long set = syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0);

    if (set < 0) return;
    syscall(SYS_landlock_restrict_self, (int)set, 0);
    close((int)set);
#endif
}

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OWN_ARCH
#define DATA(field) ((uint32_t)offsetof(struct seccomp_data, field))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(field))
/* On to the next line if the loaded word is `value`; else over `skip` lines. */
#define IS(value, skip)    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define ALLOW              BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DENY               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */)
#define ALLOW_CALL(number) IS(SYS_##number, 1), ALLOW
/* Memory, but none that can be run. */
#define ALLOW_DATA(number)                                                                         \
    IS(SYS_##number, 4), LOAD(args[2]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),     \
            ALLOW, DENY

/* A number of the x32 world is none of these, so it is denied like all the others. */
static void leave_kernel(void)
{
    struct sock_filter code[] = {LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
            DENY, LOAD(nr), IS(SYS_write, 4), LOAD(args[0]), IS(STDOUT_FILENO, 1), ALLOW, DENY,
            ALLOW_DATA(mmap), ALLOW_DATA(mprotect), ALLOW_CALL(munmap), ALLOW_CALL(mremap),
            ALLOW_CALL(madvise), ALLOW_CALL(brk), ALLOW_CALL(futex), ALLOW_CALL(clock_gettime),
            ALLOW_CALL(getpid), ALLOW_CALL(rt_sigreturn), ALLOW_CALL(rt_sigaction),
            ALLOW_CALL(exit), ALLOW_CALL(exit_group), DENY};
    const struct sock_fprog program = {sizeof code / sizeof code[0], code};

    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
#else
static void leave_kernel(void) {}
#endif

void sandbox_enter(uint64_t size)
{
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_AS, size > 4 * GIB ? 17 * GIB : GIB + 4 * size);
    limit_time(size);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    leave_file_system();
    limit(RLIMIT_NOFILE, 3);
    leave_kernel();
}
