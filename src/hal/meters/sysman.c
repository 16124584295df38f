/* Intel GPUs through Level Zero Sysman: the energy counter of the card.  Needs a loader with zesInit (1.9 and later): with
 * older ones an environment variable would have to be set before the program starts. */
#include "src/hal/library.h"
#include "src/hal/meters/meters.h"
#include <stdio.h>
#include <string.h>

enum { MOST = 16, PCI_PROPERTIES = 0x2 };

/* As the specification lays them out. */
typedef struct pci_properties {
    int32_t type;
    void *next;
    struct {
        uint32_t domain, bus, device, function;
    } address;
    int32_t generation, width;
    int64_t bandwidth;
    uint8_t counters[8];
} pci_properties;

typedef struct energy_counter {
    uint64_t microjoules, timestamp;
} energy_counter;

typedef struct sysman_api {
    int (*init)(uint32_t flags);
    int (*drivers)(uint32_t *n, void **out);
    int (*devices)(void *driver, uint32_t *n, void **out);
    int (*pci)(void *device, pci_properties *out);
    int (*domains)(void *device, uint32_t *n, void **out);
    int (*energy)(void *domain, energy_counter *out);
} sysman_api;

static const char *const usual[] = {"libze_loader.so.1", NULL};
static const nce_symbol symbols[] = {
    {"zesInit", offsetof(sysman_api, init), true},
    {"zesDriverGet", offsetof(sysman_api, drivers), true},
    {"zesDeviceGet", offsetof(sysman_api, devices), true},
    {"zesDevicePciGetProperties", offsetof(sysman_api, pci), true},
    {"zesDeviceEnumPowerDomains", offsetof(sysman_api, domains), true},
    {"zesPowerGetEnergyCounter", offsetof(sysman_api, energy), true},
};

typedef struct sysman {
    nce_meter base;
    sysman_api api;
    void *library, *domain;
    uint64_t first;
} sysman;

static bool joules(nce_meter *m, double *out)
{
    sysman *s = (sysman *)m;
    energy_counter now;
    if (s->api.energy(s->domain, &now) != 0) return false;
    *out = (double)(now.microjoules - s->first) * 1e-6;
    return true;
}

static void close_sysman(nce_meter *m)
{
    sysman *s = (sysman *)m;
    nce_library_close(s->library);
    nce_free(m->ctx, s);
}

/* The first power domain of a device is the card's. */
static bool take_domain(sysman *s, void *device)
{
    void *domains[1];
    uint32_t n = 0;
    energy_counter now;
    if (s->api.domains(device, &n, NULL) != 0 || n == 0) return false;
    n = 1;
    if (s->api.domains(device, &n, domains) != 0 || s->api.energy(domains[0], &now) != 0) return false;
    s->domain = domains[0];
    s->first = now.microjoules;
    return true;
}

static bool find(sysman *s, const char *wanted)
{
    void *drivers[MOST], *devices[MOST];
    uint32_t n_drivers = 0;
    char pci[32];
    if (s->api.drivers(&n_drivers, NULL) != 0) return false;
    n_drivers = n_drivers < MOST ? n_drivers : MOST;
    if (n_drivers == 0 || s->api.drivers(&n_drivers, drivers) != 0) return false;
    for (uint32_t i = 0; i < n_drivers; i++) {
        uint32_t n = 0;
        if (s->api.devices(drivers[i], &n, NULL) != 0 || n == 0) continue;
        n = n < MOST ? n : MOST;
        if (s->api.devices(drivers[i], &n, devices) != 0) continue;
        for (uint32_t j = 0; j < n; j++) {
            pci_properties p = {.type = PCI_PROPERTIES};
            if (s->api.pci(devices[j], &p) != 0) continue;
            snprintf(pci, sizeof pci, "%04x:%02x:%02x.%x", p.address.domain, p.address.bus, p.address.device, p.address.function);
            if (strcmp(pci, wanted) == 0) return take_domain(s, devices[j]);
        }
    }
    return false;
}

nce_status nce_meter_sysman(nce_context *ctx, const char *source, nce_meter **out)
{
    static const nce_meter_ops ops = {joules, NULL, close_sysman};
    const char *pci = nce_meter_pci(source, "oneapi");
    if (pci == NULL) return NCE_OK;
    sysman *s = nce_alloc_zero(ctx, sizeof *s);
    if (s == NULL) return nce_fail_nomem(ctx, sizeof *s);
    s->base = (nce_meter){&ops, ctx, NULL};
    if (nce_library_open(ctx, "sysman", usual, symbols, sizeof symbols / sizeof *symbols, &s->api, &s->library) == NCE_OK &&
        s->api.init(0) == 0 && find(s, pci))
        *out = &s->base;
    else close_sysman(&s->base);
    return NCE_OK;
}
