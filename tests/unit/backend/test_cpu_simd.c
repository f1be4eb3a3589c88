/* test_cpu_simd.c - our CPU kernels: every instruction set that this CPU has against the plainest one */
#include "backend/backend.h"
#include "backend/cpu/cpu_simd.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { TABLES = 3 };

static float *numbers(int64_t n, uint64_t seed)
{
    tmb__rng rng = tmb__rng_at(seed, TMB_STREAM_TEST, 0, 0);
    float *data = tmb__calloc((size_t)n, sizeof *data);

    assert_non_null(data);
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)tmb__rng_uniform(&rng, -1, 1);
    return data;
}

/* `fn` fills n floats with a table; every table must give the bits of the first. */
typedef void (*fill_fn)(const cpu_simd *simd, float *out);

static void same_bits(fill_fn fn, int64_t n)
{
    float *expected = numbers(n, 99);

    fn(tmb__cpu_simd_get(0), expected);
    for (int i = 1; i < TABLES; i++) {
        float *found = numbers(n, 99);

        if (tmb__cpu_simd_get(i)) {
            fn(tmb__cpu_simd_get(i), found);
            assert_memory_equal(found, expected, (size_t)n * sizeof *found);
        }
        tmb__free(found);
    }
    tmb__free(expected);
}

static const cpu_simd *best(void)
{
    int i = TABLES - 1;

    while (!tmb__cpu_simd_get(i))
        i--;
    return tmb__cpu_simd_get(i);
}

TEST(cpu_simd_plainest_is_there)
{
    assert_non_null(tmb__cpu_simd_get(0));
    assert_null(tmb__cpu_simd_get(TABLES));
    assert_null(tmb__cpu_simd_get(-1));
}

/* ---- the kernels that give the same bits everywhere ---- */

enum { H = 9, W = 7, C = 37, PIXELS = H * W, N = PIXELS * C };

static void pools(const cpu_simd *simd, float *out)
{
    static const cpu_window windows[] = {
            {.h = H, .w = W, .c = C, .oh = 4, .ow = 3, .kh = 2, .kw = 2, .sh = 2, .sw = 2},
            {.h = H,
                    .w = W,
                    .c = C,
                    .oh = 5,
                    .ow = 4,
                    .kh = 3,
                    .kw = 3,
                    .sh = 2,
                    .sw = 2,
                    .pad_top = 1,
                    .pad_left = 1},
    };
    static uint8_t where[5 * 4 * C];
    float *x = numbers(N, 1), *dy = numbers(N, 2);

    for (int i = 0; i < 2; i++, out += 4 * N) {
        simd->pool_max(&windows[i], x, out, where, true);
        simd->pool_max_bwd(&windows[i], dy, where, out + N);
        simd->pool_mean(&windows[i], x, out + 2 * N);
        simd->pool_mean_bwd(&windows[i], dy, out + 3 * N);
    }
    tmb__free(x);
    tmb__free(dy);
}

TEST(cpu_simd_pools_agree)
{
    same_bits(pools, 8 * N);
}

static const tmb_activation acts[] = {TMB_RELU6, TMB_LEAKY_RELU, TMB_SIGMOID, TMB_SWISH};

/* -20 .. 20, with a NaN and what overflows among them. */
static float *act_input(void)
{
    float *x = numbers(N, 4);

    for (int i = 0; i < N; i++)
        x[i] *= 20;
    x[1] = NAN;
    x[2] = -INFINITY;
    x[3] = 1e30f;
    return x;
}

static void activations(const cpu_simd *simd, float *out)
{
    float *x = act_input(), *dy = numbers(N, 2);

    x[1] = x[2] = 0; /* the sign of a NaN is nobody's promise */
    for (size_t i = 0; i < TMB_COUNT(acts); i++, out += 2 * N) {
        const cpu_act_bwd back = {dy, out, x, out + N, 0.3f, N};

        assert_true(simd->act(acts[i], 0.3f, x, out, N));
        assert_true(simd->act_bwd(acts[i], &back));
    }
    assert_false(simd->act(TMB_MISH, 0, x, x, N));
    tmb__free(x);
    tmb__free(dy);
}

TEST(cpu_simd_activations_agree)
{
    same_bits(activations, 2 * N * (int)TMB_COUNT(acts));
}

/* Against the C library's exp in double. */
TEST(cpu_simd_sigmoid_is_close_and_keeps_nan)
{
    float *x = act_input(), *y = numbers(N, 5);

    assert_true(best()->act(TMB_SIGMOID, 0, x, y, N));
    for (int i = 0; i < N; i++) {
        const double expected = 1 / (1 + exp(-(double)x[i]));

        if (isnan(x[i]))
            assert_true(isnan(y[i]));
        else
            assert_true(fabs(y[i] - expected) <= 3e-7 * expected + 1e-37);
    }
    assert_true(best()->act(TMB_RELU6, 0, x, y, N));
    assert_true(isnan(y[1]) && y[2] != y[2] && y[3] == 6); /* 0 x of an infinity is no number */
    tmb__free(x);
    tmb__free(y);
}

static void norms(const cpu_simd *simd, float *out)
{
    float *x = numbers(N, 1), *dy = numbers(N, 2), *v = numbers(4 * C, 3);
    const cpu_bn bn = {
            .rows = PIXELS, .c = C, .mean = v, .scale = v + C, .shift = v + 2 * C, .relu = true};
    const cpu_bn_bwd back = {.rows = PIXELS,
            .c = C,
            .mean = v,
            .rstd = v + C,
            .scale = v + C,
            .shift = v + 2 * C,
            .slope = v + 3 * C,
            .y = x};

    simd->moments(x, PIXELS, C, out, out + C);
    simd->bn_sums(&back, dy, x, out + 2 * C, out + 3 * C);
    simd->bn(&bn, x, out + N);
    simd->bn_bwd(&back, dy, x, out + 2 * N);
    tmb__free(x);
    tmb__free(dy);
    tmb__free(v);
}

TEST(cpu_simd_norms_agree)
{
    same_bits(norms, 3 * N);
}

static void elements(const cpu_simd *simd, float *out)
{
    float *x = numbers(N, 1), *y = numbers(N, 2);
    const double sum = simd->squares(x, N);

    simd->relu(x, out, N);
    simd->relu_bwd(x, y, out + N, N);
    simd->add((const float *[]){x, y, out}, 3, true, out + 2 * N, N);
    simd->scale(x, 0.3f, -1, out + 3 * N, N);
    simd->ema(x, 0.9f, 0.1f, out + 4 * N, N);
    memcpy(out + 5 * N, x, N * sizeof *out);
    simd->bias(y, PIXELS, C, true, out + 5 * N);
    simd->sum_parts(x, PIXELS, C, out + 6 * N, C);
    memcpy(out + 6 * N + C, &sum, sizeof sum);
    tmb__free(x);
    tmb__free(y);
}

TEST(cpu_simd_elements_agree)
{
    same_bits(elements, 7 * N);
}

static void steps(const cpu_simd *simd, float *out)
{
    float *g = numbers(N, 1);

    for (int i = 0; i < 6; i++, out += 4 * N) {
        const cpu_step step = {
                .n = N,
                .w = out,
                .v = out + N,
                .m = i % 2 ? out + 2 * N : NULL,
                .centre = i == 3 ? out + 3 * N : NULL,
                .vmax = i == 5 ? out + 3 * N : NULL,
                .g = g,
                .lr = 0.01f,
                .decay = 0.999f,
                .clip = 0.7f,
                .momentum = 0.9f,
                .rho = 0.9f,
                .beta1 = 0.9f,
                .beta2 = 0.99f,
                .eps = 1e-3f,
                .nesterov = i == 1,
                .eps_outside = i == 2,
        };

        for (int k = N; k < 4 * N; k++)
            out[k] = 1 + fabsf(g[k % N]);
        if (i < 2) simd->sgd(&step);
        if (i == 2 || i == 3) simd->rmsprop(&step);
        if (i == 5) simd->adam(&step);
    }
    tmb__free(g);
}

TEST(cpu_simd_steps_agree)
{
    same_bits(steps, 24 * N);
}

/* ---- products: against sums in double ---- */

/* Sums of some hundred products of numbers below 1. */
static const double tolerance = 2e-5;

static void check_gemm(const cpu_simd *simd, int64_t m, int64_t n, int64_t k)
{
    float *a = numbers(2 * m * k, 1), *b = numbers(2 * n * k, 2), *c = numbers(m * n, 3);
    float *start = numbers(n, 4);
    const cpu_gemm gemm = {
            .m = m,
            .n = n,
            .k = k,
            .parts = 2,
            .a = a,
            .a_row = 1,
            .a_col = m,
            .a_part = m * k,
            .b = b,
            .b_row = n,
            .b_part = n * k,
            .c = c,
            .c_row = n,
            .start = start,
    };

    simd->gemm(&gemm);
    for (int64_t e = 0; e < m * n; e++) {
        double sum = start[e % n];

        for (int64_t i = 0; i < 2 * k; i++)
            sum += (double)a[i * m + e / n] * b[i * n + e % n];
        assert_true(fabs(sum - c[e]) < tolerance);
    }
    tmb__free(a);
    tmb__free(b);
    tmb__free(c);
    tmb__free(start);
}

TEST(cpu_simd_products_are_right)
{
    for (int i = 0; i < TABLES; i++) {
        if (!tmb__cpu_simd_get(i)) continue;
        for (int64_t m = 1; m < 27; m++)
            check_gemm(tmb__cpu_simd_get(i), m, 3 * m + 5, 33 - m);
    }
}

/* sum over the kernel and `in` of x w, at output (oy, ox, o); x is 0 outside. */
static double convolved(const cpu_wino *s, const float *w, int64_t oy, int64_t ox, int64_t o)
{
    double sum = 0;

    for (int64_t k = 0; k < 9; k++) {
        const int64_t y = oy + k / 3 - s->pad_top, x = ox + k % 3 - s->pad_left;

        if (y < 0 || y >= s->h || x < 0 || x >= s->w) continue;
        for (int64_t i = 0; i < s->in; i++)
            sum += (double)s->x[(y * s->w + x) * s->in + i] * w[(k * s->in + i) * s->out + o];
    }
    return sum;
}

static void check_winograd(const cpu_simd *simd, int pad)
{
    enum { SIDE = 11, IN = 16, OUT = 48 };
    const int64_t side = SIDE + 2 * pad - 2, range[2] = {0, IN};
    float *x = numbers(SIDE * SIDE * IN, 1), *w = numbers(9 * IN * OUT, 2), *b = numbers(OUT, 3);
    float *packed = numbers(36 * (IN * OUT + 16), 4), *y = numbers(side * side * OUT, 5);
    float *space = numbers(36 * (5 * (IN + OUT) + 32), 6);
    const cpu_wino wino = {
            .images = 1,
            .h = SIDE,
            .w = SIDE,
            .in = IN,
            .oh = side,
            .ow = side,
            .out = OUT,
            .tile_rows = (side + 3) / 4,
            .tile_columns = (side + 3) / 4,
            .block = 5,
            .pad_top = pad,
            .pad_left = pad,
            .x = x,
            .kernel = packed,
            .bias = b,
            .y = y,
            .space = space,
    };

    simd->wino_pack(w, IN, OUT, range, false, packed);
    simd->wino(&wino);
    for (int64_t e = 0; e < side * side * OUT; e++) {
        const double sum = convolved(&wino, w, e / OUT / side, e / OUT % side, e % OUT);

        assert_true(fabs(sum + b[e % OUT] - y[e]) < 4 * tolerance);
    }
    tmb__free(x);
    tmb__free(w);
    tmb__free(b);
    tmb__free(packed);
    tmb__free(y);
    tmb__free(space);
}

TEST(cpu_simd_winograd_is_right)
{
    for (int i = 0; i < TABLES; i++) {
        for (int pad = 0; tmb__cpu_simd_get(i) && pad < 3; pad++)
            check_winograd(tmb__cpu_simd_get(i), pad);
    }
}

/* Only while it computes: the caller's numbers are the caller's. */
TEST(cpu_takes_denormals_for_0)
{
    tmb_tensor tensor[] = {{.role = TMB_ROLE_INPUT, .rank = 2, .batched = true, .dim = {1, 3}},
            {.role = TMB_ROLE_OUTPUT, .rank = 2, .batched = true, .dim = {1, 3}}};
    tmb_op op = tmb__op_init(TMB_OP_SCALE, "scale");
    const tmb_op_list list = {
            .tensors = tensor, .ops = &op, .n_tensors = 2, .n_ops = 1, .max_batch = 1};
    const float x[] = {1e-39f, -4, 1e-30f};
    const tmb_bind bind = {0, x};
    volatile float small = 1e-39f;
    float y[3];
    tmb_device *device;
    tmb_program *program;

    tensor[0].name = tensor[1].name = "tensor";
    op.in[0] = 0;
    op.out[0] = 1;
    op.attr.scale = 2;
    assert_ok(tmb_device_open(&device, "cpu", 1));
    assert_ok(tmb__program_new(&program, device, &list));
    assert_ok(device->backend->run(program, &(tmb_run){.n = 1, .binds = &bind, .n_binds = 1}));
    assert_ok(device->backend->read(program, 1, y));
    assert_true(y[0] == 0 && y[1] == -8 && y[2] == 2e-30f);
    assert_true(2 * small > small);
    tmb__program_free(device, program);
    tmb_device_free(device);
}
