/* isa.c - THIMBLE_CPU, the most that our kernels may use of the CPU
 *
 * It is read once, by whoever asks first: threads that change photos ask for each of them, and a program may
 * be setting its variables by then. oneDNN can be held to an instruction set once in a process, too. */
#include "base/base.h"

#include <string.h>

enum { UNREAD = -2, UNKNOWN };

static int look(void)
{
    static const char *const names[] = {"x86-64", "avx2", "avx512", "avx512-bf16", "amx"};
    const char *text = tmb__env(TMB_ENV_CPU);

    if (!text) return TMB_ISA_ANY;
    for (int i = 0; i < (int)TMB_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) return TMB_ISA_X86_64 + i;
    }
    return UNKNOWN;
}

static int asked(void)
{
    static atomic_int known = UNREAD;
    int isa = atomic_load_explicit(&known, memory_order_relaxed);

    if (isa != UNREAD) return isa;
    isa = look();
    atomic_store_explicit(&known, isa, memory_order_relaxed);
    return isa;
}

int tmb__isa_asked(tmb_isa *out)
{
    const int isa = asked();
    const char *text = tmb__env(TMB_ENV_CPU);

    *out = isa == UNKNOWN ? TMB_ISA_ANY : (tmb_isa)isa;
    if (isa != UNKNOWN) return 0;
    return tmb__fail(TMB_EINVAL,
            "THIMBLE_CPU is '%s', expected x86-64, avx2, avx512, avx512-bf16 or amx",
            tmb__printable(text ? text : ""));
}

bool tmb__isa_allowed(tmb_isa isa)
{
    return asked() <= (int)TMB_ISA_ANY || (int)isa <= asked();
}
