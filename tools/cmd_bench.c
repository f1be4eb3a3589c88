/* cmd_bench.c - thimble bench --roofline: what this machine can do at most, on one thread and on all */
#include "ui.h"

#include <stdio.h>

static const struct {
    const char *key, *name, *unit;
} lines[TMB_CEILINGS] = {
        [TMB_CEILING_F32] = {"f32", "f32, multiply and add", "GFLOP/s"},
        [TMB_CEILING_BF16] = {"bf16", "bf16, multiply and add", "GFLOP/s"},
        [TMB_CEILING_BF16_L2] = {"bf16_l2", "bf16, from L2", "GFLOP/s"},
        [TMB_CEILING_READ_L2] = {"read_l2", "read from L2", "GB/s"},
        [TMB_CEILING_COPY_L2] = {"copy_l2", "copy in L2", "GB/s"},
        [TMB_CEILING_READ_L3] = {"read_l3", "read from L3", "GB/s"},
        [TMB_CEILING_COPY_L3] = {"copy_l3", "copy in L3", "GB/s"},
        [TMB_CEILING_READ_MEMORY] = {"read_memory", "read from memory", "GB/s"},
        [TMB_CEILING_COPY_MEMORY] = {"copy_memory", "copy in memory", "GB/s"},
};

static int roofline(tmb_device *device, const options *opts)
{
    const bool json = opt_given(opts, OPT_JSON);
    tmb_ceilings one, all;
    tmb__strbuf sb = {0};

    TMB_TRY(tmb_device_ceilings(&one, device, 1));
    TMB_TRY(tmb_device_ceilings(&all, device, 0));
    tmb__strbuf_add(&sb,
            json ? "{\"vectors\": \"%s\", \"threads\": %d" : "%-24s 1 thread  %6d threads\n",
            all.vectors, all.threads);
    for (int i = 0; i < TMB_CEILINGS; i++) {
        if (one.rate[i] <= 0 || all.rate[i] <= 0) continue;
        if (json)
            tmb__strbuf_add(&sb, ", \"%s\": [%.9g, %.9g]", lines[i].key, one.rate[i], all.rate[i]);
        else
            tmb__strbuf_add(&sb, "%-22s %10.1f %15.1f %s\n", lines[i].name, 1e-9 * one.rate[i],
                    1e-9 * all.rate[i], lines[i].unit);
    }
    if (json) tmb__strbuf_add(&sb, "}\n");
    return ui_print(&sb);
}

int cmd_BENCH(const options *opts)
{
    tmb_device *device = NULL;
    int status;

    if (opts->n_args != 0 || !opt_given(opts, OPT_ROOFLINE)) {
        tmb__fail(TMB_EINVAL, "what to measure is said by an option: --roofline");
        tmb__hint("to compare with other programs: script/bench");
        return TMB_EINVAL;
    }
    status = open_device(&device, opts);
    if (status == 0) status = roofline(device, opts);
    tmb_device_free(device);
    return status;
}
