/* All meters of a list of sources. */
#include "src/hal/meters/meters.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

struct nce_meters {
    nce_context *ctx;
    nce_meter *first;
};

static nce_status open_source(nce_meters *m, const char *source)
{
    /* The first kind that has a meter for a source serves it: none is counted twice. */
    static nce_meter_open_fn *const kinds[] = {nce_meter_rapl, nce_meter_nvml, nce_meter_rocm_smi, nce_meter_sysman, nce_meter_hwmon};
    nce_meter *meter = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && meter == NULL; i++) {
        const nce_status status = kinds[i](m->ctx, source, &meter);
        if (status != NCE_OK) return status;
    }
    if (meter == NULL) nce_log(m->ctx, NCE_LOG_INFO, "no energy meter for %s", source);
    else {
        meter->next = m->first;
        m->first = meter;
    }
    return NCE_OK;
}

nce_status nce_meters_open(nce_context *ctx, const char *sources, nce_meters **out)
{
    nce_meters *m = nce_alloc_zero(ctx, sizeof *m);
    char name[64], all[512];
    nce_status status = m != NULL ? NCE_OK : nce_fail_nomem(ctx, sizeof *m);
    *out = NULL;
    if (status == NCE_OK) m->ctx = ctx;
    size_t used = 0;
    for (const char *at = sources; status == NCE_OK && *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
        snprintf(name, sizeof name, ",%.*s,", (int)strcspn(at, ","), at);
        all[used] = '\0';
        if (strstr(all, name) != NULL || used + strlen(name) >= sizeof all) continue; /* two parts of a split on one device */
        used += (size_t)snprintf(all + used, sizeof all - used, "%s", name);
        name[strlen(name) - 1] = '\0';
        status = open_source(m, name + 1);
    }
    if (status != NCE_OK) {
        nce_meters_close(m);
        return status;
    }
    *out = m;
    return NCE_OK;
}

void nce_meters_close(nce_meters *m)
{
    if (m == NULL) return;
    for (nce_meter *meter = m->first, *next; meter != NULL; meter = next) {
        next = meter->next;
        meter->ops->close(meter);
    }
    nce_free(m->ctx, m);
}

bool nce_meters_joules(nce_meters *m, double *out)
{
    double sum = 0.0, one;
    if (m == NULL || m->first == NULL) return false;
    for (nce_meter *meter = m->first; meter != NULL; meter = meter->next) {
        if (!meter->ops->joules(meter, &one)) return false;
        sum += one;
    }
    *out = sum;
    return true;
}

bool nce_meters_busy(nce_meters *m, double *out)
{
    double sum = 0.0, one;
    int n = 0;
    for (nce_meter *meter = m != NULL ? m->first : NULL; meter != NULL; meter = meter->next)
        if (meter->ops->busy != NULL && meter->ops->busy(meter, &one)) {
            sum += one;
            n++;
        }
    if (n > 0) *out = sum / n;
    return n > 0;
}

const char *nce_meter_pci(const char *source, const char *kind)
{
    const size_t n = strlen(kind);
    return strncmp(source, kind, n) == 0 && source[n] == '@' ? source + n + 1 : NULL;
}

bool nce_meter_read_line(const char *folder, const char *a, const char *b, char *text, size_t n)
{
    char path[512];
    if ((size_t)snprintf(path, sizeof path, "%s/%s/%s", folder, a, b) >= sizeof path) return false;
    FILE *f = fopen(path, "re");
    if (f == NULL) return false;
    const bool read = fgets(text, (int)n, f) != NULL;
    fclose(f);
    if (!read) return false;
    text[strcspn(text, "\n")] = '\0';
    return true;
}

double nce_meter_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double nce_meter_add_power(nce_meter_power *p, double watts)
{
    const double now = nce_meter_now();
    if (p->last != 0.0) p->joules += watts * (now - p->last);
    p->last = now;
    return p->joules;
}
