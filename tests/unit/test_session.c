/* Sessions: one result whatever the batch, threads, instruction set, neighbours or history; and what is refused. */
#include "tests/unit/fixture.h"

enum { N = 150, VOCAB = 512 };

typedef struct variant {
    nce_isa isa;
    uint32_t batch, threads;
} variant;

static nce_session_options options(uint32_t batch, uint32_t threads, uint32_t kv)
{
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    o.n_ctx = 256;
    o.n_seq = 4;
    o.n_batch = batch;
    o.n_threads = threads;
    o.kv_type_k = o.kv_type_v = kv;
    o.kv_types_set = 1;
    return o;
}

static float *all_logits(nce_session *s, uint32_t seq, const int32_t *ids, size_t n)
{
    float *logits = malloc(n * VOCAB * sizeof *logits);
    cr_assert_eq(fixture_eval(s, seq, ids, n, NCE_LOGITS_ALL, logits), NCE_OK);
    return logits;
}

static void same_for_all_variants(const char *shape, const char *type, uint32_t kv)
{
    static const variant variants[] = {{NCE_ISA_SCALAR, 512, 1}, {NCE_ISA_AVX2, 512, 2}, {NCE_ISA_AVX2, 7, 1},
                                       {NCE_ISA_AVX512, 1, 2},   {NCE_ISA_AVX512, 64, 3}, {NCE_ISA_NEON, 33, 2}};
    int32_t ids[N];
    float *want = NULL;
    fixture_tokens(ids, N);
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        fixture f;
        const nce_session_options o = options(variants[i].batch, variants[i].threads, kv);
        if (fixture_open(&f, shape, type, variants[i].isa, &o)) {
            float *got = all_logits(f.session, 0, ids, N);
            for (size_t j = 0; want != NULL && j < N * VOCAB; j++)
                cr_assert_eq(memcmp(&got[j], &want[j], sizeof *got), 0, "%s %s: %s, batch %u, %u threads: logit %zu is %g, not %g", shape, type,
                             nce_isa_name(variants[i].isa), variants[i].batch, variants[i].threads, j, (double)got[j], (double)want[j]);
            cr_assert_lt(got[0] * got[0], 1e12f, "finite");
            if (want == NULL) want = got;
            else free(got);
        }
        fixture_close(&f);
    }
    free(want);
}

Test(session, one_result_q4_k_m) { same_for_all_variants("tiny", "q4_k_m", NCE_TYPE_F16); }
Test(session, one_result_q8_0) { same_for_all_variants("tiny", "q8_0", NCE_TYPE_Q8_0); }
Test(session, one_result_f32) { same_for_all_variants("tiny", "f32", NCE_TYPE_F32); }
Test(session, one_result_f16_bf16) { same_for_all_variants("tiny", "f16", NCE_TYPE_BF16); }
Test(session, one_result_ternary) { same_for_all_variants("tiny", "tq2_0", NCE_TYPE_Q4_0); }
/* Batches of one leave zeros out, larger ones do not. */
Test(session, one_result_sparse_tq1_0) { same_for_all_variants("tiny-bitnet", "tq1_0", NCE_TYPE_F16); }
Test(session, one_result_sparse_tq2_0) { same_for_all_variants("tiny-bitnet", "tq2_0", NCE_TYPE_F16); }

static double zero_share(fixture *f, bool dense, nce_status *status)
{
    nce_session_options o = options(1, 1, NCE_TYPE_F16);
    int32_t ids[4];
    float logits[VOCAB];
    double share = -1.0;
    o.dense_only = dense;
    fixture_tokens(ids, 4);
    nce_session_destroy(f->session);
    cr_assert_eq(nce_session_create(f->model, &o, &f->session), NCE_OK);
    cr_assert_eq(fixture_eval(f->session, 0, ids, 4, NCE_LOGITS_LAST, logits), NCE_OK);
    *status = nce_session_metric(f->session, NCE_METRIC_ZERO_ACTIVATIONS, &share);
    return share;
}

Test(session, zeros_are_left_out_and_counted)
{
    fixture f;
    nce_status status;
    const nce_session_options o = options(1, 1, NCE_TYPE_F16);
    cr_assert(fixture_open(&f, "tiny-bitnet", "tq2_0", NCE_ISA_SCALAR, &o));
    const double share = zero_share(&f, false, &status);
    cr_assert_eq(status, NCE_OK);
    cr_assert(share > 0.5 && share < 0.9, "half of the gates are negative and small squares round to zero, not %g", share);
    zero_share(&f, true, &status);
    cr_assert_eq(status, NCE_ERR_NOTFOUND);
    fixture_close(&f);
}

Test(session, one_result_experts) { same_for_all_variants("tiny-moe", "q4_k_m", NCE_TYPE_F16); }

/* Sequences evaluated together, forked, trimmed and restored give what a sequence alone gives. */
Test(session, history_and_neighbours_do_not_matter)
{
    fixture f;
    int32_t ids[N], other[N];
    float together[2][VOCAB], after_fork[VOCAB], after_trim[VOCAB], after_load[VOCAB];
    const nce_session_options o = options(32, 2, NCE_TYPE_F16);
    fixture_tokens(ids, N);
    for (int i = 0; i < N; i++)
        other[i] = ids[N - 1 - i];
    cr_assert(fixture_open(&f, "tiny", "q4_k_m", NCE_ISA_AUTO, &o));
    float *alone = all_logits(f.session, 0, ids, N);
    const float *last = alone + (N - 1) * VOCAB;
    nce_run runs[2] = {{.tokens = other, .n_tokens = 77, .logits = together[0], .seq = 1, .want = NCE_LOGITS_LAST},
                       {.tokens = ids, .n_tokens = N, .logits = together[1], .seq = 2, .want = NCE_LOGITS_LAST}};
    cr_assert_eq(nce_session_eval(f.session, runs, 2), NCE_OK);
    cr_assert_eq(memcmp(together[1], last, sizeof together[1]), 0, "co-batched");
    cr_assert_eq(nce_session_trim(f.session, 2, 100), NCE_OK);
    cr_assert_eq(nce_session_fork(f.session, 2, 3), NCE_OK);
    double shared;
    cr_assert_eq(nce_session_metric(f.session, NCE_METRIC_KV_PAGES_SHARED, &shared), NCE_OK);
    cr_assert_gt(shared, 0);
    cr_assert_eq(fixture_eval(f.session, 2, other, 50, NCE_LOGITS_NONE, NULL), NCE_OK, "the source goes another way");
    cr_assert_eq(fixture_eval(f.session, 3, ids + 100, N - 100, NCE_LOGITS_LAST, after_fork), NCE_OK);
    cr_assert_eq(memcmp(after_fork, last, sizeof after_fork), 0, "forked");
    cr_assert_eq(nce_session_trim(f.session, 2, 100), NCE_OK);
    cr_assert_eq(fixture_eval(f.session, 2, ids + 100, N - 100, NCE_LOGITS_LAST, after_trim), NCE_OK);
    cr_assert_eq(memcmp(after_trim, last, sizeof after_trim), 0, "trimmed");
    size_t n = nce_session_state_bytes(f.session, 3), written;
    cr_assert_eq(nce_session_trim(f.session, 3, 130), NCE_OK);
    void *state = malloc(n);
    cr_assert_eq(nce_session_save(f.session, 3, state, n, &written), NCE_OK);
    cr_assert_eq(nce_session_load(f.session, 1, state, written), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert_eq(nce_session_length(f.session, 1), 130);
    cr_assert_eq(fixture_eval(f.session, 1, ids + 130, N - 130, NCE_LOGITS_LAST, after_load), NCE_OK);
    cr_assert_eq(memcmp(after_load, last, sizeof after_load), 0, "restored");
    free(state);
    free(alone);
    fixture_close(&f);
}

Test(session, damaged_states_are_refused)
{
    fixture f;
    int32_t ids[N];
    const nce_session_options o = options(32, 1, NCE_TYPE_F16);
    fixture_tokens(ids, N);
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &o));
    cr_assert_eq(fixture_eval(f.session, 0, ids, 20, NCE_LOGITS_NONE, NULL), NCE_OK);
    const size_t n = nce_session_state_bytes(f.session, 0);
    size_t written;
    unsigned char *state = malloc(n), *bad = malloc(n);
    cr_assert_eq(nce_session_save(f.session, 0, state, n - 1, &written), NCE_ERR_LIMIT);
    cr_assert_eq(nce_session_save(f.session, 0, state, n, &written), NCE_OK);
    for (size_t i = 0; i < 200; i++) {
        memcpy(bad, state, n);
        bad[i < 64 ? i : i * 7919 % n] ^= 0x40;
        const nce_status status = nce_session_load(f.session, 1, bad, n);
        cr_assert(status == NCE_ERR_FORMAT || status == NCE_ERR_LIMIT || (i >= 20 && i < 24), "byte %zu: %s", i, nce_status_name(status));
        cr_assert_eq(nce_session_length(f.session, 1), status == NCE_OK ? 20 : nce_session_length(f.session, 1));
    }
    for (size_t cut = 0; cut < n; cut += n / 13 + 1)
        cr_assert_eq(nce_session_load(f.session, 1, state, cut), NCE_ERR_FORMAT);
    free(state);
    free(bad);
    fixture_close(&f);
}

Test(session, refuses_and_stays_as_it_was)
{
    fixture f;
    int32_t ids[300];
    float logits[VOCAB];
    const nce_session_options o = options(64, 2, NCE_TYPE_F16);
    fixture_tokens(ids, 300);
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &o));
    cr_assert_eq(fixture_eval(f.session, 0, ids, 100, NCE_LOGITS_NONE, NULL), NCE_OK);
    cr_assert_eq(fixture_eval(f.session, 0, ids, 157, NCE_LOGITS_NONE, NULL), NCE_ERR_LIMIT);
    cr_assert(strstr(nce_context_error(f.ctx), "by 1") != NULL, "%s", nce_context_error(f.ctx));
    cr_assert_eq(fixture_eval(f.session, 9, ids, 1, NCE_LOGITS_NONE, NULL), NCE_ERR_INVALID);
    cr_assert_eq(fixture_eval(f.session, 0, ids, 0, NCE_LOGITS_NONE, NULL), NCE_ERR_INVALID);
    cr_assert_eq(fixture_eval(f.session, 0, ids, 1, NCE_LOGITS_LAST, NULL), NCE_ERR_INVALID);
    ids[3] = VOCAB;
    cr_assert_eq(fixture_eval(f.session, 0, ids, 10, NCE_LOGITS_NONE, NULL), NCE_ERR_INVALID);
    ids[3] = -1;
    cr_assert_eq(fixture_eval(f.session, 0, ids, 10, NCE_LOGITS_NONE, NULL), NCE_ERR_INVALID);
    fixture_tokens(ids, 300);
    nce_session_cancel(f.session);
    cr_assert_eq(fixture_eval(f.session, 0, ids, 100, NCE_LOGITS_LAST, logits), NCE_ERR_CANCELLED);
    cr_assert_eq(nce_session_length(f.session, 0), 100);
    cr_assert_eq(fixture_eval(f.session, 0, ids, 100, NCE_LOGITS_LAST, logits), NCE_OK, "once only");
    cr_assert_eq(nce_session_trim(f.session, 0, 201), NCE_ERR_INVALID);
    const nce_run twice[2] = {{.tokens = ids, .n_tokens = 1, .seq = 1}, {.tokens = ids, .n_tokens = 1, .seq = 1}};
    cr_assert_eq(nce_session_eval(f.session, twice, 2), NCE_ERR_INVALID);
    nce_session *s = f.session;
    nce_session_options bad = options(64, 1, NCE_TYPE_Q4_K);
    cr_assert_eq(nce_session_create(f.model, &bad, &s), NCE_ERR_UNSUPPORTED);
    cr_assert_null(s);
    bad = options(5000, 1, NCE_TYPE_F16);
    cr_assert_eq(nce_session_create(f.model, &bad, &s), NCE_ERR_INVALID);
    fixture_close(&f);
}

/* A file that is cut while mapped must not kill the host. */
Test(session, shrunken_file_is_an_error)
{
    fixture f;
    int32_t ids[4];
    const nce_session_options o = options(64, 1, NCE_TYPE_F16);
    fixture_tokens(ids, 4);
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &o));
    cr_assert_eq(truncate(f.path, 4096), 0);
    cr_assert_eq(fixture_eval(f.session, 0, ids, 4, NCE_LOGITS_NONE, NULL), NCE_ERR_IO);
    cr_assert(strstr(nce_context_error(f.ctx), f.path) != NULL);
    fixture_close(&f);
}
