/* Rendering with a template mixes the format's control tokens with what people wrote, in one text.  A message must not be
 * able to forge a token: wherever one contains the text of a control token, a noncharacter (U+FDD0, which no text may
 * contain in interchange) is put behind the first character of that text before rendering.  The result is cut at these
 * marks, the marks are dropped and the pieces encoded one by one: no piece contains the forged text as a whole.  A
 * conversation without such text, which is nearly every one, is encoded in one piece, just as models were trained.
 *
 * A later turn renders the whole conversation again.  Where that text begins with the earlier prompt and its reply, their
 * tokens are taken over as the sequence holds them. */
#include "src/core/session/chat_render.h"
#include "src/core/runtime/context.h"
#include "src/core/text/unicode.h"
#include <string.h>

static const char mark[] = "\xef\xb7\x90";
enum { MARK = sizeof mark - 1, MAX_ROUNDS = 256 };

typedef struct token_list {
    int32_t *ids;
    size_t n, capacity;
} token_list;

static nce_status encode(nce_context *ctx, const nce_tokenizer *t, token_list *list, const char *text, size_t n_bytes)
{
    size_t n, room = 2 * n_bytes + 4;
    if (n_bytes == 0) return NCE_OK;
    for (;;) {
        nce_status status = nce_grow(ctx, (void **)&list->ids, &list->capacity, list->n + room, sizeof *list->ids);
        if (status != NCE_OK) return status;
        const uint32_t flags = NCE_ENCODE_SPECIAL | (list->n > 0 ? NCE_ENCODE_CONTINUE : 0);
        status = nce_tokenizer_encode(t, text, n_bytes, flags, list->ids + list->n, room, &n);
        if (status == NCE_OK) list->n += n;
        if (status != NCE_ERR_LIMIT || n <= room) return status;
        room = n;
    }
}

/* The first control token that text would become, -1 if none. */
static nce_status find_control(nce_context *ctx, const nce_tokenizer *t, const char *text, int32_t *token)
{
    token_list list = {0};
    const nce_status status = encode(ctx, t, &list, text, strlen(text));
    *token = -1;
    for (size_t i = 0; status == NCE_OK && i < list.n && *token < 0; i++)
        if (nce_tokenizer_attributes(t, list.ids[i]) & (NCE_TOKEN_CONTROL | NCE_TOKEN_EOG)) *token = list.ids[i];
    nce_free(ctx, list.ids);
    return status;
}

/* text with a mark in every occurrence of piece; NULL: no memory. */
static char *with_marks(nce_context *ctx, const char *text, const char *piece, size_t n_piece)
{
    const size_t n = strlen(text),
                 head = nce_utf8_length((uint8_t)piece[0]) < n_piece ? nce_utf8_length((uint8_t)piece[0]) : 1;
    size_t count = 0, at = 0;
    for (const char *hit = text; (hit = memmem(hit, n - (size_t)(hit - text), piece, n_piece)) != NULL; hit += n_piece)
        count++;
    char *out = nce_alloc(ctx, n + count * MARK + 1);
    if (out == NULL) return NULL;
    for (;;) {
        const char *hit = memmem(text, strlen(text), piece, n_piece);
        const size_t take = hit != NULL ? (size_t)(hit - text) + head : strlen(text);
        memcpy(out + at, text, take);
        at += take;
        if (hit == NULL) break;
        memcpy(out + at, mark, MARK);
        memcpy(out + at + MARK, hit + head, n_piece - head);
        at += MARK + n_piece - head;
        text = hit + n_piece;
    }
    out[at] = '\0';
    return out;
}

/* A text that becomes no control token: *out NULL if text is one already, else a copy with marks. */
static nce_status guard(nce_context *ctx, const nce_tokenizer *t, const char *text, char **out)
{
    *out = NULL;
    for (int round = 0; round < MAX_ROUNDS; round++) {
        int32_t token;
        const char *piece;
        size_t n_piece;
        nce_status status = find_control(ctx, t, *out != NULL ? *out : text, &token);
        if (status == NCE_OK && token < 0) return NCE_OK;
        if (status == NCE_OK) status = nce_tokenizer_piece(t, token, NCE_DECODE_SPECIAL, &piece, &n_piece);
        if (status == NCE_OK && n_piece < 2)
            status = nce_fail(ctx, NCE_ERR_UNSUPPORTED, "a message contains the control token %d, which cannot be cut",
                              (int)token);
        char *next = status == NCE_OK ? with_marks(ctx, *out != NULL ? *out : text, piece, n_piece) : NULL;
        if (status == NCE_OK && next == NULL) status = nce_fail_nomem(ctx, strlen(text));
        nce_free(ctx, *out);
        *out = next;
        if (status != NCE_OK) return status;
    }
    nce_free(ctx, *out);
    *out = NULL;
    return nce_fail(ctx, NCE_ERR_LIMIT, "a message contains more than %d different control tokens", MAX_ROUNDS);
}

static nce_status encode_pieces(nce_context *ctx, const nce_tokenizer *t, const char *text, size_t n, bool marked,
                                token_list *list)
{
    nce_status status = NCE_OK;
    while (status == NCE_OK && n > 0) {
        const char *cut = marked ? memmem(text, n, mark, MARK) : NULL;
        const size_t take = cut != NULL ? (size_t)(cut - text) : n;
        status = encode(ctx, t, list, text, take);
        text += take, n -= take;
        if (cut != NULL) text += MARK, n -= MARK;
    }
    return status;
}

static nce_status encode_rendered(nce_context *ctx, const nce_tokenizer *t, const char *text, size_t n, bool marked,
                                  token_list *list)
{
    const int32_t bos = nce_tokenizer_bos(t);
    const char *piece = "";
    size_t n_piece = 0;
    nce_status status = NCE_OK;
    if (bos >= 0 && nce_tokenizer_adds_bos(t)) {
        status = nce_tokenizer_piece(t, bos, NCE_DECODE_SPECIAL, &piece, &n_piece);
        const bool written = n_piece > 0 && n >= n_piece && memcmp(text, piece, n_piece) == 0;
        if (status == NCE_OK && !written)
            status = nce_grow(ctx, (void **)&list->ids, &list->capacity, 1, sizeof *list->ids);
        if (status == NCE_OK && !written) list->ids[list->n++] = bos;
    }
    return status == NCE_OK ? encode_pieces(ctx, t, text, n, marked, list) : status;
}

/* The text of a token, terminated: "" if there is none. */
static char *token_text(nce_context *ctx, const nce_tokenizer *t, int32_t token)
{
    const char *piece = "";
    size_t n = 0;
    if (token >= 0 && nce_tokenizer_piece(t, token, NCE_DECODE_SPECIAL, &piece, &n) != NCE_OK) n = 0;
    return nce_strndup(ctx, piece, n);
}

void nce_chat_known_finish(nce_context *ctx, nce_chat_known *k)
{
    nce_free(ctx, k->text);
    nce_free(ctx, k->ids);
    *k = (nce_chat_known){0};
}

nce_status nce_chat_known_extend(nce_context *ctx, nce_chat_known *k, const char *text, size_t n_text,
                                 const int32_t *ids, size_t n_ids)
{
    char *longer = nce_realloc(ctx, k->text, k->n_text, k->n_text + n_text + 1);
    if (longer != NULL) k->text = longer;
    int32_t *more = nce_realloc(ctx, k->ids, k->n_ids * sizeof *ids, (k->n_ids + n_ids + 1) * sizeof *ids);
    if (more != NULL) k->ids = more;
    if (longer == NULL || more == NULL) return nce_fail_nomem(ctx, k->n_text + n_text);
    if (n_text > 0) memcpy(k->text + k->n_text, text, n_text);
    if (n_ids > 0) memcpy(k->ids + k->n_ids, ids, n_ids * sizeof *ids);
    k->n_text += n_text, k->n_ids += n_ids;
    return NCE_OK;
}

/* Tokens of a rendered text; those of known where the text goes on from it. */
static nce_status encode_after(nce_context *ctx, const nce_tokenizer *t, const nce_chat_known *known, const char *text,
                               size_t n, bool marked, token_list *list)
{
    if (known == NULL || known->n_text == 0 || n < known->n_text || memcmp(text, known->text, known->n_text) != 0)
        return encode_rendered(ctx, t, text, n, marked, list);
    const nce_status status = nce_grow(ctx, (void **)&list->ids, &list->capacity, known->n_ids + 1, sizeof *list->ids);
    if (status != NCE_OK) return status;
    memcpy(list->ids, known->ids, known->n_ids * sizeof *list->ids);
    list->n = known->n_ids;
    return encode_pieces(ctx, t, text + known->n_text, n - known->n_text, marked, list);
}

/* Copies of the messages that become no control tokens: guarded[i] is to be freed, *marked says whether there is one. */
static nce_status guard_all(nce_context *ctx, const nce_tokenizer *t, nce_template_message *messages, size_t n,
                            char **guarded, bool *marked)
{
    nce_status status = NCE_OK;
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        status = guard(ctx, t, messages[i].content, &guarded[i]);
        if (guarded[i] != NULL) messages[i].content = guarded[i], *marked = true;
    }
    return status;
}

static nce_status render(nce_context *ctx, const nce_tokenizer *t, const nce_template *jinja,
                         const nce_template_message *messages, size_t n_messages, const nce_chat_setting *setting,
                         char **text, size_t *n)
{
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    char *bos = token_text(ctx, t, nce_tokenizer_bos(t)), *eos = token_text(ctx, t, nce_tokenizer_eos(t));
    o.bos_token = bos, o.eos_token = eos;
    o.variables = setting->variables, o.tools = setting->tools, o.now = setting->now;
    o.add_generation_prompt = 1;
    const nce_status status = bos != NULL && eos != NULL ? nce_template_render(jinja, messages, n_messages, &o, text, n)
                                                         : nce_fail_nomem(ctx, 1);
    nce_free(ctx, bos);
    nce_free(ctx, eos);
    return status;
}

nce_status nce_chat_render(nce_context *ctx, const nce_tokenizer *t, const nce_template *jinja,
                           const nce_template_message *messages, size_t n_messages, const nce_chat_setting *setting,
                           const nce_chat_known *known, nce_chat_known *out)
{
    token_list list = {0};
    bool marked = false;
    char *text = NULL;
    size_t n = 0;
    *out = (nce_chat_known){0};
    nce_template_message *safe = nce_alloc_array(ctx, n_messages + 1, sizeof *safe);
    char **guarded = nce_alloc_array(ctx, n_messages + 1, sizeof *guarded);
    nce_status status = safe != NULL && guarded != NULL ? NCE_OK : nce_fail_nomem(ctx, n_messages * sizeof *safe);
    if (status == NCE_OK && n_messages > 0) memcpy(safe, messages, n_messages * sizeof *safe);
    if (status == NCE_OK) status = guard_all(ctx, t, safe, n_messages, guarded, &marked);
    if (status == NCE_OK) status = render(ctx, t, jinja, safe, n_messages, setting, &text, &n);
    if (status == NCE_OK) status = encode_after(ctx, t, known, text, n, marked, &list);
    for (size_t i = 0; guarded != NULL && i < n_messages; i++)
        nce_free(ctx, guarded[i]);
    nce_free(ctx, guarded);
    nce_free(ctx, safe);
    *out = (nce_chat_known){text, n, list.ids, list.n};
    if (status != NCE_OK) nce_chat_known_finish(ctx, out);
    return status;
}
