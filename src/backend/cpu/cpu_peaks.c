/* cpu_peaks.c - the most that this CPU does on so many threads: operations and bytes a second
 *
 * Each thread runs a kernel on a block of its own for a few milliseconds, all from the same moment on; their
 * rates are added up. The best of three rounds counts: whatever else runs here can only take away. For
 * memory the block is first flushed from all caches, so that it can be far smaller than the last of them. */
#include "cpu_peaks.h"
#include "cpu.h"

#include <immintrin.h>
#include <sched.h>
#include <unistd.h>

enum { ROUNDS = 3, LINE = 64, PAGE = 4096, MOST_STEPS = 1024, L2 = 0, L3, MEMORY, NONE };

static const double slice = 0.006; /* seconds of a round */

typedef struct measure measure;
typedef double (*measure_fn)(const measure *m, float *block); /* one pass; what was done */

struct measure {
    const tmb_host *host;
    const cpu_peaks *peaks;
    const cpu_tiles *tiles;
    int threads;
    unsigned char *blocks;
    size_t bytes, apart; /* of a thread's block in use; from one to the next */
    bool flushed;
    measure_fn fn;
    atomic_int there;
    double *rate; /* (threads) */
};

/* ---- one pass ---- */

static double pass_fma(const measure *m, float *block)
{
    return m->peaks->fma(20000, block);
}

static double pass_bf16(const measure *m, float *block)
{
    return m->tiles->peak(20000, block);
}

/* The block is four streams of tiles: 32 rows and 32 columns. */
static double pass_products(const measure *m, float *block)
{
    enum { PASSES = 8 };
    const cpu_bf16 *at = (const cpu_bf16 *)block;
    int32_t places[MOST_STEPS];
    float c[32 * 32];
    cpu_product product = {.a = {at, at + TILE},
            .b = {at + 2 * TILE, at + 3 * TILE},
            .a_at = places,
            .b_at = places,
            .a_stride = TILE_DEPTH,
            .rows = 2 * TILE_SIDE,
            .c = c,
            .c_stride = TILE_SIDE,
            .c_other = (int64_t)2 * TILE_SIDE * TILE_SIDE};

    while (product.steps < MOST_STEPS &&
            (size_t)(product.steps + 1) * 4 * TILE * sizeof *at <= m->bytes) {
        places[product.steps] = (int32_t)product.steps * 4 * TILE;
        product.steps++;
    }
    m->tiles->begin();
    for (int i = 0; i < PASSES; i++)
        m->tiles->multiply(&product);
    m->tiles->end();
    return 2.0 * 32 * 32 * TILE_DEPTH * PASSES * (double)product.steps;
}

static double pass_read(const measure *m, float *block)
{
    float out[16];

    m->peaks->read(block, (int64_t)(m->bytes / sizeof(float)), out);
    return (double)m->bytes;
}

static double pass_copy(const measure *m, float *block)
{
    const int64_t half = (int64_t)(m->bytes / sizeof(float) / 2);

    m->peaks->copy(block, block + half, half);
    return (double)m->bytes;
}

/* Past the caches, which would otherwise read each line before it is written. */
static double pass_stream(const measure *m, float *block)
{
    const int64_t half = (int64_t)(m->bytes / sizeof(float) / 2);

    for (int64_t i = 0; i < half; i += 4)
        _mm_stream_ps(block + half + i, _mm_load_ps(block + i));
    _mm_sfence();
    return (double)m->bytes;
}

/* ---- all threads ---- */

static void flush(const unsigned char *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += LINE)
        _mm_clflush(block + i);
    _mm_mfence();
}

/* As many tasks as threads: whoever waits here takes no second one. */
static void run_one(void *user, int task, int worker)
{
    measure *m = user;
    unsigned char *block = m->blocks + (size_t)task * m->apart;
    double work = 0, start, end;

    (void)worker;
    if (m->flushed) flush(block, m->bytes);
    atomic_fetch_add(&m->there, 1);
    while (atomic_load(&m->there) < m->threads)
        sched_yield();
    start = m->host->now();
    do {
        work += m->fn(m, (float *)(void *)block);
        end = m->host->now();
    } while (!m->flushed && end - start < slice);
    m->rate[task] = work / (end - start);
}

static const struct {
    measure_fn fn;
    int level;
} passes[TMB_CEILINGS] = {
        [TMB_CEILING_F32] = {pass_fma, NONE},
        [TMB_CEILING_BF16] = {pass_bf16, NONE},
        [TMB_CEILING_BF16_L2] = {pass_products, L2},
        [TMB_CEILING_READ_L2] = {pass_read, L2},
        [TMB_CEILING_COPY_L2] = {pass_copy, L2},
        [TMB_CEILING_READ_L3] = {pass_read, L3},
        [TMB_CEILING_COPY_L3] = {pass_copy, L3},
        [TMB_CEILING_READ_MEMORY] = {pass_read, MEMORY},
        [TMB_CEILING_COPY_MEMORY] = {pass_stream, MEMORY},
};

/* The best of the rounds of ceiling number `i`. */
static double most(measure *m, int i, const int64_t *block)
{
    double best = 0;

    m->fn = passes[i].fn;
    m->flushed = passes[i].level == MEMORY;
    m->bytes = passes[i].level == NONE ? 0 : (size_t)block[passes[i].level];
    if (m->bytes == 0 && passes[i].level != NONE) return 0;
    for (int r = 0; r < ROUNDS; r++) {
        double sum = 0;

        atomic_store(&m->there, 0);
        m->host->parallel(m->host->pool, m->threads, run_one, m);
        for (int t = 0; t < m->threads; t++)
            sum += m->rate[t];
        best = sum > best ? sum : best;
    }
    return best;
}

/* ---- sizes ---- */

static int64_t pages(int64_t bytes, int64_t limit)
{
    return (bytes < limit ? bytes : limit) / PAGE * PAGE;
}

/* A quarter of L2; what is far above L2 but leaves room for all threads in L3; and little of memory, since
 * lines are slow to flush. */
static void choose_blocks(tmb_ceilings *c)
{
    const long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE), l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);

    c->cache[L2] = l2 > 0 ? l2 : 1 << 20;
    c->cache[L3] = l3 > 0 ? l3 : 0;
    c->block[L2] = pages(c->cache[L2] / 4, INT64_MAX);
    c->block[L3] = pages(8 * c->cache[L2], c->cache[L3] / (2 * c->threads));
    c->block[MEMORY] = pages(8 << 20, (256 << 20) / c->threads);
    if (c->block[L3] < 2 * c->cache[L2]) c->block[L3] = c->cache[L3] = 0;
}

static const cpu_peaks *peaks_of(const cpu_simd *simd)
{
    return simd == &tmb__cpu_simd_avx512  ? &tmb__cpu_peaks_avx512
            : simd == &tmb__cpu_simd_avx2 ? &tmb__cpu_peaks_avx2
                                          : &tmb__cpu_peaks_x86_64;
}

int tmb__cpu_ceilings(tmb_backend_device *device, int threads, tmb_ceilings *out)
{
    const tmb_host *host = &device->host;
    measure m = {.host = host,
            .peaks = peaks_of(device->simd),
            .tiles = device->tiles,
            .threads = threads};

    *out = (tmb_ceilings){.threads = threads, .vectors = m.peaks->name};
    choose_blocks(out);
    m.apart = (size_t)(out->block[L2] + out->block[L3] + out->block[MEMORY]);
    m.blocks = host->alloc((size_t)threads, m.apart);
    m.rate = host->alloc((size_t)threads, sizeof *m.rate);
    for (int i = 0; i < TMB_CEILINGS && m.blocks && m.rate; i++) {
        const bool bf16 = passes[i].fn == pass_bf16 || passes[i].fn == pass_products;

        if (!bf16 || m.tiles) out->rate[i] = most(&m, i, out->block);
    }
    host->free(m.blocks);
    host->free(m.rate);
    return m.blocks && m.rate ? 0 : TMB_ENOMEM;
}
