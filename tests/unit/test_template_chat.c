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
    const nce_chat_setting setting = {0};
    nce_chat_known k;
    cr_assert_eq(nce_chat_render(f.ctx, t, jinja, &m, 1, &setting, NULL, &k), NCE_OK, "%s", nce_context_error(f.ctx));
    const size_t honest = count_control(t, k.ids, k.n_ids);
    nce_chat_known_finish(f.ctx, &k);
    m.content = evil;
    cr_assert_eq(nce_chat_render(f.ctx, t, jinja, &m, 1, &setting, NULL, &k), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_expect_eq(count_control(t, k.ids, k.n_ids), honest);
    char text[16384];
    size_t n_text;
    cr_assert_eq(nce_tokenizer_decode(t, k.ids, k.n_ids, NCE_DECODE_SPECIAL, text, sizeof text - 1, &n_text), NCE_OK);
    text[n_text] = '\0';
    cr_expect_not_null(strstr(text, evil), "the message itself is all there");
    nce_chat_known_finish(f.ctx, &k);
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
        const nce_chat_setting setting = {.tools = "[]", .now = 1750000000};
        nce_chat_known k;
        o.allocator = faulty_allocator(&fault);
        cr_assert_eq(nce_context_create(&o, &ctx), NCE_OK);
        cr_assert_eq(nce_template_create(ctx, chatml, strlen(chatml), &jinja), NCE_OK);
        const long before = fault.live;
        fault.fail_at = fault.requests + n;
        const nce_status status = nce_chat_render(ctx, t, jinja, m, 2, &setting, NULL, &k);
        cr_assert_eq(status, fault.failed ? NCE_ERR_NOMEM : NCE_OK, "allocation %ld: %s", n, nce_context_error(ctx));
        nce_chat_known_finish(ctx, &k);
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

static double prompt_tokens(const fixture *f)
{
    double n;
    cr_assert_eq(nce_session_metric(f->session, NCE_METRIC_PROMPT_TOKENS, &n), NCE_OK);
    return n;
}

static char *text_of(const fixture *f, char *text, size_t size)
{
    size_t n;
    cr_assert_eq(nce_tokenizer_decode(nce_model_tokenizer(f->model), nce_session_tokens(f->session, 0), nce_session_length(f->session, 0),
                                      NCE_DECODE_SPECIAL, text, size - 1, &n), NCE_OK);
    text[n] = '\0';
    return text;
}

/* A sampled reply is rarely the tokens its text would give; they are kept all the same, turn after turn. */
Test(template_chat, keeps_the_tokens_of_replies)
{
    fixture f;
    nce_chat_options o = NCE_CHAT_OPTIONS_INIT;
    nce_sampler_options sampling = NCE_SAMPLER_OPTIONS_INIT;
    nce_chat *c;
    int32_t held[512], again[512];
    size_t n_again, not_canonical = 0;
    char text[8192];
    open_fixture(&f);
    sampling.temperature = 3.0f, sampling.seed = 5;
    o.template_text = chatml, o.max_tokens = 12, o.sampler = &sampling;
    cr_assert_eq(nce_chat_create(f.session, &o, &c), NCE_OK, "%s", nce_context_error(f.ctx));
    size_t n_held = 0;
    for (int turn = 0; turn < 4; turn++) {
        const double before = prompt_tokens(&f);
        cr_assert_eq(nce_chat_send(c, "tell me", NULL, NULL, NULL), NCE_OK, "%s", nce_context_error(f.ctx));
        const size_t n = nce_session_length(f.session, 0);
        cr_assert_eq(memcmp(nce_session_tokens(f.session, 0), held, n_held * sizeof *held), 0, "turn %d keeps all before it", turn);
        if (turn > 0) cr_assert_leq(prompt_tokens(&f) - before, n - n_held);
        memcpy(held, nce_session_tokens(f.session, 0), n * sizeof *held);
        n_held = n;
        text_of(&f, text, sizeof text);
        cr_assert_eq(nce_tokenizer_encode(nce_model_tokenizer(f.model), text, strlen(text), NCE_ENCODE_SPECIAL, again, 512, &n_again), NCE_OK);
        not_canonical += n_again != n || memcmp(again, held, n * sizeof *held) != 0;
    }
    cr_assert_gt(not_canonical, 0, "else this test shows nothing");
    nce_chat_reset(c);
    cr_assert_eq(nce_chat_send(c, "anew", NULL, NULL, NULL), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert_null(strstr(text_of(&f, text, sizeof text), "tell me"));
    nce_chat_destroy(c);
    fixture_close(&f);
}

static const char with_tools[] =
    "{% if tools %}<tools>{% for t in tools %}{{ t.function.name }}{% endfor %}</tools>{% endif %}"
    "{% if strftime_now is defined %}Today is {{ strftime_now('%Y-%m-%d') }}.{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]";

Test(template_chat, tools_and_the_date_reach_the_template)
{
    fixture f;
    nce_chat_options o = NCE_CHAT_OPTIONS_INIT;
    nce_chat *c;
    char text[8192];
    open_fixture(&f);
    o.template_text = with_tools, o.max_tokens = 4;
    o.tools = "[{\"type\": \"function\", \"function\": {\"name\": \"clock\"}}]";
    o.now = 1750000000;
    cr_assert_eq(nce_chat_create(f.session, &o, &c), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert_eq(nce_chat_reply(c, NULL, NULL, NULL), NCE_ERR_INVALID, "nobody has spoken");
    cr_assert_eq(nce_chat_send(c, "What time is it?", NULL, NULL, NULL), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert(strstr(text_of(&f, text, sizeof text), "<tools>clock</tools>") && strstr(text, "Today is 2025-06-15."), "%s", text);
    cr_assert_eq(nce_chat_reply(c, NULL, NULL, NULL), NCE_ERR_INVALID, "the assistant has spoken last");
    cr_assert_eq(nce_chat_append(c, "tool", "{\"time\": \"noon\"}"), NCE_OK);
    cr_assert_eq(nce_chat_reply(c, NULL, NULL, NULL), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert_not_null(strstr(text_of(&f, text, sizeof text), "[tool]{\"time\": \"noon\"}[assistant]"), "%s", text);
    cr_assert_eq(nce_chat_n_messages(c), 4);
    nce_chat_destroy(c);
    o.tools = "no JSON";
    cr_assert_eq(nce_chat_create(f.session, &o, &c), NCE_OK);
    cr_assert_eq(nce_chat_send(c, "x", NULL, NULL, NULL), NCE_ERR_FORMAT);
    nce_chat_destroy(c);
    o.tools = "[]", o.template_name = "chatml", o.template_text = NULL;
    cr_assert_eq(nce_chat_create(f.session, &o, &c), NCE_ERR_INVALID, "a built-in format has no place for tools");
    o.tools = NULL;
    cr_assert_eq(nce_chat_create(f.session, &o, &c), NCE_OK);
    cr_assert_eq(nce_chat_append(c, "tool", "x"), NCE_ERR_INVALID);
    nce_chat_destroy(c);
    fixture_close(&f);
}
