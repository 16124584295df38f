/* Traces: the JSON lines of Mooncake (kvcache-ai/Mooncake) and the CSV of the Azure LLM inference traces.
 *
 * Only what these files contain is understood; anything else is an error that names the line.  Block ids become names
 * with the id as low half, so equal ids mean equal prefixes as in the trace. */
#include "src/sched/trace.h"
#include "src/sched/text.h"
#include <math.h>
#include <string.h>

_Static_assert(sizeof(nce_trace_request) == 40, "ABI: grows only at the end");
#define MAX_TOKENS 100000000u

typedef struct reader {
    nce_trace *trace;
    const char *name;
    nce_text text;
    double first, last;
    size_t block_capacity, request_capacity;
} reader;

static nce_status bad(const reader *r, const char *what)
{
    return nce_fail(r->trace->ctx, NCE_ERR_FORMAT, "%.100s: line %zu: %s", r->name, r->text.line, what);
}

static nce_status add_request(reader *r, double arrival_s, uint64_t input, uint64_t output, size_t n_blocks)
{
    nce_trace *t = r->trace;
    const nce_status status =
        nce_grow(t->ctx, (void **)&t->requests, &r->request_capacity, t->n_requests + 1, sizeof *t->requests);
    if (status != NCE_OK) return status;
    if (t->n_requests == 0) r->first = r->last = arrival_s;
    if (arrival_s < r->last) return bad(r, "time runs backwards");
    r->last = arrival_s;
    t->requests[t->n_requests++] =
        (nce_trace_row){arrival_s - r->first, (uint32_t)input, (uint32_t)output, t->n_blocks - n_blocks, n_blocks};
    return NCE_OK;
}

/* ---- JSON lines ---- */

static bool colon(nce_text *t)
{
    nce_text_space(t);
    const bool found = nce_text_word(t, ":");
    nce_text_space(t);
    return found;
}

static nce_status read_ids(reader *r, size_t *n)
{
    nce_trace *trace = r->trace;
    nce_text *t = &r->text;
    *n = 0;
    if (!nce_text_word(t, "[")) return bad(r, "hash_ids is no list");
    nce_text_space(t);
    if (nce_text_word(t, "]")) return NCE_OK;
    for (;;) {
        uint64_t id;
        nce_text_space(t);
        if (!nce_text_whole(t, UINT64_MAX / 32, &id)) return bad(r, "a hash id is no whole number");
        const nce_status status = nce_grow(trace->ctx, (void **)&trace->blocks, &r->block_capacity, trace->n_blocks + 1,
                                           sizeof *trace->blocks);
        if (status != NCE_OK) return status;
        trace->blocks[trace->n_blocks++] = (nce_block_hash){id, 0};
        ++*n;
        nce_text_space(t);
        if (nce_text_word(t, "]")) return NCE_OK;
        if (!nce_text_word(t, ",")) return bad(r, "',' or ']' expected in hash_ids");
    }
}

static nce_status read_object(reader *r)
{
    nce_text *t = &r->text;
    double timestamp = NAN;
    uint64_t input = UINT64_MAX, output = UINT64_MAX;
    size_t n_blocks = 0;
    if (!nce_text_word(t, "{")) return bad(r, "'{' expected");
    do {
        nce_text_space(t);
        if (nce_text_word(t, "\"timestamp\"")) {
            if (!colon(t) || !nce_text_number(t, &timestamp)) return bad(r, "timestamp is no number");
        } else if (nce_text_word(t, "\"input_length\"")) {
            if (!colon(t) || !nce_text_whole(t, MAX_TOKENS, &input)) return bad(r, "input_length is not 0..1e8");
        } else if (nce_text_word(t, "\"output_length\"")) {
            if (!colon(t) || !nce_text_whole(t, MAX_TOKENS, &output)) return bad(r, "output_length is not 0..1e8");
        } else if (nce_text_word(t, "\"hash_ids\"")) {
            if (n_blocks != 0) return bad(r, "hash_ids twice");
            if (!colon(t)) return bad(r, "':' expected");
            const nce_status status = read_ids(r, &n_blocks);
            if (status != NCE_OK) return status;
        } else {
            return bad(r, "a field other than timestamp, input_length, output_length, hash_ids");
        }
        nce_text_space(t);
    } while (nce_text_word(t, ","));
    if (!nce_text_word(t, "}")) return bad(r, "',' or '}' expected");
    if (!(timestamp >= 0 && timestamp <= 1e15) || input == UINT64_MAX || output == UINT64_MAX)
        return bad(r, "timestamp, input_length or output_length is missing or out of range");
    return add_request(r, timestamp / 1000, input, output, n_blocks);
}

/* ---- CSV ---- */

static bool part(nce_text *t, uint64_t max, const char *separator, uint64_t *out)
{
    return nce_text_whole(t, max, out) && nce_text_word(t, separator);
}

/* "2023-11-16 18:17:03.9799600" in seconds since some day; the civil calendar by days from March. */
static bool read_time(nce_text *t, double *out)
{
    uint64_t year, month, day, hour, minute;
    double second;
    if (!part(t, 9999, "-", &year) || !part(t, 12, "-", &month) || !part(t, 31, " ", &day)) return false;
    if (!part(t, 23, ":", &hour) || !part(t, 59, ":", &minute) || !nce_text_number(t, &second)) return false;
    if (month == 0 || day == 0 || !(second >= 0 && second < 61)) return false;
    const uint64_t y = month > 2 ? year : year - (year > 0), m = month > 2 ? month - 3 : month + 9;
    const uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day;
    *out = (double)days * 86400 + (double)(hour * 3600 + minute * 60) + second;
    return true;
}

static nce_status read_row(reader *r)
{
    nce_text *t = &r->text;
    double time;
    uint64_t input, output;
    if (!read_time(t, &time)) return bad(r, "no time stamp");
    if (!nce_text_word(t, ",") || !nce_text_whole(t, MAX_TOKENS, &input)) return bad(r, "ContextTokens is not 0..1e8");
    if (!nce_text_word(t, ",") || !nce_text_whole(t, MAX_TOKENS, &output))
        return bad(r, "GeneratedTokens is not 0..1e8");
    return add_request(r, time, input, output, 0);
}

nce_status nce_trace_read(nce_context *ctx, const char *name, const char *text, size_t size, nce_trace_format format,
                          nce_trace **out)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL || text == NULL || name == NULL || (format != NCE_TRACE_MOONCAKE && format != NCE_TRACE_AZURE))
        return nce_fail(ctx, NCE_ERR_INVALID, "nce_trace_read: an argument is NULL, or no format %d", (int)format);
    nce_trace *trace = nce_alloc_zero(ctx, sizeof *trace);
    if (trace == NULL) return nce_fail_nomem(ctx, sizeof *trace);
    trace->ctx = ctx;
    reader r = {.trace = trace, .name = name, .text = {text, text + size, 1}};
    /* Room for a block even if none comes: places in the array are computed for requests without blocks too. */
    nce_status status = nce_grow(ctx, (void **)&trace->blocks, &r.block_capacity, 1, sizeof *trace->blocks);
    nce_text_space(&r.text);
    if (status == NCE_OK && format == NCE_TRACE_AZURE &&
        !nce_text_word(&r.text, "TIMESTAMP,ContextTokens,GeneratedTokens"))
        status = bad(&r, "the header TIMESTAMP,ContextTokens,GeneratedTokens is missing");
    for (nce_text_space(&r.text); status == NCE_OK && r.text.at < r.text.end; nce_text_space(&r.text))
        status = format == NCE_TRACE_AZURE ? read_row(&r) : read_object(&r);
    if (status == NCE_OK && trace->n_requests == 0) status = bad(&r, "the trace has no requests");
    if (status == NCE_OK)
        *out = trace;
    else
        nce_trace_destroy(trace);
    return status;
}

void nce_trace_destroy(nce_trace *t)
{
    if (t == NULL) return;
    nce_free(t->ctx, t->requests);
    nce_free(t->ctx, t->blocks);
    nce_free(t->ctx, t);
}

size_t nce_trace_n_requests(const nce_trace *t)
{
    return t != NULL ? t->n_requests : 0;
}

nce_status nce_trace_request_at(const nce_trace *t, size_t i, nce_trace_request *out)
{
    if (t == NULL) return NCE_ERR_INVALID;
    if (i >= t->n_requests || out == NULL || out->struct_size < sizeof out->struct_size)
        return nce_fail(t->ctx, NCE_ERR_INVALID, "trace: no request %zu, there are %zu", i, t->n_requests);
    const nce_trace_row *row = &t->requests[i];
    nce_trace_request full = {
        out->struct_size, row->arrival_s, row->input_tokens, row->output_tokens, t->blocks + row->first_block,
        row->n_blocks};
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}
