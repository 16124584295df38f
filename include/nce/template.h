/* Chat templates: a conversation as the text a model was trained on.
 *
 * Models carry their format as a template in the Jinja language (key tokenizer.chat_template of a GGUF file).  A template
 * is somebody else's program, so it runs in a sandbox: it sees the conversation and nothing else, and ends with
 * NCE_ERR_LIMIT when it takes more steps, memory, depth or output than allowed.  The language is the subset that chat
 * templates use, as transformers.apply_chat_template sets it up (trim_blocks, lstrip_blocks, loop controls,
 * raise_exception, strftime_now, tojson without HTML escapes); docs/templates.md lists it.  Text is UTF-8.
 *
 * A template is immutable: any number of threads may render it at the same time. */
#ifndef NCE_TEMPLATE_H
#define NCE_TEMPLATE_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_template nce_template;

/* Read a template.
 *
 * text  [n_bytes], borrowed until return; at most 1 MiB.   out  owned by the caller; NULL on failure.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument); NCE_ERR_FORMAT (not a template) or NCE_ERR_UNSUPPORTED (a statement,
 *         filter or test that is not known), the message naming the line and what; NCE_ERR_LIMIT (too long, or nested more
 *         than 200 deep); NCE_ERR_NOMEM.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_template_create(nce_context *ctx, const char *text, size_t n_bytes, nce_template **out);
NCE_API void nce_template_destroy(nce_template *t); /* NULL is allowed; before its context.  Since 0.1. */

/* One message.  All strings are terminated UTF-8, borrowed during the call; NULL where a message has no such part. */
typedef struct nce_template_message {
    const char *role;         /* "system", "user", "assistant", "tool", or what the template knows; required */
    const char *content;      /* NULL: none */
    const char *name;         /* of the tool whose result this is */
    const char *tool_calls;   /* JSON array: [{"type": "function", "function": {"name": ..., "arguments": {...}}}, ...] */
    const char *tool_call_id; /* which call a tool's result answers */
    const char *extra;        /* JSON object of further members ("reasoning_content", or "content" as a list of parts);
                                 a member named as one above takes its place */
} nce_template_message;

typedef struct nce_template_options {
    size_t struct_size;
    const char *tools;     /* JSON array of what may be called, in OpenAI's form; NULL: none */
    const char *variables; /* JSON object of further variables ({"enable_thinking": false}); NULL: none */
    const char *bos_token; /* texts of these tokens; NULL: empty */
    const char *eos_token;
    int64_t now;           /* seconds since 1970 in local time, for strftime_now; 0: the template is not told the time
                              (strftime_now is undefined, which templates allow for) */
    uint64_t max_steps;    /* 0: 500,000, 2,000 a message, 4 a byte */
    size_t max_memory;     /* bytes for values; 0: 64 MiB and 64 times the conversation */
    size_t max_output;     /* bytes of text; 0: 16 MiB and 4 times the conversation */
    uint32_t add_generation_prompt; /* 1: end where the assistant is to speak */
    uint32_t reserved;     /* 0 */
} nce_template_options;
#define NCE_TEMPLATE_OPTIONS_INIT { sizeof(nce_template_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Render a conversation.
 *
 * messages  [n_messages], borrowed; may be NULL when there is none.   options  NULL for all defaults.
 * text      receives the text, terminated by a zero byte that n_bytes does not count; nce_template_text_destroy frees it;
 *           NULL on failure.   n_bytes  may be NULL.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument, a message without a role, or the template itself refuses the conversation
 *         with raise_exception: the message has its words); NCE_ERR_FORMAT (JSON that is none; a mistake the template
 *         makes, such as a sum of a string and a number: the message names the line); NCE_ERR_UNSUPPORTED; NCE_ERR_LIMIT
 *         (which limit, and the line); NCE_ERR_NOMEM.  The template stays usable.
 * Content is not escaped: a message that contains the text of a control token looks like that token in the result.  Encode
 * accordingly (docs/templates.md); nce_chat does.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_template_render(const nce_template *t, const nce_template_message *messages, size_t n_messages,
                                       const nce_template_options *options, char **text, size_t *n_bytes);
/* Free a text of nce_template_render.  NULL is allowed.  Since 0.1. */
NCE_API void nce_template_text_destroy(const nce_template *t, char *text);

/* ---- calls in a reply ---- */

/* The calls that a reply asks for. */
typedef struct nce_tool_calls nce_tool_calls;

/* Find the calls in a reply.
 *
 * text    [n_bytes] of the reply, with control tokens written out (NCE_DECODE_SPECIAL) or not.
 * format  "hermes" (also Qwen): <tool_call>{"name": ..., "arguments": {...}}</tool_call>, any number, between text;
 *         "mistral": [TOOL_CALLS] and a JSON array of such objects, or name[ARGS]{...};
 *         "llama3": the whole reply is {"name": ..., "parameters": {...}}, several separated by ';', after <|python_tag|>
 *         or without; or <|python_tag|>tool.call(name="value");
 *         NULL: whichever of these the reply shows.
 * out     owned by the caller; NULL on failure.  A reply without calls gives an object of 0 calls.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument); NCE_ERR_NOTFOUND (unknown format); NCE_ERR_FORMAT (a call that is begun
 *         but is not well formed; the message says at which byte: use the reply as text); NCE_ERR_LIMIT (nested deeper
 *         than 200, over 64 MiB); NCE_ERR_NOMEM.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_tool_calls_parse(nce_context *ctx, const char *text, size_t n_bytes, const char *format, nce_tool_calls **out);
NCE_API void nce_tool_calls_destroy(nce_tool_calls *calls); /* NULL is allowed.  Since 0.1. */

/* How many; 0 for NULL.  Any thread.  Since 0.1. */
NCE_API size_t nce_tool_calls_count(const nce_tool_calls *calls);
/* A call: its name, its arguments as a JSON object, its id ("" if the format has none).  Terminated UTF-8, borrowed; each
 * pointer may be NULL.  NCE_ERR_INVALID beyond the last.  Any thread.  Since 0.1. */
NCE_API nce_status nce_tool_calls_get(const nce_tool_calls *calls, size_t i, const char **name, const char **arguments, const char **id);
/* The reply without its calls and the white space around them; terminated, borrowed.  "" for NULL.  Any thread.
 * Since 0.1. */
NCE_API const char *nce_tool_calls_text(const nce_tool_calls *calls);
/* All calls as the JSON array that nce_template_message.tool_calls wants; terminated, borrowed.  "[]" for NULL.  Any thread.
 * Since 0.1. */
NCE_API const char *nce_tool_calls_json(const nce_tool_calls *calls);

#ifdef __cplusplus
}
#endif
#endif
