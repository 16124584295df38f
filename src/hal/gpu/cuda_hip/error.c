/* What the drivers' numbers mean.  Lack of memory leaves everything usable; any other failure loses the device: after an
 * error on the device itself the driver refuses all further work anyway, and after a refused argument, which would be our
 * mistake, nothing queued can be trusted. */
#include "src/hal/gpu/cuda_hip/api.h"
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *text;
} texts[] = {
    {1, "invalid value"},
    {2, "out of memory"},
    {3, "not initialized"},
    {4, "the driver is shutting down"},
    {34, "a stub library, not a driver"},
    {35, "the driver is too old"},
    {36, "the driver is too old"},
    {46, "device busy or unavailable"},
    {98, "invalid function"},
    {100, "no device"},
    {101, "invalid device"},
    {102, "device not licensed"},
    {200, "invalid image"},
    {201, "invalid context"},
    {209, "no image for this device"},
    {214, "uncorrectable memory error"},
    {218, "invalid PTX"},
    {220, "uncorrectable NVLink error"},
    {221, "no just-in-time compiler"},
    {222, "PTX newer than the driver"},
    {303, "the image could not be started"},
    {304, "an operating system call failed"},
    {400, "invalid handle"},
    {401, "illegal state"},
    {500, "not found"},
    {700, "illegal address"},
    {701, "a launch needs too many resources"},
    {702, "a kernel took too long"},
    {709, "the context was destroyed"},
    {710, "assertion on the device"},
    {714, "stack error on the device"},
    {715, "illegal instruction"},
    {716, "misaligned address"},
    {717, "invalid address space"},
    {718, "invalid program counter"},
    {719, "a kernel failed"},
    {800, "not permitted"},
    {801, "not supported"},
    {802, "the system is not ready"},
    {803, "driver and kernel module differ in version"},
    {900, "not allowed while capturing"},
    {901, "the capture was invalidated"},
    {999, "unknown error"},
};

const char *nce_cu_error_text(int code)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].code == code) return texts[i].text;
    return "error";
}

static void lose(nce_cu *c, nce_cu_call call, int code)
{
    if (!c->base.lost) snprintf(c->loss, sizeof c->loss, "%s: %s (%d)", c->vendor->calls[call], nce_cu_error_text(code), code);
    c->base.lost = true;
}

nce_status nce_cu_check(nce_cu *c, nce_cu_call call, int code)
{
    if (code == 0) return NCE_OK;
    if (code != NCE_CU_NO_MEMORY) lose(c, call, code);
    return nce_fail(c->base.ctx, code == NCE_CU_NO_MEMORY ? NCE_ERR_NOMEM : NCE_ERR_BACKEND, "%s: %s: %s (%d)", c->vendor->name,
                    c->vendor->calls[call], nce_cu_error_text(code), code);
}

void nce_cu_note(nce_cu *c, nce_cu_call call, int code)
{
    if (code == 0 || c->base.lost) return; /* the loss was reported */
    if (code != NCE_CU_NO_MEMORY) lose(c, call, code);
    nce_log(c->base.ctx, NCE_LOG_WARNING, "%s: %s: %s (%d)", c->vendor->name, c->vendor->calls[call], nce_cu_error_text(code), code);
}

nce_status nce_cu_enter(nce_cu *c)
{
    if (c->base.lost) return nce_fail(c->base.ctx, NCE_ERR_BACKEND, "%s: the device was lost: %s", c->vendor->name, c->loss);
    return nce_cu_check(c, NCE_CU_push, c->api.push(c->context));
}

nce_status nce_cu_leave(nce_cu *c, nce_status status)
{
    void *ours;
    const int code = c->api.pop(&ours);
    return status != NCE_OK ? status : nce_cu_check(c, NCE_CU_pop, code);
}
