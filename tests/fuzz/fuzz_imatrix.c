/* Any bytes are an importance matrix or are refused; one that opens answers for every weight it names. */
#include "src/quant/imatrix.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_COLUMNS = 4096 };

static void ask(const nce_imatrix *m, const nce_gguf_tensor *t)
{
    static const char tail[] = ".in_sum2";
    static float columns[MOST_COLUMNS];
    const size_t n = sizeof tail - 1;
    if (t->name.size <= n || memcmp(t->name.data + t->name.size - n, tail, n) != 0) return;
    const nce_str weight = {t->name.data, t->name.size - n};
    if (t->ne[0] > MOST_COLUMNS) return;
    nce_imatrix_columns(m, weight, (size_t)t->ne[0], 0, columns);
    nce_imatrix_columns(m, weight, (size_t)t->ne[0], (size_t)t->ne[1] - 1, columns);
    nce_imatrix_columns(m, weight, (size_t)t->ne[0] - 1, (size_t)t->ne[1], columns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    nce_context *ctx;
    nce_imatrix *m;
    nce_gguf *names;
    const int file = memfd_create("imatrix", 0);
    if (file < 0 || nce_context_create(NULL, &ctx) != NCE_OK) abort();
    if (write(file, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (nce_imatrix_open(ctx, path, &m) == NCE_OK && nce_gguf_open_memory(ctx, "fuzz", data, size, &names) == NCE_OK) {
        for (size_t i = 0; i < nce_gguf_n_tensors(names); i++)
            ask(m, nce_gguf_tensor_at(names, i));
        nce_gguf_close(names);
    }
    nce_imatrix_close(m);
    nce_context_destroy(ctx);
    close(file);
    return 0;
}
