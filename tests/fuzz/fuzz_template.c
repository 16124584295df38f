/* Any template over any conversation, and any reply taken for tool calls: the input is a template, and after a zero byte a
 * message and after another one JSON.  A template that renders must render the same again. */
#include "nce/template.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_template(nce_context *ctx, const char *source, size_t n, const char *content, const char *json)
{
    const nce_template_message messages[2] = {{.role = "system", .content = "s"}, {.role = "user", .content = content}};
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    nce_template *t;
    char *text[2] = {NULL, NULL};
    size_t n_text[2] = {0, 0};
    if (nce_template_create(ctx, source, n, &t) != NCE_OK) return;
    o.tools = *json != '\0' ? json : NULL;
    o.now = 1750000000;
    o.max_steps = 50000;
    o.max_memory = 1 << 22;
    o.max_output = 1 << 20;
    const nce_status first = nce_template_render(t, messages, 2, &o, &text[0], &n_text[0]);
    const nce_status second = nce_template_render(t, messages, 2, &o, &text[1], &n_text[1]);
    if (first != second || n_text[0] != n_text[1] || (first == NCE_OK && memcmp(text[0], text[1], n_text[0] + 1) != 0))
        abort();
    nce_template_text_destroy(t, text[0]);
    nce_template_text_destroy(t, text[1]);
    nce_template_destroy(t);
}

static void use_reply(nce_context *ctx, const char *text, size_t n, const char *format)
{
    nce_tool_calls *calls;
    if (nce_tool_calls_parse(ctx, text, n, format, &calls) != NCE_OK) return;
    for (size_t i = 0; i < nce_tool_calls_count(calls); i++)
        if (nce_tool_calls_get(calls, i, NULL, NULL, NULL) != NCE_OK) abort();
    nce_tool_calls_destroy(calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nce_context *ctx;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return 0;
    char *copy = malloc(size + 3); /* three terminated strings, whatever the input has */
    if (size > 0) memcpy(copy, data, size);
    memset(copy + size, 0, 3);
    const size_t n = strlen(copy);
    const char *content = copy + n + 1, *json = n < size ? content + strlen(content) + 1 : content;
    use_template(ctx, copy, n, content, json < copy + size + 3 ? json : "");
    use_reply(ctx, copy, n, NULL);
    use_reply(ctx, copy, n, "hermes");
    use_reply(ctx, copy, n, "mistral");
    use_reply(ctx, copy, n, "llama3");
    free(copy);
    nce_context_destroy(ctx);
    return 0;
}
