/* The state of a writer, between the files that open one, collect its head and write it out. */
#ifndef NCE_SRC_GGUF_WRITER_STATE_H
#define NCE_SRC_GGUF_WRITER_STATE_H
#include "src/core/gguf/file.h"
#include "src/core/gguf/writer.h"

/* Bytes that grow. */
typedef struct nce_writer_buffer {
    uint8_t *data;
    size_t size, capacity;
} nce_writer_buffer;

typedef struct nce_writer_names { /* copies, for the search for duplicates */
    nce_str *names;
    size_t n, capacity;
} nce_writer_names;

struct nce_gguf_writer {
    nce_context *ctx;
    char *path, *temporary; /* NULL: to memory */
    int fd;
    uint32_t alignment;
    nce_status status; /* the first failure */
    bool begun, finished;
    nce_writer_buffer kv, infos, out; /* out: the whole file, when it goes to memory */
    nce_writer_names keys, tensors;
    uint64_t *tensor_bytes;
    size_t tensor_bytes_capacity, current; /* tensor being written */
    uint64_t written;                      /* of the current one */
    uint64_t data_size;                    /* declared so far, padded */
    bool resumable;                        /* the temporary file outlives an unfinished writer */
    size_t n_kept;                         /* tensors found in it */
};

#define NCE_WRITER_FAIL(w, status_, ...) ((w)->status = nce_fail((w)->ctx, status_, __VA_ARGS__))

static inline const char *nce_writer_path(const nce_gguf_writer *w)
{
    return w->path != NULL ? w->path : "memory";
}

/* Add bytes, or a number or string as GGUF has them, unless the writer has failed. */
nce_status nce_writer_append(nce_gguf_writer *w, nce_writer_buffer *b, const void *data, size_t bytes);
nce_status nce_writer_append_u32(nce_gguf_writer *w, nce_writer_buffer *b, uint32_t v);
nce_status nce_writer_append_u64(nce_gguf_writer *w, nce_writer_buffer *b, uint64_t v);
nce_status nce_writer_append_string(nce_gguf_writer *w, nce_writer_buffer *b, nce_str s);

#endif
