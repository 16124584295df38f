/* Options of a photonic device: defaults, ranges, and the text form that command lines use. */
#include "src/photonic/device.h"
#include "src/photonic/optics.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

_Static_assert(sizeof(nce_photonic_options) == 96, "ABI: grows only at the end");
_Static_assert(sizeof(nce_photonic_stats) == 184, "ABI: grows only at the end");
_Static_assert(sizeof(nce_photonic_sample) == 112, "ABI: grows only at the end");
_Static_assert(sizeof(nce_photonic_lane) == 56, "ABI: grows only at the end");

/* Noise of the detector physics: 0.1 mW at 1 A/W, 5 GHz, 300 K, 5 kOhm, -160 dB/Hz. */
static double physical_noise(void)
{
    const double current = 1e-4;
    return nce_detector_noise(current, 5e9, 300.0, 5e3, -160.0) / current;
}

static nce_status bad(nce_context *ctx, const char *what, double value, const char *range)
{
    return nce_fail(ctx, NCE_ERR_INVALID, "photonic: %s %.9g, allowed: %s", what, value, range);
}

static nce_status check_optics(nce_context *ctx, const nce_photonic_options *o)
{
    if (isnan(o->noise) || o->noise > 1.0) return bad(ctx, "noise", o->noise, "at most 1");
    if (isnan(o->drift_nm_per_k) || o->drift_nm_per_k > 1.0)
        return bad(ctx, "drift", o->drift_nm_per_k, "at most 1 nm/K");
    if (o->adc_bits < 4 || o->adc_bits > 14) return bad(ctx, "adc bits", o->adc_bits, "4..14");
    if (o->dac_bits < 12 || o->dac_bits > 16) return bad(ctx, "dac bits", o->dac_bits, "12..16");
    if (o->retries > 15) return bad(ctx, "retries", o->retries, "0..15");
    if (o->fault_kind > NCE_PHOTONIC_FAULT_RANDOM) return bad(ctx, "fault kind", o->fault_kind, "0..4");
    if (o->fault_lane >= NCE_PHOTONIC_LANES) return bad(ctx, "fault lane", o->fault_lane, "0..6");
    if (!(o->fault_rate >= 0.0 && o->fault_rate <= 1.0)) return bad(ctx, "fault rate", o->fault_rate, "0..1");
    return NCE_OK;
}

static nce_status check(nce_context *ctx, const nce_photonic_options *o)
{
    const uint32_t flags = NCE_PHOTONIC_NO_FALLBACK | NCE_PHOTONIC_NO_DEGRADED | NCE_PHOTONIC_NO_CHECKSUM |
                           NCE_PHOTONIC_NO_CALIBRATION | NCE_PHOTONIC_GUARD_THREAD;
    if (o->flags & ~flags) return bad(ctx, "unknown flags", o->flags & ~flags, "none");
    if (o->reserved != 0) return bad(ctx, "reserved", o->reserved, "0");
    if (o->ambient_mc < -40000 || o->ambient_mc > 60000) return bad(ctx, "ambient", o->ambient_mc, "-40000..60000");
    nce_guard_limits limits = nce_guard_default_limits;
    limits.warning_mc = o->warning_mc;
    limits.critical_mc = o->critical_mc;
    limits.emergency_mc = o->emergency_mc;
    limits.hysteresis_mc = o->hysteresis_mc;
    const char *wrong = nce_guard_check_limits(&limits);
    if (wrong != NULL)
        return nce_fail(ctx, NCE_ERR_INVALID, "photonic: thresholds %d/%d/%d, hysteresis %d millidegrees: %s",
                        o->warning_mc, o->critical_mc, o->emergency_mc, o->hysteresis_mc, wrong);
    return check_optics(ctx, o);
}

nce_status nce_photonic_resolve(nce_context *ctx, const nce_photonic_options *given, nce_photonic_options *o)
{
    *o = (nce_photonic_options)NCE_PHOTONIC_OPTIONS_INIT;
    const nce_status status = nce_read_options(ctx, o, sizeof *o, given, "nce_photonic_options");
    if (status != NCE_OK) return status;
    if (o->transport == NULL) o->transport = "sim";
    if (o->retries == 0) o->retries = 3;
    if (o->noise == 0.0) o->noise = physical_noise();
    if (o->drift_nm_per_k == 0.0) o->drift_nm_per_k = 0.1;
    if (o->adc_bits == 0) o->adc_bits = 8;
    if (o->dac_bits == 0) o->dac_bits = 14;
    if (o->fault_rate == 0.0) o->fault_rate = 1.0;
    if (o->ambient_mc == 0) o->ambient_mc = 25000;
    if (o->warning_mc == 0) o->warning_mc = nce_guard_default_limits.warning_mc;
    if (o->critical_mc == 0) o->critical_mc = nce_guard_default_limits.critical_mc;
    if (o->emergency_mc == 0) o->emergency_mc = nce_guard_default_limits.emergency_mc;
    if (o->hysteresis_mc == 0) o->hysteresis_mc = nce_guard_default_limits.hysteresis_mc;
    return check(ctx, o);
}

/* ---- the text form ---- */

/* A piece of the text: [at, at + length). */
typedef struct piece {
    const char *at;
    size_t length;
} piece;

static bool is(piece p, const char *word)
{
    return strlen(word) == p.length && strncasecmp(p.at, word, p.length) == 0;
}

static piece cut(piece *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->length);
    const piece head = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->length};
    const size_t used = head.length + (end != NULL ? 1 : 0);
    *rest = (piece){rest->at + used, rest->length - used};
    return head;
}

static bool number(piece p, double min, double max, double *out)
{
    char text[48], *end;
    if (p.length == 0 || p.length >= sizeof text) return false;
    memcpy(text, p.at, p.length);
    text[p.length] = '\0';
    *out = strtod(text, &end);
    return *end == '\0' && *out >= min && *out <= max;
}

static bool parse_fault(piece value, nce_photonic_options *o)
{
    static const char *const kinds[] = {"none", "dark", "stuck", "step", "random"};
    const piece lane = cut(&value, ':'), kind = cut(&value, ':');
    double number_of_lane, rate = 1.0;
    if (!number(lane, 0, NCE_PHOTONIC_LANES - 1, &number_of_lane)) return false;
    if (value.length > 0 && !number(value, 0.0, 1.0, &rate)) return false;
    for (uint32_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (is(kind, kinds[k])) {
            o->fault_lane = (uint32_t)number_of_lane;
            o->fault_kind = k;
            o->fault_rate = rate;
            return true;
        }
    return false;
}

/* A whole seed does not fit a double. */
static bool parse_seed(piece p, uint64_t *seed)
{
    char text[24], *end;
    if (p.length == 0 || p.length >= sizeof text || *p.at < '0' || *p.at > '9') return false;
    memcpy(text, p.at, p.length);
    text[p.length] = '\0';
    errno = 0;
    *seed = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static bool parse_flag(piece key, uint32_t *flags)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } table[] = {{"nofallback", NCE_PHOTONIC_NO_FALLBACK},
                 {"nodegraded", NCE_PHOTONIC_NO_DEGRADED},
                 {"nochecksum", NCE_PHOTONIC_NO_CHECKSUM},
                 {"nocalibration", NCE_PHOTONIC_NO_CALIBRATION},
                 {"thread", NCE_PHOTONIC_GUARD_THREAD}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (is(key, table[i].name)) {
            *flags |= table[i].bit;
            return true;
        }
    return false;
}

static bool parse_pair(piece key, piece value, nce_photonic_options *o)
{
    double v;
    if (is(key, "seed")) return parse_seed(value, &o->seed);
    if (is(key, "fault")) return parse_fault(value, o);
    if (is(key, "noise")) return number(value, -1.0, 1.0, &o->noise);
    if (is(key, "drift")) return number(value, -1.0, 1.0, &o->drift_nm_per_k);
    const struct {
        const char *name;
        double min, max, scale;
        void *target;
    } table[] = {{"adc", 4, 14, 1, &o->adc_bits},
                 {"dac", 12, 16, 1, &o->dac_bits},
                 {"retries", 1, 15, 1, &o->retries},
                 {"ambient", -40, 60, 1000, &o->ambient_mc},
                 {"warning", 1, 120, 1000, &o->warning_mc},
                 {"critical", 1, 120, 1000, &o->critical_mc},
                 {"emergency", 1, 120, 1000, &o->emergency_mc},
                 {"hysteresis", 0.5, 20, 1000, &o->hysteresis_mc}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (is(key, table[i].name)) {
            if (!number(value, table[i].min, table[i].max, &v)) return false;
            const int32_t rounded = (int32_t)lrint(v * table[i].scale);
            memcpy(table[i].target, &rounded, sizeof rounded);
            return true;
        }
    return false;
}

nce_status nce_photonic_options_parse(nce_context *ctx, const char *text, nce_photonic_options *options, char *storage,
                                      size_t storage_bytes)
{
    if (text == NULL || options == NULL || storage == NULL || options->struct_size != sizeof *options)
        return nce_fail(ctx, NCE_ERR_INVALID, "photonic options: NULL argument or options without their _INIT macro");
    piece rest = {text, strlen(text)};
    const piece transport = cut(&rest, ',');
    if (transport.length == 0 || transport.length >= storage_bytes)
        return nce_fail(ctx, NCE_ERR_INVALID, "photonic device '%.40s': a transport of 1..%zu characters comes first",
                        text, storage_bytes - 1);
    memcpy(storage, transport.at, transport.length);
    storage[transport.length] = '\0';
    options->transport = storage;
    while (rest.length > 0) {
        piece value = cut(&rest, ',');
        const piece whole = value, key = cut(&value, '=');
        const bool good =
            key.length == whole.length ? parse_flag(key, &options->flags) : parse_pair(key, value, options);
        if (!good)
            return nce_fail(ctx, NCE_ERR_INVALID,
                            "photonic device option '%.*s': unknown, or its value is out of range",
                            (int)(whole.length < 80 ? whole.length : 80), whole.at);
    }
    return NCE_OK;
}
