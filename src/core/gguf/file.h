/* Inside of a nce_gguf, shared by the files of this folder only. */
#ifndef NCE_SRC_GGUF_FILE_H
#define NCE_SRC_GGUF_FILE_H
#include "src/core/gguf/gguf.h"
#include "src/core/gguf/index.h"
#include "src/core/gguf/source.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF is read in place: little-endian machines only");

/* Limits of the format, and of what we are willing to hold for a file that claims more. */
enum {
    NCE_GGUF_MAX_KEY = 65535,
    NCE_GGUF_MAX_TENSOR_NAME = 64,
    NCE_GGUF_DEFAULT_ALIGNMENT = 32,
    NCE_GGUF_MIN_ALIGNMENT = 8,
    NCE_GGUF_MAX_ALIGNMENT = 1 << 20,
    NCE_GGUF_MIN_KV_BYTES = 8 + 1 + 4 + 1,            /* key length, key, type, value */
    NCE_GGUF_MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8 /* name length, name, dimensions, one size, type, offset */
};

/* One file.  The first of a split set also owns the others and lists their tensors as its own. */
struct nce_gguf {
    nce_context *ctx;
    nce_source source;
    uint32_t version, alignment;
    size_t data_start; /* of the tensor data */
    nce_gguf_kv *kv;
    size_t n_kv, kv_capacity;
    nce_gguf_tensor *tensors;
    size_t n_tensors, tensor_capacity;
    nce_index kv_index, tensor_index;
    nce_gguf **others; /* parts 2.. */
    size_t n_others;
};

/* Read header, metadata and tensor table of g->source into g, validated; only the indexes over tensors are left out. */
nce_status nce_gguf_parse(nce_gguf *g, nce_str architecture);

/* Order, overlap and room of the tensors in the file (all of g->tensors lie in it). */
nce_status nce_gguf_check_layout(const nce_gguf *g, nce_str architecture);

/* Index of g->tensors; duplicates are NCE_ERR_FORMAT. */
nce_status nce_gguf_index_tensors(nce_gguf *g);

/* Bytes of a tensor of a type id as found in a file, or a refusal that names the type. */
nce_status nce_gguf_tensor_bytes(const nce_gguf *g, nce_str architecture, uint32_t type_id, nce_gguf_tensor *t);

/* NCE_ERR_FORMAT (or another status) naming the file and the key or tensor: "PATH: key 'K': ...". */
nce_status nce_gguf_bad(const nce_gguf *g, nce_status status, const char *kind, nce_str name, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static inline nce_str nce_str_of(const char *text)
{
    return (nce_str){text, strlen(text)};
}

static inline uint32_t nce_load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t nce_load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Bytes of one value; 0 for strings and arrays, which have no fixed size, and for unknown types. */
size_t nce_gguf_value_bytes(uint32_t type);
const char *nce_gguf_value_name(uint32_t type); /* "u32", "string", ...; "unknown type" */

/* May it be a key or a tensor name?  Printable ASCII, so that it can be shown as it is. */
bool nce_gguf_name_ok(nce_str name);

#endif
