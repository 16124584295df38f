/* Panels of any type through its decode function (see matmul_panel.h). */
#include "src/kernels/matmul_panel.h"
#include <string.h>

nce_panel_kind nce_panel_kind_of(const nce_type_info *type)
{
    if (type->act_block == 32)
        return type->half_scales ? NCE_PANEL_HALF32 : type->has_min ? NCE_PANEL_FLAT32_MIN : NCE_PANEL_FLAT32;
    switch (type->id) {
    case NCE_TYPE_Q2_K:
        return NCE_PANEL_FLAT256_MIN;
    case NCE_TYPE_Q4_K:
    case NCE_TYPE_Q5_K:
        return NCE_PANEL_SUB32_MIN;
    case NCE_TYPE_TQ1_0:
    case NCE_TYPE_TQ2_0:
        return NCE_PANEL_FLAT256;
    case NCE_TYPE_IQ1_S:
    case NCE_TYPE_IQ2_XXS:
    case NCE_TYPE_IQ3_XXS:
    case NCE_TYPE_IQ3_S:
    case NCE_TYPE_IQ4_XS:
        return NCE_PANEL_SUB32;
    default:
        return NCE_PANEL_SUB16;
    }
}

static void put_word(uint8_t *panel, size_t line, size_t row, uint32_t word)
{
    memcpy(panel + 64 * line + 4 * row, &word, 4);
}

static void put_float(uint8_t *panel, size_t line, size_t row, float f)
{
    memcpy(panel + 64 * line + 4 * row, &f, 4);
}

static uint32_t pair(int low, int high)
{
    return ((uint32_t)low & 0xffff) | (uint32_t)high << 16;
}

void nce_panel_put_head(nce_panel_kind kind, const nce_plain_block *p, uint8_t *panel, size_t row)
{
    const size_t head = nce_panel_head(kind);
    put_float(panel, 0, row, p->d[0]);
    if (kind == NCE_PANEL_HALF32) put_float(panel, 1, row, p->d[1]);
    if (kind == NCE_PANEL_FLAT32_MIN || kind == NCE_PANEL_FLAT256_MIN || kind == NCE_PANEL_SUB32_MIN)
        put_float(panel, 1, row, p->dmin);
    for (size_t i = 0; kind == NCE_PANEL_FLAT256_MIN && i < 8; i++)
        put_word(panel, 2 + i, row, pair(p->min[2 * i], p->min[2 * i + 1]));
    for (size_t i = 0; kind == NCE_PANEL_SUB32_MIN && i < 4; i++)
        put_word(panel, 2 + i, row, pair(p->min[4 * i], p->min[4 * i + 2]));
    for (size_t i = 0; (kind == NCE_PANEL_SUB32 || kind == NCE_PANEL_SUB32_MIN) && i < 8; i++)
        put_word(panel, head - 8 + i, row, (uint32_t)p->scale[2 * i]);
    for (size_t i = 0; kind == NCE_PANEL_SUB16 && i < 16; i++)
        put_word(panel, 1 + i, row, (uint32_t)p->scale[i]);
}

static void put_codes(nce_panel_kind kind, const nce_plain_block *p, size_t n, int offset, uint8_t *panel, size_t row)
{
    const size_t head = nce_panel_head(kind);
    const bool scaled = kind == NCE_PANEL_FLAT256 || kind == NCE_PANEL_FLAT256_MIN; /* sub-scales go into the codes */
    for (size_t i = 0; i < n; i++)
        panel[64 * (head + i / 4) + 4 * row + i % 4] = (uint8_t)(p->code[i] * (scaled ? p->scale[i / 16] : 1) + offset);
}

void nce_panel_expand_any(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_blocks, int offset,
                          uint8_t *panel)
{
    const nce_panel_kind kind = nce_panel_kind_of(type);
    const size_t step = nce_panel_block_bytes(kind), n_pieces = type->block / type->act_block;
    for (size_t b = 0; b < n_blocks; b++, w += type->block_bytes)
        for (size_t piece = 0; piece < n_pieces; piece++, panel += step)
            for (size_t row = 0; row < NCE_PANEL_ROWS; row++) {
                nce_plain_block plain;
                type->decode(w + row * row_bytes, piece, &plain);
                nce_panel_put_head(kind, &plain, panel, row);
                put_codes(kind, &plain, type->act_block, offset, panel, row);
            }
}

const uint8_t *nce_pad_rows(uint8_t *dst, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t bytes)
{
    memset(dst, 0, NCE_PANEL_ROWS * bytes);
    for (size_t r = 0; r < n_rows; r++)
        memcpy(dst + r * bytes, w + r * row_bytes, bytes);
    return dst;
}
