/* test_registry.c - finding and opening devices, the table lent to backends, programs */
#include "ops_fixture.h"

#include <stdio.h>
#include <stdlib.h>

TEST(registry_lists_ref_last)
{
    int n = 0;

    while (tmb_device_name(n))
        n++;
    assert_true(n >= 1);
    assert_string_equal(tmb_device_name(n - 1), "ref");
    assert_null(tmb_device_name(-1));
    assert_null(tmb_device_name(1000));
}

TEST(registry_opens_every_device)
{
    for (int i = 0; tmb_device_name(i); i++) {
        tmb_device *device;

        assert_ok(tmb_device_open(&device, tmb_device_name(i), 2));
        assert_int_equal(tmb_device_threads(device), 2);
        tmb_device_free(device);
    }
    tmb_device_free(NULL);
}

TEST(registry_auto_takes_the_first)
{
    static const char *const names[] = {NULL, "auto"};
    tmb_device *device;

    unsetenv("THIMBLE_DEVICE");
    for (int i = 0; i < 2; i++) {
        assert_ok(tmb_device_open(&device, names[i], 1));
        assert_string_equal(device->name, tmb_device_name(0));
        tmb_device_free(device);
    }
}

TEST(registry_takes_the_environment_where_nothing_is_said)
{
    tmb_device *device;

    setenv("THIMBLE_DEVICE", "ref", 1);
    setenv("THIMBLE_THREADS", "3", 1);
    assert_ok(tmb_device_open(&device, NULL, 0));
    assert_string_equal(device->name, "ref");
    assert_int_equal(tmb_device_threads(device), 3);
    tmb_device_free(device);
    assert_ok(tmb_device_open(&device, "ref", 2));
    assert_int_equal(tmb_device_threads(device), 2);
    tmb_device_free(device);
    setenv("THIMBLE_THREADS", "many", 1);
    assert_status(tmb_device_open(&device, "ref", 0), TMB_EINVAL);
    assert_message("THIMBLE_THREADS is 'many'");
    assert_null(device);
}

TEST(registry_refuses_bad_names)
{
    static const char *const names[] = {
            "", "CPU", "cpu:", "cpu:x", "cpu:-1", "../cpu", "cpu 0", "cuda:99999", "a/b"};
    tmb_device *device;

    for (size_t i = 0; i < TMB_COUNT(names); i++)
        assert_status(tmb_device_open(&device, names[i], 1), TMB_EINVAL);
    assert_status(tmb_device_open(&device, "ref:1", 1), TMB_EDEVICE);
    assert_message("'ref:1': this machine has 1 of them");
    assert_status(tmb_device_open(&device, "ref", -1), TMB_EINVAL);
    assert_status(tmb_device_open(&device, "ref", 100000), TMB_EINVAL);
    assert_status(tmb_device_open(NULL, "ref", 1), TMB_EINVAL);
}

static bool gains(tmb_backend_device *device)
{
    return device != NULL;
}

TEST(registry_refuses_bf16_where_nothing_is_gained)
{
    tmb_device *device;

    assert_ok(tmb_device_open(&device, "ref", 1));
    assert_int_equal(tmb_device_precision(device), TMB_PRECISION_F32);
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_F32));
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_AUTO));
    assert_int_equal(tmb_device_precision(device), TMB_PRECISION_F32);
    assert_status(tmb_device_set_precision(device, TMB_PRECISION_BF16), TMB_EUNSUPPORTED);
    assert_message("device ref does not compute in bf16");
    assert_non_null(strstr(tmb_errhint(), "precision auto"));
    assert_int_equal(tmb_device_precision(device), TMB_PRECISION_F32);
    assert_status(tmb_device_set_precision(device, (tmb_precision)3), TMB_EINVAL);
    assert_status(tmb_device_set_precision(device, (tmb_precision)-1), TMB_EINVAL);
    assert_status(tmb_device_set_precision(NULL, TMB_PRECISION_F32), TMB_EINVAL);
    assert_int_equal(tmb_device_precision(NULL), TMB_PRECISION_F32);
    tmb_device_free(device);
}

TEST(registry_takes_bf16_where_it_is_gained)
{
    tmb_backend twin;
    tmb_device *device;

    assert_ok(tmb_device_open(&device, "ref", 1));
    twin = *device->backend;
    twin.bf16 = gains;
    device->backend = &twin;
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_AUTO));
    assert_int_equal(tmb_device_precision(device), TMB_PRECISION_BF16);
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_F32));
    assert_int_equal(tmb_device_precision(device), TMB_PRECISION_F32);
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_BF16));
    assert_int_equal(tmb_device_precision(device), TMB_PRECISION_BF16);
    tmb_device_free(device);
}

/* What auto takes is what can be asked for by name, on every device of this machine. */
TEST(registry_auto_precision_is_what_the_device_gains_by)
{
    for (int i = 0; tmb_device_name(i); i++) {
        tmb_device *device;
        tmb_precision taken;

        assert_ok(tmb_device_open(&device, tmb_device_name(i), 1));
        assert_int_equal(tmb_device_precision(device), TMB_PRECISION_F32);
        assert_ok(tmb_device_set_precision(device, TMB_PRECISION_AUTO));
        taken = tmb_device_precision(device);
        assert_status(tmb_device_set_precision(device, TMB_PRECISION_BF16),
                taken == TMB_PRECISION_BF16 ? 0 : TMB_EUNSUPPORTED);
        assert_int_equal(tmb_device_precision(device), taken);
        tmb_device_free(device);
    }
}

TEST(registry_says_where_it_looked_for_a_plugin)
{
    tmb_device *device;

    setenv("THIMBLE_PLUGIN_PATH", "/nowhere:.:also/relative", 1);
    assert_status(tmb_device_open(&device, "strange:0", 1), TMB_EDEVICE);
    assert_message("device 'strange:0'");
    assert_non_null(strstr(tmb_errdetail(), "/nowhere/libthimble-strange.so"));
    assert_null(strstr(tmb_errdetail(), "relative"));
}

TEST(registry_refuses_a_plugin_that_is_none)
{
    char folder[512];
    tmb_device *device;

    test_write(test_temp("libthimble-strange.so"), "no shared object", 16);
    snprintf(folder, sizeof folder, "%s", test_temp("libthimble-strange.so"));
    *strrchr(folder, '/') = '\0';
    setenv("THIMBLE_PLUGIN_PATH", folder, 1);
    assert_status(tmb_device_open(&device, "strange", 1), TMB_EDEVICE);
    assert_message("libthimble-strange.so");
}

/* Block j of the stream is the same wherever a request for it begins. */
TEST(registry_random_counts_in_blocks)
{
    uint32_t all[64], part[8];
    tmb_device *device;

    assert_ok(tmb_device_open(&device, "ref", 1));
    device->host.random(7, 3, 11, 0, 16, all);
    device->host.random(7, 3, 11, 5, 2, part);
    assert_memory_equal(all + 20, part, sizeof part);
    device->host.random(7, 3, 12, 5, 2, part);
    assert_memory_not_equal(all + 20, part, sizeof part);
    device->host.random(7, 4, 11, 5, 2, part);
    assert_memory_not_equal(all + 20, part, sizeof part);
    tmb_device_free(device);
}

TEST(registry_names_what_a_device_cannot_do)
{
    dense_list d;
    tmb_device *device;
    tmb_program *program;

    dense_list_make(&d);
    d.tensor[X].dtype = TMB_U8;
    assert_ok(tmb_device_open(&device, "ref", 1));
    assert_status(tmb__program_new(&program, device, &d.list), TMB_EUNSUPPORTED);
    assert_message(
            "device ref cannot run dense 'top' on (5, 3): tensor 'x' is neither f32 nor i32");
    assert_null(program);
    tmb__program_free(device, NULL);
    tmb_device_free(device);
}

TEST(registry_survives_failing_allocations)
{
    for (int64_t n = 0;; n++) {
        tmb_device *device;
        tmb_program *program = NULL;
        dense_list d;
        int status;

        dense_list_make(&d);
        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_device_open(&device, "ref", 2);
        if (status == 0) status = tmb__program_new(&program, device, &d.list);
        if (!test_fail_end()) {
            assert_int_equal(status, 0);
            tmb__program_free(device, program);
            tmb_device_free(device);
            break;
        }
        assert_int_equal(status, TMB_ENOMEM);
        tmb_device_free(device);
    }
}
