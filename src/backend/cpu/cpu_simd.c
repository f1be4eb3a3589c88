/* cpu_simd.c - which instruction set is used: the best that this CPU has, or what the host allows of it */
#define _GNU_SOURCE /* syscall */
#include "cpu_simd.h"
#include "cpu.h"

#include <cpuid.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

const cpu_simd *tmb__cpu_simd_get(int index)
{
    __builtin_cpu_init();
    if (index == 0) return &tmb__cpu_simd_x86_64;
    if (index == 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &tmb__cpu_simd_avx2;
    if (index == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &tmb__cpu_simd_avx512;
    return NULL;
}

const char *tmb__cpu_isa_name(tmb_isa isa)
{
    static const char *const names[] = {"", "x86-64", "avx2", "avx512", "avx512-bf16", "amx"};

    return names[isa];
}

/* The CPU has AVX512-BF16. */
static bool has_bf16(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;

    return tmb__cpu_simd_get(2) && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 5 & 1;
}

/* It has AMX, and the system lets this process use it. */
static bool has_amx(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* arch_prctl */
    unsigned a = 0, b = 0, c = 0, d = 0;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

static void open_tiles(tmb_backend_device *device, tmb_isa most)
{
    const bool amx = most == TMB_ISA_AMX && has_amx();
    long l2;

    if (most < TMB_ISA_AVX512_BF16 || !has_bf16()) return;
    l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    device->l2 = l2 > 0 ? l2 : 1 << 20;
    device->isa = amx ? TMB_ISA_AMX : TMB_ISA_AVX512_BF16;
    device->tiles = amx ? &tmb__cpu_tiles_amx : &tmb__cpu_tiles_avx512_bf16;
}

int tmb__cpu_isa_open(tmb_backend_device *device)
{
    const tmb_isa most = device->host.isa == TMB_ISA_ANY ? TMB_ISA_AMX : device->host.isa;
    int index = most < TMB_ISA_AVX512 ? (int)most - (int)TMB_ISA_X86_64 : 2;

    while (!tmb__cpu_simd_get(index))
        index--;
    device->simd = tmb__cpu_simd_get(index);
    device->isa = TMB_ISA_X86_64 + (unsigned)index;
    open_tiles(device, most);
    if (device->host.isa <= device->isa) return 0;
    return device->host.fail(TMB_EINVAL, "THIMBLE_CPU is '%s', but this CPU has %s at most",
            tmb__cpu_isa_name(most), tmb__cpu_isa_name(device->isa));
}
