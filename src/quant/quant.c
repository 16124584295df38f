/* The public face of the type table: names, sizes, expansion. */
#include "src/kernels/types/type.h"

/* ASCII only: strcasecmp would depend on the locale of the program. */
static bool same_name(const char *lower, const char *text)
{
    for (; *lower != '\0'; lower++, text++)
        if (*lower != (*text >= 'A' && *text <= 'Z' ? *text + 32 : *text)) return false;
    return *text == '\0';
}

const char *nce_type_name(nce_type type)
{
    const nce_type_info *t = nce_type_info_of(type);
    return t != NULL ? t->name : NULL;
}

nce_status nce_type_from_name(const char *name, nce_type *out)
{
    if (name == NULL || out == NULL) return NCE_ERR_INVALID;
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *t = nce_type_info_of((nce_type)id);
        if (t != NULL && same_name(t->name, name)) {
            *out = (nce_type)id;
            return NCE_OK;
        }
    }
    return NCE_ERR_NOTFOUND;
}

size_t nce_type_block_elements(nce_type type)
{
    const nce_type_info *t = nce_type_info_of(type);
    return t != NULL ? t->block : 0;
}

size_t nce_type_block_bytes(nce_type type)
{
    const nce_type_info *t = nce_type_info_of(type);
    return t != NULL ? t->block_bytes : 0;
}

size_t nce_type_row_bytes(nce_type type, size_t n)
{
    const nce_type_info *t = nce_type_info_of(type);
    if (t == NULL || n % t->block != 0 || n / t->block > SIZE_MAX / t->block_bytes) return 0;
    return n / t->block * t->block_bytes;
}

nce_status nce_dequantize(nce_type type, const void *src, float *dst, size_t n)
{
    const nce_type_info *t = nce_type_info_of(type);
    if (t == NULL || n % t->block != 0 || (n > 0 && (src == NULL || dst == NULL))) return NCE_ERR_INVALID;
    if (t->tensor_scale) return NCE_ERR_UNSUPPORTED;
    nce_type_to_f32(t, src, dst, n);
    return NCE_OK;
}
