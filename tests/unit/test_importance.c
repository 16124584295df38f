/* Importance matrices: the sums are those of the inputs, whatever threads and batches; quantizing by them serves the columns
 * that matter; and every allocation may fail. */
#include "nce/importance.h"
#include "src/core/gguf/gguf.h"
#include "src/quant/imatrix.h"
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/fixture.h"
#include <math.h>

enum { N_TOKENS = 100 };

static void temporary(char path[64])
{
    snprintf(path, 64, "/tmp/nce-test-XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

/* Evaluate and save; threads and batch must not matter. */
static void measure(const fixture *f, uint32_t n_threads, uint32_t n_batch, const char *path)
{
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    nce_importance_options i = NCE_IMPORTANCE_OPTIONS_INIT;
    nce_session *s;
    int32_t ids[N_TOKENS];
    fixture_tokens(ids, N_TOKENS);
    o.n_threads = n_threads, o.n_batch = n_batch, o.collect_importance = 1;
    i.dataset = "numbers", i.chunk_size = 50;
    cr_assert_eq(nce_session_create(f->model, &o, &s), NCE_OK, "%s", nce_context_error(f->ctx));
    for (int part = 0; part < 2; part++) {
        cr_assert_eq(nce_session_trim(s, 0, 0), NCE_OK);
        cr_assert_eq(fixture_eval(s, 0, ids + 50 * part, 50, NCE_LOGITS_NONE, NULL), NCE_OK);
    }
    cr_assert_eq(nce_session_importance_save(s, path, &i), NCE_OK, "%s", nce_context_error(f->ctx));
    nce_session_destroy(s);
}

static char *contents(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*n);
    cr_assert_eq(fread(data, 1, *n, f), *n);
    fclose(f);
    return data;
}

static const float *floats_of(const nce_gguf *g, const char *name)
{
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, name);
    cr_assert_not_null(t, "%s", name);
    cr_assert_eq(t->type, NCE_TYPE_F32);
    return (const float *)t->data;
}

Test(importance, sums_are_those_of_the_inputs)
{
    fixture f;
    char path[64];
    nce_gguf *model, *matrix;
    int32_t ids[N_TOKENS];
    nce_str text;
    uint32_t chunks;
    cr_assert(fixture_open(&f, "tiny", "f32", NCE_ISA_AUTO, NULL));
    temporary(path);
    measure(&f, 2, 32, path);
    cr_assert_eq(nce_gguf_open(f.ctx, f.path, NULL, &model), NCE_OK);
    cr_assert_eq(nce_gguf_open(f.ctx, path, NULL, &matrix), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert_eq(nce_gguf_string(matrix, "general.type", &text), NCE_OK);
    cr_assert(nce_str_equal(text, "imatrix"));
    cr_assert_eq(nce_gguf_u32(matrix, "imatrix.chunk_count", 0, 100, &chunks), NCE_OK);
    cr_assert_eq(chunks, 2);

    /* What the first layer's attention reads: the normed embedding. */
    const float *embed = floats_of(model, "token_embd.weight"), *norm = floats_of(model, "blk.0.attn_norm.weight");
    const size_t n = nce_model_n_embd(f.model);
    double *want = calloc(n, sizeof *want);
    fixture_tokens(ids, N_TOKENS);
    for (size_t t = 0; t < N_TOKENS; t++) {
        const float *x = embed + (size_t)ids[t] * n;
        double square = 0.0;
        for (size_t i = 0; i < n; i++)
            square += (double)x[i] * x[i];
        for (size_t i = 0; i < n; i++)
            want[i] += (double)x[i] * x[i] * norm[i] * norm[i] / (square / (double)n + 1e-5);
    }
    const float *q = floats_of(matrix, "blk.0.attn_q.weight.in_sum2");
    for (size_t i = 0; i < n; i++)
        cr_assert_float_eq(q[i], want[i], 1e-4 * want[i], "column %zu: %g, not %g", i, (double)q[i], want[i]);
    cr_assert_arr_eq(floats_of(matrix, "blk.0.attn_v.weight.in_sum2"), q, n * sizeof *q, "one input, one set of sums");
    cr_assert_eq(floats_of(matrix, "blk.1.ffn_down.weight.counts")[0], (float)N_TOKENS);
    cr_assert_null(nce_gguf_find_tensor(matrix, "output.weight.in_sum2"));
    free(want);
    nce_gguf_close(matrix);
    nce_gguf_close(model);
    unlink(path);
    fixture_close(&f);
}

Test(importance, threads_and_batches_do_not_matter)
{
    fixture f;
    char path[64];
    nce_gguf *matrix;
    cr_assert(fixture_open(&f, "tiny-moe", "q8_0", NCE_ISA_AUTO, NULL));
    temporary(path);
    size_t n, n_base;
    measure(&f, 1, 512, path);
    char *base = contents(path, &n_base);
    static const uint32_t ways[][2] = {{2, 512}, {2, 1}, {1, 7}, {2, 33}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        measure(&f, ways[i][0], ways[i][1], path);
        char *data = contents(path, &n);
        cr_assert(n == n_base && memcmp(data, base, n) == 0, "%u threads, batch %u", ways[i][0], ways[i][1]);
        free(data);
    }
    cr_assert_eq(nce_gguf_open(f.ctx, path, NULL, &matrix), NCE_OK);
    const nce_gguf_tensor *t = nce_gguf_find_tensor(matrix, "blk.1.ffn_up_exps.weight.counts");
    cr_assert_not_null(t);
    float rows = 0.0f;
    for (uint64_t e = 0; e < t->ne[1]; e++)
        rows += ((const float *)t->data)[e];
    cr_assert_eq(rows, 2.0f * N_TOKENS, "every token is seen by the two experts that it uses");
    nce_gguf_close(matrix);
    free(base);
    unlink(path);
    fixture_close(&f);
}

/* Sum over all matrices of importance * (weight - quantized)^2. */
static double weighted_error(nce_context *ctx, const char *source, const char *quantized, const char *matrix)
{
    nce_gguf *a, *b;
    nce_imatrix *m;
    double error = 0.0;
    cr_assert_eq(nce_gguf_open(ctx, source, NULL, &a), NCE_OK);
    cr_assert_eq(nce_gguf_open(ctx, quantized, NULL, &b), NCE_OK);
    cr_assert_eq(nce_imatrix_open(ctx, matrix, &m), NCE_OK);
    for (size_t i = 0; i < nce_gguf_n_tensors(a); i++) {
        const nce_gguf_tensor *x = nce_gguf_tensor_at(a, i), *y = nce_gguf_find_tensor(b, "token_embd.weight");
        for (size_t j = 0; j < nce_gguf_n_tensors(b); j++)
            if (nce_gguf_tensor_at(b, j)->name.size == x->name.size && memcmp(nce_gguf_tensor_at(b, j)->name.data, x->name.data, x->name.size) == 0)
                y = nce_gguf_tensor_at(b, j);
        const size_t k = x->ne[0];
        float *importance = malloc(k * sizeof *importance), *row = malloc(k * sizeof *row);
        if (nce_imatrix_columns(m, x->name, k, 0, importance) == NCE_OK)
            for (uint64_t r = 0; r < x->ne[1]; r++) {
                const size_t row_bytes = y->bytes / y->ne[1];
                cr_assert_eq(nce_dequantize(y->type, y->data + r * row_bytes, row, k), NCE_OK);
                for (size_t c = 0; c < k; c++) {
                    const double d = (double)((const float *)x->data)[r * k + c] - (double)row[c];
                    error += (double)importance[c] * d * d;
                }
            }
        free(importance);
        free(row);
    }
    nce_imatrix_close(m);
    nce_gguf_close(a);
    nce_gguf_close(b);
    return error;
}

Test(importance, quantizing_by_it_lowers_the_weighted_error, .timeout = 900)
{
    fixture f;
    char matrix[64], plain[64], better[64];
    cr_assert(fixture_open(&f, "tiny", "f32", NCE_ISA_AUTO, NULL));
    temporary(matrix), temporary(plain), temporary(better);
    measure(&f, 2, 512, matrix);
    static const char *const types[] = {"q4_0", "q4_k", "q2_k"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
        o.type = types[i], o.pure = 1;
        cr_assert_eq(nce_gguf_quantize(f.ctx, f.path, plain, &o), NCE_OK, "%s", nce_context_error(f.ctx));
        o.imatrix = matrix;
        cr_assert_eq(nce_gguf_quantize(f.ctx, f.path, better, &o), NCE_OK, "%s", nce_context_error(f.ctx));
        const double without = weighted_error(f.ctx, f.path, plain, matrix), with = weighted_error(f.ctx, f.path, better, matrix);
        cr_assert(with < without, "%s: %g with, %g without", types[i], with, without);
    }
    unlink(matrix), unlink(plain), unlink(better);
    fixture_close(&f);
}

Test(importance, refusals)
{
    fixture f;
    nce_session *s;
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    nce_importance_options i = NCE_IMPORTANCE_OPTIONS_INIT;
    int32_t ids[4];
    fixture_tokens(ids, 4);
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, NULL));
    cr_assert_eq(nce_session_importance_save(f.session, "/tmp/never", NULL), NCE_ERR_INVALID);
    cr_assert_not_null(strstr(nce_context_error(f.ctx), "collect_importance"));
    o.collect_importance = 2;
    cr_assert_eq(nce_session_create(f.model, &o, &s), NCE_ERR_INVALID);
    o.collect_importance = 1;
    cr_assert_eq(nce_session_create(f.model, &o, &s), NCE_OK);
    cr_assert_eq(nce_session_importance_save(s, "/tmp/never", NULL), NCE_ERR_INVALID, "nothing evaluated");
    cr_assert_eq(fixture_eval(s, 0, ids, 4, NCE_LOGITS_NONE, NULL), NCE_OK);
    cr_assert_eq(nce_session_importance_save(s, NULL, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_session_importance_save(s, "/no/such/folder/file", NULL), NCE_ERR_IO);
    i.reserved = 1;
    cr_assert_eq(nce_session_importance_save(s, "/tmp/never", &i), NCE_ERR_INVALID);
    cr_assert_eq(access("/tmp/never", F_OK), -1);
    nce_session_destroy(s);
    fixture_close(&f);
}

static nce_status whole_life(nce_context *ctx, const char *model_path, const char *path)
{
    nce_model *model = NULL;
    nce_session *session = NULL;
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    int32_t ids[4];
    fixture_tokens(ids, 4);
    o.n_ctx = 64, o.n_batch = 8, o.collect_importance = 1;
    nce_status status = nce_model_load(ctx, model_path, NULL, &model);
    if (status == NCE_OK) status = nce_session_create(model, &o, &session);
    if (status == NCE_OK) status = fixture_eval(session, 0, ids, 4, NCE_LOGITS_NONE, NULL);
    if (status == NCE_OK) status = nce_session_importance_save(session, path, NULL);
    nce_session_destroy(session);
    nce_model_destroy(model);
    return status;
}

Test(importance, every_allocation_may_fail, .timeout = 900)
{
    fixture f;
    char path[64];
    cr_assert(fixture_open(&f, "tiny-moe", "q8_0", NCE_ISA_AUTO, NULL));
    temporary(path);
    for (long at = 1;; at++) {
        faulty_alloc a = {.fail_at = at};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *ctx;
        o.allocator = faulty_allocator(&a);
        o.n_threads = 1;
        nce_status status = nce_context_create(&o, &ctx);
        if (status == NCE_OK) {
            status = whole_life(ctx, f.path, path);
            nce_context_destroy(ctx);
        }
        cr_assert_eq(atomic_load(&a.live), 0, "allocation %ld leaks", at);
        if (!atomic_load(&a.failed)) {
            cr_assert_eq(status, NCE_OK);
            break;
        }
        cr_assert_eq(status, NCE_ERR_NOMEM, "allocation %ld: %s", at, nce_status_name(status));
    }
    unlink(path);
    fixture_close(&f);
}
