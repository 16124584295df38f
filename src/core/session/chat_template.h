/* Built-in chat formats: what stands around the messages of each role. */
#ifndef NCE_SRC_CHAT_TEMPLATE_H
#define NCE_SRC_CHAT_TEMPLATE_H
#include <stddef.h>

typedef struct nce_chat_format {
    const char *name;
    const char *mark[2]; /* both stand in the Jinja template of a model of this format; mark[1] may be NULL */
    const char *system_before, *system_after; /* in_user: inside the first user message */
    const char *user_before, *user_after;
    const char *reply_before, *reply_after;
    const char *stop;    /* ends a reply where the vocabulary has no such control token; may be NULL */
    int system_in_user;
} nce_chat_format;

const nce_chat_format *nce_chat_format_by_name(const char *name);                        /* NULL: unknown */
const nce_chat_format *nce_chat_format_by_template(const char *jinja, size_t n_bytes);   /* NULL: not recognised */

#endif
