#include "tools/nce/common.h"
#include "tools/measure.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void print_log(void *user, nce_log_level level, const char *text)
{
    (void)user;
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    fprintf(stderr, "[%s] %s\n", names[level], text);
}

static int find_isa(const char *name, uint32_t *isa)
{
    for (uint32_t i = NCE_ISA_AUTO; i <= NCE_ISA_NEON; i++)
        if (strcmp(name, nce_isa_name((nce_isa)i)) == 0) {
            *isa = i;
            return NCE_EXIT_OK;
        }
    return nce_cmd_usage("--isa: '%s' is not one of auto, scalar, avx2, avx512, neon", name);
}

int nce_engine_context(const nce_common *c, nce_engine *e)
{
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    memset(e, 0, sizeof *e);
    o.n_threads = c->threads;
    o.paths = c->paths;
    o.meters = c->energy;
    o.log = print_log;
    o.log_level = c->verbose ? NCE_LOG_INFO : NCE_LOG_WARNING;
    if (c->isa != NULL) {
        const int code = find_isa(c->isa, &o.isa);
        if (code != NCE_EXIT_OK) return code;
    }
    const nce_status status = nce_context_create(&o, &e->ctx);
    if (status == NCE_ERR_UNSUPPORTED) return nce_cmd_failed("--isa %s: this processor or build lacks it", c->isa ? c->isa : "auto");
    return status == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("cannot create a context: %s", nce_status_name(status));
}

int nce_engine_failed(const nce_engine *e, nce_status status)
{
    const char *text = nce_context_error(e->ctx);
    return nce_cmd_failed("%s", *text != '\0' ? text : nce_status_name(status));
}

int nce_engine_model(const nce_common *c, const char *path, nce_engine *e)
{
    nce_bar bar = {.label = "loading", .quiet = c->quiet, .last = -1};
    nce_model_options o = NCE_MODEL_OPTIONS_INIT;
    const int code = nce_engine_context(c, e);
    if (code != NCE_EXIT_OK) return code;
    o.progress = nce_bar_progress;
    o.progress_user = &bar;
    o.device = c->device;
    if (c->gpu_layers != NULL && strcmp(c->gpu_layers, "auto") != 0) {
        char *end;
        const unsigned long n = strtoul(c->gpu_layers, &end, 10);
        if (*end != '\0' || n == 0 || n > UINT32_MAX)
            return nce_cmd_usage("--gpu-layers: '%s' is neither a number of layers nor auto", c->gpu_layers);
        o.gpu_layers = (uint32_t)n;
    }
    o.no_mmap = c->no_mmap;
    const nce_status status = nce_model_load(e->ctx, path, &o, &e->model);
    nce_bar_finish(&bar);
    return status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(e, status);
}

int nce_engine_session(const nce_common *c, nce_engine *e)
{
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    o.n_ctx = c->ctx;
    o.n_batch = c->batch;
    o.n_seq = c->seqs;
    o.collect_importance = c->importance;
    if (c->kv != NULL) {
        nce_type type;
        if (nce_type_from_name(c->kv, &type) != NCE_OK) return nce_cmd_usage("--kv: '%s' is no tensor type", c->kv);
        o.kv_type_k = o.kv_type_v = (uint32_t)type;
        o.kv_types_set = 1;
    }
    const nce_status status = nce_session_create(e->model, &o, &e->session);
    return status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(e, status);
}

void nce_engine_close(nce_engine *e)
{
    nce_session_destroy(e->session);
    nce_model_destroy(e->model);
    nce_context_destroy(e->ctx);
}

char *nce_read_file(const char *path, size_t *n)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t capacity = 1 << 16, used = 0;
    char *text = malloc(capacity + 1);
    if (f == NULL || text == NULL) {
        nce_cmd_failed("%s: %s", path, strerror(errno));
        free(text);
        if (f != NULL && f != stdin) fclose(f);
        return NULL;
    }
    for (size_t got; (got = fread(text + used, 1, capacity - used, f)) > 0;) {
        used += got;
        if (used < capacity) continue;
        char *more = realloc(text, 2 * capacity + 1);
        if (more == NULL) break;
        text = more;
        capacity *= 2;
    }
    const bool bad = ferror(f) || used == capacity;
    if (f != stdin) fclose(f);
    if (bad) {
        nce_cmd_failed("%s: %s", path, strerror(errno));
        free(text);
        return NULL;
    }
    text[used] = '\0';
    *n = used;
    return text;
}

int32_t *nce_read_tokens(const char *path, size_t *n)
{
    size_t bytes, count = 0;
    char *text = nce_read_file(path, &bytes), *at = text;
    int32_t *ids = text ? malloc((bytes / 2 + 1) * sizeof *ids) : NULL;
    while (ids != NULL) {
        char *end;
        while (isspace((unsigned char)*at))
            at++;
        if (*at == '\0') break;
        const long id = strtol(at, &end, 10);
        if (end == at || id < 0 || id > INT32_MAX || (*end != '\0' && !isspace((unsigned char)*end))) {
            nce_cmd_failed("%s: '%.20s' is no token id", path, at);
            free(ids);
            ids = NULL;
            break;
        }
        ids[count++] = (int32_t)id;
        at = end;
    }
    free(text);
    *n = count;
    return ids;
}

int32_t *nce_encode_text(const nce_engine *e, const char *text, size_t n_bytes, uint32_t flags, size_t *n)
{
    int32_t *ids = malloc((n_bytes + 4) * sizeof *ids);
    const nce_status status = ids ? nce_tokenizer_encode(nce_model_tokenizer(e->model), text, n_bytes, flags, ids, n_bytes + 4, n) : NCE_ERR_NOMEM;
    if (status == NCE_OK) return ids;
    nce_engine_failed(e, status);
    free(ids);
    return NULL;
}

double nce_seconds(void)
{
    return measure_seconds(CLOCK_MONOTONIC);
}
