/* Writing GGUF version 3, front to back, without holding tensor data.
 *
 * Order: keys and tensor declarations in any order, then nce_gguf_writer_begin, then the data of every tensor in the
 * order of declaration, in pieces of any size, then nce_gguf_writer_finish.  A file is written under a temporary name
 * in the same folder and renamed by finish, so a reader never sees half a file and a failed run leaves the old one
 * alone.
 *
 * Errors stick: after the first failure every call does nothing and returns that status again, so a caller may check
 * begin, its data and finish only.  One thread at a time. */
#ifndef NCE_SRC_GGUF_WRITER_H
#define NCE_SRC_GGUF_WRITER_H
#include "src/core/gguf/gguf.h"

typedef struct nce_gguf_writer nce_gguf_writer;

/* path NULL: write to memory (nce_gguf_writer_take).  alignment: of tensor data, a power of two from 8 to 2^20, 0 for
 * 32; another one than 32 is also written as general.alignment. */
nce_status nce_gguf_writer_create(nce_context *ctx, const char *path, uint32_t alignment, nce_gguf_writer **out);
/* A writer whose work survives: the temporary file is PATH.JOB.partial and stays when the writer, or the process, ends
 * unfinished.  begin finds there what an earlier writer with the same head left, and goes on after its last whole tensor:
 * the caller then gives the data of the tensors from nce_gguf_writer_kept on.  job: letters and digits that stand for
 * everything the data depends on.  NCE_ERR_BUSY: another process is writing that file. */
nce_status nce_gguf_writer_create_resumable(nce_context *ctx, const char *path, const char *job, nce_gguf_writer **out);
size_t nce_gguf_writer_kept(const nce_gguf_writer *w);
/* Let destroy remove the temporary file after all. */
void nce_gguf_writer_discard(nce_gguf_writer *w);

void nce_gguf_writer_destroy(nce_gguf_writer *w); /* removes the temporary file of an unfinished run; NULL is allowed */

/* ---- metadata ----  NCE_ERR_INVALID: a key used twice (reported by begin) or not printable ASCII, or begin was
 * called. */
nce_status nce_gguf_put_u32(nce_gguf_writer *w, const char *key, uint32_t value);
nce_status nce_gguf_put_u64(nce_gguf_writer *w, const char *key, uint64_t value);
nce_status nce_gguf_put_i32(nce_gguf_writer *w, const char *key, int32_t value);
nce_status nce_gguf_put_f32(nce_gguf_writer *w, const char *key, float value);
nce_status nce_gguf_put_bool(nce_gguf_writer *w, const char *key, bool value);
nce_status nce_gguf_put_text(nce_gguf_writer *w, const char *key, const char *text);
nce_status nce_gguf_put_string(nce_gguf_writer *w, const char *key, nce_str value);
nce_status nce_gguf_put_strings(nce_gguf_writer *w, const char *key, const nce_str *values, uint64_t count);
/* Any type with values of a fixed size (not strings); data: count values as they lie in memory. */
nce_status nce_gguf_put_value(nce_gguf_writer *w, const char *key, nce_gguf_value_type type, const void *data);
nce_status nce_gguf_put_array(nce_gguf_writer *w, const char *key, nce_gguf_value_type element, const void *data,
                              uint64_t count);
/* A key of an open file, unchanged, of any type. */
nce_status nce_gguf_put_kv(nce_gguf_writer *w, const nce_gguf_kv *kv);

/* ---- tensors ----  ne[0] is the row length and must be whole blocks of the type; n_dims 1..4. */
nce_status nce_gguf_put_tensor(nce_gguf_writer *w, nce_str name, nce_type type, uint32_t n_dims, const uint64_t *ne);

/* Write everything before the data.  NCE_ERR_INVALID names a key or tensor given twice. */
nce_status nce_gguf_writer_begin(nce_gguf_writer *w);
/* The next bytes of tensor data; padding between tensors is added. NCE_ERR_INVALID: more than was declared. */
nce_status nce_gguf_write(nce_gguf_writer *w, const void *data, size_t bytes);
/* Complete the file.  NCE_ERR_INVALID: data of a declared tensor is missing. */
nce_status nce_gguf_writer_finish(nce_gguf_writer *w);

/* The finished bytes of a writer to memory; the caller frees them with nce_free. */
void nce_gguf_writer_take(nce_gguf_writer *w, void **data, size_t *size);

#endif
