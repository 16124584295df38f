/* Models by name: "tiny" instead of a path. */
#ifndef NCE_SRC_GGUF_LOCATE_H
#define NCE_SRC_GGUF_LOCATE_H
#include "src/core/runtime/context.h"

/* Where a model is: a file, or bytes that are part of the library.  Both NULL: nowhere. */
typedef struct nce_location {
    char *path; /* from nce_alloc */
    const void *data;
    size_t size;
} nce_location;

/* Is it a name to look up, not a path?  (No '/', no ".gguf" at its end, and no file of that name.) */
bool nce_model_is_name(const char *name);

/* Look a name up: NAME.gguf in the folders of NCE_MODEL_PATH, then in the installed data folder, then among the models
 * that are part of the library.  NCE_ERR_NOTFOUND says where it looked. */
nce_status nce_model_locate(nce_context *ctx, const char *name, nce_location *out);

/* A model that is part of the library; NULL if there is none of that name.  Names in order, NULL beyond the last. */
const void *nce_builtin_model(const char *name, size_t *size);
const char *nce_builtin_name(size_t i);

#endif
