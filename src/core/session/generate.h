/* Generation for the library itself: as nce_generate, and every sampled token (the ending one too) is also given to a sink. */
#ifndef NCE_SRC_GENERATE_H
#define NCE_SRC_GENERATE_H
#include "nce/generate.h"

typedef nce_status nce_token_sink(void *user, int32_t token, bool ends);

nce_status nce_generate_to(nce_session *session, uint32_t seq, const int32_t *prompt, size_t n_prompt,
                           const nce_generate_options *options, nce_token_sink *sink, void *sink_user, size_t *n_tokens,
                           nce_stop_reason *reason);

#endif
