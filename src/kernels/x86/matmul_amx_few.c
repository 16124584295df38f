/* The AMX product for few columns, one to four groups of 16 (see matmul_amx.h).
 *
 * Weights come from memory, in the order of the file: 16 rows, 256 elements of k at a time.  Three kinds of work share no
 * unit: tile products of one step, the making of the next step's operand, and the asking for lines further ahead.  So
 * they take turns in small portions: tiles, expansion, sums of these tiles, and a third of the lines before each. */
#include "src/kernels/x86/matmul_amx_tiles.h"

enum { STEP_SUMS = 4 * NCE_AMX_SUMS, BLOCK_WORDS = TILE * NCE_AMX_WORDS, PLANE = 64 * NCE_AMX_PLANE_LINES };

/* Everything a product of one call needs. */
typedef struct few_job {
    const nce_type_info *type;
    nce_panel_kind kind;
    const nce_act *a;
    const uint8_t *w;
    size_t row_bytes, n_rows;
    float *y;
    size_t ld_y;
    uint8_t *panel, *pad, *operand[2];
    int32_t *sums[2];
    float *acc;           /* [column][row] */
    const uint8_t *ahead; /* the next line to ask for */
} few_job;

/* Block b of 16 rows from r on. */
typedef struct few_step {
    size_t r, b;
} few_step;

static const int32_t *group_at(const few_job *j, size_t group, size_t b)
{
    return (const int32_t *)j->a->data + (group * (j->a->k / 256) + b) * BLOCK_WORDS;
}

/* ---- tiles of a step: one group of columns at x, and a second at x2 where there is one ---- */

INLINE void few_flat(const uint8_t *w, const int32_t *x, const int32_t *x2, int32_t *sums)
{
    const int8_t *const q = (const int8_t *)x, *const q2 = (const int8_t *)x2;
    _tile_zero(C0);
    _tile_zero(C1);
    for (size_t i = 0; i < 4; i++) {
        _tile_loadd(A0, q + 64 * i, 256);
        _tile_loadd(B0, w + 64 * TILE * i, 64);
        _tile_dpbsud(C0, A0, B0);
        if (x2 == NULL) continue;
        _tile_loadd(A1, q2 + 64 * i, 256);
        _tile_dpbsud(C1, A1, B0);
    }
    _tile_stored(C0, sums, 64);
    if (x2 != NULL) _tile_stored(C1, sums + NCE_AMX_SUMS, 64);
}

/* Sums of the high codes, then of the low ones. */
INLINE void few_planes(const uint8_t *w, const int32_t *x, const int32_t *x2, int32_t *sums, bool is_unsigned)
{
    const int8_t *const q = (const int8_t *)x, *const q2 = (const int8_t *)x2;
    const uint8_t *const high = w + 64 * NCE_AMX_PLANES_HEAD, *const low = high + PLANE;
    _tile_zero(C0);
    _tile_zero(C1);
    _tile_zero(C2);
    _tile_zero(C3);
    for (size_t i = 0; i < 4; i++) {
        _tile_loadd(A0, q + 64 * i, 256);
        _tile_loadd(B0, high + 64 * TILE * i, 64);
        PRODUCT(C0, A0, B0);
        _tile_loadd(B1, low + 64 * TILE * i, 64);
        PRODUCT(C1, A0, B1);
        if (x2 == NULL) continue;
        _tile_loadd(A1, q2 + 64 * i, 256);
        PRODUCT(C2, A1, B0);
        PRODUCT(C3, A1, B1);
    }
    _tile_stored(C0, sums, 64);
    _tile_stored(C1, sums + NCE_AMX_SUMS, 64);
    if (x2 == NULL) return;
    _tile_stored(C2, sums + 2 * NCE_AMX_SUMS, 64);
    _tile_stored(C3, sums + 3 * NCE_AMX_SUMS, 64);
}

/* Groups g and, where there is one, g + 1. */
static void run_tiles(const few_job *j, const uint8_t *w, size_t b, size_t g, int32_t *sums)
{
    const int32_t *const x = group_at(j, g, b), *const x2 =
                                                    (g + 1) * TILE < j->a->n_cols ? group_at(j, g + 1, b) : NULL;
    switch (j->kind) {
    case NCE_PANEL_FLAT256:
    case NCE_PANEL_FLAT256_MIN:
        few_flat(w + 64 * nce_panel_head(j->kind), x, x2, sums);
        break;
    case NCE_PANEL_SUB32_MIN:
        few_planes(w, x, x2, sums, true);
        break;
    default:
        few_planes(w, x, x2, sums, false);
    }
}

/* ---- sums: n columns of a group, acc[c] += the step ---- */

#define ADD_256(n_planes, n_pairs)                                                                                     \
    for (size_t c = 0; c < n; c++)                                                                                     \
    add_256(p, x + c, sums + TILE * c, acc + TILE * c, 1, n_planes, n_pairs)

static void add_sums(nce_panel_kind kind, const uint8_t *p, const int32_t *x, const int32_t *sums, float *acc, size_t n)
{
    switch (kind) {
    case NCE_PANEL_FLAT256:
        ADD_256(1, 0);
        break;
    case NCE_PANEL_FLAT256_MIN:
        ADD_256(1, 8);
        break;
    case NCE_PANEL_SUB32_MIN:
        ADD_256(2, 4);
        break;
    default:
        ADD_256(2, 0);
    }
}

/* ---- steps ---- */

static few_step step_after(const few_job *j, few_step s)
{
    return s.b + 1 < j->a->k / 256 ? (few_step){s.r, s.b + 1} : (few_step){s.r + TILE, 0};
}

/* A third of the bytes of a step, in whole lines. */
static void ask_ahead(few_job *j)
{
    const uint8_t *const end = j->ahead + (TILE * j->type->block_bytes + 2) / 3;
    prefetch_to((const uint8_t *)(((uintptr_t)j->ahead + 63) & ~(uintptr_t)63), end);
    j->ahead = end;
}

static void expand_step(const few_job *j, few_step s, uint8_t *out)
{
    const size_t left = j->n_rows - s.r < TILE ? j->n_rows - s.r : TILE;
    nce_amx_make_operand(j->type, j->w + s.r * j->row_bytes + s.b * j->type->block_bytes, j->row_bytes, left, 1, j->pad,
                         j->panel, out);
}

/* y = acc of the first segment, y += acc of the others. */
static void store_segment(const few_job *j, few_step s)
{
    const size_t left = j->n_rows - s.r < TILE ? j->n_rows - s.r : TILE;
    const __mmask16 rows = (__mmask16)((1u << left) - 1);
    for (size_t c = 0; c < j->a->n_cols; c++) {
        float *const y = j->y + c * j->ld_y + s.r;
        __m512 v = _mm512_load_ps(j->acc + TILE * c);
        if (s.b >= NCE_SEGMENT / 256) v = _mm512_add_ps(_mm512_maskz_loadu_ps(rows, y), v);
        _mm512_mask_storeu_ps(y, rows, v);
        _mm512_store_ps(j->acc + TILE * c, _mm512_setzero_ps());
    }
}

static void run_steps(few_job *j)
{
    const size_t n_cols = j->a->n_cols, n_groups = (n_cols + TILE - 1) / TILE,
                 planes = j->kind >= NCE_PANEL_SUB32 ? 2 : 1;
    few_step s = {0, 0};
    size_t turn = 0;
    memset(j->acc, 0, n_cols * TILE * sizeof *j->acc);
    expand_step(j, s, j->operand[0]);
    while (s.r < j->n_rows) {
        const few_step next = step_after(j, s);
        const uint8_t *const w = j->operand[turn];
        if (s.b == 0) j->ahead = j->w + s.r * j->row_bytes + NCE_AHEAD_BYTES;
        ask_ahead(j);
        run_tiles(j, w, s.b, 0, j->sums[0]);
        ask_ahead(j);
        if (next.r < j->n_rows) expand_step(j, next, j->operand[1 - turn]);
        ask_ahead(j);
        for (size_t g = 0; g < n_groups; g++) {
            if (g % 2 == 0 && g + 2 < n_groups) run_tiles(j, w, s.b, g + 2, j->sums[1 - g / 2 % 2]);
            add_sums(j->kind, w, group_at(j, g, s.b), j->sums[g / 2 % 2] + g % 2 * planes * NCE_AMX_SUMS,
                     j->acc + g * TILE * TILE, n_cols - g * TILE < TILE ? n_cols - g * TILE : TILE);
        }
        if (next.b % (NCE_SEGMENT / 256) == 0) store_segment(j, s);
        s = next;
        turn = 1 - turn;
    }
}

void nce_product_amx_few(const nce_type_info *type, const void *weights, size_t row_bytes, size_t n_rows,
                         const nce_act *a, float *y, size_t ld_y, void *scratch)
{
    few_job j = {type, nce_panel_kind_avx512(type), a, weights, row_bytes, n_rows, y, ld_y, .panel = scratch};
    _Static_assert(2 * NCE_PANEL_BYTES + NCE_AMX_PLANES_BYTES / 2 + (2 * STEP_SUMS + NCE_AMX_FEW_COLUMNS * TILE) * 4 <=
                       NCE_AMX_SCRATCH,
                   "scratch");
    j.pad = j.panel + NCE_PANEL_BYTES;
    j.operand[0] = j.pad + NCE_PANEL_BYTES;
    j.operand[1] = j.operand[0] + NCE_AMX_PLANES_BYTES / 4;
    j.sums[0] = (int32_t *)(void *)(j.operand[1] + NCE_AMX_PLANES_BYTES / 4);
    j.sums[1] = j.sums[0] + STEP_SUMS;
    j.acc = (float *)(j.sums[1] + STEP_SUMS);
    amx_configure();
    run_steps(&j);
    _tile_release();
}
