/* Generation and chat: stops, streaming, reuse of the prefix, trimming of old turns. */
#include "tests/unit/fixture.h"

typedef struct heard {
    char text[8192];
    size_t n, calls, stop_after;
} heard;

static bool hear(void *user, const char *text, size_t n)
{
    heard *h = user;
    cr_assert_lt(h->n + n, sizeof h->text);
    memcpy(h->text + h->n, text, n);
    h->n += n;
    h->text[h->n] = '\0';
    h->calls++;
    return h->stop_after == 0 || h->calls < h->stop_after;
}

static nce_sampler *sampler_of(fixture *f)
{
    nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
    nce_sampler *s;
    o.temperature = 1.0f;
    cr_assert_eq(nce_sampler_create(f->ctx, nce_model_n_vocab(f->model), &o, &s), NCE_OK);
    return s;
}

/* Generate from a fixed prompt on an emptied sequence. */
static nce_stop_reason go(fixture *f, heard *h, nce_generate_options *o, size_t *n_tokens)
{
    int32_t prompt[10];
    nce_stop_reason reason;
    fixture_tokens(prompt, 10);
    nce_session_trim(f->session, 0, 0);
    memset(h->text, 0, sizeof h->text);
    h->n = h->calls = 0;
    nce_sampler_reset(o->sampler);
    o->on_text = hear;
    o->on_text_user = h;
    o->ignore_end = 1;
    cr_assert_eq(nce_generate(f->session, 0, prompt, 10, o, n_tokens, &reason), NCE_OK, "%s", nce_context_error(f->ctx));
    return reason;
}

Test(generate, stops)
{
    fixture f;
    heard h = {.n = 0}, all = {.n = 0};
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    nce_generate_options o = NCE_GENERATE_OPTIONS_INIT;
    size_t n;
    so.n_ctx = 64;
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &so));
    o.sampler = sampler_of(&f);
    o.max_tokens = 40;
    cr_assert_eq(go(&f, &all, &o, &n), NCE_STOP_MAX_TOKENS);
    cr_assert_eq(n, 40);
    cr_assert_gt(all.n, 40);
    o.max_tokens = 0;
    cr_assert_eq(go(&f, &h, &o, &n), NCE_STOP_CONTEXT);
    cr_assert_eq(n, 55, "64 positions, 10 of the prompt, the last token needs none");
    cr_assert_eq(strncmp(h.text, all.text, all.n), 0, "the same draws");
    /* every piece of the text, of any length and place, stops generation exactly before its first occurrence */
    for (size_t at = 0; at + 6 < all.n; at += 5)
        for (size_t length = 1; length <= 6; length += 5) {
            char stop[8] = {0};
            const char *const list[2] = {"\x01never", stop};
            memcpy(stop, all.text + at, length);
            o.stop_strings = list, o.n_stop_strings = 2;
            cr_assert_eq(go(&f, &h, &o, &n), NCE_STOP_STRING, "'%s'", stop);
            const size_t first = (size_t)(strstr(all.text, stop) - all.text);
            cr_assert_eq(h.n, first, "'%s' at %zu, streamed %zu bytes", stop, first, h.n);
            cr_assert_eq(memcmp(h.text, all.text, first), 0);
        }
    o.n_stop_strings = 0;
    h.stop_after = 5;
    cr_assert_eq(go(&f, &h, &o, &n), NCE_STOP_CALLER);
    cr_assert_eq(h.calls, 5);
    nce_sampler_destroy((nce_sampler *)o.sampler);
    fixture_close(&f);
}

Test(generate, prompt_longer_than_the_context)
{
    fixture f;
    int32_t prompt[80];
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    nce_generate_options o = NCE_GENERATE_OPTIONS_INIT;
    fixture_tokens(prompt, 80);
    so.n_ctx = 64;
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &so));
    o.sampler = sampler_of(&f);
    cr_assert_eq(nce_generate(f.session, 0, prompt, 80, &o, NULL, NULL), NCE_ERR_LIMIT);
    cr_assert(strstr(nce_context_error(f.ctx), "by 16") != NULL, "%s", nce_context_error(f.ctx));
    cr_assert_eq(nce_session_length(f.session, 0), 0);
    nce_sampler_destroy((nce_sampler *)o.sampler);
    fixture_close(&f);
}

static nce_chat *chat_of(fixture *f, const char *template_name, uint32_t max_tokens)
{
    nce_chat_options o = NCE_CHAT_OPTIONS_INIT;
    nce_chat *c;
    o.system_prompt = "Be kind.";
    o.template_name = template_name;
    o.max_tokens = max_tokens;
    cr_assert_eq(nce_chat_create(f->session, &o, &c), NCE_OK, "%s", nce_context_error(f->ctx));
    return c;
}

static double prompt_tokens(fixture *f)
{
    double prompt, decode;
    cr_assert_eq(nce_session_metric(f->session, NCE_METRIC_PROMPT_TOKENS, &prompt), NCE_OK);
    cr_assert_eq(nce_session_metric(f->session, NCE_METRIC_DECODE_TOKENS, &decode), NCE_OK);
    return prompt + decode;
}

/* A turn evaluates its own tokens only, and gives the same reply as evaluating the whole conversation would. */
Test(chat, reuses_the_prefix)
{
    static const char *const names[] = {"llama2", "llama3", "chatml", "zephyr", "mistral", "gemma", "phi3"};
    for (int i = 0; i < 7; i++) {
        fixture f;
        nce_session_options so = NCE_SESSION_OPTIONS_INIT;
        so.n_ctx = 1024;
        cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &so));
        nce_chat *c = chat_of(&f, names[i], 16);
        cr_assert_str_eq(nce_chat_template(c), names[i]);
        cr_assert_eq(nce_chat_send(c, "Hello, who are you?", NULL, NULL, NULL), NCE_OK, "%s", nce_context_error(f.ctx));
        const size_t held = nce_session_length(f.session, 0);
        nce_session_metrics_reset(f.session);
        cr_assert_eq(nce_chat_send(c, "And then?", NULL, NULL, NULL), NCE_OK);
        const size_t now = nce_session_length(f.session, 0);
        cr_assert_lt(prompt_tokens(&f), (double)(now - held + 12), "%s: %g tokens evaluated, %zu new", names[i], prompt_tokens(&f), now - held);
        cr_assert_eq(nce_chat_n_messages(c), 5);
        nce_chat_destroy(c);
        fixture_close(&f);
    }
}

Test(chat, drops_the_oldest_turns)
{
    fixture f;
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    const char *role, *text;
    so.n_ctx = 192;
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, &so));
    nce_chat *c = chat_of(&f, "chatml", 8);
    for (int i = 0; i < 8; i++) {
        char line[64];
        snprintf(line, sizeof line, "Message number %d of many.", i);
        cr_assert_eq(nce_chat_send(c, line, NULL, NULL, NULL), NCE_OK, "%d: %s", i, nce_context_error(f.ctx));
    }
    cr_assert_lt(nce_chat_n_messages(c), 17);
    cr_assert_eq(nce_chat_message(c, 0, &role, &text), NCE_OK);
    cr_assert_str_eq(role, "system");
    cr_assert_eq(nce_chat_message(c, 1, &role, &text), NCE_OK);
    cr_assert_str_eq(role, "user");
    const size_t n = nce_chat_n_messages(c);
    cr_assert_eq(nce_chat_message(c, n - 2, &role, &text), NCE_OK);
    cr_assert_str_eq(text, "Message number 7 of many.");
    char *huge = malloc(20000);
    memset(huge, 'x', 19999);
    huge[19999] = '\0';
    cr_assert_eq(nce_chat_send(c, huge, NULL, NULL, NULL), NCE_ERR_LIMIT);
    free(huge);
    cr_assert_eq(nce_chat_append(c, "tool", "x"), NCE_ERR_INVALID);
    nce_chat_destroy(c);
    fixture_close(&f);
}
