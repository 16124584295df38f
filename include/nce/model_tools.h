/* Tools on model files: describing one, quantizing one, and making one of random weights in a real shape.
 *
 * They work on files, not on loaded models, so they need no more memory than the metadata. */
#ifndef NCE_MODEL_TOOLS_H
#define NCE_MODEL_TOOLS_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes n bytes of output, not terminated, valid until return.  Called on the thread of the call that writes.  Return
 * false to stop: the call ends with NCE_ERR_CANCELLED. */
typedef bool nce_write_fn(void *user, const char *text, size_t n);

typedef struct nce_describe_options {
    size_t struct_size;
    uint32_t json;         /* 1: one JSON object; 0: text for people */
    uint32_t max_elements; /* of an array to show; 0: 8 as text, all of them as JSON */
} nce_describe_options;
#define NCE_DESCRIBE_OPTIONS_INIT { sizeof(nce_describe_options), 0, 0 }

/* Write the metadata and the tensor table of a GGUF file (or of a split set, given its first part).
 *
 * The text has one line for each key and tensor.  The JSON is
 *   {"file", "version", "parts", "bytes", "parameters",
 *    "metadata": {KEY: {"type", "value"} or {"type": "array", "element", "count", "value": [...]}, ...},
 *    "tensors": [{"name", "type", "shape": [row length first], "part", "offset", "bytes"}, ...]}
 * with bytes of strings that are not UTF-8 as U+FFFD, numbers that JSON cannot hold (NaN, infinities) as null, and
 * 64-bit integers in full.
 *
 * options  NULL for text.    write, user  where it goes.
 * Returns NCE_OK; NCE_ERR_INVALID (an argument); NCE_ERR_NOTFOUND, NCE_ERR_IO, NCE_ERR_FORMAT, NCE_ERR_UNSUPPORTED (the
 *         file is no GGUF file that can be read: nothing was written); NCE_ERR_CANCELLED (write stopped it);
 *         NCE_ERR_NOMEM.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_gguf_describe(nce_context *ctx, const char *path, const nce_describe_options *options,
                                     nce_write_fn *write, void *user);

typedef struct nce_synth_options {
    size_t struct_size;
    const char *shape;         /* a name that nce_synth_shape gives; NULL: "tiny" */
    const char *type;          /* a type or mix that nce_synth_type gives, any case; NULL: "q4_k_m" */
    uint64_t seed;             /* equal seeds, shapes and types give equal files */
    uint32_t n_layers;         /* 0: as many as the shape has; at most 1024 */
    uint32_t n_vocab;          /* 0: as the shape has; 512 to 2^20 */
    nce_progress_fn *progress; /* bytes of weights written; may be NULL; false cancels */
    void *progress_user;
} nce_synth_options;
#define NCE_SYNTH_OPTIONS_INIT { sizeof(nce_synth_options), 0, 0, 0, 0, 0, 0, 0 }

/* Write a model of random weights in the shape of a real one: for benchmarks and tests without a download.
 *
 * The file is complete: metadata, a SentencePiece vocabulary of distinct pieces with byte fallback, a chat template and
 * every tensor, so that any program that reads Llama models in GGUF loads it.  Weights are drawn as quantized blocks,
 * with deviation 1/sqrt(row length), so activations stay finite; the text such a model writes means nothing.
 *
 * path     appears when the file is complete; an existing file is replaced.
 * options  NULL for defaults.
 * Returns NCE_OK; NCE_ERR_INVALID (an option out of range); NCE_ERR_NOTFOUND (no such shape or type: the message lists
 *         them); NCE_ERR_UNSUPPORTED (a type that cannot be drawn); NCE_ERR_IO; NCE_ERR_CANCELLED; NCE_ERR_NOMEM.
 *         After a failure no file was made or changed.
 * Threads: any; uses the threads of the context.  Since 0.1. */
NCE_API nce_status nce_gguf_synthesize(nce_context *ctx, const char *path, const nce_synth_options *options);

/* Names of the shapes and of the types and mixes, in the order of their tables; NULL beyond the last.  Static storage.
 * Any thread.  Since 0.1. */
NCE_API const char *nce_synth_shape(size_t i);
NCE_API const char *nce_synth_type(size_t i);

typedef struct nce_quantize_options {
    size_t struct_size;
    const char *type;                /* a type or mix that nce_synth_type gives, any case; NULL: "q4_k_m" */
    const char *const *tensor_types; /* [n_tensor_types] "PATTERN=TYPE", the first that matches a name wins; * stands for
                                        any characters, ? for one; TYPE as nce_type_from_name takes it */
    size_t n_tensor_types;
    const char *imatrix;       /* importance matrix, a GGUF file (nce imatrix makes them); NULL: all columns equal */
    nce_progress_fn *progress; /* bytes of the new file written; may be NULL; false cancels */
    void *progress_user;
    uint32_t pure;    /* 1: the base type for every matrix, no better ones for those that matter most */
    uint32_t absmean; /* 1: matrices that become TQ1_0 or TQ2_0 are made ternary as BitNet b1.58 does, by the mean |w| of
                         the whole matrix; for float weights trained that way (never for already ternary ones) */
    uint32_t resume;  /* 1: write to OUT.JOB.partial, which stays when the call, or the process, ends early, and continue
                         such a file of the same job (in, imatrix and options) after its last whole tensor */
    uint32_t reserved; /* 0 */
} nce_quantize_options;
#define NCE_QUANTIZE_OPTIONS_INIT { sizeof(nce_quantize_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Quantize a model file.
 *
 * in       a GGUF file, or the first of a split set; any types (blocks are expanded first, which adds their error to
 *          the new one; tensors that already have their new type are copied).
 * out      appears when it is complete, as one file; an existing file is replaced.  Another path than in.
 * options  NULL for defaults.
 * Metadata is copied, with general.file_type and general.quantization_version set.  Vectors, norms, expert routers and
 * other small tensors keep their type.  Rows no blocks of the wanted type fit into get the nearest type that fits.
 * The result depends on the input and the options alone, not on threads.
 * Returns NCE_OK; NCE_ERR_INVALID (an option; in and out are one file); NCE_ERR_NOTFOUND (no such file or type: the
 *         message lists the types); NCE_ERR_FORMAT (in or imatrix breaks its format, or a weight is not finite);
 *         NCE_ERR_UNSUPPORTED (a type that cannot be written); NCE_ERR_IO; NCE_ERR_BUSY (resume: another
 *         process is at the same job); NCE_ERR_CANCELLED; NCE_ERR_NOMEM.
 *         After a failure out is as it was.
 * Threads: any; uses the threads of the context.  Since 0.1. */
NCE_API nce_status nce_gguf_quantize(nce_context *ctx, const char *in, const char *out,
                                     const nce_quantize_options *options);

#ifdef __cplusplus
}
#endif
#endif
