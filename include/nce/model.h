/* Models: immutable weights and vocabulary of a GGUF file, shared by any number of sessions. */
#ifndef NCE_MODEL_H
#define NCE_MODEL_H
#include "context.h"
#include "tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_model nce_model;

typedef struct nce_model_options {
    size_t struct_size;
    nce_progress_fn *progress; /* bytes of the file checked so far, then, if the model is to lie on one device with memory of its
                                * own, bytes of its weights copied there; may be NULL; false cancels the load */
    void *progress_user;
    const char *device;        /* "cpu" (NULL: "cpu"), "cuda:0"; see nce_device_count.  "cuda:0,cuda:1,cpu": consecutive layers
                                * on each, with their keys and values; the last one has the end of the model */
    uint32_t no_mmap;          /* 1: read the file into memory instead of mapping it (see docs/gguf.md) */
    uint32_t gpu_layers;       /* layers on all devices but the last, in equal shares; more than the model has: all, and the
                                * output too.  0: on each in turn as many as its free memory holds.  With one device, the CPU
                                * is the last one */
} nce_model_options;
#define NCE_MODEL_OPTIONS_INIT { sizeof(nce_model_options), 0, 0, 0, 0, 0 }

/* Load a model.
 *
 * path     a GGUF file, or the first part of a split one; or the name of a model ("tiny").  A name has no '/', there is
 *          no file of that name, and NAME.gguf is in a folder of the environment variable NCE_MODEL_PATH (separated by
 *          ':'; not read in set-user-ID programs) or in the data folder of the installed library, or it is a built-in
 *          model; they are tried in this order.  Borrowed until return.
 * options  NULL for defaults.
 * out      the model, owned by the caller: nce_model_destroy.  NULL on failure.
 * Returns NCE_OK; NCE_ERR_INVALID (an argument); NCE_ERR_NOTFOUND (no such file or device); NCE_ERR_IO;
 *         NCE_ERR_FORMAT (the file breaks the format, or a hyper-parameter or tensor is missing or out of range: the
 *         message names file, key or tensor, value and limit); NCE_ERR_UNSUPPORTED (architecture, tensor type or
 *         vocabulary kind unknown: the message lists the known ones); NCE_ERR_CANCELLED; NCE_ERR_NOMEM.
 * A mapped file must not be changed or cut while the model lives.
 * Threads: any; several loads at once are fine.  Since 0.1. */
NCE_API nce_status nce_model_load(nce_context *ctx, const char *path, const nce_model_options *options, nce_model **out);

/* The same from a whole GGUF file in memory, which is borrowed until the model is destroyed.  Since 0.1. */
NCE_API nce_status nce_model_load_memory(nce_context *ctx, const void *data, size_t size, const nce_model_options *options,
                                         nce_model **out);

/* Load a model that is part of the library itself: no file is opened.
 *
 * name     "tiny", a trained model of about three million parameters (models/README.md); borrowed until return.
 * options  as for nce_model_load; no_mmap has no effect.
 * Returns as nce_model_load; NCE_ERR_NOTFOUND if there is no such model, or the library was built without
 *         (-Dbuiltin_model=false).
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_model_load_builtin(nce_context *ctx, const char *name, const nce_model_options *options, nce_model **out);

/* Destroy a model whose sessions have all been destroyed.  NULL is allowed.  Since 0.1. */
NCE_API void nce_model_destroy(nce_model *model);

/* ---- facts; any thread ---- */
/* general.architecture, "llama".  Owned by the model.  Since 0.1. */
NCE_API const char *nce_model_architecture(const nce_model *model);
/* Number of architectures this library runs by itself, and their names in alphabetical order; NULL beyond.  A program can
 * add its own: nce/architecture.h.  Since 0.1. */
NCE_API size_t nce_architecture_count(void);
NCE_API const char *nce_architecture_name(size_t i);
NCE_API uint32_t nce_model_n_vocab(const nce_model *model);
NCE_API uint32_t nce_model_n_layers(const nce_model *model);
NCE_API uint32_t nce_model_n_embd(const nce_model *model);
NCE_API uint32_t nce_model_n_ctx_train(const nce_model *model); /* positions the model was trained for */
NCE_API uint64_t nce_model_n_params(const nce_model *model);
NCE_API uint64_t nce_model_file_bytes(const nce_model *model);
/* Bytes of weights that one decoded token reads (experts: those used by one token): the memory roofline.  Since 0.1. */
NCE_API uint64_t nce_model_bytes_per_token(const nce_model *model);
/* Multiply-accumulates of weights for one token: the arithmetic roofline.  Since 0.1. */
NCE_API uint64_t nce_model_macs_per_token(const nce_model *model);
/* Vocabulary; owned by the model.  Since 0.1. */
NCE_API const nce_tokenizer *nce_model_tokenizer(const nce_model *model);

/* A string of the metadata ("general.name", "tokenizer.chat_template").
 *
 * text, n  borrowed from the model, not terminated.
 * Returns NCE_OK; NCE_ERR_NOTFOUND (no such key); NCE_ERR_INVALID (not a string).  Any thread.  Since 0.1. */
NCE_API nce_status nce_model_meta_string(const nce_model *model, const char *key, const char **text, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
