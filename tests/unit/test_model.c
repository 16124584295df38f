/* Loading models: facts, refusals, cancellation, and the Nth allocation failing anywhere from load to generation. */
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/fixture.h"

static char *read_all(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *data = aligned_alloc(64, (*n + 63) / 64 * 64);
    cr_assert_eq(fread(data, 1, *n, f), *n);
    fclose(f);
    return data;
}

Test(model, facts)
{
    fixture f;
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, NULL));
    cr_assert_str_eq(nce_model_architecture(f.model), "llama");
    cr_assert_eq(nce_model_n_vocab(f.model), 512);
    cr_assert_eq(nce_model_n_layers(f.model), 2);
    cr_assert_gt(nce_model_n_params(f.model), 100000);
    cr_assert_leq(nce_model_bytes_per_token(f.model), nce_model_file_bytes(f.model));
    const char *text;
    size_t n;
    cr_assert_eq(nce_model_meta_string(f.model, "general.architecture", &text, &n), NCE_OK);
    cr_assert(n == 5 && memcmp(text, "llama", 5) == 0);
    cr_assert_eq(nce_model_meta_string(f.model, "no.such.key", &text, &n), NCE_ERR_NOTFOUND);
    for (size_t i = 0; i + 1 < nce_architecture_count(); i++)
        cr_assert_lt(strcmp(nce_architecture_name(i), nce_architecture_name(i + 1)), 0, "alphabetical");
    fixture_close(&f);
}

/* Put `with` over the only occurrence of `what`, of the same length, and load. */
static nce_status load_edited(nce_context *ctx, const char *data, size_t n, const char *what, const char *with)
{
    nce_model *m;
    char *copy = aligned_alloc(64, (n + 63) / 64 * 64);
    memcpy(copy, data, n);
    char *at = memmem(copy, n, what, strlen(what));
    cr_assert_not_null(at, "%s", what);
    memcpy(at, with, strlen(with));
    const nce_status status = nce_model_load_memory(ctx, copy, n, NULL, &m);
    cr_assert_eq(status == NCE_OK, m != NULL);
    nce_model_destroy(m);
    free(copy);
    return status;
}

Test(model, refusals_name_what_is_wrong)
{
    fixture f;
    size_t n;
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, NULL));
    char *data = read_all(f.path, &n);
    static const struct { const char *what, *with, *says; nce_status status; } cases[] = {
        {"blk.1.ffn_down.weight", "blk.1.ffn_dawn.weight", "blk.1", NCE_ERR_FORMAT},
        {"output_norm.weight", "output_narm.weight", "output_norm.weight", NCE_ERR_FORMAT},
        {"llama.block_count", "llama.block_caunt", "block_count", NCE_ERR_FORMAT},
        {"llama.attention.head_count", "llama.attention.head_caunt", "head_count", NCE_ERR_FORMAT},
        {"token_embd.weight", "token_embt.weight", "token_embd.weight", NCE_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(load_edited(f.ctx, data, n, cases[i].what, cases[i].with), cases[i].status, "%s", cases[i].what);
        cr_assert_not_null(strstr(nce_context_error(f.ctx), cases[i].says), "%s", nce_context_error(f.ctx));
    }
    char arch[] = "general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00llama";
    char *at = memmem(data, n, arch, sizeof arch - 1);
    cr_assert_not_null(at);
    memcpy(at + sizeof arch - 6, "lhama", 5);
    nce_model *m;
    cr_assert_eq(nce_model_load_memory(f.ctx, data, n, NULL, &m), NCE_ERR_UNSUPPORTED);
    cr_assert(strstr(nce_context_error(f.ctx), "lhama") && strstr(nce_context_error(f.ctx), "qwen3moe"), "%s", nce_context_error(f.ctx));
    free(data);
    fixture_close(&f);
}

static bool cancel_at_once(void *user, uint64_t done, uint64_t total)
{
    (void)user, (void)done, (void)total;
    return false;
}

Test(model, load_can_be_cancelled_and_files_can_be_missing)
{
    fixture f;
    nce_model *m;
    nce_model_options o = NCE_MODEL_OPTIONS_INIT;
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, NULL));
    o.progress = cancel_at_once;
    cr_assert_eq(nce_model_load(f.ctx, f.path, &o, &m), NCE_ERR_CANCELLED);
    cr_assert_null(m);
    cr_assert_eq(nce_model_load(f.ctx, "/no/such/file.gguf", NULL, &m), NCE_ERR_NOTFOUND);
    o = (nce_model_options)NCE_MODEL_OPTIONS_INIT;
    o.device = "abacus";
    cr_assert_eq(nce_model_load(f.ctx, f.path, &o, &m), NCE_ERR_NOTFOUND);
    cr_assert_not_null(strstr(nce_context_error(f.ctx), "cpu"));
    fixture_close(&f);
}

/* One whole life: load, session, chat, generate, save, destroy. */
static nce_status whole_life(nce_context *ctx, const void *data, size_t n)
{
    nce_model *model = NULL;
    nce_session *session = NULL;
    nce_chat *chat = NULL;
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    nce_chat_options co = NCE_CHAT_OPTIONS_INIT;
    so.n_ctx = 256, so.n_seq = 2, so.n_batch = 32;
    co.max_tokens = 4, co.template_name = "gemma", co.system_prompt = "s";
    nce_status status = nce_model_load_memory(ctx, data, n, NULL, &model);
    if (status == NCE_OK) status = nce_session_create(model, &so, &session);
    if (status == NCE_OK) status = nce_chat_create(session, &co, &chat);
    if (status == NCE_OK) status = nce_chat_send(chat, "hello <s> you", NULL, NULL, NULL);
    if (status == NCE_OK) status = nce_session_fork(session, 0, 1);
    if (status == NCE_OK) status = nce_chat_send(chat, "more", NULL, NULL, NULL);
    if (status == NCE_OK) {
        size_t bytes = nce_session_state_bytes(session, 1), written;
        void *state = malloc(bytes);
        status = nce_session_save(session, 1, state, bytes, &written);
        if (status == NCE_OK) status = nce_session_load(session, 0, state, written);
        free(state);
    }
    nce_chat_destroy(chat);
    nce_session_destroy(session);
    nce_model_destroy(model);
    return status;
}

Test(model, every_allocation_may_fail, .timeout = 900)
{
    fixture f;
    size_t n;
    cr_assert(fixture_open(&f, "tiny-moe", "q8_0", NCE_ISA_AUTO, NULL));
    char *data = read_all(f.path, &n);
    for (long at = 1;; at++) {
        faulty_alloc a = {.fail_at = at};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *ctx;
        o.allocator = faulty_allocator(&a);
        o.n_threads = 1;
        nce_status status = nce_context_create(&o, &ctx);
        if (status == NCE_OK) {
            status = whole_life(ctx, data, n);
            if (status != NCE_OK) cr_assert_gt(strlen(nce_context_error(ctx)), 0);
            nce_context_destroy(ctx);
        }
        cr_assert_eq(atomic_load(&a.live), 0, "allocation %ld: %ld blocks leak", at, atomic_load(&a.live));
        if (!atomic_load(&a.failed)) {
            cr_assert_eq(status, NCE_OK);
            cr_assert_gt(at, 50);
            break;
        }
        cr_assert_eq(status, NCE_ERR_NOMEM, "allocation %ld: %s", at, nce_status_name(status));
    }
    free(data);
    fixture_close(&f);
}
