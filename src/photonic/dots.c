/* Exact dot products on the device: tiles, jobs, decoding, retries, checksum, fallback.
 *
 * A tile is what fits the DMA buffers.  Its answers go through three nets.  First the code: a residue vector that is no
 * code word is read again, up to `retries` times.  What is still wrong then has a standing cause: if removing one lane
 * explains nearly all of it, that lane is given up (six lanes still detect every single error); what remains the CPU
 * computes.  Last the column checksum: the sum of a block's column over all rows must equal (sum of the weights' rows)
 * times x, which no error within the code can satisfy by chance; a tile that fails is read again, then computed by the
 * CPU.  The checksum costs one n-th of the work for n rows; tiles of fewer than eight rows rely on the code. */
#include "src/photonic/device.h"
#include "src/photonic/core.h"
#include <stdlib.h>
#include <string.h>

enum { CHECKSUM_ROWS = 8, SINGLE_JOBS = NCE_PHOTONIC_RING - 1, DIAGNOSIS_MIN = 8, WAIT_MS = 1000 };

/* A tile in progress. */
typedef struct tile {
    uint32_t rows, blocks, length, n_dots;
    const int8_t *w, *x; /* the caller's */
    size_t ld_w, ld_out;
    int32_t *out; /* the caller's, row stride ld_out */
    uint32_t n_failed;
    bool device_answers;                    /* false: nothing more can be had from the device for this tile */
    uint32_t answered, corrected, computed; /* by the device, of these without a lane, by the CPU */
} tile;

nce_pdesc *nce_photonic_slot(nce_photonic *d, uint32_t i)
{
    nce_pdesc *slot = (nce_pdesc *)d->ring.host + ((d->tail + i) & (NCE_PHOTONIC_RING - 1));
    *slot = (nce_pdesc){.tag = d->tag + i};
    return slot;
}

/* The last descriptor's status, which the device writes last. */
static nce_status wait_done(nce_photonic *d, const nce_pdesc *last)
{
    const uint32_t *status = &last->status;
    for (int tries = 0; __atomic_load_n(status, __ATOMIC_ACQUIRE) == 0; tries++) {
        const nce_status waited = d->transport->ops->wait_irq(d->transport, WAIT_MS);
        if (waited == NCE_ERR_BACKEND) return waited;
        nce_preg_write(d->transport, NCE_PREG_IRQ_STATUS, NCE_PIRQ_DONE | NCE_PIRQ_FAULT);
        const bool done = __atomic_load_n(status, __ATOMIC_ACQUIRE) != 0;
        if (!done && (waited == NCE_ERR_BUSY || tries >= 16))
            return nce_fail(d->ctx, NCE_ERR_BACKEND, "photonic: a job did not finish within %d ms", WAIT_MS);
    }
    return NCE_OK;
}

nce_status nce_photonic_submit(nce_photonic *d, uint32_t n)
{
    nce_pdesc *last = (nce_pdesc *)d->ring.host + ((d->tail + n - 1) & (NCE_PHOTONIC_RING - 1));
    last->flags |= 1;
    d->tail = (d->tail + n) & (NCE_PHOTONIC_RING - 1);
    d->tag += n;
    nce_preg_write(d->transport, NCE_PREG_IRQ_STATUS, NCE_PIRQ_DONE | NCE_PIRQ_FAULT);
    nce_preg_write(d->transport, NCE_PREG_RING_TAIL, d->tail); /* a release: descriptors come before it */
    const nce_status status = wait_done(d, last);
    d->hung = status != NCE_OK;
    if (!d->hung) nce_photonic_owe(d);
    return status;
}

void nce_photonic_use_lanes(nce_photonic *d, uint32_t lanes)
{
    d->lanes = lanes;
    for (uint32_t i = 0; i < NCE_RNS_LANES; i++)
        nce_preg_write(d->transport, NCE_PREG_LANE + NCE_PREG_LANE_STRIDE * i + NCE_PREG_LANE_ENABLE, lanes >> i & 1);
}

static void describe(const nce_photonic *d, nce_pdesc *job, const tile *t, uint32_t dot, uint32_t rows, uint32_t blocks)
{
    const uint32_t r = dot / t->blocks, b = dot % t->blocks, row_bytes = t->blocks * t->length;
    job->op = NCE_POP_DOTS;
    job->w = d->w.bus + (uint64_t)r * row_bytes + (uint64_t)b * t->length;
    job->x = d->x.bus + (uint64_t)b * t->length;
    job->out = d->out.bus + (uint64_t)dot * 8;
    job->rows = rows;
    job->blocks = blocks;
    job->length = t->length;
    job->ld_w = row_bytes;
}

/* Read every dot of the tile (n_failed == n_dots), or only those still without an answer. */
static nce_status read_tile(nce_photonic *d, tile *t)
{
    nce_pdesc *first = NULL;
    const bool few = t->n_failed <= SINGLE_JOBS && t->n_failed < t->n_dots;
    const uint32_t n = few ? t->n_failed : 1;
    for (uint32_t i = 0; i < n; i++) {
        nce_pdesc *job = nce_photonic_slot(d, i);
        if (i == 0) first = job;
        if (few)
            describe(d, job, t, d->failed[i], 1, 1);
        else
            describe(d, job, t, 0, t->rows, t->blocks);
    }
    const nce_status status = nce_photonic_submit(d, n);
    if (status != NCE_OK) {
        t->device_answers = false;
        return d->options.flags & NCE_PHOTONIC_NO_FALLBACK ? status : NCE_OK;
    }
    t->device_answers = first->status == NCE_PDONE_OK;
    if (first->status == NCE_PDONE_INVALID || first->status == NCE_PDONE_DMA)
        return nce_fail(d->ctx, NCE_ERR_INTERNAL, "photonic: the device refused a job, status %08x", first->status);
    return NCE_OK;
}

static void count_answers(const nce_photonic *d, tile *t, uint32_t n)
{
    t->answered += n;
    if (d->lanes != NCE_RNS_ALL) t->corrected += n;
}

/* Decode the dots in d->failed[0, n_failed); those that are no code word stay in the list. */
static void decode(nce_photonic *d, tile *t)
{
    const uint8_t *residues = d->out.host;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n_failed; i++) {
        const uint32_t dot = d->failed[i];
        int32_t *out = &t->out[dot / t->blocks * t->ld_out + dot % t->blocks];
        if (!nce_rns_decode_lanes(residues + (size_t)dot * 8, d->lanes, t->length, out)) d->failed[kept++] = dot;
    }
    count_answers(d, t, t->n_failed - kept);
    t->n_failed = kept;
}

/* The first reading of a tile: as decode, without the list of all dots. */
static void decode_all(nce_photonic *d, tile *t)
{
    const uint8_t *residues = d->out.host;
    uint32_t failed = 0;
    for (uint32_t r = 0, dot = 0; r < t->rows; r++)
        for (uint32_t b = 0; b < t->blocks; b++, dot++) {
            const uint8_t *v = residues + (size_t)dot * 8;
            if (!nce_rns_decode_lanes(v, d->lanes, t->length, &t->out[r * t->ld_out + b])) d->failed[failed++] = dot;
        }
    count_answers(d, t, t->n_dots - failed);
    t->n_failed = failed;
}

/* Give up the one lane whose removal explains the failures; true if there is one.  Chance explains 14 % of them. */
static bool give_up_lane(nce_photonic *d, const tile *t)
{
    uint32_t count[NCE_RNS_LANES] = {0};
    if ((d->options.flags & NCE_PHOTONIC_NO_DEGRADED) || d->lanes != NCE_RNS_ALL || t->n_failed < DIAGNOSIS_MIN)
        return false;
    for (uint32_t i = 0; i < t->n_failed; i++) {
        const uint32_t suspects = nce_rns_suspects((const uint8_t *)d->out.host + (size_t)d->failed[i] * 8, t->length);
        for (int l = 0; l < NCE_RNS_LANES; l++)
            count[l] += suspects >> l & 1;
    }
    int guilty = -1, others = 0;
    for (int l = 0; l < NCE_RNS_LANES; l++)
        if (count[l] * 10 >= t->n_failed * 9)
            guilty = guilty < 0 ? l : NCE_RNS_LANES;
        else
            others += count[l] * 2 > t->n_failed;
    if (guilty < 0 || guilty == NCE_RNS_LANES || others > 0) return false;
    nce_log(d->ctx, NCE_LOG_WARNING, "photonic: lane %d (modulus %u) is given up, %u readings were wrong for it",
            guilty, nce_rns_moduli[guilty], t->n_failed);
    nce_photonic_use_lanes(d, NCE_RNS_ALL & ~(1u << guilty));
    return true;
}

/* The CPU's part: the dots still in the list. */
static nce_status fall_back(nce_photonic *d, tile *t)
{
    if (t->n_failed == 0) return NCE_OK;
    if (d->options.flags & NCE_PHOTONIC_NO_FALLBACK)
        return nce_fail(d->ctx, NCE_ERR_BACKEND, "photonic: %u of %u dot products could not be had from the device",
                        t->n_failed, t->n_dots);
    for (uint32_t i = 0; i < t->n_failed; i++) {
        const uint32_t r = d->failed[i] / t->blocks, b = d->failed[i] % t->blocks;
        const size_t from = (size_t)b * t->length;
        nce_core_dots(t->w + r * t->ld_w + from, t->ld_w, t->x + from, 1, 1, t->length, &t->out[r * t->ld_out + b]);
    }
    t->computed += t->n_failed;
    t->n_failed = 0;
    return NCE_OK;
}

static void all_failed(nce_photonic *d, tile *t)
{
    for (uint32_t i = 0; i < t->n_dots; i++)
        d->failed[i] = i;
    t->n_failed = t->n_dots;
}

/* Readings and re-readings; what is left in the list afterwards has no answer. */
static nce_status read_and_retry(nce_photonic *d, tile *t)
{
    t->n_failed = t->n_dots;
    nce_status status = read_tile(d, t);
    if (status != NCE_OK) return status;
    if (!t->device_answers) {
        all_failed(d, t);
        return NCE_OK;
    }
    decode_all(d, t);
    d->stats.rejected += t->n_failed;
    for (uint32_t retry = 0; retry < d->options.retries && t->n_failed > 0; retry++) {
        d->stats.retries += t->n_failed;
        status = read_tile(d, t);
        if (status != NCE_OK || !t->device_answers) return status;
        decode(d, t);
        d->stats.rejected += t->n_failed;
    }
    if (t->n_failed > 0 && give_up_lane(d, t)) decode(d, t);
    return NCE_OK;
}

/* Column sums of the tile's weights times x must equal the sums of its answers, block by block. */
static bool checksum_holds(nce_photonic *d, const tile *t)
{
    const size_t columns = (size_t)t->blocks * t->length;
    nce_core_column_sums(t->w, t->ld_w, t->rows, columns, d->sums);
    for (uint32_t b = 0; b < t->blocks; b++) {
        int64_t expected = 0, sum = 0;
        for (size_t i = (size_t)b * t->length; i < (size_t)(b + 1) * t->length; i++)
            expected += (int64_t)d->sums[i] * t->x[i];
        for (uint32_t r = 0; r < t->rows; r++)
            sum += t->out[r * t->ld_out + b];
        if (sum != expected) return false;
    }
    return true;
}

static nce_status run_tile(nce_photonic *d, tile *t)
{
    const bool check = t->rows >= CHECKSUM_ROWS && !(d->options.flags & NCE_PHOTONIC_NO_CHECKSUM);
    for (uint32_t r = 0; r < t->rows; r++)
        memcpy((int8_t *)d->w.host + (size_t)r * t->blocks * t->length, t->w + r * t->ld_w,
               (size_t)t->blocks * t->length);
    memcpy(d->x.host, t->x, (size_t)t->blocks * t->length);
    for (uint32_t attempt = 0; attempt <= d->options.retries; attempt++) {
        nce_status status = read_and_retry(d, t);
        if (status == NCE_OK) status = fall_back(d, t);
        if (status != NCE_OK) return status;
        if (!check || !t->device_answers || checksum_holds(d, t)) return NCE_OK;
        d->stats.checksum_failures++;
        d->stats.retries += t->n_dots;
        t->answered = t->corrected = t->computed = 0; /* none of them is believed */
    }
    all_failed(d, t);
    return fall_back(d, t);
}

/* A device that is lost, let a job hang, or has fewer than six lanes, is not asked. */
static bool usable(nce_photonic *d)
{
    return !d->hung && __builtin_popcount(d->lanes) >= NCE_RNS_LANES - 1 && !nce_photonic_is_lost(d);
}

static nce_status next_tile(nce_photonic *d, tile *t)
{
    nce_status status;
    t->n_dots = t->rows * t->blocks;
    d->stats.dots += t->n_dots;
    if (usable(d)) {
        status = run_tile(d, t);
    } else {
        all_failed(d, t);
        status = fall_back(d, t);
    }
    d->stats.device_dots += t->answered;
    d->stats.corrected += t->corrected;
    d->stats.fallbacks += t->computed;
    return status;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

nce_status nce_photonic_block_dots(nce_photonic *d, size_t n_rows, size_t n_blocks, uint32_t length, const int8_t *w,
                                   size_t ld_w, const int8_t *x, int32_t *out)
{
    size_t columns;
    if (d == NULL) return NCE_ERR_INVALID;
    if (length < 1 || length > NCE_PHOTONIC_MAX_LENGTH)
        return nce_fail(d->ctx, NCE_ERR_INVALID, "photonic: dot length %u, allowed: 1..%d", length,
                        NCE_PHOTONIC_MAX_LENGTH);
    if (n_rows == 0 || n_blocks == 0) return NCE_OK;
    if (__builtin_mul_overflow(n_blocks, (size_t)length, &columns) || ld_w < columns || w == NULL || x == NULL ||
        out == NULL)
        return nce_fail(d->ctx, NCE_ERR_INVALID, "photonic: rows of %zu elements do not hold %zu blocks of %u, or NULL",
                        ld_w, n_blocks, length);
    const size_t by_input = least(NCE_PHOTONIC_INPUT_BYTES / length, NCE_PHOTONIC_TILE_DOTS),
                 blocks = least(n_blocks, by_input);
    /* At least one row: a row of the largest input fits both buffers. */
    const size_t rows = least(NCE_PHOTONIC_TILE_BYTES / (blocks * length), NCE_PHOTONIC_TILE_DOTS / blocks);
    nce_status status = NCE_OK;
    pthread_mutex_lock(&d->jobs);
    for (size_t b = 0; b < n_blocks && status == NCE_OK; b += blocks)
        for (size_t r = 0; r < n_rows && status == NCE_OK; r += rows) {
            tile t = {.rows = (uint32_t)(n_rows - r < rows ? n_rows - r : rows),
                      .blocks = (uint32_t)(n_blocks - b < blocks ? n_blocks - b : blocks),
                      .length = length,
                      .w = w + r * ld_w + b * length,
                      .x = x + b * length,
                      .ld_w = ld_w,
                      .ld_out = n_blocks,
                      .out = out + r * n_blocks + b};
            status = next_tile(d, &t);
        }
    pthread_mutex_unlock(&d->jobs);
    return status;
}
