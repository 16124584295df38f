/* libFuzzer target of the GGUF reader: open any bytes and, if they pass, read everything the file offers. */
#include "tests/fuzz/gguf_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nce_context *ctx;
    nce_gguf *g;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return 0;
    if (nce_gguf_open_memory(ctx, "fuzz", data, size, &g) == NCE_OK) gguf_sample_read_all(g);
    nce_gguf_close(g);
    nce_context_destroy(ctx);
    return 0;
}
