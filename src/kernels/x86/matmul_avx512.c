/* The AVX-512 product: which kernel for which type and number of columns, and the loops around the tiles.
 *
 * Few columns: weights are read in place, a segment of 16 rows at a time, while one linear stream 96 KiB ahead is
 * prefetched into L2, whatever order the 16 rows are read in.  More columns, or a type without such a kernel: 16 rows
 * of a segment are expanded to a panel in L1/L2 once, and every group of columns runs over it; as long as the
 * activations fit L2 the weights are still read in their order, and expansion and products each ask for their share of
 * the stream. */
#include "src/kernels/x86/matmul_amx.h"
#include "src/kernels/x86/matmul_avx512.h"

enum { TILE = NCE_PANEL_ROWS };

typedef struct variant {
    nce_panel_kind kind;
    nce_expand_avx512_fn *expand;
    const nce_inplace_avx512 *inplace;
    bool touch; /* blocks whose parts are read far apart, or are small, do better when L2 -> L1 is asked for row by row
                 */
} variant;

static const variant variants[NCE_TYPE_LAST + 1] = {
    [NCE_TYPE_Q8_0] = {NCE_PANEL_FLAT32, nce_expand_q8_0_avx512, &nce_inplace_q8_0_avx512, false},
    [NCE_TYPE_Q4_0] = {NCE_PANEL_FLAT32, nce_expand_q4_0_avx512, &nce_inplace_q4_0_avx512, false},
    [NCE_TYPE_IQ4_NL] = {NCE_PANEL_FLAT32, nce_expand_iq4_nl_avx512, &nce_inplace_iq4_nl_avx512, false},
    [NCE_TYPE_Q4_K] = {NCE_PANEL_SUB32_MIN, nce_expand_q4_k_avx512, &nce_inplace_q4_k_avx512, false},
    [NCE_TYPE_Q5_K] = {NCE_PANEL_SUB32_MIN, nce_expand_q5_k_avx512, &nce_inplace_q5_k_avx512, false},
    [NCE_TYPE_Q6_K] = {NCE_PANEL_SUB16, nce_expand_q6_k_avx512, &nce_inplace_q6_k_avx512, true},
    [NCE_TYPE_IQ4_XS] = {NCE_PANEL_SUB32, nce_expand_iq4_xs_avx512, &nce_inplace_iq4_xs_avx512, false},
    [NCE_TYPE_Q2_K] = {NCE_PANEL_FLAT256_MIN, nce_expand_q2_k_avx512, &nce_inplace_q2_k_avx512, true},
    [NCE_TYPE_Q3_K] = {NCE_PANEL_FLAT256, nce_expand_q3_k_avx512, &nce_inplace_q3_k_avx512, false},
    [NCE_TYPE_TQ2_0] = {NCE_PANEL_FLAT256, nce_expand_tq2_0_avx512, &nce_inplace_tq2_0_avx512, true},
    [NCE_TYPE_Q4_1] = {NCE_PANEL_FLAT32_MIN, nce_expand_q4_1_avx512, &nce_inplace_q4_1_avx512, false},
    [NCE_TYPE_Q5_0] = {NCE_PANEL_FLAT32, nce_expand_q5_0_avx512, &nce_inplace_q5_0_avx512, false},
    [NCE_TYPE_Q5_1] = {NCE_PANEL_FLAT32_MIN, nce_expand_q5_1_avx512, &nce_inplace_q5_1_avx512, false},
    [NCE_TYPE_Q8_1] = {NCE_PANEL_FLAT32, nce_expand_q8_1_avx512, NULL, false},
    [NCE_TYPE_MXFP4] = {NCE_PANEL_FLAT32, nce_expand_mxfp4_avx512, &nce_inplace_mxfp4_avx512, false},
    [NCE_TYPE_NVFP4] = {NCE_PANEL_HALF32, nce_expand_nvfp4_avx512, NULL, false},
    [NCE_TYPE_Q1_0] = {NCE_PANEL_FLAT32, nce_expand_q1_0_avx512, &nce_inplace_q1_0_avx512, false},
    [NCE_TYPE_Q2_0] = {NCE_PANEL_FLAT32, nce_expand_q2_0_avx512, &nce_inplace_q2_0_avx512, true},
    [NCE_TYPE_I2_S] = {NCE_PANEL_FLAT32, nce_expand_i2_s_avx512, &nce_inplace_i2_s_avx512, false},
    [NCE_TYPE_TQ1_0] = {NCE_PANEL_FLAT256, nce_expand_tq1_0_avx512, &nce_inplace_tq1_0_avx512, true},
    [NCE_TYPE_IQ2_XXS] = {NCE_PANEL_SUB32, nce_expand_iq2_xxs_avx512, &nce_inplace_iq2_xxs_avx512, false},
    [NCE_TYPE_IQ2_XS] = {NCE_PANEL_SUB16, nce_expand_iq2_xs_avx512, &nce_inplace_iq2_xs_avx512, false},
    [NCE_TYPE_IQ2_S] = {NCE_PANEL_SUB16, nce_expand_iq2_s_avx512, &nce_inplace_iq2_s_avx512, false},
    [NCE_TYPE_IQ3_XXS] = {NCE_PANEL_SUB32, nce_expand_iq3_xxs_avx512, &nce_inplace_iq3_xxs_avx512, false},
    [NCE_TYPE_IQ3_S] = {NCE_PANEL_SUB32, nce_expand_iq3_s_avx512, &nce_inplace_iq3_s_avx512, false},
    [NCE_TYPE_IQ1_S] = {NCE_PANEL_SUB32, nce_expand_iq1_s_avx512, &nce_inplace_iq1_s_avx512, false},
    [NCE_TYPE_IQ1_M] = {NCE_PANEL_SUB16, nce_expand_iq1_m_avx512, &nce_inplace_iq1_m_avx512, false},
};

/* Everything a product of one call needs. */
typedef struct job {
    const nce_type_info *type;
    variant v;
    const nce_act *a;
    const uint8_t *w;
    size_t row_bytes, n_rows;
    float *y;
    size_t ld_y;
    uint8_t *panel, *pad;
} job;

static void touch(const uint8_t *w, size_t row_bytes, size_t bytes)
{
    for (size_t r = 0; r < TILE; r++)
        for (size_t o = 0; o < bytes; o += 64)
            __asm__ volatile("prefetcht0 %0" ::"m"(w[r * row_bytes + o]));
}

/* n columns from c0 and n2 (0: none) of the next group over the whole depth of the tile that starts at row r. */
static void tile_in_place(const job *j, size_t r, size_t c0, size_t n, size_t n2)
{
    const nce_act *a = j->a;
    const uint8_t *w = j->w + r * j->row_bytes;
    const size_t n_rows = j->n_rows - r < TILE ? j->n_rows - r : TILE, bytes = j->type->block_bytes;
    const size_t block = j->type->block, pieces = block / a->block, n_blocks = a->k / block;
    const size_t per_segment = NCE_SEGMENT / block;
    /* later groups find the tile in the cache */
    const uint8_t *ahead = (const uint8_t *)((uintptr_t)(w + (c0 == 0 ? NCE_AHEAD_BYTES : 0)) & ~(uintptr_t)63);
    __m512 sum[NCE_FEW];
    for (size_t b = 0; b < n_blocks; b += per_segment) {
        const size_t nb = n_blocks - b < per_segment ? n_blocks - b : per_segment;
        const uint8_t *src = w + b * bytes, *next = ahead + TILE * b * bytes;
        size_t stride = j->row_bytes;
        float acc[NCE_FEW][16] __attribute__((aligned(64)));
        if (n_rows < TILE) {
            src = next = nce_pad_rows(j->pad, src, j->row_bytes, n_rows, nb * bytes);
            stride = nb * bytes;
        } else if (c0 == 0 && j->v.touch) {
            touch(src, j->row_bytes, nb * bytes);
        }
        const int32_t *const x = nce_act_at(a, c0, n, b * pieces);
        if (n2 == 0)
            j->v.inplace->fn[n - 1](src, stride, nb, x, next, acc);
        else
            j->v.inplace->pair[n + n2 - 5](src, stride, nb, x, nce_act_at(a, c0 + n, n2, b * pieces), next, acc);
        for (size_t c = 0; c < n + n2; c++)
            sum[c] = b == 0 ? _mm512_load_ps(acc[c]) : _mm512_add_ps(sum[c], _mm512_load_ps(acc[c]));
    }
    for (size_t c = 0; c < n + n2; c++)
        _mm512_mask_storeu_ps(j->y + (c0 + c) * j->ld_y + r, (__mmask16)(0xffffu >> (TILE - n_rows)), sum[c]);
}

static void product_in_place(const job *j)
{
    const size_t n_cols = j->a->n_cols, n_groups = nce_act_groups(n_cols), half = nce_act_group_start(n_cols, 1);
    const bool pair = n_groups == 2 && j->v.inplace->pair[0] != NULL;
    for (size_t r = 0; r < j->n_rows; r += TILE) {
        if (pair) {
            tile_in_place(j, r, 0, half, n_cols - half);
            continue;
        }
        for (size_t g = 0; g < n_groups; g++) {
            const size_t c0 = nce_act_group_start(n_cols, g);
            tile_in_place(j, r, c0, nce_act_group_start(n_cols, g + 1) - c0, 0);
        }
    }
}

/* Bytes [0, n) of rows [from, to) into L2. */
static void prefetch_rows(const uint8_t *w, size_t row_bytes, size_t from, size_t to, size_t n)
{
    for (size_t r = from; r < to; r++)
        for (size_t i = 0; i < n; i += 64)
            prefetch_l2(w + r * row_bytes + i);
}

nce_panel_kind nce_panel_kind_avx512(const nce_type_info *type)
{
    return variants[type->id].expand ? variants[type->id].kind : nce_panel_kind_of(type);
}

void nce_expand_avx512(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_blocks,
                       uint8_t *pad, uint8_t *panel)
{
    if (n_rows < TILE) {
        w = nce_pad_rows(pad, w, row_bytes, n_rows, n_blocks * type->block_bytes);
        row_bytes = n_blocks * type->block_bytes;
    }
    if (variants[type->id].expand)
        variants[type->id].expand(w, row_bytes, n_blocks, panel);
    else
        nce_panel_expand_any(type, w, row_bytes, n_blocks, nce_panel_offset(nce_panel_kind_of(type)), panel);
}

/* The panel of nb blocks (of the file, from block b on) of up to 16 rows from row r on, times a group of columns. */
static void multiply_panel(const job *j, size_t r, size_t b, size_t nb, size_t group, const uint8_t *ahead,
                           const uint8_t *ahead_end)
{
    const nce_act *a = j->a;
    const size_t pieces = j->type->block / a->block, left = j->n_rows - r;
    const size_t c0 = nce_act_group_start(a->n_cols, group), n = nce_act_group_start(a->n_cols, group + 1) - c0;
    const nce_tile_args tile = {.panel = j->panel,
                                .x = nce_act_at(a, c0, n, b * pieces),
                                .words = nce_act_words(a->block, a->n_cols),
                                .n_blocks = nb * pieces,
                                .y = j->y + c0 * j->ld_y + r,
                                .ld_y = j->ld_y,
                                .rows = (__mmask16)(left < TILE ? (1u << left) - 1 : 0xffff),
                                .first = b == 0,
                                .ahead = ahead,
                                .ahead_end = ahead_end};
    nce_tiles_avx512[n][j->v.kind](&tile);
}

/* Many columns: a segment of all rows, then the next, so that the activations of the segment stay in L2.  Blocks here
 * are those of the file, pieces those of the activations. */
static void product_panels(const job *j)
{
    const size_t block = j->type->block, bytes = j->type->block_bytes, n_blocks = j->a->k / block;
    const size_t per_segment = NCE_SEGMENT / block, n_groups = nce_act_groups(j->a->n_cols);
    for (size_t b = 0; b < n_blocks; b += per_segment) {
        const size_t nb = n_blocks - b < per_segment ? n_blocks - b : per_segment;
        for (size_t r = 0; r < j->n_rows; r += TILE) {
            const size_t n_rows = j->n_rows - r < TILE ? j->n_rows - r : TILE;
            const size_t left = j->n_rows - r - n_rows, next_rows = left < TILE ? left : TILE;
            const uint8_t *const w = j->w + r * j->row_bytes + b * bytes, *const next = w + TILE * j->row_bytes;
            nce_expand_avx512(j->type, w, j->row_bytes, n_rows, nb, j->pad, j->panel);
            for (size_t g = 0; g < n_groups; g++) {
                prefetch_rows(next, j->row_bytes, next_rows * g / n_groups, next_rows * (g + 1) / n_groups, nb * bytes);
                multiply_panel(j, r, b, nb, g, NULL, NULL);
            }
        }
    }
}

/* Activations that stay in the second-level cache beside the weights that pass through it. */
static bool in_second_cache(const nce_act *a)
{
    return a->n_cols <= 64 && nce_act_bytes(a->block, a->n_cols, a->k) <= (size_t)1 << 20;
}

/* One segment for product_panels_few: nb blocks from b on of rows from r on, and as many bytes from ahead on to be
 * asked for.  Memory is idle whenever nothing is asked for, so all the work has its share: an expansion takes as long
 * as four columns. */
static const uint8_t *segment_few(const job *j, size_t r, size_t b, size_t nb, const uint8_t *ahead)
{
    enum { EXPANSION = 4, CALLS = 2 };
    const size_t bytes = j->type->block_bytes, n_cols = j->a->n_cols, n_groups = nce_act_groups(n_cols);
    const size_t step = j->type->block / j->a->block * nce_panel_block_bytes(j->v.kind);
    const size_t n_rows = j->n_rows - r < TILE ? j->n_rows - r : TILE, at_once = (nb + CALLS - 1) / CALLS;
    const size_t total = TILE * nb * bytes, parts = EXPANSION + n_cols;
    const uint8_t *const from = ahead, *const w = j->w + r * j->row_bytes + b * bytes;
    for (size_t i = 0; i < nb; i += at_once) {
        const size_t n = nb - i < at_once ? nb - i : at_once;
        ahead = prefetch_to(ahead, from + total * EXPANSION * (i + n) / (parts * nb));
        nce_expand_avx512(j->type, w + i * bytes, j->row_bytes, n_rows, n, j->pad, j->panel + i * step);
    }
    for (size_t g = 0; g < n_groups; g++) {
        const uint8_t *const end = from + total * (EXPANSION + nce_act_group_start(n_cols, g + 1)) / parts;
        multiply_panel(j, r, b, nb, g, ahead, ahead < end ? end : ahead);
        ahead += ahead < end ? ((size_t)(end - ahead) + 63) / 64 * 64 : 0;
    }
    return ahead;
}

/* Few columns: all segments of 16 rows, then the next 16, in the order of the file, which is asked for ahead. */
static void product_panels_few(const job *j)
{
    const size_t block = j->type->block, n_blocks = j->a->k / block, per_segment = NCE_SEGMENT / block;
    for (size_t r = 0; r < j->n_rows; r += TILE) {
        const uint8_t *ahead =
            (const uint8_t *)((uintptr_t)(j->w + r * j->row_bytes + NCE_AHEAD_BYTES) & ~(uintptr_t)63);
        for (size_t b = 0; b < n_blocks; b += per_segment)
            ahead = segment_few(j, r, b, n_blocks - b < per_segment ? n_blocks - b : per_segment, ahead);
    }
}

void nce_product_avx512(const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                        float *y, size_t ld_y, void *scratch)
{
    if (a->block == 0) {
        nce_product_float_avx512(type, w, row_bytes, n_rows, a, y, ld_y);
        return;
    }
    job j = {type, variants[type->id], a, w, row_bytes, n_rows, y, ld_y, scratch, (uint8_t *)scratch + NCE_PANEL_BYTES};
    j.v.kind = nce_panel_kind_avx512(type);
    if (j.v.inplace != NULL && (a->n_cols == 1 || (a->n_cols <= NCE_FEW && j.v.inplace->fn[NCE_FEW_GROUP - 1] != NULL)))
        product_in_place(&j);
    else if (in_second_cache(a))
        product_panels_few(&j);
    else
        product_panels(&j);
}
