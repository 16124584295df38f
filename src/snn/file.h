/* The file of a network: a header, then records of plain little-endian values in a fixed order (docs/snn.md).  One writer
 * and one reader share a cursor type, so that both walk the same list of fields. */
#ifndef NCE_SRC_SNN_FILE_H
#define NCE_SRC_SNN_FILE_H
#include "src/snn/network.h"

enum { NCE_SNN_FILE_VERSION = 1 };

/* magic "NCESNN\r\n", version, header bytes, payload bytes, XXH64 of the payload */
typedef struct nce_snn_file_header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t payload_bytes, hash;
} nce_snn_file_header;

extern const char nce_snn_file_magic[8];

typedef struct nce_snn_cursor {
    nce_context *ctx;
    const char *name; /* for messages */
    uint8_t *bytes;   /* of the payload */
    size_t at, size;  /* reading: size of the payload; writing: capacity */
    bool writing;
    nce_status status; /* the first failure; later calls do nothing */
} nce_snn_cursor;

/* One field of n bytes, written from or read to value. */
void nce_snn_field(nce_snn_cursor *c, void *value, size_t n, const char *what);
/* The whole network: when reading, snn is freshly created with the options of the file, and gets everything else. */
void nce_snn_walk_network(nce_snn_cursor *c, nce_snn *snn);

#endif
