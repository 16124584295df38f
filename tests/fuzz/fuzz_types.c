/* Any bytes are blocks of any type, and any finite floats can be quantized to any type: byte 0 chooses the type, byte 1
 * what to do.  Buffers are exact, so that the address sanitizer sees a byte too far. */
#include "src/kernels/types/type.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void expand(const nce_type_info *t, const uint8_t *data, size_t size)
{
    const size_t n_blocks = size / t->block_bytes;
    uint8_t *blocks = malloc(n_blocks * t->block_bytes);
    float *y = malloc(n_blocks * t->block * sizeof *y);
    if (n_blocks > 0) {
        memcpy(blocks, data, n_blocks * t->block_bytes);
        nce_type_to_f32(t, blocks, y, n_blocks * t->block);
    }
    free(y);
    free(blocks);
}

/* Half of the floats are data, half weights; they repeat if there are too few for a block. */
static void quantize(const nce_type_info *t, const uint8_t *data, size_t size)
{
    const size_t n = t->block > 16 ? t->block : 16, n_floats = size / sizeof(float);
    float *x = malloc(2 * n * sizeof *x), *y = malloc(n * sizeof *y);
    uint8_t *blocks = malloc(n / t->block * t->block_bytes);
    for (size_t i = 0; i < 2 * n; i++) {
        x[i] = (float)i;
        if (n_floats > 0) memcpy(&x[i], data + i % n_floats * sizeof(float), sizeof(float));
    }
    const nce_status status = nce_quantize(t->id, x, blocks, 1, n, x + n);
    if (status == NCE_OK) {
        if (nce_dequantize(t->id, blocks, y, n) != NCE_OK) abort();
        for (size_t i = 0; i < n; i++)
            if (!isfinite(y[i])) abort();
    }
    free(blocks);
    free(y);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const nce_type_info *t = size >= 2 ? nce_type_info_of((nce_type)(data[0] % (NCE_TYPE_LAST + 1))) : NULL;
    if (t == NULL) return 0;
    if (data[1] & 1)
        quantize(t, data + 2, size - 2);
    else
        expand(t, data + 2, size - 2);
    return 0;
}
