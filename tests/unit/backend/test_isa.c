/* test_isa.c - THIMBLE_CPU: what it allows is what our kernels and oneDNN use */
#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 12, KERNEL = 5, IN = 24, OUT = 40, LEFT = SIDE - KERNEL + 1 };

/* What the library takes for a convolution that is left to it. */
static const char *library_kernel(tmb_device *device)
{
    tmb_tensor tensor[] = {{.role = TMB_ROLE_INPUT, .dim = {1, SIDE, SIDE, IN}},
            {.role = TMB_ROLE_PARAM, .dim = {KERNEL, KERNEL, IN, OUT}},
            {.role = TMB_ROLE_OUTPUT, .dim = {1, LEFT, LEFT, OUT}}};
    tmb_op op = tmb__op_init(TMB_OP_CONV, "conv");
    const tmb_op_list list = {
            .tensors = tensor, .ops = &op, .n_tensors = 3, .n_ops = 1, .max_batch = 1};
    char *how = test_keep(calloc(1, 80));
    tmb_program *program;
    tmb_op_how found;

    for (int i = 0; i < 3; i++) {
        tensor[i].name = "tensor";
        tensor[i].rank = 4;
        tensor[i].batched = i != 1;
        op.in[i] = i < 2 ? i : -1;
    }
    op.out[0] = 2;
    op.attr.kernel[0] = op.attr.kernel[1] = KERNEL;
    assert_ok(tmb__program_new(&program, device, &list));
    device->backend->op_how(program, 0, &found);
    snprintf(how, 80, "%s", found.text);
    tmb__program_free(device, program);
    return how;
}

/* One in a process: the first word that is looked at holds. */
static void holds_to(const char *name, int table, bool bf16, const char *not_in_library)
{
    tmb_device *device;

    setenv("THIMBLE_CPU", name, 1);
    if (tmb_device_open(&device, "cpu", 1) == TMB_EINVAL) {
        assert_message("at most");
        SKIP("%s", tmb_errmsg());
    }
    assert_string_equal(tmb_device_about(device), name);
    assert_ptr_equal(device->handle->simd, tmb__cpu_simd_get(table));
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_AUTO));
    assert_int_equal(tmb_device_precision(device), bf16 ? TMB_PRECISION_BF16 : TMB_PRECISION_F32);
    assert_status(
            tmb_device_set_precision(device, TMB_PRECISION_BF16), bf16 ? 0 : TMB_EUNSUPPORTED);
    assert_non_null(strstr(library_kernel(device), "oneDNN"));
    assert_null(strstr(library_kernel(device), not_in_library));
    tmb_device_free(device);
}

TEST(isa_x86_64_is_no_avx)
{
    holds_to("x86-64", 0, false, "avx");
    assert_true(tmb__isa_allowed(TMB_ISA_X86_64) && !tmb__isa_allowed(TMB_ISA_AVX2));
}

TEST(isa_avx2_is_no_avx512)
{
    holds_to("avx2", 1, false, "avx512");
    assert_true(tmb__isa_allowed(TMB_ISA_AVX2) && !tmb__isa_allowed(TMB_ISA_AVX512));
}

TEST(isa_avx512_is_no_amx)
{
    holds_to("avx512", 2, false, "amx");
}

TEST(isa_avx512_bf16_is_no_amx)
{
    holds_to("avx512-bf16", 2, true, "amx");
}

TEST(isa_without_a_word_is_the_best_there_is)
{
    tmb_device *device;
    int best = 0;

    unsetenv("THIMBLE_CPU");
    assert_ok(tmb_device_open(&device, "cpu", 1));
    for (int i = 0; i < 3; i++) {
        if (tmb__cpu_simd_get(i)) best = i;
    }
    assert_ptr_equal(device->handle->simd, tmb__cpu_simd_get(best));
    tmb_device_free(device);
}

TEST(isa_refuses_a_word_it_does_not_know)
{
    tmb_device *device;

    setenv("THIMBLE_CPU", "sse9", 1);
    assert_status(tmb_device_open(&device, "cpu", 1), TMB_EINVAL);
    assert_message("THIMBLE_CPU is 'sse9', expected x86-64, avx2, avx512, avx512-bf16 or amx");
    assert_null(device);
    assert_status(tmb_device_open(&device, NULL, 1), TMB_EINVAL); /* and takes no other device */
    setenv("THIMBLE_CPU", "avx2", 1);
    assert_status(tmb_device_open(&device, "cpu", 1), TMB_EINVAL); /* it is read once */
}

/* A host may ask for what this CPU lacks, whichever that is. */
TEST(isa_refuses_more_than_the_cpu_has)
{
    tmb_backend_device *handle;
    tmb_device *device;
    tmb_isa has;

    assert_ok(tmb_device_open(&device, "cpu", 1));
    has = device->handle->isa;
    if (has == TMB_ISA_AMX) {
        tmb_device_free(device);
        SKIP("this CPU has all that there are kernels for");
    }
    device->host.isa = has + 1;
    assert_status(device->backend->open(&handle, 0, &device->host), TMB_EINVAL);
    assert_message("at most");
    tmb_device_free(device);
}
