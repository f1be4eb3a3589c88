/* cpu_gemm_body.h - matrix product for one thread; included once for each instruction set
 *
 * The result is cut into blocks that stay in registers while k runs, two vectors wide and as many rows
 * high as that leaves: 12 with 32 registers, 6 with 16. Each step loads two vectors of b and multiplies
 * them with one number of each row of a. b is read along its rows, a at any stride, so that a transposed
 * a costs nothing. Compiled with fused multiply-adds. */
#include "cpu_simd.h"
#include "cpu_vec.h"

#include <stddef.h>

enum { MAX_ROWS = 12, ROWS = VEC == 16 ? MAX_ROWS : 6 };

/* `height` rows from `row` on, `wide` vectors of columns from column j on; both are constants where
 * this is inlined. */
TMB_INLINE void block(const cpu_gemm *s, int64_t row, int64_t j, const int height, const int wide)
{
    const float *a = s->a + row * s->a_row, *b = s->b + j;
    const float *start = s->start ? s->start + j : NULL;
    const int64_t line =
            s->a_row; /* three rows share a pointer: an address holds line times 1 or 2 */
    float *c = s->c + row * s->c_row + j;
    vec sum[MAX_ROWS][2];

    TMB_UNROLL(12)
    for (int i = 0; i < height; i++) {
        TMB_UNROLL(2)
        for (int v = 0; v < wide; v++) {
            sum[i][v] = start ? vec_load(start + v * VEC) : vec_all(0);
            if (s->add) sum[i][v] = vec_load(c + i * s->c_row + v * VEC);
        }
    }
    for (int64_t part = 0; part < s->parts || part == 0; part++) {
        const float *ak[4] = {a, a + 3 * line, a + 6 * line, a + 9 * line}, *bk = b;

        for (int64_t k = s->k; k > 0; k--) {
            const vec b0 = vec_load(bk), b1 = wide > 1 ? vec_load(bk + VEC) : b0;

            TMB_UNROLL(12)
            for (int i = 0; i < height; i++) {
                const vec one = vec_all(ak[i / 3][i % 3 * line]);

                sum[i][0] += one * b0;
                if (wide > 1) sum[i][1] += one * b1;
            }
            TMB_UNROLL(4)
            for (int i = 0; i < 4; i++)
                ak[i] += s->a_col;
            bk += s->b_row;
        }
        a += s->a_part;
        b += s->b_part;
    }
    TMB_UNROLL(12)
    for (int i = 0; i < height; i++) {
        TMB_UNROLL(2)
        for (int v = 0; v < wide; v++)
            vec_store(c + i * s->c_row + v * VEC, sum[i][v]);
    }
}

#define CASE(n)                                                                                    \
    case n:                                                                                        \
        block(s, row, j, n, wide);                                                                 \
        return;

TMB_INLINE void block_of(const cpu_gemm *s, int64_t row, int64_t j, int64_t height, const int wide)
{
    switch (height) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
    default:
        block(s, row, j, MAX_ROWS, wide);
        return;
    }
}

static void block_2(const cpu_gemm *s, int64_t row, int64_t j, int64_t height)
{
    block_of(s, row, j, height, 2);
}

static void block_1(const cpu_gemm *s, int64_t row, int64_t j, int64_t height)
{
    block_of(s, row, j, height, 1);
}

/* One number of the columns that fill no vector. */
static float dot(const cpu_gemm *s, int64_t row, int64_t j)
{
    float sum = s->add ? s->c[row * s->c_row + j] : s->start ? s->start[j] : 0;

    for (int64_t part = 0; part < s->parts || part == 0; part++) {
        const float *a = s->a + row * s->a_row + part * s->a_part;
        const float *b = s->b + j + part * s->b_part;

        for (int64_t k = 0; k < s->k; k++)
            sum += a[k * s->a_col] * b[k * s->b_row];
    }
    return sum;
}

void SIMD(gemm)(const cpu_gemm *s)
{
    const int64_t blocks = (s->m + ROWS - 1) / ROWS;
    int64_t j = 0;

    for (; j + VEC <= s->n; j += j + 2 * VEC <= s->n ? 2 * VEC : VEC) {
        for (int64_t t = 0, row = 0; t < blocks; t++) {
            const int64_t end = s->m * (t + 1) / blocks; /* of equal height, or one less */

            if (j + 2 * VEC <= s->n)
                block_2(s, row, j, end - row);
            else
                block_1(s, row, j, end - row);
            row = end;
        }
    }
    for (; j < s->n; j++) {
        for (int64_t row = 0; row < s->m; row++)
            s->c[row * s->c_row + j] = dot(s, row, j);
    }
}
