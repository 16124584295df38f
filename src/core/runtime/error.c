/* Messages of failed calls, one slot per failing thread, and the log.
 *
 * A message must survive until its thread asks for it while other threads fail too, without thread-local storage (which
 * would be a global) and without allocating (the failure may be lack of memory): so the context holds a fixed table. */
#include "src/core/runtime/context.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The slot of this thread, or with create the free or oldest one; called with error_mutex held. */
static nce_error_slot *slot_of_thread(nce_context *ctx, bool create)
{
    const pthread_t self = pthread_self();
    nce_error_slot *oldest = &ctx->errors[0];
    for (int i = 0; i < NCE_ERROR_SLOTS; i++) {
        nce_error_slot *s = &ctx->errors[i];
        if (s->sequence != 0 && pthread_equal(s->thread, self)) return s;
        if (s->sequence < oldest->sequence) oldest = s;
    }
    if (!create) return NULL;
    oldest->thread = self;
    return oldest;
}

nce_status nce_fail(nce_context *ctx, nce_status status, const char *format, ...)
{
    if (ctx == NULL) return status;
    pthread_mutex_lock(&ctx->error_mutex);
    nce_error_slot *s = slot_of_thread(ctx, true);
    s->sequence = ++ctx->error_sequence;
    va_list args;
    va_start(args, format);
    char text[NCE_ERROR_BYTES]; /* an argument may be the old message itself */
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(s->text, text, sizeof text);
    pthread_mutex_unlock(&ctx->error_mutex);
    nce_log(ctx, NCE_LOG_DEBUG, "%s: %s", nce_status_name(status), text);
    return status;
}

nce_status nce_fail_nomem(nce_context *ctx, size_t bytes)
{
    return nce_fail(ctx, NCE_ERR_NOMEM, "out of memory: %zu bytes refused by the allocator", bytes);
}

const char *nce_context_error(const nce_context *ctx)
{
    if (ctx == NULL) return "";
    nce_context *c = (nce_context *)ctx; /* the mutex only */
    pthread_mutex_lock(&c->error_mutex);
    const nce_error_slot *s = slot_of_thread(c, false);
    pthread_mutex_unlock(&c->error_mutex);
    return s != NULL ? s->text : "";
}

void nce_log(nce_context *ctx, nce_log_level level, const char *format, ...)
{
    if (ctx->log == NULL || (uint32_t)level > ctx->log_level) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&ctx->log_mutex);
    ctx->log(ctx->log_user, level, text);
    pthread_mutex_unlock(&ctx->log_mutex);
}

const char *nce_status_name(nce_status status)
{
    static const char *const names[] = {"NCE_OK",           "NCE_ERR_INVALID",     "NCE_ERR_NOMEM",
                                        "NCE_ERR_IO",       "NCE_ERR_FORMAT",      "NCE_ERR_UNSUPPORTED",
                                        "NCE_ERR_LIMIT",    "NCE_ERR_CANCELLED",   "NCE_ERR_BACKEND",
                                        "NCE_ERR_NOTFOUND", "NCE_ERR_BUSY",        "NCE_ERR_STATE",
                                        "NCE_ERR_INTERNAL"};
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "NCE_ERR_UNKNOWN";
}
