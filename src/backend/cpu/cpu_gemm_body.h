/* cpu_gemm_body.h - matrix product for one thread; included once for each instruction set
 *
 * The result is cut into blocks of at most 12 rows and 32 columns that stay in registers while k runs:
 * each step loads two vectors of b and multiplies them with one number of each row of a. b is read along
 * its rows, a at any stride, so that a transposed a costs nothing. Compiled with fused multiply-adds. */
#include "cpu_simd.h"
#include "cpu_vec.h"

enum { MAX_ROWS = 12 };

/* Rows `rows` (a constant where inlined), `wide` vectors of columns. */
TMB_INLINE void block(const cpu_gemm *s, const float *a, const float *b, float *c, const int rows,
        const int wide)
{
    vec sum[MAX_ROWS][2];

    TMB_UNROLL(12)
    for (int i = 0; i < rows; i++) {
        TMB_UNROLL(2)
        for (int j = 0; j < wide; j++)
            sum[i][j] = s->add ? vec_load(c + i * s->c_row + j * VEC) : vec_all(0);
    }
    for (int64_t part = 0; part < s->parts || part == 0; part++) {
        const float *ak = a + part * s->a_part, *bk = b + part * s->b_part;

        for (int64_t k = 0; k < s->k; k++, ak += s->a_col, bk += s->b_row) {
            const vec b0 = vec_load(bk), b1 = wide > 1 ? vec_load(bk + VEC) : b0;

            TMB_UNROLL(12)
            for (int i = 0; i < rows; i++) {
                const vec one = vec_all(ak[i * s->a_row]);

                sum[i][0] += one * b0;
                if (wide > 1) sum[i][1] += one * b1;
            }
        }
    }
    TMB_UNROLL(12)
    for (int i = 0; i < rows; i++) {
        TMB_UNROLL(2)
        for (int j = 0; j < wide; j++)
            vec_store(c + i * s->c_row + j * VEC, sum[i][j]);
    }
}

#define CASE(n)                                                                                    \
    case n: block(s, a, b, c, n, wide); return;

TMB_INLINE void block_of(const cpu_gemm *s, const float *a, const float *b, float *c, int64_t rows,
        const int wide)
{
    switch (rows) {
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
    default: block(s, a, b, c, MAX_ROWS, wide); return;
    }
}

static void block_2(const cpu_gemm *s, const float *a, const float *b, float *c, int64_t rows)
{
    block_of(s, a, b, c, rows, 2);
}

static void block_1(const cpu_gemm *s, const float *a, const float *b, float *c, int64_t rows)
{
    block_of(s, a, b, c, rows, 1);
}

/* The columns that fill no vector. */
static void rest(const cpu_gemm *s, int64_t from)
{
    for (int64_t i = 0; i < s->m; i++) {
        for (int64_t j = from; j < s->n; j++) {
            float sum = s->add ? s->c[i * s->c_row + j] : 0;

            for (int64_t part = 0; part < s->parts || part == 0; part++) {
                const float *a = s->a + i * s->a_row + part * s->a_part;
                const float *b = s->b + j + part * s->b_part;

                for (int64_t k = 0; k < s->k; k++)
                    sum += a[k * s->a_col] * b[k * s->b_row];
            }
            s->c[i * s->c_row + j] = sum;
        }
    }
}

void SIMD_GEMM(const cpu_gemm *s)
{
    const int64_t blocks = (s->m + MAX_ROWS - 1) / MAX_ROWS;
    int64_t j = 0;

    for (; j + VEC <= s->n; j += j + 2 * VEC <= s->n ? 2 * VEC : VEC) {
        for (int64_t t = 0, row = 0; t < blocks; t++) {
            const int64_t end = s->m * (t + 1) / blocks; /* of equal height, or one less */
            const float *a = s->a + row * s->a_row;
            float *c = s->c + row * s->c_row + j;

            if (j + 2 * VEC <= s->n)
                block_2(s, a, s->b + j, c, end - row);
            else
                block_1(s, a, s->b + j, c, end - row);
            row = end;
        }
    }
    rest(s, j);
}
