/* Quantize one tensor of a file into a writer: chunks of rows are expanded and quantized by all threads, written. */
#ifndef NCE_SRC_QUANT_TENSOR_H
#define NCE_SRC_QUANT_TENSOR_H
#include "src/core/gguf/writer.h"
#include "src/kernels/types/type.h"
#include "src/quant/imatrix.h"

typedef struct nce_tensor_job {
    nce_context *ctx;
    const char *file; /* for messages */
    const nce_gguf_tensor *tensor;
    const nce_type_info *from, *to;
    const nce_imatrix *imatrix; /* NULL: none */
    bool absmean;
    nce_gguf_writer *writer;
    /* After every chunk: bytes written since the last call. */
    nce_status (*wrote)(void *user, uint64_t bytes);
    void *user;
} nce_tensor_job;

nce_status nce_tensor_quantize(const nce_tensor_job *job);

#endif
