/* Unicode Normalization Form C, which the tokenizers of some families (Qwen, Command R) apply to a text first. */
#ifndef NCE_SRC_TEXT_NFC_H
#define NCE_SRC_TEXT_NFC_H
#include "src/core/runtime/context.h"

/* The text in NFC (UAX #15): *out is text itself if that is in NFC already, which costs one quick look at it, else *owned,
 * from nce_alloc and the caller's to free.  Ill-formed bytes stay as they are and compose with nothing.  Linear time.
 * NCE_ERR_NOMEM: *out and *owned are NULL. */
nce_status nce_nfc(nce_context *ctx, const char *text, size_t n, const char **out, size_t *n_out, char **owned);

#endif
