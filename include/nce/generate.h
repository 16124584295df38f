/* Generation: evaluate a prompt, sample, stream text, stop where asked. */
#ifndef NCE_GENERATE_H
#define NCE_GENERATE_H
#include "sampler.h"
#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called with each piece of new text: whole UTF-8 characters, not terminated, valid until return.  Return false to stop
 * (reason NCE_STOP_CALLER).  Runs on the calling thread of the generation. */
typedef bool nce_text_fn(void *user, const char *text, size_t n_bytes);

typedef enum nce_stop_reason {
    NCE_STOP_NONE = 0,
    NCE_STOP_END = 1,        /* the model ended its text (an end-of-generation token) */
    NCE_STOP_MAX_TOKENS = 2,
    NCE_STOP_STRING = 3,     /* a stop string appeared; neither it nor what follows was streamed */
    NCE_STOP_CONTEXT = 4,    /* the sequence is full */
    NCE_STOP_CALLER = 5,     /* the callback returned false */
    NCE_STOP_CANCELLED = 6   /* nce_session_cancel */
} nce_stop_reason;

typedef struct nce_generate_options {
    size_t struct_size;
    nce_sampler *sampler;            /* required */
    nce_text_fn *on_text;            /* may be NULL */
    void *on_text_user;
    const char *const *stop_strings; /* [n_stop_strings], UTF-8, none empty; found also across token borders */
    size_t n_stop_strings;           /* at most 64 */
    nce_progress_fn *on_prompt;      /* prompt tokens evaluated; may be NULL */
    void *on_prompt_user;
    uint32_t max_tokens;             /* 0: until the sequence is full */
    uint32_t ignore_end;             /* 1: go on after end-of-generation tokens */
    uint32_t show_special;           /* 1: stream the text of control tokens too */
    uint32_t reserved;               /* 0 */
} nce_generate_options;
#define NCE_GENERATE_OPTIONS_INIT { sizeof(nce_generate_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Append prompt tokens to a sequence and generate.
 *
 * prompt     [n_prompt] ids, at least one.
 * n_tokens   tokens generated, the ending one included; may be NULL.
 * reason     may be NULL.
 * Returns NCE_OK also when stopped or cancelled after the prompt; otherwise as nce_session_eval.  The sequence then holds
 * the prompt and all generated tokens that were evaluated.  Since 0.1. */
NCE_API nce_status nce_generate(nce_session *session, uint32_t seq, const int32_t *prompt, size_t n_prompt,
                                const nce_generate_options *options, size_t *n_tokens, nce_stop_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
