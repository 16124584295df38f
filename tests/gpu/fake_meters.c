/* The management libraries of three vendors, each with one device at 0000:41:00.0 that uses a joule between readings. */
#include "tests/gpu/fake_meters.h"
#include <stdio.h>
#include <string.h>

static fake_meters control;
#define EXPORT __attribute__((visibility("default")))
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

EXPORT fake_meters *nce_fake_meters(void) { return &control; }

static int started(void) { return control.running > 0 ? 0 : (control.wrong_calls++, 1); }

static int start(void)
{
    if (control.fail_init) return 8;
    control.running++;
    return 0;
}

static int stop(void)
{
    control.running--;
    return 0;
}

/* NVML */
EXPORT int nvmlInit_v2(void) { return start(); }
EXPORT int nvmlShutdown(void) { return stop(); }
EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *pci, void **device)
{
    *device = &control;
    return started() || strcmp(pci, "0000:41:00.0") != 0;
}
EXPORT int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *out)
{
    *out = 1000u * (unsigned long long)++control.readings;
    return started() || device != &control || control.no_counter;
}
EXPORT int nvmlDeviceGetPowerUsage(void *device, unsigned *out)
{
    *out = 250000;
    return started() || device != &control;
}
EXPORT int nvmlDeviceGetUtilizationRates(void *device, unsigned out[2])
{
    out[0] = 75;
    out[1] = 1;
    return started() || device != &control;
}

/* ROCm SMI */
EXPORT int rsmi_init(uint64_t flags) { return start() + (int)flags; }
EXPORT int rsmi_shut_down(void) { return stop(); }
EXPORT int rsmi_num_monitor_devices(uint32_t *n)
{
    *n = 2;
    return started();
}
EXPORT int rsmi_dev_pci_id_get(uint32_t device, uint64_t *out)
{
    *out = device == 1 ? 0x4100 : 0x0100;
    return started();
}
EXPORT int rsmi_dev_energy_count_get(uint32_t device, uint64_t *count, float *microjoules, uint64_t *timestamp)
{
    *count = 65536u * (uint64_t)++control.readings;
    *microjoules = 1e6f / 65536.0f;
    *timestamp = 1;
    return started() || device != 1 || control.no_counter;
}
EXPORT int rsmi_dev_power_ave_get(uint32_t device, uint32_t sensor, uint64_t *out)
{
    *out = 300000000;
    return started() || device != 1 || sensor != 0;
}
EXPORT int rsmi_dev_busy_percent_get(uint32_t device, uint32_t *out)
{
    *out = 50;
    return started() || device != 1;
}

/* Level Zero Sysman */
EXPORT int zesInit(uint32_t flags) { return flags == 0 ? start() : 1; }
EXPORT int zesDriverGet(uint32_t *n, void **out)
{
    if (*n == 0) *n = 1;
    else out[0] = &control;
    return started();
}
EXPORT int zesDeviceGet(void *driver, uint32_t *n, void **out)
{
    if (*n == 0) *n = 1;
    else out[0] = driver;
    return started();
}
EXPORT int zesDevicePciGetProperties(void *device, void *out)
{
    const uint32_t address[4] = {0, 0x41, 0, 0};
    memcpy((char *)out + 16, address, sizeof address);
    return started() || device != &control;
}
EXPORT int zesDeviceEnumPowerDomains(void *device, uint32_t *n, void **out)
{
    if (*n == 0) *n = 1;
    else out[0] = device;
    return started();
}
EXPORT int zesPowerGetEnergyCounter(void *domain, uint64_t out[2])
{
    out[0] = 1000000u * (uint64_t)++control.readings;
    out[1] = 1;
    return started() || domain != &control;
}
