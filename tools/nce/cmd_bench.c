/* nce bench: prefill and decode speed, beside the roofline of this machine measured in the same run. */
#include "tools/nce/common.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPEATS = 64, MAX_THREADS_LISTED = 16 };

typedef struct bench_args {
    nce_common c;
    uint32_t prompt, decode, depth, repeats;
    const char *threads;
    bool json, dense;
} bench_args;

typedef struct figures { double median, low, high; } figures;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static figures summarise(double *x, size_t n)
{
    qsort(x, n, sizeof *x, by_value);
    return (figures){n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]), x[0], x[n - 1]};
}

/* Some tokens of the vocabulary; which ones does not matter for speed. */
static void fill_tokens(int32_t *ids, size_t n, uint32_t n_vocab)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = (int32_t)((x >> 8) % n_vocab);
    }
}

static nce_status timed(nce_session *s, const int32_t *ids, size_t n, float *logits, double *seconds)
{
    const nce_run run = {.tokens = ids, .n_tokens = n, .logits = logits, .want = NCE_LOGITS_LAST};
    const double t0 = nce_seconds();
    const nce_status status = nce_session_eval(s, &run, 1);
    *seconds = nce_seconds() - t0;
    return status;
}

static nce_status measure(const bench_args *a, nce_session *s, const int32_t *ids, float *logits, double *prefill, double *decode)
{
    double t;
    for (uint32_t r = 0; r <= a->repeats; r++) { /* the first pass warms caches and pages, and does not count */
        nce_status status = nce_session_trim(s, 0, 0);
        if (status == NCE_OK && a->depth > 0) status = timed(s, ids, a->depth, logits, &t);
        if (status == NCE_OK && a->prompt > 0) {
            status = timed(s, ids, a->prompt, logits, &t);
            if (r > 0) prefill[r - 1] = a->prompt / t;
            nce_session_trim(s, 0, a->depth);
        }
        double sum = 0.0;
        if (status == NCE_OK && a->decode > 0 && nce_session_length(s, 0) == 0) status = timed(s, ids, 1, logits, &t);
        for (uint32_t i = 0; i < a->decode && status == NCE_OK; i++, sum += t)
            status = timed(s, ids + i, 1, logits, &t);
        if (status != NCE_OK) return status;
        if (r > 0 && a->decode > 0) decode[r - 1] = a->decode / sum;
    }
    return NCE_OK;
}

static void print_row(const bench_args *a, const nce_engine *e, uint32_t threads, const char *what, uint32_t n, figures f, bool *first)
{
    const double gmac = f.median * (double)nce_model_macs_per_token(e->model) * 1e-9;
    const double gbs = f.median * (double)nce_model_bytes_per_token(e->model) * 1e-9;
    if (!a->json) {
        printf("%-8s %6u %5u %7u %10.2f %10.2f %10.2f %9.1f %8.2f\n", what, n, a->depth, threads, f.median, f.low, f.high, gmac, gbs);
        return;
    }
    printf("%s{\"test\": \"%s\", \"tokens\": %u, \"depth\": %u, \"threads\": %u, \"tokens_per_second\": %.3f, \"min\": %.3f, \"max\": %.3f, "
           "\"gmac_per_second\": %.2f, \"gb_per_second\": %.3f}", *first ? "" : ",\n", what, n, a->depth, threads, f.median, f.low, f.high, gmac, gbs);
    *first = false;
}

/* Of all decoding so far, the warming pass too. */
static void print_energy(const bench_args *a, const nce_engine *e, bool *first)
{
    double joules;
    if (nce_session_metric(e->session, NCE_METRIC_JOULES_PER_TOKEN, &joules) != NCE_OK) {
        if (a->c.energy && !a->json) puts("energy: no meter here");
        return;
    }
    if (!a->json) printf("energy: %.4f J a decoded token\n", joules);
    else printf("%s{\"test\": \"energy\", \"joules_per_token\": %.6f}", *first ? "" : ",\n", joules);
    *first = false;
}

static int one_thread_count(const bench_args *a, nce_engine *e, uint32_t threads, bool *first)
{
    double prefill[MAX_REPEATS], decode[MAX_REPEATS];
    nce_common c = a->c;
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    o.n_ctx = a->depth + (a->prompt > a->decode + 1 ? a->prompt : a->decode + 1);
    o.n_batch = c.batch;
    o.n_threads = threads;
    o.dense_only = a->dense;
    nce_type kv = NCE_TYPE_F16;
    if (c.kv != NULL && nce_type_from_name(c.kv, &kv) != NCE_OK) return nce_cmd_usage("--kv: '%s' is no tensor type", c.kv);
    o.kv_type_k = o.kv_type_v = (uint32_t)kv;
    o.kv_types_set = 1;
    const size_t n = o.n_ctx, n_vocab = nce_model_n_vocab(e->model);
    int32_t *ids = malloc(n * sizeof *ids);
    float *logits = malloc(n_vocab * sizeof *logits);
    nce_status status = ids && logits ? nce_session_create(e->model, &o, &e->session) : NCE_ERR_NOMEM;
    if (status == NCE_OK) {
        fill_tokens(ids, n, (uint32_t)n_vocab);
        status = measure(a, e->session, ids, logits, prefill, decode);
    }
    if (status == NCE_OK && a->prompt > 0) print_row(a, e, threads, "prefill", a->prompt, summarise(prefill, a->repeats), first);
    if (status == NCE_OK && a->decode > 0) print_row(a, e, threads, "decode", a->decode, summarise(decode, a->repeats), first);
    if (status == NCE_OK) print_energy(a, e, first);
    fflush(stdout);
    nce_session_destroy(e->session);
    e->session = NULL;
    free(ids);
    free(logits);
    return status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(e, status);
}

static int all_thread_counts(const bench_args *a, nce_engine *e)
{
    bool first = true;
    int code = NCE_EXIT_OK;
    const char *at = a->threads;
    if (a->json) printf("{\"model_bytes\": %llu, \"parameters\": %llu, \"isa\": \"%s\", \"results\": [\n", (unsigned long long)nce_model_file_bytes(e->model),
                        (unsigned long long)nce_model_n_params(e->model), nce_isa_name(nce_context_isa(e->ctx)));
    else printf("%-8s %6s %5s %7s %10s %10s %10s %9s %8s\n", "test", "tokens", "depth", "threads", "tokens/s", "min", "max", "GMAC/s", "GB/s");
    if (at == NULL) code = one_thread_count(a, e, nce_context_threads(e->ctx), &first);
    while (at != NULL && code == NCE_EXIT_OK) {
        char *end;
        const unsigned long n = strtoul(at, &end, 10);
        if (end == at || n == 0 || n > 1024 || (*end != ',' && *end != '\0')) return nce_cmd_usage("-t: '%s' is no list of thread counts", a->threads);
        code = one_thread_count(a, e, (uint32_t)n, &first);
        at = *end == ',' ? end + 1 : NULL;
    }
    if (a->json) printf("\n]}\n");
    return code;
}

int nce_cmd_bench(int argc, char **argv)
{
    bench_args a = {.prompt = 512, .decode = 64, .repeats = 3};
    const char *model = NULL;
    nce_common *c = &a.c;
    const nce_arg table[] = {
        {"-p", NCE_ARG_U32, &a.prompt, 0, 65536, "N  prompt tokens (default 512; 0: no prefill test)"},
        {"-n", NCE_ARG_U32, &a.decode, 0, 65536, "N  tokens to decode (default 64; 0: no decode test)"},
        {"-d", NCE_ARG_U32, &a.depth, 0, 1000000, "N  positions filled before (default 0)"},
        {"-r", NCE_ARG_U32, &a.repeats, 1, MAX_REPEATS, "N  repetitions (default 3); the median is shown"},
        {"-t", NCE_ARG_TEXT, &a.threads, 0, 0, "N,M,...  thread counts (default: all cores)"},
        {"--threads", NCE_ARG_TEXT, &a.threads, 0, 0, NULL},
        {"--dense", NCE_ARG_FLAG, &a.dense, 0, 0, "read all weights, also where activations are zero"},
        {"--json", NCE_ARG_FLAG, &a.json, 0, 0, "machine-readable output"},
        {"--isa", NCE_ARG_TEXT, &c->isa, 0, 0, "auto|scalar|avx2|avx512|neon"},
        {"--device", NCE_ARG_TEXT, &c->device, 0, 0, "NAME[,NAME...]"},
        {"--gpu-layers", NCE_ARG_TEXT, &c->gpu_layers, 0, 0, "N|auto  layers on all devices but the last"},
        {"--paths", NCE_ARG_TEXT, &c->paths, 0, 0, "NAME=PATH,...  drivers and meters in unusual places"},
        {"--energy", NCE_ARG_FLAG, &c->energy, 0, 0, "measure joules, where the machine has meters"},
        {"--verbose", NCE_ARG_FLAG, &c->verbose, 0, 0, "log to stderr"},
        {"--kv", NCE_ARG_TEXT, &c->kv, 0, 0, "TYPE  stored keys and values (default f16)"},
        {"--batch", NCE_ARG_U32, &c->batch, 1, 4096, "N  tokens of one forward step"},
        {"--no-mmap", NCE_ARG_FLAG, &c->no_mmap, 0, 0, "read the model into memory (huge pages) instead of mapping it"},
        {"--quiet", NCE_ARG_FLAG, &c->quiet, 0, 0, "no progress"},
    };
    int code = nce_args_parse("bench MODEL [-p 512] [-n 64] [-d 0] [-t 1,2] [-r 3] [--json]", table, sizeof table / sizeof *table, argc, argv, &model, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (model == NULL) return nce_cmd_usage("bench needs MODEL");
    nce_engine e = {0};
    code = nce_engine_model(c, model, &e);
    if (code == NCE_EXIT_OK) code = all_thread_counts(&a, &e);
    nce_engine_close(&e);
    return code;
}
