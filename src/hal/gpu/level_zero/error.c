/* What Level Zero's results mean: lack of memory leaves everything usable, any other failure loses the device. */
#include "src/hal/gpu/level_zero/api.h"
#include <stdio.h>

#define X(field, args, name) name,
const char *const nce_ze_calls[NCE_ZE_CALLS] = {NCE_ZE_FUNCTIONS(X)};
#undef X

static const struct {
    uint32_t code;
    const char *text;
} texts[] = {
    {0x70000001, "device lost"},
    {0x70000002, "out of host memory"},
    {0x70000003, "out of device memory"},
    {0x70000004, "the module does not build"},
    {0x70000005, "the module does not link"},
    {0x70000006, "the device needs a reset"},
    {0x70010000, "insufficient permissions"},
    {0x70010001, "not available"},
    {0x70020000, "a library the driver needs is missing"},
    {0x78000001, "no driver for a device here"},
    {0x78000002, "unsupported version"},
    {0x78000003, "unsupported feature"},
    {0x78000004, "invalid argument"},
    {0x78000005, "null handle"},
    {0x78000007, "null pointer"},
    {0x78000008, "invalid size"},
    {0x78000009, "unsupported size"},
    {0x7800000f, "invalid native binary"},
    {0x78000011, "no such kernel"},
    {0x78000013, "invalid group size"},
    {0x78000015, "invalid argument index"},
    {0x78000016, "invalid argument size"},
    {0x7ffffffe, "unknown error"},
};

const char *nce_ze_error_text(uint32_t code)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].code == code) return texts[i].text;
    return "error";
}

static bool no_memory(uint32_t code)
{
    return code == NCE_ZE_OUT_OF_HOST_MEMORY || code == NCE_ZE_OUT_OF_DEVICE_MEMORY;
}

static void lose(nce_ze *z, nce_ze_call call, uint32_t code)
{
    if (!z->base.lost) snprintf(z->loss, sizeof z->loss, "%s: %s (0x%x)", nce_ze_calls[call], nce_ze_error_text(code), code);
    z->base.lost = true;
}

nce_status nce_ze_check(nce_ze *z, nce_ze_call call, uint32_t code)
{
    if (code == 0) return NCE_OK;
    if (!no_memory(code)) lose(z, call, code);
    return nce_fail(z->base.ctx, no_memory(code) ? NCE_ERR_NOMEM : NCE_ERR_BACKEND, "oneapi: %s: %s (0x%x)", nce_ze_calls[call],
                    nce_ze_error_text(code), code);
}

void nce_ze_note(nce_ze *z, nce_ze_call call, uint32_t code)
{
    if (code == 0 || z->base.lost) return; /* the loss was reported */
    if (!no_memory(code)) lose(z, call, code);
    nce_log(z->base.ctx, NCE_LOG_WARNING, "oneapi: %s: %s (0x%x)", nce_ze_calls[call], nce_ze_error_text(code), code);
}

nce_status nce_ze_usable(nce_ze *z)
{
    return z->base.lost ? nce_fail(z->base.ctx, NCE_ERR_BACKEND, "oneapi: the device was lost: %s", z->loss) : NCE_OK;
}
