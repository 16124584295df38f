/* GGUF files in memory: metadata and the tensor table, validated before anything is believed.
 *
 * Strings and arrays stay in the mapped file; nothing is copied, so memory is a small multiple of the number of entries.
 * A nce_gguf is immutable after open and may be read from several threads. */
#ifndef NCE_SRC_GGUF_H
#define NCE_SRC_GGUF_H
#include "nce/quant.h"
#include "src/core/runtime/context.h"

enum { NCE_GGUF_MAX_DIMS = 4 };

/* Value types of the format. */
typedef enum nce_gguf_value_type {
    NCE_GGUF_U8 = 0, NCE_GGUF_I8 = 1, NCE_GGUF_U16 = 2, NCE_GGUF_I16 = 3, NCE_GGUF_U32 = 4, NCE_GGUF_I32 = 5,
    NCE_GGUF_F32 = 6, NCE_GGUF_BOOL = 7, NCE_GGUF_STRING = 8, NCE_GGUF_ARRAY = 9, NCE_GGUF_U64 = 10, NCE_GGUF_I64 = 11,
    NCE_GGUF_F64 = 12
} nce_gguf_value_type;

typedef struct nce_str { const char *data; size_t size; } nce_str; /* not terminated; may hold any byte */

typedef struct nce_gguf_kv {
    nce_str key;
    nce_gguf_value_type type;         /* ARRAY: see element_type */
    nce_gguf_value_type element_type; /* of an array */
    uint64_t count;                   /* elements of an array; 1 otherwise */
    const uint8_t *data;              /* first value byte in the file (arrays of strings: the first length word) */
    size_t bytes;                     /* of all values */
} nce_gguf_kv;

typedef struct nce_gguf_tensor {
    nce_str name;
    nce_type type;
    uint32_t n_dims;
    uint64_t ne[NCE_GGUF_MAX_DIMS]; /* ne[0] is the row length; unused dimensions are 1 */
    uint32_t split;                 /* file of the set it lies in */
    uint64_t offset;                /* from the start of that file */
    uint64_t bytes;
    const uint8_t *data;            /* inside the mapping (or the buffer); never beyond the file */
} nce_gguf_tensor;

typedef struct nce_gguf nce_gguf;

typedef struct nce_gguf_options {
    bool no_mmap;               /* read into memory instead of mapping */
    nce_progress_fn *progress;  /* of reading; may be NULL */
    void *progress_user;
} nce_gguf_options;

/* Open a file, or the first of a split set ("-00001-of-00003"), whose other parts lie beside it; or a model by its name
 * (locate.h). */
nce_status nce_gguf_open(nce_context *ctx, const char *path, const nce_gguf_options *options, nce_gguf **out);
/* The same from memory, which is borrowed until close: for tests, fuzzing and embedded models.  name is for messages. */
nce_status nce_gguf_open_memory(nce_context *ctx, const char *name, const void *data, size_t size, nce_gguf **out);
void nce_gguf_close(nce_gguf *g); /* NULL is allowed */

const char *nce_gguf_name(const nce_gguf *g); /* the path, for messages */
uint32_t nce_gguf_version(const nce_gguf *g);
uint32_t nce_gguf_n_splits(const nce_gguf *g);
uint64_t nce_gguf_file_bytes(const nce_gguf *g); /* of all parts */
nce_context *nce_gguf_context(const nce_gguf *g);

/* Did the mapped file shrink under us?  Called before long runs over the mapping: touching a page past the new end would
 * kill the process.  NCE_ERR_IO names the file. */
nce_status nce_gguf_check_size(const nce_gguf *g);

size_t nce_gguf_n_kv(const nce_gguf *g);
const nce_gguf_kv *nce_gguf_kv_at(const nce_gguf *g, size_t i);
const nce_gguf_kv *nce_gguf_find(const nce_gguf *g, const char *key); /* O(1); NULL if absent */
size_t nce_gguf_n_tensors(const nce_gguf *g);
const nce_gguf_tensor *nce_gguf_tensor_at(const nce_gguf *g, size_t i);
const nce_gguf_tensor *nce_gguf_find_tensor(const nce_gguf *g, const char *name); /* O(1); NULL if absent */

/* ---- typed reads ----
 * An absent key leaves *value untouched and gives NCE_ERR_NOTFOUND without recording a message, so that optional keys
 * cost nothing.  A wrong type or a value outside [min, max] is NCE_ERR_FORMAT naming file, key, value and limit. */
nce_status nce_gguf_u64(const nce_gguf *g, const char *key, uint64_t min, uint64_t max, uint64_t *value); /* any integer type */
nce_status nce_gguf_u32(const nce_gguf *g, const char *key, uint32_t min, uint32_t max, uint32_t *value);
nce_status nce_gguf_f32(const nce_gguf *g, const char *key, float min, float max, float *value); /* F32 or F64, finite */
nce_status nce_gguf_bool(const nce_gguf *g, const char *key, bool *value);
nce_status nce_gguf_string(const nce_gguf *g, const char *key, nce_str *value);
/* An array with the element type wanted; *kv NULL if absent. */
nce_status nce_gguf_array(const nce_gguf *g, const char *key, nce_gguf_value_type element, const nce_gguf_kv **kv);
/* Element i of an array of numbers (integers, bool); no check of i. */
int64_t nce_gguf_element_i64(const nce_gguf_kv *kv, uint64_t i);
float nce_gguf_element_f32(const nce_gguf_kv *kv, uint64_t i); /* of F32 or F64 */

/* Walk an array of strings: set cursor to kv->data, call count times. */
nce_str nce_gguf_next_string(const uint8_t **cursor);

bool nce_str_equal(nce_str a, const char *b);

#endif
