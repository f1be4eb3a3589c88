/* cpu_simd.c - which instruction set is used: the best that this CPU has, or what the host allows of it */
#include "cpu_simd.h"
#include "cpu.h"
#include "cpu_amx.h"

#include <stddef.h>

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
    static const char *const names[] = {"", "x86-64", "avx2", "avx512", "amx"};

    return names[isa];
}

int tmb__cpu_isa_open(tmb_backend_device *device)
{
    const tmb_isa most = device->host.isa == TMB_ISA_ANY ? TMB_ISA_AMX : device->host.isa;
    int index = most < TMB_ISA_AVX512 ? (int)most - (int)TMB_ISA_X86_64 : 2;

    while (!tmb__cpu_simd_get(index))
        index--;
    device->simd = tmb__cpu_simd_get(index);
    device->isa = TMB_ISA_X86_64 + (unsigned)index;
    if (most == TMB_ISA_AMX && tmb__cpu_amx_usable()) device->isa = TMB_ISA_AMX;
    if (device->host.isa <= device->isa) return 0;
    return device->host.fail(TMB_EINVAL, "THIMBLE_CPU is '%s', but this CPU has %s at most",
            tmb__cpu_isa_name(most), tmb__cpu_isa_name(device->isa));
}
