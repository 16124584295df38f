/* nce devices: what this build can run on. */
#include "tools/nce/common.h"

int nce_cmd_devices(int argc, char **argv)
{
    nce_common c = {0};
    nce_engine e;
    int code = nce_args_parse("devices", NULL, 0, argc, argv, NULL, 0);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    code = nce_engine_context(&c, &e);
    if (code != NCE_EXIT_OK) return code;
    for (size_t i = 0; i < nce_device_count(e.ctx); i++)
        printf("%-16s %s\n", nce_device_name(e.ctx, i), nce_device_description(e.ctx, i));
    printf("kernels: %s, %u threads\n", nce_isa_name(nce_context_isa(e.ctx)), nce_context_threads(e.ctx));
    nce_engine_close(&e);
    return NCE_EXIT_OK;
}
