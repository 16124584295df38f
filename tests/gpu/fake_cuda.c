/* A fake CUDA or HIP driver (FAKE_HIP): every function of api.h's table under the driver's own name. */
#include "src/hal/gpu/cuda_hip/api.h"
#include "tests/gpu/fake.h"
#include <stdlib.h>
#include <string.h>

#ifdef FAKE_HIP
#define X(field, args, cuda, hip, needed)                                                                              \
    __attribute__((visibility("default"))) int drv_##field args __asm__(hip);                                         \
    static const char name_##field[] = hip;
enum { MAX_GROUP = 56, SHARED_BYTES = 74, UNITS = 63, MAJOR = 23, MINOR = 61, CAPABILITY = 9, CAPABILITY_MINOR = 4 };
#else
#define X(field, args, cuda, hip, needed)                                                                              \
    __attribute__((visibility("default"))) int drv_##field args __asm__(cuda);                                        \
    static const char name_##field[] = cuda;
enum { MAX_GROUP = 1, SHARED_BYTES = 8, UNITS = 16, MAJOR = 75, MINOR = 76, CAPABILITY = 9, CAPABILITY_MINOR = 0 };
#endif
NCE_CU_FUNCTIONS(X)
#undef X

#define ENTER(field)                                                                                                   \
    do {                                                                                                               \
        const int code_ = fake_enter(name_##field, false);                                                             \
        if (code_ != 0) return code_;                                                                                  \
    } while (0)

enum { INVALID = 1, MOST_WORKS = 4096 };
typedef enum work_kind { LAUNCH, COPY, FILL } work_kind;

/* Something queued: done at once, or kept in a graph. */
typedef struct work {
    work_kind kind;
    fake_launch launch;
    void *to;
    const void *from;
    size_t bytes;
    int value;
} work;

typedef struct graph {
    work *works;
    size_t n, capacity;
} graph;

static char the_context, the_stream, *current;
static graph *capturing;

static int done(const work *w)
{
    if (w->kind == COPY) memmove(w->to, w->from, w->bytes);
    if (w->kind == FILL) memset(w->to, w->value, w->bytes);
    return w->kind != LAUNCH || fake_run(&w->launch) ? 0 : NCE_CU_BAD_OBJECT;
}

static int queue(const work *w, const void *stream)
{
    if (stream != &the_stream || current == NULL) return INVALID;
    if (capturing == NULL) return done(w);
    if (capturing->n == capturing->capacity) {
        const size_t capacity = capturing->capacity ? 2 * capturing->capacity : 64;
        work *more = realloc(capturing->works, capacity * sizeof *more);
        if (more == NULL) return NCE_CU_NO_MEMORY;
        capturing->works = more;
        capturing->capacity = capacity;
    }
    capturing->works[capturing->n++] = *w;
    return 0;
}

int drv_init(unsigned flags)
{
    const int code = fake_enter(name_init, false);
    if (code != 0) fake_init_failed();
    return code != 0 ? code : flags != 0;
}

int drv_device_count(int *n)
{
    ENTER(device_count);
    *n = 1;
    return 0;
}

int drv_device_get(int *device, int index)
{
    ENTER(device_get);
    *device = index;
    return index == 0 ? 0 : 101;
}

int drv_device_name(char *text, int n, int device)
{
    ENTER(device_name);
    strncpy(text, "fake", (size_t)n);
    return device;
}

int drv_device_pci(char *text, int n, int device)
{
    ENTER(device_pci);
    strncpy(text, "0000:41:00.0", (size_t)n);
    return device;
}

int drv_attribute(int *value, int attribute, int device)
{
    ENTER(attribute);
    switch (attribute) {
    case MAX_GROUP: *value = 1024; return device;
    case SHARED_BYTES: *value = 48 << 10; return device;
    case UNITS: *value = 4; return device;
    case MAJOR: *value = CAPABILITY; return device;
    case MINOR: *value = CAPABILITY_MINOR; return device;
    default: return INVALID;
    }
}

int drv_retain(void **context, int device)
{
    ENTER(retain);
    fake.live++;
    *context = &the_context;
    return device;
}

int drv_release(int device)
{
    const int code = fake_enter(name_release, true);
    fake.live--;
    return code != 0 ? code : device;
}

int drv_push(void *context)
{
    ENTER(push);
    if (context != &the_context || current != NULL) return 201;
    current = context;
    return 0;
}

int drv_pop(void **context)
{
    const int code = fake_enter(name_pop, true);
    *context = current;
    current = NULL;
    return code;
}

int drv_memory_info(size_t *free_bytes, size_t *total)
{
    ENTER(memory_info);
    *free_bytes = fake.memory_bytes - fake.used_bytes;
    *total = fake.memory_bytes;
    return 0;
}

int drv_memory_alloc(nce_gpu_address *out, size_t bytes)
{
    ENTER(memory_alloc);
    *out = (nce_gpu_address)(uintptr_t)fake_block_alloc(bytes, true);
    return *out != 0 ? 0 : NCE_CU_NO_MEMORY;
}

int drv_memory_free(nce_gpu_address at)
{
    const int code = fake_enter(name_memory_free, true);
    fake_block_free((void *)(uintptr_t)at, true);
    return code;
}

int drv_host_alloc(void **out, size_t bytes, unsigned flags)
{
    ENTER(host_alloc);
    *out = fake_block_alloc(bytes, false);
    return *out == NULL ? NCE_CU_NO_MEMORY : flags != 0;
}

int drv_host_free(void *p)
{
    const int code = fake_enter(name_host_free, true);
    fake_block_free(p, false);
    return code;
}

int drv_upload(nce_gpu_address to, const void *from, size_t bytes, void *stream)
{
    ENTER(upload);
    return queue(&(work){.kind = COPY, .to = (void *)(uintptr_t)to, .from = from, .bytes = bytes}, stream);
}

int drv_download(void *to, nce_gpu_address from, size_t bytes, void *stream)
{
    ENTER(download);
    return queue(&(work){.kind = COPY, .to = to, .from = (const void *)(uintptr_t)from, .bytes = bytes}, stream);
}

int drv_copy(nce_gpu_address to, nce_gpu_address from, size_t bytes, void *stream)
{
    ENTER(copy);
    return queue(&(work){.kind = COPY, .to = (void *)(uintptr_t)to, .from = (const void *)(uintptr_t)from, .bytes = bytes}, stream);
}

int drv_fill(nce_gpu_address to, unsigned char value, size_t bytes, void *stream)
{
    ENTER(fill);
    return queue(&(work){.kind = FILL, .to = (void *)(uintptr_t)to, .value = value, .bytes = bytes}, stream);
}

int drv_stream_create(void **stream, unsigned flags)
{
    ENTER(stream_create);
    fake.live++;
    *stream = &the_stream;
    return flags > 1;
}

int drv_stream_destroy(void *stream)
{
    const int code = fake_enter(name_stream_destroy, true);
    if (capturing != NULL) free(capturing->works);
    free(capturing);
    capturing = NULL;
    fake.live--;
    return code != 0 ? code : stream != &the_stream;
}

int drv_stream_sync(void *stream)
{
    ENTER(stream_sync);
    return capturing != NULL ? 900 : stream != &the_stream;
}

/* A loaded module: its program, and the functions that were asked for. */
typedef struct loaded {
    void *program;
    fake_kernel *kernels[256];
    size_t n_kernels;
} loaded;

int drv_module_load(void **module, const void *image)
{
    ENTER(module_load);
    if (fake.wrong_arch) return NCE_CU_NO_BINARY;
    loaded *m = calloc(1, sizeof *m);
    if (m == NULL) return NCE_CU_NO_MEMORY;
    if (!fake_module_load(image, &m->program)) {
        free(m);
        return NCE_CU_BAD_IMAGE;
    }
    fake.live++;
    *module = m;
    return 0;
}

int drv_module_unload(void *module)
{
    const int code = fake_enter(name_module_unload, true);
    loaded *m = module;
    for (size_t i = 0; i < m->n_kernels; i++)
        fake_kernel_free(m->kernels[i]);
    free(m);
    fake.live--;
    return code;
}

int drv_module_function(void **function, void *module, const char *name)
{
    ENTER(module_function);
    loaded *m = module;
    if (m->n_kernels == sizeof m->kernels / sizeof *m->kernels) return NCE_CU_NO_MEMORY;
    fake_kernel *k = fake_kernel_find(m->program, name);
    if (k == NULL) return NCE_CU_NOT_FOUND;
    m->kernels[m->n_kernels++] = k;
    *function = k;
    return 0;
}

int drv_launch(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
               void *stream, void **params, void **extra)
{
    ENTER(launch);
    work w = {.kind = LAUNCH, .launch = {.kernel = function, .groups = {gx, gy, gz}, .group = bx}};
    if (by != 1 || bz != 1 || shared != 0 || extra != NULL || gx == 0 || gy == 0 || gz == 0 || bx == 0 || bx > 1024 ||
        gy > 65535 || gz > 65535)
        return INVALID;
    for (uint32_t i = 0; i < fake_kernel_args(function); i++)
        memcpy(&w.launch.value[i], params[i], fake_kernel_arg_bytes(function, i));
    return queue(&w, stream);
}

int drv_capture_begin(void *stream, int mode)
{
    ENTER(capture_begin);
    if (stream != &the_stream || mode != 1 || capturing != NULL) return INVALID;
    capturing = calloc(1, sizeof *capturing);
    return capturing != NULL ? 0 : NCE_CU_NO_MEMORY;
}

int drv_capture_end(void *stream, void **made)
{
    const int code = fake_enter(name_capture_end, false);
    if (stream != &the_stream || capturing == NULL) return INVALID;
    if (code == 0) {
        *made = capturing;
        fake.live++;
    } else { /* the capture is over all the same */
        free(capturing->works);
        free(capturing);
    }
    capturing = NULL;
    return code;
}

/* The executable takes the works over. */
int drv_graph_make(void **exec, void *from, unsigned long long flags)
{
    ENTER(graph_make);
    graph *e = malloc(sizeof *e), *g = from;
    if (e == NULL) return NCE_CU_NO_MEMORY;
    *e = *g;
    *g = (graph){0};
    *exec = e;
    fake.live++;
    return flags != 0;
}

static void graph_drop(graph *g)
{
    free(g->works);
    free(g);
    fake.live--;
}

int drv_graph_destroy(void *g)
{
    const int code = fake_enter(name_graph_destroy, true);
    graph_drop(g);
    return code;
}

int drv_graph_free(void *exec)
{
    const int code = fake_enter(name_graph_free, true);
    graph_drop(exec);
    return code;
}

int drv_graph_launch(void *exec, void *stream)
{
    ENTER(graph_launch);
    const graph *g = exec;
    if (stream != &the_stream || capturing != NULL) return INVALID;
    for (size_t i = 0; i < g->n; i++) {
        const int code = done(&g->works[i]);
        if (code != 0) return code;
    }
    return 0;
}
