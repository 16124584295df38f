/* Saving and loading: the header, its checksum, and the file itself. */
#include "src/snn/file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* Written to a temporary name and renamed: a crash leaves the old file whole. */
static nce_status write_file(nce_snn *snn, const char *path, const nce_snn_file_header *h, const nce_snn_cursor *c)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.part", path) >= (int)sizeof temporary)
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "path longer than %zu bytes", sizeof temporary - 6);
    FILE *f = fopen(temporary, "wb");
    if (f == NULL) return nce_fail(snn->ctx, NCE_ERR_IO, "%s: %s", temporary, strerror(errno));
    bool ok = fwrite(h, sizeof *h, 1, f) == 1 && fwrite(c->bytes, 1, c->at, f) == c->at;
    ok = fclose(f) == 0 && ok;
    ok = ok && rename(temporary, path) == 0;
    if (ok) return NCE_OK;
    const int why = errno;
    remove(temporary);
    return nce_fail(snn->ctx, NCE_ERR_IO, "%s: %s", path, strerror(why));
}

nce_status nce_snn_save(nce_snn *snn, const char *path)
{
    nce_status status = nce_snn_enter(snn, 1, true);
    if (status != NCE_OK) return status;
    nce_snn_cursor c = {.ctx = snn->ctx, .name = path, .writing = true};
    nce_snn_file_header h = {.version = NCE_SNN_FILE_VERSION, .header_bytes = sizeof h};
    memcpy(h.magic, nce_snn_file_magic, sizeof h.magic);
    if (path == NULL) {
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_save: NULL path");
    } else {
        nce_snn_field(&c, &snn->o.dt, sizeof(double), "dt");
        nce_snn_field(&c, &snn->o.seed, sizeof(uint64_t), "seed");
        nce_snn_field(&c, &snn->o.precision, sizeof(uint32_t), "precision");
        nce_snn_walk_network(&c, snn);
        status = c.status;
    }
    h.payload_bytes = c.at;
    h.hash = XXH64(c.bytes, c.at, 0);
    if (status == NCE_OK) status = write_file(snn, path, &h, &c);
    nce_free(snn->ctx, c.bytes);
    nce_snn_unlock(snn);
    return status;
}

/* options: those of the caller; dt, seed and precision must be 0 there. */
static nce_status load_payload(nce_context *ctx, nce_snn_cursor *c, const nce_snn_options *options, nce_snn **out)
{
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    nce_snn *snn = NULL;
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_snn_options");
    if (status != NCE_OK) return status;
    if (o.dt != 0 || o.seed != 0 || o.precision != 0)
        return nce_fail(ctx, NCE_ERR_INVALID, "%s: dt, seed and precision come from the file: leave them 0", c->name);
    nce_snn_field(c, &o.dt, sizeof o.dt, "dt");
    nce_snn_field(c, &o.seed, sizeof o.seed, "seed");
    nce_snn_field(c, &o.precision, sizeof o.precision, "precision");
    if (c->status != NCE_OK) return c->status;
    if (!(o.dt >= 1e-6 && o.dt <= 1e6) || o.precision > NCE_SNN_F64)
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: dt %g, precision %u", c->name, o.dt, o.precision);
    status = nce_snn_create(ctx, &o, &snn);
    if (status != NCE_OK) return status;
    nce_snn_walk_network(c, snn);
    if (c->status != NCE_OK) {
        nce_snn_destroy(snn);
        return c->status;
    }
    snn->built = true;
    *out = snn;
    return NCE_OK;
}

nce_status nce_snn_load_memory(nce_context *ctx, const char *name, const void *data, size_t size,
                               const nce_snn_options *options, nce_snn **out)
{
    nce_snn_file_header h;
    if (out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (name == NULL || (data == NULL && size > 0)) return nce_fail(ctx, NCE_ERR_INVALID, "nce_snn_load_memory: NULL");
    if (size < sizeof h) return nce_fail(ctx, NCE_ERR_FORMAT, "%s: %zu bytes, a header has %zu", name, size, sizeof h);
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, nce_snn_file_magic, sizeof h.magic) != 0)
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: no network file: magic", name);
    if (h.version != NCE_SNN_FILE_VERSION || h.header_bytes != sizeof h)
        return nce_fail(ctx, NCE_ERR_UNSUPPORTED, "%s: version %u; this library reads %d", name, h.version,
                        NCE_SNN_FILE_VERSION);
    if (h.payload_bytes != size - sizeof h)
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: %llu bytes announced, %zu there", name,
                        (unsigned long long)h.payload_bytes, size - sizeof h);
    const uint8_t *payload = (const uint8_t *)data + sizeof h;
    if (XXH64(payload, size - sizeof h, 0) != h.hash)
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: checksum differs: damaged", name);
    nce_snn_cursor c = {.ctx = ctx, .name = name, .bytes = (uint8_t *)payload, .size = size - sizeof h}; /* only read */
    return load_payload(ctx, &c, options, out);
}

nce_status nce_snn_load(nce_context *ctx, const char *path, const nce_snn_options *options, nce_snn **out)
{
    if (out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (path == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_snn_load: NULL path");
    FILE *f = fopen(path, "rb");
    if (f == NULL) return nce_fail(ctx, NCE_ERR_IO, "%s: %s", path, strerror(errno));
    const long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    uint8_t *bytes = size >= 0 ? nce_alloc(ctx, (size_t)size) : NULL;
    nce_status status = NCE_OK;
    if (size < 0)
        status = nce_fail(ctx, NCE_ERR_IO, "%s: its size cannot be found", path);
    else if (bytes == NULL)
        status = nce_fail_nomem(ctx, (size_t)size);
    else if (fseek(f, 0, SEEK_SET) != 0 || fread(bytes, 1, (size_t)size, f) != (size_t)size)
        status = nce_fail(ctx, NCE_ERR_IO, "%s: cannot be read", path);
    fclose(f);
    if (status == NCE_OK) status = nce_snn_load_memory(ctx, path, bytes, (size_t)size, options, out);
    nce_free(ctx, bytes);
    return status;
}
