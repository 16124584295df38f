/* nce devices: what this machine can run on, and why not more. */
#include "tools/nce/common.h"

static void print_device(const nce_context *ctx, size_t i)
{
    const char *refusal = nce_device_refusal(ctx, i), *arch = nce_device_arch(ctx, i);
    uint64_t total, unused;
    printf("%-16s ", nce_device_name(ctx, i));
    if (refusal != NULL) {
        printf("not here: %s\n", refusal);
        return;
    }
    printf("%s", nce_device_description(ctx, i));
    if (*arch != '\0') printf(", %s", arch);
    if (nce_device_memory(ctx, i, &total, &unused) == NCE_OK) printf(", %.1f of %.1f GiB free", (double)unused / 0x1p30, (double)total / 0x1p30);
    putchar('\n');
}

int nce_cmd_devices(int argc, char **argv)
{
    nce_common c = {0};
    nce_engine e;
    const nce_arg args[] = {NCE_COMMON_ARGS(c)};
    int code = nce_args_parse("devices", args, sizeof args / sizeof *args, argc, argv, NULL, 0);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    code = nce_engine_context(&c, &e);
    if (code != NCE_EXIT_OK) return code;
    for (size_t i = 0; i < nce_device_count(e.ctx); i++)
        print_device(e.ctx, i);
    printf("kernels: %s, %u threads\n", nce_isa_name(nce_context_isa(e.ctx)), nce_context_threads(e.ctx));
    nce_engine_close(&e);
    return NCE_EXIT_OK;
}
