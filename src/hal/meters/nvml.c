/* NVIDIA's management library: the GPU's own energy counter, or its power where it has none (before Volta). */
#include "src/hal/library.h"
#include "src/hal/meters/meters.h"

typedef struct utilisation {
    unsigned gpu, memory; /* per cent of the last sampling interval */
} utilisation;

typedef struct nvml_api {
    int (*init)(void);
    int (*shutdown)(void);
    int (*find)(const char *pci, void **device);
    int (*energy)(void *device, unsigned long long *millijoules);
    int (*power)(void *device, unsigned *milliwatts);
    int (*utilisation)(void *device, utilisation *out);
} nvml_api;

static const char *const usual[] = {"libnvidia-ml.so.1", NULL};
static const nce_symbol symbols[] = {
    {"nvmlInit_v2", offsetof(nvml_api, init), true},
    {"nvmlShutdown", offsetof(nvml_api, shutdown), true},
    {"nvmlDeviceGetHandleByPciBusId_v2", offsetof(nvml_api, find), true},
    {"nvmlDeviceGetTotalEnergyConsumption", offsetof(nvml_api, energy), false},
    {"nvmlDeviceGetPowerUsage", offsetof(nvml_api, power), true},
    {"nvmlDeviceGetUtilizationRates", offsetof(nvml_api, utilisation), false},
};

typedef struct nvml {
    nce_meter base;
    nvml_api api;
    void *library, *device;
    bool counts; /* it has an energy counter */
    unsigned long long first;
    nce_meter_power energy;
} nvml;

static bool joules(nce_meter *m, double *out)
{
    nvml *n = (nvml *)m;
    unsigned long long now;
    unsigned power;
    if (n->counts) {
        if (n->api.energy(n->device, &now) != 0) return false;
        *out = (double)(now - n->first) * 1e-3;
        return true;
    }
    if (n->api.power(n->device, &power) != 0) return false;
    *out = nce_meter_add_power(&n->energy, (double)power * 1e-3);
    return true;
}

static bool busy(nce_meter *m, double *out)
{
    nvml *n = (nvml *)m;
    utilisation u = {0, 0};
    if (n->api.utilisation == NULL || n->api.utilisation(n->device, &u) != 0) return false;
    *out = u.gpu * 0.01;
    return true;
}

static void close_nvml(nce_meter *m)
{
    nvml *n = (nvml *)m;
    n->api.shutdown();
    nce_library_close(n->library);
    nce_free(m->ctx, n);
}

nce_status nce_meter_nvml(nce_context *ctx, const char *source, nce_meter **out)
{
    static const nce_meter_ops ops = {joules, busy, close_nvml};
    const char *pci = nce_meter_pci(source, "cuda");
    unsigned power;
    if (pci == NULL) return NCE_OK;
    nvml *n = nce_alloc_zero(ctx, sizeof *n);
    if (n == NULL) return nce_fail_nomem(ctx, sizeof *n);
    n->base = (nce_meter){&ops, ctx, NULL};
    if (nce_library_open(ctx, "nvml", usual, symbols, sizeof symbols / sizeof *symbols, &n->api, &n->library) != NCE_OK ||
        n->api.init() != 0) { /* nothing may be called after that */
        nce_library_close(n->library);
        nce_free(ctx, n);
        return NCE_OK;
    }
    bool found = n->api.find(pci, &n->device) == 0;
    n->counts = found && n->api.energy != NULL && n->api.energy(n->device, &n->first) == 0;
    if (found && !n->counts) found = n->api.power(n->device, &power) == 0;
    if (found) *out = &n->base;
    else close_nvml(&n->base);
    return NCE_OK;
}
