/* Kernels by number and their launches: arguments as a list of values, the same for every vendor. */
#include "src/hal/gpu/exec.h"
#include <stdio.h>

#define CHECK(name_, id, block_, bytes_, act_, second_, sub_)                                                          \
    _Static_assert(id <= NCE_TYPE_LAST, "a type that the library does not have: " #name_);
NCE_GPU_TYPES(CHECK)
#undef CHECK

const nce_gpu_type *nce_gpu_type_of(nce_type id)
{
    static const nce_gpu_type types[NCE_TYPE_LAST + 1] = {
#define ROW(name_, id, block_, bytes_, act_, second_, sub_) [id] = {#name_, block_, bytes_, act_, second_, sub_},
        NCE_GPU_TYPES(ROW)
#undef ROW
            [NCE_TYPE_F32] = {"f32", 1, 4, 0, 0, 0},
        [NCE_TYPE_F16] = {"f16", 1, 2, 0, 0, 0},
        [NCE_TYPE_BF16] = {"bf16", 1, 2, 0, 0, 0},
    };
    const size_t i = (size_t)id;
    return i <= NCE_TYPE_LAST && types[i].name != NULL ? &types[i] : NULL;
}

#define ONE(name_, act_, second_, sub_) +1
_Static_assert(NCE_GPU_N_CLASSES == 0 NCE_GPU_CLASSES(ONE), "as many tensor kernels as classes");
#undef ONE

nce_status nce_gpu_find(nce_gpu_device *d, int id)
{
    static const char *const names[NCE_GPU_K_MT] = {
        [NCE_GPU_K_PACK] = "pack",
        [NCE_GPU_K_MM] = "mm",
        [NCE_GPU_K_MF_F32] = "mf_f32",
        [NCE_GPU_K_MF_F16] = "mf_f16",
        [NCE_GPU_K_MF_BF16] = "mf_bf16",
        [NCE_GPU_K_ROWS] = "rows",
        [NCE_GPU_K_COPY] = "copy",
        [NCE_GPU_K_NORM] = "norm",
        [NCE_GPU_K_ROPE] = "rope",
        [NCE_GPU_K_EMBED] = "embed",
        [NCE_GPU_K_KV_STORE] = "kv_store",
        [NCE_GPU_K_ATTENTION] = "attention",
        [NCE_GPU_K_MERGE] = "attention_merge",
        [NCE_GPU_K_ROUTE] = "route",
        [NCE_GPU_K_COMBINE] = "combine",
        [NCE_GPU_K_GROUP] = "group",
    };
#define NAME(name_, act_, second_, sub_) #name_,
    static const char *const classes[NCE_GPU_N_CLASSES] = {NCE_GPU_CLASSES(NAME)};
#undef NAME
    char name[48];
    if (d->kernel[id] != NULL) return NCE_OK;
    if (id < NCE_GPU_K_MT)
        snprintf(name, sizeof name, "nce_gpu_%s", names[id]);
    else if (id < NCE_GPU_K_MV)
        snprintf(name, sizeof name, "nce_gpu_mt_%s_%s", d->tensor, classes[id - NCE_GPU_K_MT]);
    else
        snprintf(name, sizeof name, "nce_gpu_mv_%s", nce_gpu_type_of((nce_type)(id - NCE_GPU_K_MV))->name);
    return nce_gpu_kernel_find(d->gpu, name, &d->kernel[id]);
}

nce_status nce_gpu_run(nce_gpu_device *d, int kernel, size_t groups_x, size_t groups_y, size_t groups_z, uint32_t group,
                       const nce_gpu_value *values, size_t n)
{
    nce_gpu_arg args[NCE_GPU_MAX_ARGS];
    const uint32_t groups[3] = {(uint32_t)groups_x, (uint32_t)groups_y, (uint32_t)groups_z};
    const nce_status status = nce_gpu_find(d, kernel);
    if (status != NCE_OK) return status;
    d->n_launches++;
    for (size_t i = 0; i < n; i++) {
        const nce_gpu_value *v = &values[i];
        switch (v->kind) {
        case NCE_GPU_ADDRESS:
            args[i] = (nce_gpu_arg){&v->address, 8, true};
            break;
        case NCE_GPU_INT:
            args[i] = (nce_gpu_arg){&v->word, 4, false};
            break;
        case NCE_GPU_FLOAT:
            args[i] = (nce_gpu_arg){&v->number, 4, false};
            break;
        }
    }
    return d->gpu->ops->launch(d->gpu, d->kernel[kernel], groups, group, args, (uint32_t)n);
}
