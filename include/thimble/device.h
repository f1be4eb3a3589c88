/* device.h - list and open the devices that nets run on */
#ifndef THIMBLE_DEVICE_H
#define THIMBLE_DEVICE_H

#include <thimble/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_device tmb_device; /* outlives the models that use it */

/* What a device computes in; parameters, sums and whatever is saved are f32 always. */
typedef enum tmb_precision {
    TMB_PRECISION_F32,
    TMB_PRECISION_BF16, /* convolutions and the like; f32 where it gains nothing */
    TMB_PRECISION_AUTO  /* bf16 on devices that gain by it, else f32 */
} tmb_precision;

/* Open "cpu", "ref" (plain C, slow, the definition of every op) or "cuda:0"; NULL or "auto" takes the
 * best there is. `threads` 0: one for each CPU this process may use. Results do not depend on it. */
TMB_API int tmb_device_open(tmb_device **out, const char *name, int threads);
TMB_API void tmb_device_free(tmb_device *device);

/* The name of device number `index` of this machine, NULL past the last; static text. */
TMB_API const char *tmb_device_name(int index);
TMB_API int tmb_device_threads(const tmb_device *device);
/* What it computes with: of "cpu" the instruction set in use, x86-64, avx2, avx512, avx512-bf16 or amx, which
 * THIMBLE_CPU limits (read once in a process); "" if it does not say. Lives as the device. */
TMB_API const char *tmb_device_about(const tmb_device *device);

/* A new device computes in f32. TMB_EUNSUPPORTED if bf16 is asked of one that does not gain by it. It
 * holds for what is made from then on: a training, an extraction or a predictor that has begun keeps
 * what it began with. Not while another thread uses the device. */
TMB_API int tmb_device_set_precision(tmb_device *device, tmb_precision precision);
TMB_API tmb_precision tmb_device_precision(const tmb_device *device); /* in force: F32 or BF16 */

/* ---- how fast it is, and where its time goes (docs/performance.md) ---- */

/* Measure, in about 0.3 s, on so many of its threads (0: all) at once, while nothing else uses it.
 * TMB_EUNSUPPORTED if it cannot: "ref". */
TMB_API int tmb_device_ceilings(tmb_ceilings *out, tmb_device *device, int threads);

/* Measure its ceilings (all 0 if it cannot) and note from then on, until it is freed, how long everything
 * takes that is made on it: programs of nets, and the loading of photos for them. One thread at a time
 * uses it then. */
TMB_API int tmb_device_profile(tmb_ceilings *out, tmb_device *device);

/* An op of a program. The time is that of threads: two that work for a second make 2. Its first run,
 * which warms up, counts only while it is the only one. Texts live as the device. */
typedef struct tmb_op_time {
    int program;   /* its number, from 0: one for each net, training and the forward pass apart */
    bool training; /* steps, not the forward pass alone */
    int64_t runs, samples;  /* of the program, in all runs */
    double run_seconds;     /* by the clock, of all runs */
    const char *layer, *op; /* "conv2d_1", "conv_bwd_data" */
    const char *how;        /* the algorithm that the device took */
    double seconds; /* of threads, all runs; 0: a neighbour does its work, and has the time */
    /* Of all runs. Convolutions as by their definition, whatever the algorithm; each tensor is read or
     * written once, as float32. */
    double flops, bytes;
    double least; /* seconds of threads at the device's ceilings; 0: these are not known */
} tmb_op_time;
/* Op number `i` over all programs; false past the last. */
TMB_API bool tmb_device_op_time(const tmb_device *device, int i, tmb_op_time *out);

/* How photos came to the programs. Loading goes on beside computing; what was not done in time is
 * waited for. */
typedef struct tmb_load_time {
    int64_t photos;
    double load,
            decode; /* seconds of threads: from file or memory to a batch; decoding, a part of it */
    double wait, run; /* seconds by the clock: for batches; of programs */
} tmb_load_time;
TMB_API void tmb_device_load_time(const tmb_device *device, tmb_load_time *out);

/* Write a trace in Chrome's format, for ui.perfetto.dev or chrome://tracing: epochs, steps, waits, batches
 * and photos as far as there is room, ops of the first 16 runs of each program. */
TMB_API int tmb_device_trace(const tmb_device *device, const char *path);

#ifdef __cplusplus
}
#endif
#endif
