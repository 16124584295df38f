/* Tiles of 16 rows x 1..8 columns on vpdpbusd, from panels.
 *
 * A code vector holds 4 neighbouring k of 16 rows; the 4 activations of a column arrive by broadcast load, which costs
 * no vector pipe.  So lanes are output rows, nothing is ever added across lanes, and per block only the scale work
 * competes with vpdpbusd for the multiply pipes. */
#include "src/kernels/x86/matmul_avx512.h"

/* Own the output lines before the tile is done. */
INLINE void prefetch_y(const nce_tile_args *a, int n)
{
    COLS __builtin_prefetch(a->y + (size_t)c * a->ld_y, 1);
}

INLINE void store(const nce_tile_args *a, const __m512 *acc, int n)
{
    COLS
    {
        float *const y = a->y + (size_t)c * a->ld_y;
        __m512 v = acc[c];
        if (!a->first) v = _mm512_add_ps(_mm512_maskz_loadu_ps(a->rows, y), v);
        _mm512_mask_storeu_ps(y, a->rows, v);
    }
}

/* What is to be fetched ahead, in equal parts: one for each of n_steps. */
typedef struct ahead_steps {
    const uint8_t *p, *due;
    size_t step;
} ahead_steps;

INLINE ahead_steps ahead_in(const nce_tile_args *a, size_t n_steps)
{
    return (ahead_steps){a->ahead, a->ahead, ((size_t)(a->ahead_end - a->ahead) + n_steps - 1) / n_steps};
}
INLINE void ahead_step(ahead_steps *s)
{
    s->due += s->step;
    s->p = prefetch_to(s->p, s->due);
}

INLINE void tile32(const nce_tile_args *a, int n, nce_panel_kind kind)
{
    const int head = kind == NCE_PANEL_FLAT32 ? 1 : 2;
    const uint8_t *p = a->panel;
    const int32_t *x = a->x;
    ahead_steps ahead = ahead_in(a, a->n_blocks);
    __m512 acc[NCE_GROUP];
    prefetch_y(a, n);
    COLS acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < a->n_blocks; b++, p += 64 * (head + 8), x += NCE_X32_WORDS * n) {
        const int32_t *const start = x + NCE_X32_START * n, *const da = x + NCE_X32_DA * n;
        const __m512 dw = _mm512_load_ps(p);
        __m512i s[NCE_GROUP];
        ahead_step(&ahead);
        COLS s[c] = kind == NCE_PANEL_FLAT32_MIN ? _mm512_setzero_si512()
                    : kind == NCE_PANEL_HALF32   ? word(x + NCE_X32_START_HALF * n + c)
                                                 : word(start + c);
        UNROLL for (int j = 0; j < 8; j++)
        {
            const __m512i codes = _mm512_load_si512(p + 64 * (head + j));
            if (kind == NCE_PANEL_HALF32 && j == 4) {
                COLS acc[c] = add_block(acc[c], dw, da + c, s[c]);
                COLS s[c] = _mm512_sub_epi32(word(start + c), word(x + NCE_X32_START_HALF * n + c));
            }
            COLS s[c] = dot4(s[c], codes, x + j * n + c);
        }
        COLS acc[c] = add_block(acc[c], kind == NCE_PANEL_HALF32 ? _mm512_load_ps(p + 64) : dw, da + c, s[c]);
        if (kind == NCE_PANEL_FLAT32_MIN) {
            const __m512 dmin = _mm512_load_ps(p + 64);
            COLS acc[c] =
                _mm512_fnmadd_ps(_mm512_mul_ps(dmin, word_ps(da + c)), word_ps(x + NCE_X32_SUM * n + c), acc[c]);
        }
    }
    store(a, acc, n);
}

/* n_sub sub-blocks with integer scales (1: none); n_min minima. */
INLINE void tile256(const nce_tile_args *a, int n, int n_sub, int n_min)
{
    const int head = n_min ? 2 + n_min / 2 : 1, has_scales = n_sub > 1, steps = 64 / n_sub;
    const int codes_at = head + (has_scales ? n_sub : 0);
    const int start_at = n_sub == 1 ? NCE_X256_START : n_sub == 8 ? NCE_X256_START32 : NCE_X256_START16;
    const uint8_t *p = a->panel;
    const int32_t *x = a->x;
    ahead_steps ahead = ahead_in(a, 16 * a->n_blocks);
    __m512 acc[NCE_GROUP];
    prefetch_y(a, n);
    COLS acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < a->n_blocks; b++, p += 64 * (codes_at + 64), x += a->words * (size_t)n) {
        const int32_t *const da = x + NCE_X256_DA * n;
        __m512i total[NCE_GROUP], s[NCE_GROUP];
        COLS total[c] = _mm512_setzero_si512();
        for (int i = 0; i < n_sub; i++) {
            COLS s[c] = n_min ? _mm512_setzero_si512() : word(x + (start_at + i) * n + c);
            for (int j = 0; j < steps; j += 4) {
                ahead_step(&ahead);
                UNROLL for (int k = 0; k < 4; k++)
                {
                    const __m512i codes = _mm512_load_si512(p + 64 * (codes_at + i * steps + j + k));
                    COLS s[c] = dot4(s[c], codes, x + (i * steps + j + k) * n + c);
                }
            }
            if (has_scales) {
                const __m512i scale = _mm512_load_si512(p + 64 * (head + i));
                COLS total[c] = mul_add(total[c], s[c], scale);
            }
        }
        const __m512 dw = _mm512_load_ps(p);
        COLS acc[c] = add_block(acc[c], dw, da + c, has_scales ? total[c] : s[c]);
        if (n_min) {
            const __m512 dmin = _mm512_load_ps(p + 64);
            const int32_t *const pairs = x + (n_min == 8 ? NCE_X256_PAIR32 : NCE_X256_PAIR16) * n;
            COLS s[c] = _mm512_setzero_si512();
            UNROLL for (int i = 0; i < n_min / 2; i++)
            {
                const __m512i mins = _mm512_load_si512(p + 64 * (2 + i));
                COLS s[c] = _mm512_dpwssd_epi32(s[c], mins, word(pairs + i * n + c));
            }
            COLS acc[c] = sub_block(acc[c], dmin, da + c, s[c]);
        }
    }
    store(a, acc, n);
}

#define TILE32(name, n, kind)                                                                                          \
    static void name##n(const nce_tile_args *a)                                                                        \
    {                                                                                                                  \
        tile32(a, n, kind);                                                                                            \
    }
#define TILE256(name, n, n_sub, n_min)                                                                                 \
    static void name##n(const nce_tile_args *a)                                                                        \
    {                                                                                                                  \
        tile256(a, n, n_sub, n_min);                                                                                   \
    }
#define TILES(n)                                                                                                       \
    TILE32(flat32_, n, NCE_PANEL_FLAT32)                                                                               \
    TILE32(flat32_min_, n, NCE_PANEL_FLAT32_MIN)                                                                       \
    TILE32(half32_, n, NCE_PANEL_HALF32)                                                                               \
    TILE256(flat256_, n, 1, 0)                                                                                         \
    TILE256(flat256_min_, n, 1, 16)                                                                                    \
    TILE256(sub32_, n, 8, 0)                                                                                           \
    TILE256(sub32_min_, n, 8, 8)                                                                                       \
    TILE256(sub16_, n, 16, 0)
#define EVERY_N(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8)
EVERY_N(TILES)

#define ROW(n)                                                                                                         \
    {flat32_##n, flat32_min_##n, half32_##n, flat256_##n, flat256_min_##n, sub32_##n, sub32_min_##n, sub16_##n},
nce_tile_avx512_fn *const nce_tiles_avx512[NCE_GROUP + 1][NCE_PANEL_KINDS] = {{0}, EVERY_N(ROW)};
