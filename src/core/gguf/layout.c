/* Tensor sizes by type, and how tensors may lie in a file.
 *
 * Type ids that left the format are refused by name.  Two ids are claimed twice: Microsoft's BitNet programs write id
 * 36 for I2_S (a removed type of GGUF) and id 39 for TL2 (MXFP4 in GGUF).  The architecture and the room up to the next
 * tensor tell them apart; what cannot be told apart is refused. */
#include "src/core/gguf/file.h"
#include "src/kernels/types/type.h"

enum { ID_TL2 = 39 };

static const struct {
    uint32_t id;
    const char *name;
} removed_types[] = {{4, "Q4_2"},      {5, "Q4_3"},        {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},
                     {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}};

static bool is_bitnet(nce_str architecture)
{
    return architecture.size >= 6 && memcmp(architecture.data, "bitnet", 6) == 0;
}

static nce_status refuse_type(const nce_gguf *g, const nce_gguf_tensor *t, uint32_t id)
{
    for (size_t i = 0; i < sizeof removed_types / sizeof *removed_types; i++)
        if (removed_types[i].id == id)
            return nce_gguf_bad(g, NCE_ERR_UNSUPPORTED, "tensor", t->name,
                                "type %u (%s) was removed from GGUF: convert the model again", id,
                                removed_types[i].name);
    return nce_gguf_bad(g, NCE_ERR_UNSUPPORTED, "tensor", t->name, "type %u is unknown", id);
}

nce_status nce_gguf_tensor_bytes(const nce_gguf *g, nce_str architecture, uint32_t type_id, nce_gguf_tensor *t)
{
    const nce_type_info *type = type_id <= NCE_TYPE_LAST ? nce_type_info_of((nce_type)type_id) : NULL;
    if (type == NULL || (type->id == NCE_TYPE_I2_S && !is_bitnet(architecture))) return refuse_type(g, t, type_id);
    if (t->ne[0] % type->block != 0)
        return nce_gguf_bad(g, NCE_ERR_FORMAT, "tensor", t->name,
                            "rows of %llu elements are not whole blocks of %u (%s)", (unsigned long long)t->ne[0],
                            type->block, type->name);
    uint64_t elements = 1, bytes;
    bool overflow = __builtin_mul_overflow(t->ne[0] / type->block, (uint64_t)type->block_bytes, &bytes);
    for (int i = 0; i < NCE_GGUF_MAX_DIMS; i++) {
        overflow |= __builtin_mul_overflow(elements, t->ne[i], &elements);
        if (i > 0) overflow |= __builtin_mul_overflow(bytes, t->ne[i], &bytes);
    }
    overflow |= __builtin_add_overflow(bytes, (uint64_t)type->trailer_bytes, &bytes);
    if (overflow || elements > INT64_MAX)
        return nce_gguf_bad(g, NCE_ERR_FORMAT, "tensor", t->name, "%llu x %llu x %llu x %llu elements overflow 64 bits",
                            (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], (unsigned long long)t->ne[2],
                            (unsigned long long)t->ne[3]);
    t->type = type->id;
    t->bytes = bytes;
    return NCE_OK;
}

/* Heap sort of tensor numbers by offset: no recursion, no memory, n log n whatever the file says. */
static void sort_by_offset(const nce_gguf_tensor *t, uint32_t *order, size_t n)
{
    for (size_t end = n, start = n / 2; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            const uint32_t top = order[0];
            order[0] = order[--end];
            order[end] = top;
        }
        const uint32_t moving = order[start];
        size_t at = start;
        for (size_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && t[order[child + 1]].offset > t[order[child]].offset) child++;
            if (t[order[child]].offset <= t[moving].offset) break;
            order[at] = order[child];
        }
        order[at] = moving;
    }
}

/* One tensor and the first byte of the next one (or the end of the file). */
static nce_status check_room(const nce_gguf *g, const nce_gguf_tensor *t, const nce_gguf_tensor *next, bool bitnet)
{
    const uint64_t end = t->offset + t->bytes, limit = next != NULL ? next->offset : g->source.size;
    if (end > limit)
        return nce_gguf_bad(g, NCE_ERR_FORMAT, "tensor", t->name, "bytes %llu..%llu overlap tensor '%.*s' at byte %llu",
                            (unsigned long long)t->offset, (unsigned long long)end, (int)next->name.size,
                            next->name.data, (unsigned long long)limit);
    const bool doubtful = bitnet && (t->type == NCE_TYPE_I2_S || (uint32_t)t->type == ID_TL2);
    if (doubtful && limit - end >= g->alignment)
        return nce_gguf_bad(g, NCE_ERR_UNSUPPORTED, "tensor", t->name,
                            "type %d: %llu bytes for a %s tensor of %llu: another program's type with the same number",
                            (int)t->type, (unsigned long long)(limit - t->offset), nce_type_name(t->type),
                            (unsigned long long)t->bytes);
    return NCE_OK;
}

nce_status nce_gguf_check_layout(const nce_gguf *g, nce_str architecture)
{
    nce_status status = NCE_OK;
    uint32_t *order = nce_alloc_array(g->ctx, g->n_tensors, sizeof *order);
    if (order == NULL) return nce_fail_nomem(g->ctx, g->n_tensors * sizeof *order);
    bool sorted = true;
    for (size_t i = 0; i < g->n_tensors; i++) {
        order[i] = (uint32_t)i;
        sorted &= i == 0 || g->tensors[i - 1].offset <= g->tensors[i].offset;
    }
    if (!sorted) sort_by_offset(g->tensors, order, g->n_tensors);
    for (size_t i = 0; status == NCE_OK && i < g->n_tensors; i++) {
        const nce_gguf_tensor *next = i + 1 < g->n_tensors ? &g->tensors[order[i + 1]] : NULL;
        status = check_room(g, &g->tensors[order[i]], next, is_bitnet(architecture));
    }
    nce_free(g->ctx, order);
    return status;
}
