/* AMD's system management library: energy counter, or average power where there is none. */
#include "src/hal/library.h"
#include "src/hal/meters/meters.h"
#include <stdio.h>

typedef struct smi_api {
    int (*init)(uint64_t flags);
    int (*shutdown)(void);
    int (*count)(uint32_t *n);
    int (*pci)(uint32_t device, uint64_t *address);
    int (*energy)(uint32_t device, uint64_t *count, float *microjoules, uint64_t *timestamp);
    int (*power)(uint32_t device, uint32_t sensor, uint64_t *microwatts);
    int (*busy)(uint32_t device, uint32_t *percent);
} smi_api;

static const char *const usual[] = {"librocm_smi64.so.7", "librocm_smi64.so.6", "librocm_smi64.so.5", "librocm_smi64.so.1", NULL};
static const nce_symbol symbols[] = {
    {"rsmi_init", offsetof(smi_api, init), true},
    {"rsmi_shut_down", offsetof(smi_api, shutdown), true},
    {"rsmi_num_monitor_devices", offsetof(smi_api, count), true},
    {"rsmi_dev_pci_id_get", offsetof(smi_api, pci), true},
    {"rsmi_dev_energy_count_get", offsetof(smi_api, energy), false},
    {"rsmi_dev_power_ave_get", offsetof(smi_api, power), false},
    {"rsmi_dev_busy_percent_get", offsetof(smi_api, busy), false},
};

typedef struct smi {
    nce_meter base;
    smi_api api;
    void *library;
    uint32_t device;
    bool counts;
    uint64_t first;
    nce_meter_power energy;
} smi;

static bool joules(nce_meter *m, double *out)
{
    smi *s = (smi *)m;
    uint64_t now, when;
    float unit;
    if (s->counts) {
        if (s->api.energy(s->device, &now, &unit, &when) != 0) return false;
        *out = (double)(now - s->first) * (double)unit * 1e-6;
        return true;
    }
    if (s->api.power(s->device, 0, &now) != 0) return false;
    *out = nce_meter_add_power(&s->energy, (double)now * 1e-6);
    return true;
}

static bool busy(nce_meter *m, double *out)
{
    smi *s = (smi *)m;
    uint32_t percent;
    if (s->api.busy == NULL || s->api.busy(s->device, &percent) != 0) return false;
    *out = percent * 0.01;
    return true;
}

static void close_smi(nce_meter *m)
{
    smi *s = (smi *)m;
    s->api.shutdown();
    nce_library_close(s->library);
    nce_free(m->ctx, s);
}

/* 0000:41:00.0 as the library writes it: domain, bus, device, function. */
static bool find(smi *s, const char *pci)
{
    unsigned domain, bus, device, function;
    uint32_t n = 0;
    uint64_t at;
    if (sscanf(pci, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4 || s->api.count(&n) != 0) return false;
    const uint64_t wanted = (uint64_t)domain << 32 | bus << 8 | device << 3 | function;
    for (s->device = 0; s->device < n; s->device++)
        if (s->api.pci(s->device, &at) == 0 && at == wanted) return true;
    return false;
}

nce_status nce_meter_rocm_smi(nce_context *ctx, const char *source, nce_meter **out)
{
    static const nce_meter_ops ops = {joules, busy, close_smi};
    const char *pci = nce_meter_pci(source, "hip");
    uint64_t now, when;
    float unit;
    if (pci == NULL) return NCE_OK;
    smi *s = nce_alloc_zero(ctx, sizeof *s);
    if (s == NULL) return nce_fail_nomem(ctx, sizeof *s);
    s->base = (nce_meter){&ops, ctx, NULL};
    if (nce_library_open(ctx, "rocm_smi", usual, symbols, sizeof symbols / sizeof *symbols, &s->api, &s->library) != NCE_OK ||
        s->api.init(0) != 0) { /* calls after a failed start crash in it */
        nce_library_close(s->library);
        nce_free(ctx, s);
        return NCE_OK;
    }
    bool found = find(s, pci);
    s->counts = found && s->api.energy != NULL && s->api.energy(s->device, &s->first, &unit, &when) == 0;
    if (found && !s->counts) found = s->api.power != NULL && s->api.power(s->device, 0, &now) == 0;
    if (found) *out = &s->base;
    else close_smi(&s->base);
    return NCE_OK;
}
