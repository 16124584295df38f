/* The bytes of one file, mapped, read or borrowed.
 *
 * The first `ready` bytes are a private copy that no other process can change or cut off; the parser asks for them with
 * nce_source_need as it goes.  In a mapped file they are anonymous pages laid over the start of the mapping, so that
 * addresses never move: what was validated stays what it was, even if somebody rewrites or truncates the file.  The
 * rest of a mapped file (the weights) is the file itself. */
#ifndef NCE_SRC_SOURCE_H
#define NCE_SRC_SOURCE_H
#include "src/core/runtime/context.h"

typedef struct nce_source {
    nce_context *ctx;
    char *path;
    uint8_t *data;
    size_t size;  /* of the file when it was opened */
    size_t ready; /* bytes from the start that are safe to read */
    int fd;       /* -1: the bytes are the caller's */
    bool mapped;
} nce_source;

/* Fill *s; on failure it is finished already.  NCE_ERR_NOTFOUND, NCE_ERR_IO (not a regular file, empty, no permission),
 * NCE_ERR_NOMEM. */
nce_status nce_source_open(nce_context *ctx, const char *path, bool no_mmap, nce_source *s);
nce_status nce_source_borrow(nce_context *ctx, const char *name, const void *data, size_t size, nce_source *s);
void nce_source_finish(nce_source *s); /* zeroed storage is allowed */

/* Make [0, end) safe to read; end <= size.  NCE_ERR_IO if the file gave less than its size said. */
nce_status nce_source_need(nce_source *s, size_t end);

/* NCE_ERR_IO if the file is now shorter than it was. */
nce_status nce_source_check_size(const nce_source *s);

#endif
