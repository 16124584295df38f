/* The AMX product for prefill with types of 256: 16 rows of weights x 16 columns in one tile of int32.  (Types of 32 end
 * in more float work than the tiles save and stay with vpdpbusd.)
 *
 * The columns are the tile's rows (A: their codes, row-major) and the weights its columns (B: exactly the code lines of a
 * panel), so a row of the result is a vector with lane = row of W, as everywhere else, and the float part is the same.
 * Integer sub-scales are multiplied into the codes once per panel: code * scale = 128 high + low with both in a byte, so
 * 256 elements need two products of bytes instead of a multiplication for every sub-block; exact like everything integer.
 * The layout of activations is that of matmul_panel.h with groups of 16 (the last filled up with zeros) and the codes of
 * a block column by column. */
#include "src/kernels/x86/matmul_avx512.h"
#include "src/kernels/x86/matmul_amx.h"

enum { TILE = 16, FROM_COLUMNS = 33, PLANE_LINES = 64, PLANES_BYTES = 4 * 64 * (2 + 8 + 2 * PLANE_LINES) };
/* Tile registers: sums, activations, weights.  Macros, because the intrinsics paste the number. */
#define C0 0
#define C1 1
#define C2 2
#define C3 3
#define A0 4
#define A1 5
#define B0 6
#define B1 7

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static void configure(void)
{
    _Alignas(64) tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.rows[i] = TILE;
        c.row_bytes[i] = 64;
    }
    _tile_loadconfig(&c);
}

/* ---- activations ---- */

static size_t n_groups(size_t n_cols)
{
    return (n_cols + TILE - 1) / TILE;
}
enum { GROUP_WORDS = TILE * NCE_X256_WORDS }; /* of a block */

static const int32_t *group_at(const nce_act *a, size_t g, size_t b)
{
    return (const int32_t *)a->data + (g * (a->k / a->block) + b) * GROUP_WORDS;
}

static bool wide(uint32_t block, size_t n_cols)
{
    return block == 256 && n_cols >= FROM_COLUMNS;
}

size_t nce_act_bytes_amx(uint32_t block, size_t n_cols, size_t k)
{
    if (!wide(block, n_cols)) return nce_act_bytes(block, n_cols, k);
    if (n_cols > SIZE_MAX - TILE || nce_act_bytes(block, n_cols + TILE, k) == 0) return 0;
    return n_groups(n_cols) * (k / block) * GROUP_WORDS * 4 + 64;
}

void nce_act_pack_amx(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts)
{
    if (!wide(a->block, a->n_cols)) {
        nce_act_pack_avx512(a, x, ld_x, part, n_parts);
        return;
    }
    const size_t block = a->block, n_blocks = a->k / block, n_units = n_groups(a->n_cols) * n_blocks;
    for (size_t unit = n_units * part / n_parts; unit < n_units * (part + 1) / n_parts; unit++) {
        const size_t g = unit / n_blocks, b = unit % n_blocks;
        const size_t n = a->n_cols - g * TILE < TILE ? a->n_cols - g * TILE : TILE;
        int32_t *const dst = (int32_t *)a->data + (group_at(a, g, b) - (const int32_t *)a->data);
        if (n < TILE) memset(dst, 0, GROUP_WORDS * 4);
        for (size_t c = 0; c < n; c++) {
            nce_act_block q;
            nce_quantize_block_avx512(x + (g * TILE + c) * ld_x + b * block, block, &q);
            memcpy((int8_t *)dst + c * block, q.q, block);
            nce_act_finish(dst + c, TILE, &q, block, false);
        }
    }
}

/* ---- weights ---- */

/* 64 bytes (code + offset) times the scales of their rows: 128 high + low, both in -64 .. 64. */
INLINE void two_planes(__m512i codes, __m512i scale, __m512i *high, __m512i *low)
{
    /* even and odd bytes as int16; scale is int32, its low half repeated */
    const __m512i s = _mm512_or_si512(_mm512_slli_epi32(scale, 16), _mm512_and_si512(scale, SET32(0xffff)));
    const __m512i even = _mm512_mullo_epi16(_mm512_srai_epi16(_mm512_slli_epi16(codes, 8), 8), s);
    const __m512i odd = _mm512_mullo_epi16(_mm512_srai_epi16(codes, 8), s);
    const __m512i round = _mm512_set1_epi16(64);
    const __m512i high_even = _mm512_srai_epi16(_mm512_add_epi16(even, round), 7);
    const __m512i high_odd = _mm512_srai_epi16(_mm512_add_epi16(odd, round), 7);
    const __m512i low_even = _mm512_sub_epi16(even, _mm512_slli_epi16(high_even, 7));
    const __m512i low_odd = _mm512_sub_epi16(odd, _mm512_slli_epi16(high_odd, 7));
    const __mmask64 odds = 0xaaaaaaaaaaaaaaaau;
    *high = _mm512_mask_mov_epi8(high_even, odds, _mm512_slli_epi16(high_odd, 8));
    *low = _mm512_mask_mov_epi8(low_even, odds, _mm512_slli_epi16(low_odd, 8));
}

/* A panel of blocks with sub-scales -> per block dw, dmin, mins[8], high[64], low[64]. */
static void split_planes(const uint8_t *p, nce_panel_kind kind, size_t n_blocks, uint8_t *out)
{
    const size_t head = nce_panel_head(kind), n_sub = kind == NCE_PANEL_SUB16 ? 16 : 8, first = head - n_sub;
    const __m512i offset = SET8(nce_panel_offset(kind));
    for (size_t b = 0; b < n_blocks; b++, p += nce_panel_block_bytes(kind), out += PLANES_BYTES / 4) {
        memcpy(out, p, 64 * first);
        for (size_t i = 0; i < PLANE_LINES; i++) {
            const __m512i scale = _mm512_load_si512(p + 64 * (first + i * n_sub / PLANE_LINES));
            __m512i high, low;
            two_planes(_mm512_sub_epi8(_mm512_load_si512(p + 64 * (head + i)), offset), scale, &high, &low);
            _mm512_store_si512(out + 64 * (10 + i), high);
            _mm512_store_si512(out + 64 * (10 + PLANE_LINES + i), low);
        }
    }
}

/* ---- products of one panel and several groups of columns ---- */

/* One block of one group: acc[c] += the block, from the sums of its planes (low NULL: one plane, with an offset). */
INLINE void add_columns(__m512 acc[TILE], const uint8_t *p, const int32_t *x, const int32_t *high, const int32_t *low,
                        int n_pairs)
{
    const int32_t *const da = x + NCE_X256_DA * TILE;
    const int32_t *const pairs = x + (n_pairs == 8 ? NCE_X256_PAIR16 : NCE_X256_PAIR32) * TILE;
    const __m512 dw = _mm512_load_ps(p), dmin = _mm512_load_ps(p + 64);
    for (int c = 0; c < TILE; c++) {
        __m512i isum = _mm512_load_si512(high + TILE * c);
        if (low)
            isum = _mm512_add_epi32(_mm512_slli_epi32(isum, 7), _mm512_load_si512(low + TILE * c));
        else if (n_pairs == 0)
            isum = _mm512_add_epi32(isum, word(x + NCE_X256_START * TILE + c));
        acc[c] = add_block(acc[c], dw, da + c, isum);
        if (n_pairs) {
            __m512i msum = _mm512_setzero_si512();
            UNROLL for (int i = 0; i < n_pairs; i++) msum =
                _mm512_dpwssd_epi32(msum, _mm512_load_si512(p + 64 * (2 + i)), word(pairs + i * TILE + c));
            acc[c] = sub_block(acc[c], dmin, da + c, msum);
        }
    }
}

/* A product has a latency of three others: four sums are always under way. */
INLINE void flat4(const uint8_t *codes, const int32_t *const x[4], int32_t *sums)
{
    _tile_zero(C0);
    _tile_zero(C1);
    _tile_zero(C2);
    _tile_zero(C3);
    for (size_t i = 0; i < 4; i++) {
        _tile_loadd(B0, codes + 64 * TILE * i, 64);
        _tile_loadd(A0, (const int8_t *)x[0] + 64 * i, 256);
        _tile_dpbsud(C0, A0, B0);
        _tile_loadd(A1, (const int8_t *)x[1] + 64 * i, 256);
        _tile_dpbsud(C1, A1, B0);
        _tile_loadd(A0, (const int8_t *)x[2] + 64 * i, 256);
        _tile_dpbsud(C2, A0, B0);
        _tile_loadd(A1, (const int8_t *)x[3] + 64 * i, 256);
        _tile_dpbsud(C3, A1, B0);
    }
    _tile_stored(C0, sums, 64);
    _tile_stored(C1, sums + TILE * TILE, 64);
    _tile_stored(C2, sums + 2 * TILE * TILE, 64);
    _tile_stored(C3, sums + 3 * TILE * TILE, 64);
}

INLINE void planes2(const uint8_t *high, const uint8_t *low, const int32_t *const x[2], int32_t *sums)
{
    _tile_zero(C0);
    _tile_zero(C1);
    _tile_zero(C2);
    _tile_zero(C3);
    for (size_t i = 0; i < 4; i++) {
        _tile_loadd(B0, high + 64 * TILE * i, 64);
        _tile_loadd(A0, (const int8_t *)x[0] + 64 * i, 256);
        _tile_dpbssd(C0, A0, B0);
        _tile_loadd(A1, (const int8_t *)x[1] + 64 * i, 256);
        _tile_dpbssd(C1, A1, B0);
        _tile_loadd(B1, low + 64 * TILE * i, 64);
        _tile_dpbssd(C2, A0, B1);
        _tile_dpbssd(C3, A1, B1);
    }
    _tile_stored(C0, sums, 64);
    _tile_stored(C1, sums + TILE * TILE, 64);
    _tile_stored(C2, sums + 2 * TILE * TILE, 64);
    _tile_stored(C3, sums + 3 * TILE * TILE, 64);
}

/* n groups (4 or, with planes, 2) from their words x; p: a panel, or what split_planes made of it. */
INLINE void groups(const uint8_t *p, const int32_t *x[], size_t n_blocks, bool split, int n_pairs, int32_t *sums,
                   __m512 acc[][TILE])
{
    const size_t head = split     ? 10
                        : n_pairs ? 10
                                  : 1,
                 n = split ? 2 : 4, step = 64 * (head + PLANE_LINES * (split ? 2 : 1));
    for (size_t g = 0; g < n; g++)
        for (size_t c = 0; c < TILE; c++)
            acc[g][c] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, p += step) {
        int32_t *const s = sums + b % 2 * (4 * TILE * TILE);
        if (split)
            planes2(p + 64 * head, p + 64 * (head + PLANE_LINES), x, s);
        else
            flat4(p + 64 * head, x, s);
        for (size_t g = 0; g < n; g++) {
            add_columns(acc[g], p, x[g], s + g * TILE * TILE, split ? s + (2 + g) * TILE * TILE : NULL, n_pairs);
            x[g] += TILE * NCE_X256_WORDS;
        }
    }
}

typedef void groups_fn(const uint8_t *p, const int32_t *x[], size_t n_blocks, int32_t *sums, __m512 acc[][TILE]);
#define GROUPS(name, split, n_pairs)                                                                                   \
    static void name(const uint8_t *p, const int32_t *x[], size_t n_blocks, int32_t *sums, __m512 acc[][TILE])         \
    {                                                                                                                  \
        groups(p, x, n_blocks, split, n_pairs, sums, acc);                                                             \
    }
GROUPS(flat256, false, 0)
GROUPS(flat256_min, false, 8)
GROUPS(planes, true, 0)
GROUPS(planes_min, true, 4)

static void store_columns(const __m512 acc[TILE], float *y, size_t ld_y, size_t n, __mmask16 rows, bool first)
{
    for (size_t c = 0; c < n; c++) {
        __m512 v = acc[c];
        if (!first) v = _mm512_add_ps(_mm512_maskz_loadu_ps(rows, y + c * ld_y), v);
        _mm512_mask_storeu_ps(y + c * ld_y, rows, v);
    }
}

/* All columns over one panel (or its planes) of n_rows rows. */
static void product_panel(groups_fn *fn, size_t at_once, const uint8_t *p, size_t n_rows, const nce_act *a, size_t b,
                          size_t n_blocks, int32_t *sums, float *y, size_t ld_y)
{
    __m512 acc[4][TILE];
    const size_t last = n_groups(a->n_cols) - 1;
    for (size_t g0 = 0; g0 <= last; g0 += at_once) {
        const int32_t *x[4];
        for (size_t g = 0; g < at_once; g++) /* groups past the last repeat it and are not stored */
            x[g] = group_at(a, g0 + g < last ? g0 + g : last, b);
        fn(p, x, n_blocks, sums, acc);
        for (size_t g = g0; g < g0 + at_once && g <= last; g++)
            store_columns(acc[g - g0], y + g * TILE * ld_y, ld_y, g < last ? TILE : a->n_cols - last * TILE,
                          (__mmask16)((1u << n_rows) - 1), b == 0);
    }
}

void nce_product_amx(const nce_type_info *type, const void *weights, size_t row_bytes, size_t n_rows, const nce_act *a,
                     float *y, size_t ld_y, void *scratch)
{
    if (!wide(a->block, a->n_cols)) {
        nce_product_avx512(type, weights, row_bytes, n_rows, a, y, ld_y, scratch);
        return;
    }
    const nce_panel_kind kind = nce_panel_kind_avx512(type);
    const bool split = kind >= NCE_PANEL_SUB32;
    groups_fn *const fn = kind == NCE_PANEL_FLAT256       ? flat256
                          : kind == NCE_PANEL_FLAT256_MIN ? flat256_min
                          : kind == NCE_PANEL_SUB32_MIN   ? planes_min
                                                          : planes;
    const size_t bytes = type->block_bytes, n_blocks = a->k / 256, per_segment = NCE_SEGMENT / 256;
    uint8_t *const panel = scratch, *const pad = panel + NCE_PANEL_BYTES, *const both = pad + NCE_PANEL_BYTES;
    int32_t *const sums = (int32_t *)(void *)(both + PLANES_BYTES);
    _Static_assert(2 * NCE_PANEL_BYTES + PLANES_BYTES + 2 * 4 * TILE * TILE * 4 <= NCE_AMX_SCRATCH, "scratch");
    configure();
    for (size_t b = 0; b < n_blocks; b += per_segment) {
        const size_t nb = n_blocks - b < per_segment ? n_blocks - b : per_segment;
        for (size_t r = 0; r < n_rows; r += TILE) {
            const size_t left = n_rows - r < TILE ? n_rows - r : TILE;
            const uint8_t *const w = (const uint8_t *)weights + r * row_bytes + b * bytes;
            nce_expand_avx512(type, w, row_bytes, left, nb, pad, panel);
            if (split) split_planes(panel, kind, nb, both);
            product_panel(fn, split ? 2 : 4, split ? both : panel, left, a, b, nb, sums, y + r, ld_y);
        }
    }
    _tile_release();
}
