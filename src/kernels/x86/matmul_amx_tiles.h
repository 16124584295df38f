/* What the AMX kernels share: the tile registers, and adding the sums of a block of 256 (see matmul_amx.h). */
#ifndef NCE_SRC_MATMUL_AMX_TILES_H
#define NCE_SRC_MATMUL_AMX_TILES_H
#include "src/kernels/x86/matmul_amx.h"
#include "src/kernels/x86/matmul_avx512.h"

/* Tile registers: sums, activations, weights.  Macros, because the intrinsics paste the number. */
#define C0 0
#define C1 1
#define C2 2
#define C3 3
#define A0 4
#define A1 5
#define B0 6
#define B1 7
enum { TILE = NCE_AMX_TILE };

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

INLINE void amx_configure(void)
{
    _Alignas(64) tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.rows[i] = TILE;
        c.row_bytes[i] = 64;
    }
    __asm__ volatile("" ::"r"(&c) : "memory"); /* gcc 12 thinks that the instruction reads 8 bytes only */
    _tile_loadconfig(&c);
}

#define PRODUCT(c, a, b)                                                                                               \
    do {                                                                                                               \
        if (is_unsigned)                                                                                               \
            _tile_dpbsud(c, a, b);                                                                                     \
        else                                                                                                           \
            _tile_dpbssd(c, a, b);                                                                                     \
    } while (0)

/* One block of n columns: acc[c] += the block, from the sums of its planes (n_planes 1: with an offset if no minima). */
INLINE void add_256(const uint8_t *p, const int32_t *x, const int32_t *sums, float *to, int n, int n_planes,
                    int n_pairs)
{
    const int32_t *const da = x + NCE_AMX_DA * TILE;
    const int32_t *const pairs = x + (n_pairs == 8 ? NCE_AMX_PAIR16 : NCE_AMX_PAIR32) * TILE;
    const __m512 dw = _mm512_load_ps(p), dmin = _mm512_load_ps(p + 64);
    UNROLL for (int c = 0; c < n; c++)
    {
        __m512i isum = _mm512_load_si512(sums + TILE * c);
        if (n_planes == 2)
            isum = _mm512_add_epi32(_mm512_slli_epi32(isum, n_pairs ? 3 : 7),
                                    _mm512_load_si512(sums + NCE_AMX_SUMS + TILE * c));
        else if (n_pairs == 0)
            isum = _mm512_add_epi32(isum, word(x + NCE_AMX_START * TILE + c));
        __m512 acc = add_block(_mm512_load_ps(to + TILE * c), dw, da + c, isum);
        if (n_pairs) {
            __m512i msum = _mm512_setzero_si512();
            UNROLL for (int i = 0; i < n_pairs; i++) msum =
                _mm512_dpwssd_epi32(msum, _mm512_load_si512(p + 64 * (2 + i)), word(pairs + i * TILE + c));
            acc = sub_block(acc, dmin, da + c, msum);
        }
        _mm512_store_ps(to + TILE * c, acc);
    }
}

#endif
