/* The sparse product on AVX-512: four columns that are not zero meet in vpdpbusd, 64 rows at a time.
 *
 * 16 bytes of each of the four are 64 rows; one vpermb puts the four columns' bytes of a row side by side in a lane, and each
 * pair of bits of it is another row. */
#include "src/kernels/sparse.h"
#include "src/kernels/x86/matmul_avx512.h"

enum { COLUMN_BYTES = NCE_SPARSE_ROWS / 4 };

INLINE __m512i four_columns(const uint8_t *codes, const nce_sparse_four *f)
{
    const __m512i order = _mm512_setr_epi32(0x30201000, 0x31211101, 0x32221202, 0x33231303, 0x34241404, 0x35251505, 0x36261606,
                                            0x37271707, 0x38281808, 0x39291909, 0x3a2a1a0a, 0x3b2b1b0b, 0x3c2c1c0c, 0x3d2d1d0d,
                                            0x3e2e1e0e, 0x3f2f1f0f);
    __m512i v = _mm512_castsi128_si512(_mm_load_si128((const __m128i *)(codes + COLUMN_BYTES * f->column[0])));
    v = _mm512_inserti32x4(v, _mm_load_si128((const __m128i *)(codes + COLUMN_BYTES * f->column[1])), 1);
    v = _mm512_inserti32x4(v, _mm_load_si128((const __m128i *)(codes + COLUMN_BYTES * f->column[2])), 2);
    v = _mm512_inserti32x4(v, _mm_load_si128((const __m128i *)(codes + COLUMN_BYTES * f->column[3])), 3);
    return _mm512_permutexvar_epi8(order, v);
}

/* sum[s] lane i: row 4 i + s of the 64. */
INLINE void block_sums(const nce_sparse_act *a, size_t b, const uint8_t *codes, __m512i sum[4])
{
    const nce_sparse_four *const fours = a->fours + b * (a->block / 4);
    const __m512i low = SET8(3);
    UNROLL for (int s = 0; s < 4; s++) sum[s] = SET32(-a->sum[b]);
    for (uint32_t f = 0; f < a->n_fours[b]; f++) {
        const __m512i v = four_columns(codes, fours + f);
        int32_t word;
        memcpy(&word, fours[f].q, 4);
        const __m512i q = SET32(word);
        UNROLL for (int s = 0; s < 4; s++) sum[s] =
            _mm512_dpbusd_epi32(sum[s], _mm512_and_si512(_mm512_srli_epi16(v, (unsigned)(2 * s)), low), q);
    }
}

/* 64 rows as in sum, in their own order. */
INLINE void store_rows(const __m512 v[4], float *y, size_t n_rows)
{
    float lanes[4][16] __attribute__((aligned(64)));
    UNROLL for (int s = 0; s < 4; s++) _mm512_store_ps(lanes[s], v[s]);
    for (size_t r = 0; r < n_rows; r++)
        y[r] = lanes[r % 4][r / 4];
}

static void unit(const nce_sparse_weight *s, const nce_sparse_act *a, size_t from, size_t n_rows, float *y)
{
    const size_t tile = from / NCE_SPARSE_ROWS, in_tile = from % NCE_SPARSE_ROWS, per_segment = NCE_SEGMENT / a->block;
    const uint8_t *codes = s->codes + tile * s->k * COLUMN_BYTES + in_tile / 4;
    const float *d = s->d == NULL ? NULL : s->d + tile * a->n_blocks * NCE_SPARSE_ROWS + in_tile;
    __m512 acc[4], total[4];
    UNROLL for (int i = 0; i < 4; i++) acc[i] = total[i] = _mm512_setzero_ps();
    for (size_t b = 0; b < a->n_blocks; b++, codes += a->block * COLUMN_BYTES) {
        __m512i sum[4];
        block_sums(a, b, codes, sum);
        const __m512 da = _mm512_set1_ps(a->d[b]);
        UNROLL for (int i = 0; i < 4; i++)
        {
            const __m512 dw = d == NULL ? _mm512_set1_ps(1.0f) : _mm512_load_ps(d + b * NCE_SPARSE_ROWS + 16 * i);
            acc[i] = _mm512_fmadd_ps(_mm512_mul_ps(dw, da), _mm512_cvtepi32_ps(sum[i]), acc[i]);
        }
        if ((b + 1) % per_segment != 0 && b + 1 < a->n_blocks) continue;
        UNROLL for (int i = 0; i < 4; i++)
        {
            total[i] = b < per_segment ? acc[i] : _mm512_add_ps(total[i], acc[i]);
            acc[i] = _mm512_setzero_ps();
        }
    }
    store_rows(total, y, n_rows);
}

void nce_sparse_product_avx512(const nce_sparse_weight *s, const nce_sparse_act *a, size_t from, size_t n_rows, float *y)
{
    for (size_t r = 0; r < n_rows; r += NCE_SPARSE_UNIT)
        unit(s, a, from + r, n_rows - r < NCE_SPARSE_UNIT ? n_rows - r : NCE_SPARSE_UNIT, y + r);
}
