/* Options that all model commands share, and the objects they make. */
#ifndef NCE_TOOL_COMMON_H
#define NCE_TOOL_COMMON_H
#include "nce/nce.h"
#include "tools/nce/command.h"
#include <stdio.h>

typedef struct nce_common {
    uint32_t threads, ctx, batch, seqs;
    const char *isa, *device, *gpu_layers, *kv, *paths;
    bool quiet, no_mmap, verbose, energy;
    bool importance; /* the session collects it */
} nce_common;

/* Rows for a command's argument table. */
#define NCE_COMMON_ARGS(c)                                                                             \
    {"--threads", NCE_ARG_U32, &(c).threads, 1, 1024, "N  threads (default: all cores)"},              \
    {"-t", NCE_ARG_U32, &(c).threads, 1, 1024, NULL},                                                  \
    {"--isa", NCE_ARG_TEXT, &(c).isa, 0, 0, "auto|scalar|avx2|avx512|neon  kernels (same results)"},   \
    {"--device", NCE_ARG_TEXT, &(c).device, 0, 0, "NAME[,NAME...]  see nce devices (default: cpu)"},   \
    {"--gpu-layers", NCE_ARG_TEXT, &(c).gpu_layers, 0, 0, "N|auto  layers on all devices but the last"}, \
    {"--paths", NCE_ARG_TEXT, &(c).paths, 0, 0, "NAME=PATH,...  drivers and meters in unusual places (docs/gpus.md)"}, \
    {"--kv", NCE_ARG_TEXT, &(c).kv, 0, 0, "f32|f16|bf16|q8_0|q4_0  stored keys and values (default: f16)"}, \
    {"--ctx", NCE_ARG_U32, &(c).ctx, 1, 1048576, "N  positions of a sequence"},                        \
    {"--batch", NCE_ARG_U32, &(c).batch, 1, 4096, "N  tokens of one forward step (default: 512)"},     \
    {"--no-mmap", NCE_ARG_FLAG, &(c).no_mmap, 0, 0, "read the model into memory instead of mapping it"}, \
    {"--energy", NCE_ARG_FLAG, &(c).energy, 0, 0, "measure joules, where the machine has meters"},     \
    {"--verbose", NCE_ARG_FLAG, &(c).verbose, 0, 0, "log to stderr"},                                  \
    {"--quiet", NCE_ARG_FLAG, &(c).quiet, 0, 0, "no progress and no statistics"}

/* Each prints its own message and returns an exit code; what was made is destroyed by nce_engine_close. */
typedef struct nce_engine {
    nce_context *ctx;
    nce_model *model;
    nce_session *session;
} nce_engine;
int nce_engine_context(const nce_common *c, nce_engine *e);
int nce_engine_model(const nce_common *c, const char *path, nce_engine *e);   /* context and model */
int nce_engine_session(const nce_common *c, nce_engine *e);                   /* of the model */
void nce_engine_close(nce_engine *e);
/* "nce: " and the context's message. */
int nce_engine_failed(const nce_engine *e, nce_status status);

/* A whole file (or standard input for "-"); NULL after printing why.  free() it. */
char *nce_read_file(const char *path, size_t *n);
/* Token ids separated by white space; NULL after printing why.  free() it. */
int32_t *nce_read_tokens(const char *path, size_t *n);
/* Tokens of a text; NULL after printing why.  free() it. */
int32_t *nce_encode_text(const nce_engine *e, const char *text, size_t n_bytes, uint32_t flags, size_t *n);
double nce_seconds(void);

#endif
