/* Results of calls.  Every call that can fail returns an nce_status; outputs travel through pointers and are NULL (or
 * unchanged where the entry says so) on failure.  The readable reason is nce_context_error (context.h). */
#ifndef NCE_STATUS_H
#define NCE_STATUS_H
#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values are part of the ABI: never renumbered, never reused.  A program must accept values it does not know. */
typedef enum nce_status {
    NCE_OK = 0,
    NCE_ERR_INVALID = 1,     /* an argument or option is out of its documented range; nothing changed */
    NCE_ERR_NOMEM = 2,       /* the allocator returned NULL; objects stay usable unless the entry says otherwise */
    NCE_ERR_IO = 3,          /* the operating system refused or cut short a read or write */
    NCE_ERR_FORMAT = 4,      /* a file or byte stream breaks its format */
    NCE_ERR_UNSUPPORTED = 5, /* well formed, but this build or device cannot do it */
    NCE_ERR_LIMIT = 6,       /* a documented limit is reached (context full, queue full, budget spent) */
    NCE_ERR_CANCELLED = 7,   /* stopped by nce_session_cancel or by a progress callback */
    NCE_ERR_BACKEND = 8,     /* a device failed or was lost; only destroy is allowed on its objects */
    NCE_ERR_NOTFOUND = 9,    /* no such key, tensor, device, name or file */
    NCE_ERR_BUSY = 10,       /* try again later: the object is in use, or the call would block */
    NCE_ERR_STATE = 11,      /* the call is not allowed in the object's present state */
    NCE_ERR_INTERNAL = 12    /* a bug of the library; please report the message */
} nce_status;

/* Name of a status, "NCE_ERR_NOMEM"; "NCE_ERR_UNKNOWN" for a value outside the enum.  Static storage.  Any thread.
 * Since 0.1. */
NCE_API const char *nce_status_name(nce_status status);

#ifdef __cplusplus
}
#endif
#endif
