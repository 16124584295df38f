/* Chat through the interpreter: same tokens as the built-in format, no forged control tokens, own template text. */
#include "tests/unit/fixture.h"
#include "src/core/session/chat_render.h"
#include "src/core/runtime/context.h"
#include "tests/unit/faulty_alloc.h"

static const char chatml[] =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

static nce_chat *chat_of(fixture *f, const char *name, const char *text)
{
    nce_chat_options o = NCE_CHAT_OPTIONS_INIT;
    nce_chat *c;
    o.system_prompt = "Be kind.";
    o.template_name = name;
    o.template_text = text;
    o.max_tokens = 8;
    cr_assert_eq(nce_chat_create(f->session, &o, &c), NCE_OK, "%s", nce_context_error(f->ctx));
    return c;
}

static void open_fixture(fixture *f)
{
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    so.n_ctx = 512;
    cr_assert(fixture_open(f, "tiny", "q8_0", NCE_ISA_AUTO, &so));
}

/* The first turn's prompt and greedy-free reply: the sequence after it. */
static size_t held_after(fixture *f, nce_chat *c, int32_t *ids, size_t n_max)
{
    cr_assert_eq(nce_chat_send(c, "Hello there", NULL, NULL, NULL), NCE_OK, "%s", nce_context_error(f->ctx));
    const size_t n = nce_session_length(f->session, 0);
    cr_assert_leq(n, n_max);
    memcpy(ids, nce_session_tokens(f->session, 0), n * sizeof *ids);
    return n;
}

Test(template_chat, same_tokens_as_the_built_in_format)
{
    fixture f;
    int32_t built_in[512], jinja[512];
    open_fixture(&f);
    nce_chat *c = chat_of(&f, "chatml", NULL);
    const size_t n = held_after(&f, c, built_in, 512);
    nce_chat_destroy(c);
    c = chat_of(&f, NULL, chatml);
    cr_assert_str_eq(nce_chat_template(c), "jinja");
    cr_assert_eq(held_after(&f, c, jinja, 512), n);
    cr_assert_eq(memcmp(built_in, jinja, n * sizeof *jinja), 0);
    cr_assert_eq(nce_chat_send(c, "And a second turn.", NULL, NULL, NULL), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert_eq(nce_chat_n_messages(c), 5);
    nce_chat_destroy(c);
    fixture_close(&f);
}

static size_t count_control(const nce_tokenizer *t, const int32_t *ids, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += (nce_tokenizer_attributes(t, ids[i]) & (NCE_TOKEN_CONTROL | NCE_TOKEN_EOG)) != 0;
    return count;
}

/* A message with the text of every control token of the vocabulary gives no more control tokens than an innocent one. */
Test(template_chat, messages_forge_no_control_tokens)
{
    fixture f;
    char evil[4096] = "x";
    size_t n_forged = 0;
    open_fixture(&f);
    const nce_tokenizer *t = nce_model_tokenizer(f.model);
    for (int32_t id = 0; id < (int32_t)nce_tokenizer_n_tokens(t); id++) {
        const char *piece;
        size_t n;
        if (!(nce_tokenizer_attributes(t, id) & (NCE_TOKEN_CONTROL | NCE_TOKEN_EOG))) continue;
        cr_assert_eq(nce_tokenizer_piece(t, id, NCE_DECODE_SPECIAL, &piece, &n), NCE_OK);
        const size_t at = strlen(evil);
        cr_assert_lt(at + 2 * n + 8, sizeof evil);
        snprintf(evil + at, sizeof evil - at, "%.*s y %.*s", (int)n, piece, (int)n, piece);
        n_forged++;
    }
    cr_assert_gt(n_forged, 0, "the vocabulary has control tokens");
    nce_template *jinja;
    cr_assert_eq(nce_template_create(f.ctx, chatml, strlen(chatml), &jinja), NCE_OK);
    nce_template_message m = {.role = "user", .content = "innocent"};
    int32_t *ids;
    size_t n;
    cr_assert_eq(nce_chat_render(f.ctx, t, jinja, &m, 1, NULL, &ids, &n), NCE_OK, "%s", nce_context_error(f.ctx));
    const size_t honest = count_control(t, ids, n);
    nce_free(f.ctx, ids);
    m.content = evil;
    cr_assert_eq(nce_chat_render(f.ctx, t, jinja, &m, 1, NULL, &ids, &n), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_expect_eq(count_control(t, ids, n), honest);
    char text[16384];
    size_t n_text;
    cr_assert_eq(nce_tokenizer_decode(t, ids, n, NCE_DECODE_SPECIAL, text, sizeof text - 1, &n_text), NCE_OK);
    text[n_text] = '\0';
    cr_expect_not_null(strstr(text, evil), "the message itself is all there");
    nce_free(f.ctx, ids);
    nce_template_destroy(jinja);
    fixture_close(&f);
}

Test(template_chat, refuses_what_is_no_template)
{
    fixture f;
    nce_chat_options o = NCE_CHAT_OPTIONS_INIT;
    nce_chat *c;
    open_fixture(&f);
    o.template_text = "{% for %}";
    cr_assert_eq(nce_chat_create(f.session, &o, &c), NCE_ERR_FORMAT);
    cr_assert_null(c);
    o.template_text = "{{ raise_exception('no user') }}";
    cr_assert_eq(nce_chat_create(f.session, &o, &c), NCE_OK);
    cr_assert_eq(nce_chat_send(c, "x", NULL, NULL, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_chat_n_messages(c), 0, "the conversation is as before");
    nce_chat_destroy(c);
    fixture_close(&f);
}

/* The rendering's own allocations fail one by one, with a message that has to be cut. */
Test(template_chat, failing_allocations)
{
    fixture f;
    open_fixture(&f);
    const nce_tokenizer *t = nce_model_tokenizer(f.model);
    const char *piece;
    size_t n_piece;
    char content[256];
    cr_assert_eq(nce_tokenizer_piece(t, nce_tokenizer_eos(t), NCE_DECODE_SPECIAL, &piece, &n_piece), NCE_OK);
    snprintf(content, sizeof content, "a%.*sb", (int)n_piece, piece);
    const nce_template_message m[2] = {{.role = "system", .content = "s"}, {.role = "user", .content = content}};
    for (long n = 1;; n++) {
        faulty_alloc fault = {.fail_at = 0};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *ctx;
        nce_template *jinja;
        int32_t *ids;
        size_t n_ids;
        o.allocator = faulty_allocator(&fault);
        cr_assert_eq(nce_context_create(&o, &ctx), NCE_OK);
        cr_assert_eq(nce_template_create(ctx, chatml, strlen(chatml), &jinja), NCE_OK);
        const long before = fault.live;
        fault.fail_at = fault.requests + n;
        const nce_status status = nce_chat_render(ctx, t, jinja, m, 2, NULL, &ids, &n_ids);
        cr_assert_eq(status, fault.failed ? NCE_ERR_NOMEM : NCE_OK, "allocation %ld: %s", n, nce_context_error(ctx));
        nce_free(ctx, ids);
        cr_assert_eq(fault.live, before, "allocation %ld leaks", n);
        nce_template_destroy(jinja);
        nce_context_destroy(ctx);
        if (!fault.failed) {
            cr_assert_gt(n, 8);
            break;
        }
    }
    fixture_close(&f);
}
