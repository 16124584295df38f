/* The AMX kernels: one segment of a block of the output, in steps of four tiles (see matmul_amx.h). */
#include "src/kernels/x86/matmul_amx_tiles.h"

enum { BLOCK_WORDS = TILE * NCE_AMX_WORDS, PLANE_BYTES = 64 * NCE_AMX_PLANE_LINES };

/* Part of a block of the output: block b of the segment, from this panel and group on. */
typedef struct amx_step {
    size_t panel, group, b;
} amx_step;

typedef void amx_tiles_fn(const nce_amx_job *j, amx_step s, int32_t *sums);
typedef void amx_add_fn(const nce_amx_job *j, amx_step s, const int32_t *sums);

INLINE float *acc_at(const nce_amx_job *j, size_t panel, size_t group)
{
    return j->acc + (panel * NCE_AMX_GROUPS + group) * TILE * TILE;
}

INLINE amx_step step_after(const nce_amx_job *j, amx_step s, size_t panels)
{
    if (s.group + 2 < j->n_groups) return (amx_step){s.panel, s.group + 2, s.b};
    if (s.panel + panels < j->n_panels) return (amx_step){s.panel + panels, 0, s.b};
    return (amx_step){0, 0, s.b + 1};
}

/* All of a job in steps of so many panels and two groups, tiles one step ahead. */
INLINE void run_steps(const nce_amx_job *j, size_t panels, amx_tiles_fn *tiles, amx_add_fn *add)
{
    int32_t *sums = j->sums, *other = j->sums + NCE_AMX_STEP_SUMS;
    amx_step s = {0, 0, 0};
    tiles(j, s, sums);
    while (s.b < j->n_blocks) {
        const amx_step next = step_after(j, s, panels);
        if (next.b < j->n_blocks) tiles(j, next, other);
        add(j, s, sums);
        int32_t *const swap = sums;
        sums = other, other = swap;
        s = next;
    }
}

/* ---- tiles: four sums are always under way, for a product takes three times as long as it keeps the unit busy ---- */

#define ZERO_SUMS()                                                                                                    \
    do {                                                                                                               \
        _tile_zero(C0);                                                                                                \
        _tile_zero(C1);                                                                                                \
        _tile_zero(C2);                                                                                                \
        _tile_zero(C3);                                                                                                \
    } while (0)

/* One block of two panels and two groups: sums of panel 0, groups 0 and 1, then of panel 1. */
INLINE void flat_tiles(const nce_amx_job *j, amx_step s, int32_t *sums, size_t head)
{
    const size_t at = 64 * (s.b * (head + 64) + head);
    const uint8_t *const w0 = j->panel[0] + at, *const w1 = j->panel[1] + at;
    const int8_t *const x0 = (const int8_t *)(j->x[s.group] + s.b * BLOCK_WORDS);
    const int8_t *const x1 = (const int8_t *)(j->x[s.group + 1] + s.b * BLOCK_WORDS);
    ZERO_SUMS();
    for (size_t i = 0; i < 4; i++) {
        _tile_loadd(A0, x0 + 64 * i, 256);
        _tile_loadd(B0, w0 + 64 * TILE * i, 64);
        _tile_dpbsud(C0, A0, B0);
        _tile_loadd(A1, x1 + 64 * i, 256);
        _tile_dpbsud(C1, A1, B0);
        _tile_loadd(B1, w1 + 64 * TILE * i, 64);
        _tile_dpbsud(C2, A0, B1);
        _tile_dpbsud(C3, A1, B1);
    }
    _tile_stored(C0, sums, 64);
    _tile_stored(C1, sums + NCE_AMX_SUMS, 64);
    _tile_stored(C2, sums + 2 * NCE_AMX_SUMS, 64);
    _tile_stored(C3, sums + 3 * NCE_AMX_SUMS, 64);
}

/* One block of the two planes of a panel and two groups: high and low of group 0, then of group 1. */
INLINE void plane_tiles(const nce_amx_job *j, amx_step s, int32_t *sums, bool is_unsigned)
{
    const uint8_t *const high = j->panel[s.panel] + s.b * (NCE_AMX_PLANES_BYTES / 4) + 64 * NCE_AMX_PLANES_HEAD;
    const uint8_t *const low = high + PLANE_BYTES;
    const int8_t *const x0 = (const int8_t *)(j->x[s.group] + s.b * BLOCK_WORDS);
    const int8_t *const x1 = (const int8_t *)(j->x[s.group + 1] + s.b * BLOCK_WORDS);
    ZERO_SUMS();
    for (size_t i = 0; i < 4; i++) {
        _tile_loadd(A0, x0 + 64 * i, 256);
        _tile_loadd(B0, high + 64 * TILE * i, 64);
        PRODUCT(C0, A0, B0);
        _tile_loadd(B1, low + 64 * TILE * i, 64);
        PRODUCT(C1, A0, B1);
        _tile_loadd(A1, x1 + 64 * i, 256);
        PRODUCT(C2, A1, B0);
        PRODUCT(C3, A1, B1);
    }
    _tile_stored(C0, sums, 64);
    _tile_stored(C1, sums + NCE_AMX_SUMS, 64);
    _tile_stored(C2, sums + 2 * NCE_AMX_SUMS, 64);
    _tile_stored(C3, sums + 3 * NCE_AMX_SUMS, 64);
}

/* ---- vectors ---- */

INLINE void flat_add(const nce_amx_job *j, amx_step s, const int32_t *sums, size_t head, int n_pairs)
{
    for (size_t r = 0; r < 2; r++)
        for (size_t g = 0; g < 2; g++)
            add_256(j->panel[r] + s.b * 64 * (head + 64), j->x[s.group + g] + s.b * BLOCK_WORDS,
                    sums + (2 * r + g) * NCE_AMX_SUMS, acc_at(j, r, s.group + g), TILE, 1, n_pairs);
}

INLINE void plane_add(const nce_amx_job *j, amx_step s, const int32_t *sums, int n_pairs)
{
    for (size_t g = 0; g < 2; g++)
        add_256(j->panel[s.panel] + s.b * (NCE_AMX_PLANES_BYTES / 4), j->x[s.group + g] + s.b * BLOCK_WORDS,
                sums + 2 * g * NCE_AMX_SUMS, acc_at(j, s.panel, s.group + g), TILE, 2, n_pairs);
}

#define KERNEL(name, tiles_call, add_call, panels)                                                                     \
    INLINE void name##_tiles(const nce_amx_job *j, amx_step s, int32_t *sums)                                          \
    {                                                                                                                  \
        tiles_call;                                                                                                    \
    }                                                                                                                  \
    INLINE void name##_add(const nce_amx_job *j, amx_step s, const int32_t *sums)                                      \
    {                                                                                                                  \
        add_call;                                                                                                      \
    }                                                                                                                  \
    void nce_amx_##name(const nce_amx_job *j)                                                                          \
    {                                                                                                                  \
        run_steps(j, panels, name##_tiles, name##_add);                                                                \
    }
KERNEL(flat256, flat_tiles(j, s, sums, 1), flat_add(j, s, sums, 1, 0), 2)
KERNEL(flat256_min, flat_tiles(j, s, sums, 10), flat_add(j, s, sums, 10, 8), 2)
KERNEL(planes, plane_tiles(j, s, sums, false), plane_add(j, s, sums, 0), 1)
KERNEL(planes_min, plane_tiles(j, s, sums, true), plane_add(j, s, sums, 4), 1)
