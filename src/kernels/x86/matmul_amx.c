/* The AMX product: activations packed for tiles, and the loop over segments and panels (see matmul_amx.h). */
#include "src/kernels/x86/matmul_amx_tiles.h"

enum { FROM_COLUMNS = 33 };

/* ---- activations ---- */

/* Packed for tiles? */
static bool tiled(uint32_t block, size_t n_cols)
{
    return block == 256 && n_cols >= FROM_COLUMNS;
}
static size_t n_groups(size_t n_cols)
{
    return (n_cols + TILE - 1) / TILE;
}
enum { BLOCK_WORDS = TILE * NCE_AMX_WORDS };

size_t nce_act_bytes_amx(uint32_t block, size_t n_cols, size_t k)
{
    if (!tiled(block, n_cols)) return nce_act_bytes(block, n_cols, k);
    if (n_cols > SIZE_MAX - TILE || nce_act_bytes(block, n_cols + TILE, k) == 0) return 0;
    return n_groups(n_cols) * (k / block) * BLOCK_WORDS * 4 + 64;
}

static void pack_column(int32_t *dst, size_t c, const float *x)
{
    int32_t words[NCE_X256_WORDS];
    nce_act_block q;
    nce_quantize_block_avx512(x, 256, &q);
    memcpy((int8_t *)dst + c * 256, q.q, 256);
    nce_act_finish(words, 1, &q, 256, false);
    dst += c;
    dst[NCE_AMX_DA * TILE] = words[NCE_X256_DA];
    dst[NCE_AMX_START * TILE] = words[NCE_X256_START];
    for (size_t i = 0; i < 4; i++)
        dst[(NCE_AMX_PAIR32 + i) * TILE] = words[NCE_X256_PAIR32 + i];
    for (size_t i = 0; i < 8; i++)
        dst[(NCE_AMX_PAIR16 + i) * TILE] = words[NCE_X256_PAIR16 + i];
}

void nce_act_pack_amx(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts)
{
    if (!tiled(a->block, a->n_cols)) {
        nce_act_pack_avx512(a, x, ld_x, part, n_parts);
        return;
    }
    const size_t n_blocks = a->k / 256, n_units = n_groups(a->n_cols) * n_blocks;
    for (size_t unit = n_units * part / n_parts; unit < n_units * (part + 1) / n_parts; unit++) {
        const size_t c0 = unit / n_blocks * TILE, n = a->n_cols - c0 < TILE ? a->n_cols - c0 : TILE;
        int32_t *const dst = (int32_t *)a->data + unit * BLOCK_WORDS;
        if (n < TILE) memset(dst, 0, BLOCK_WORDS * 4);
        for (size_t c = 0; c < n; c++)
            pack_column(dst, c, x + (c0 + c) * ld_x + unit % n_blocks * 256);
    }
}

/* ---- products ---- */

static nce_amx_fn *const kernels[NCE_PANEL_KINDS] = {
    [NCE_PANEL_FLAT256] = nce_amx_flat256, [NCE_PANEL_FLAT256_MIN] = nce_amx_flat256_min,
    [NCE_PANEL_SUB32] = nce_amx_planes,    [NCE_PANEL_SUB32_MIN] = nce_amx_planes_min,
    [NCE_PANEL_SUB16] = nce_amx_planes,
};

/* Everything a product of one call needs. */
typedef struct job {
    const nce_type_info *type;
    nce_panel_kind kind;
    const nce_act *a;
    const uint8_t *w;
    size_t row_bytes, n_rows;
    float *y;
    size_t ld_y;
    uint8_t *panel, *pad, *operand[NCE_AMX_PANELS];
    int32_t *sums;
    float *acc;
} job;

/* n_blocks of the file, from row r on, as an operand of the kernel: a panel, or the planes made of it. */
static void make_operand(const job *j, size_t r, size_t b, size_t n_blocks, uint8_t *out)
{
    const size_t left = j->n_rows - r < TILE ? j->n_rows - r : TILE;
    const uint8_t *const w = j->w + r * j->row_bytes + b * j->type->block_bytes;
    nce_amx_make_operand(j->type, w, j->row_bytes, left, n_blocks, j->pad, j->panel, out);
}

static void prefetch_rows(const job *j, size_t r, size_t b, size_t n_blocks)
{
    for (size_t i = r; i < r + TILE && i < j->n_rows; i++)
        for (size_t o = 0; o < n_blocks * j->type->block_bytes; o += 64)
            prefetch_l2(j->w + i * j->row_bytes + b * j->type->block_bytes + o);
}

/* y = acc of the first segment, y += acc of the others. */
static void store_block(const job *j, const nce_amx_job *k, size_t r, size_t c0, bool first)
{
    for (size_t p = 0; p < k->n_panels; p++) {
        const size_t row = r + p * TILE, left = j->n_rows - row < TILE ? j->n_rows - row : TILE;
        const __mmask16 rows = (__mmask16)((1u << left) - 1);
        const float *acc = j->acc + p * NCE_AMX_GROUPS * TILE * TILE;
        for (size_t c = c0; c < c0 + k->n_groups * TILE && c < j->a->n_cols; c++, acc += TILE) {
            float *const y = j->y + c * j->ld_y + row;
            __m512 v = _mm512_load_ps(acc);
            if (!first) v = _mm512_add_ps(_mm512_maskz_loadu_ps(rows, y), v);
            _mm512_mask_storeu_ps(y, rows, v);
        }
    }
}

static void prefetch_block(const job *j, const nce_amx_job *k, size_t r, size_t c0)
{
    for (size_t c = c0; c < c0 + k->n_groups * TILE && c < j->a->n_cols; c++)
        for (size_t row = r; row < r + NCE_AMX_PANELS * TILE && row < j->n_rows; row += TILE)
            __builtin_prefetch(j->y + c * j->ld_y + row, 1);
}

/* Blocks b .. b + nb of the file, of up to 32 rows and all columns. */
static void segment_of_rows(const job *j, size_t r, size_t b, size_t nb)
{
    const size_t total = n_groups(j->a->n_cols), group_words = j->a->k / 256 * BLOCK_WORDS;
    const int32_t *const x = (const int32_t *)j->a->data + b * BLOCK_WORDS;
    nce_amx_job k = {.n_panels = j->n_rows - r > TILE ? 2 : 1, .n_blocks = nb, .sums = j->sums, .acc = j->acc};
    for (size_t p = 0; p < NCE_AMX_PANELS; p++) {
        if (p < k.n_panels) make_operand(j, r + p * TILE, b, nb, j->operand[p]);
        k.panel[p] = j->operand[p < k.n_panels ? p : 0];
    }
    for (size_t g = 0; g < total; g += NCE_AMX_GROUPS) {
        k.n_groups = total - g < NCE_AMX_GROUPS ? total - g : NCE_AMX_GROUPS;
        for (size_t i = 0; i < NCE_AMX_GROUPS; i++)
            k.x[i] = x + (g + (i < k.n_groups ? i : k.n_groups - 1)) * group_words;
        if (g < NCE_AMX_PANELS * NCE_AMX_GROUPS)
            prefetch_rows(j, r + (NCE_AMX_PANELS + g / NCE_AMX_GROUPS) * TILE, b, nb);
        prefetch_block(j, &k, r, g * TILE);
        memset(j->acc, 0, NCE_AMX_ACC * sizeof *j->acc);
        kernels[j->kind](&k);
        store_block(j, &k, r, g * TILE, b == 0);
    }
}

void nce_product_amx(const nce_type_info *type, const void *weights, size_t row_bytes, size_t n_rows, const nce_act *a,
                     float *y, size_t ld_y, void *scratch)
{
    if (!tiled(a->block, a->n_cols)) {
        nce_product_avx512(type, weights, row_bytes, n_rows, a, y, ld_y, scratch);
        return;
    }
    if (a->n_cols <= NCE_AMX_FEW_COLUMNS) {
        nce_product_amx_few(type, weights, row_bytes, n_rows, a, y, ld_y, scratch);
        return;
    }
    const size_t n_blocks = a->k / 256, per_segment = NCE_SEGMENT / 256;
    job j = {type, nce_panel_kind_avx512(type), a, weights, row_bytes, n_rows, y, ld_y, .panel = scratch};
    j.pad = j.panel + NCE_PANEL_BYTES;
    j.operand[0] = j.pad + NCE_PANEL_BYTES;
    j.operand[1] = j.operand[0] + NCE_AMX_PLANES_BYTES;
    j.sums = (int32_t *)(void *)(j.operand[1] + NCE_AMX_PLANES_BYTES);
    j.acc = (float *)(j.sums + 2 * NCE_AMX_STEP_SUMS);
    _Static_assert(2 * NCE_PANEL_BYTES + 2 * NCE_AMX_PLANES_BYTES + (2 * NCE_AMX_STEP_SUMS + NCE_AMX_ACC) * 4 <=
                       NCE_AMX_SCRATCH,
                   "scratch");
    amx_configure();
    for (size_t b = 0; b < n_blocks; b += per_segment)
        for (size_t r = 0; r < n_rows; r += NCE_AMX_PANELS * TILE)
            segment_of_rows(&j, r, b, n_blocks - b < per_segment ? n_blocks - b : per_segment);
    _tile_release();
}
