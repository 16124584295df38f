/* A fake Level Zero loader with one GPU: every function of api.h's table under its own name. */
#include "src/hal/gpu/level_zero/api.h"
#include "tests/gpu/fake.h"
#include <stdlib.h>
#include <string.h>

#define X(field, args, name)                                                                                           \
    __attribute__((visibility("default"))) uint32_t ze_##field args __asm__(name);                                     \
    static const char name_##field[] = name;
NCE_ZE_FUNCTIONS(X)
#undef X

#define ENTER(field)                                                                                                   \
    do {                                                                                                               \
        const int code_ = fake_enter(name_##field, false);                                                             \
        if (code_ != 0) return (uint32_t)code_;                                                                        \
    } while (0)
#define ENTER_RELEASE(field) const uint32_t code = (uint32_t)fake_enter(name_##field, true)

enum { INVALID = 0x78000004, MOST_BYTES = 1 << 30 };
typedef enum work_kind { LAUNCH, COPY, FILL } work_kind;

typedef struct work {
    work_kind kind;
    fake_launch launch;
    void *to;
    const void *from;
    size_t bytes;
} work;

typedef struct list {
    work *works;
    size_t n, capacity;
    bool closed, after_barrier;
} list;

/* A kernel with the arguments set so far. */
typedef struct kernel {
    fake_kernel *fake;
    fake_launch next;
} kernel;

static char the_driver, the_device, the_context, the_queue;

static uint32_t append(list *l, const work *w)
{
    if (l->closed || !l->after_barrier) return INVALID; /* each command must be behind a barrier */
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 64;
        work *more = realloc(l->works, capacity * sizeof *more);
        if (more == NULL) return NCE_ZE_OUT_OF_HOST_MEMORY;
        l->works = more;
        l->capacity = capacity;
    }
    l->works[l->n++] = *w;
    l->after_barrier = false;
    return 0;
}

uint32_t ze_init(uint32_t flags)
{
    const int code = fake_enter(name_init, false);
    if (code != 0) fake_init_failed();
    return code != 0 ? (uint32_t)code : flags;
}

uint32_t ze_drivers(uint32_t *n, void **out)
{
    ENTER(drivers);
    if (*n == 0) *n = 1; /* a number that is too large stays, as in some drivers */
    else out[0] = &the_driver;
    return 0;
}

uint32_t ze_devices(void *driver, uint32_t *n, void **out)
{
    ENTER(devices);
    if (*n == 0) *n = 1;
    else out[0] = &the_device;
    return driver == &the_driver ? 0 : INVALID;
}

uint32_t ze_properties(void *device, void *out)
{
    ENTER(properties);
    nce_ze_device_properties *p = out;
    if (device != &the_device || p->type != NCE_ZE_DEVICE_PROPERTIES) return INVALID;
    p->kind = 1;
    p->id = 0x0bd5;
    p->most_bytes = MOST_BYTES;
    p->slices = 2;
    p->subslices = 2;
    strcpy(p->name, "fake");
    return 0;
}

uint32_t ze_compute_properties(void *device, void *out)
{
    ENTER(compute_properties);
    nce_ze_compute_properties *p = out;
    p->max_group = 1024;
    p->local_bytes = 48 << 10;
    return device == &the_device && p->type == NCE_ZE_COMPUTE_PROPERTIES ? 0 : INVALID;
}

uint32_t ze_memory_properties(void *device, uint32_t *n, void *out)
{
    ENTER(memory_properties);
    nce_ze_memory_properties *p = out;
    p->bytes = fake.memory_bytes;
    return device == &the_device && *n == 1 && p->type == NCE_ZE_MEMORY_PROPERTIES ? 0 : INVALID;
}

uint32_t ze_pci_properties(void *device, void *out)
{
    ENTER(pci_properties);
    nce_ze_pci_properties *p = out;
    p->bus = 0x41;
    return device == &the_device && p->type == NCE_ZE_PCI_PROPERTIES ? 0 : INVALID;
}

uint32_t ze_context_create(void *driver, const void *description, void **out)
{
    ENTER(context_create);
    fake.live++;
    *out = &the_context;
    return driver == &the_driver && *(const uint32_t *)description == NCE_ZE_CONTEXT_DESC ? 0 : INVALID;
}

uint32_t ze_context_destroy(void *context)
{
    ENTER_RELEASE(context_destroy);
    fake.live--;
    return context == &the_context ? code : INVALID;
}

uint32_t ze_queue_create(void *context, void *device, const void *description, void **out)
{
    ENTER(queue_create);
    fake.live++;
    *out = &the_queue;
    return context == &the_context && device == &the_device && *(const uint32_t *)description == NCE_ZE_QUEUE_DESC ? 0 : INVALID;
}

uint32_t ze_queue_destroy(void *queue)
{
    ENTER_RELEASE(queue_destroy);
    fake.live--;
    return queue == &the_queue ? code : INVALID;
}

uint32_t ze_queue_run(void *queue, uint32_t n, void **lists, void *fence)
{
    ENTER(queue_run);
    const list *l = lists[0];
    if (queue != &the_queue || n != 1 || fence != NULL || !l->closed) return INVALID;
    for (size_t i = 0; i < l->n; i++) {
        const work *w = &l->works[i];
        if (w->kind == COPY) memmove(w->to, w->from, w->bytes);
        if (w->kind == FILL) memset(w->to, 0, w->bytes);
        if (w->kind == LAUNCH && !fake_run(&w->launch)) return INVALID;
    }
    return 0;
}

uint32_t ze_queue_sync(void *queue, uint64_t timeout)
{
    ENTER(queue_sync);
    return queue == &the_queue && timeout == UINT64_MAX ? 0 : INVALID;
}

uint32_t ze_list_create(void *context, void *device, const void *description, void **out)
{
    ENTER(list_create);
    if (context != &the_context || device != &the_device || *(const uint32_t *)description != NCE_ZE_LIST_DESC) return INVALID;
    list *l = calloc(1, sizeof *l);
    if (l == NULL) return NCE_ZE_OUT_OF_HOST_MEMORY;
    l->after_barrier = true;
    fake.live++;
    *out = l;
    return 0;
}

uint32_t ze_list_destroy(void *at)
{
    ENTER_RELEASE(list_destroy);
    list *l = at;
    free(l->works);
    free(l);
    fake.live--;
    return code;
}

uint32_t ze_list_close(void *at)
{
    ENTER(list_close);
    list *l = at;
    if (l->closed) return INVALID;
    l->closed = true;
    return 0;
}

uint32_t ze_list_reset(void *at)
{
    ENTER(list_reset);
    list *l = at;
    l->n = 0;
    l->closed = false;
    l->after_barrier = true;
    return 0;
}

uint32_t ze_barrier(void *at, void *signal, uint32_t n, void **events)
{
    ENTER(barrier);
    list *l = at;
    l->after_barrier = true;
    return l->closed || signal != NULL || n != 0 || events != NULL ? INVALID : 0;
}

uint32_t ze_copy(void *at, void *to, const void *from, size_t bytes, void *signal, uint32_t n, void **events)
{
    ENTER(copy);
    if (signal != NULL || n != 0 || events != NULL) return INVALID;
    return append(at, &(work){.kind = COPY, .to = to, .from = from, .bytes = bytes});
}

uint32_t ze_fill(void *at, void *to, const void *pattern, size_t pattern_bytes, size_t bytes, void *signal, uint32_t n, void **events)
{
    ENTER(fill);
    if (signal != NULL || n != 0 || events != NULL || pattern_bytes != 1 || *(const char *)pattern != 0) return INVALID;
    return append(at, &(work){.kind = FILL, .to = to, .bytes = bytes});
}

uint32_t ze_launch(void *at, void *what, const nce_ze_group_count *groups, void *signal, uint32_t n, void **events)
{
    ENTER(launch);
    const kernel *k = what;
    work w = {.kind = LAUNCH, .launch = k->next};
    if (signal != NULL || n != 0 || events != NULL || k->next.group == 0) return INVALID;
    w.launch.kernel = k->fake;
    w.launch.groups[0] = groups->x;
    w.launch.groups[1] = groups->y;
    w.launch.groups[2] = groups->z;
    return append(at, &w);
}

uint32_t ze_device_alloc(void *context, const void *description, size_t bytes, size_t alignment, void *device, void **out)
{
    ENTER(device_alloc);
    if (context != &the_context || device != &the_device || alignment > 64 || bytes > MOST_BYTES) return INVALID;
    if (*(const uint32_t *)description != NCE_ZE_DEVICE_ALLOC_DESC) return INVALID;
    *out = fake_block_alloc(bytes, true);
    return *out != NULL ? 0 : NCE_ZE_OUT_OF_DEVICE_MEMORY;
}

uint32_t ze_host_alloc(void *context, const void *description, size_t bytes, size_t alignment, void **out)
{
    ENTER(host_alloc);
    if (context != &the_context || alignment > 64 || *(const uint32_t *)description != NCE_ZE_HOST_ALLOC_DESC) return INVALID;
    *out = fake_block_alloc(bytes, false);
    return *out != NULL ? 0 : NCE_ZE_OUT_OF_HOST_MEMORY;
}

uint32_t ze_memory_free(void *context, void *p)
{
    ENTER_RELEASE(memory_free);
    fake_block_free(p, fake_block_is_device(p));
    return context == &the_context ? code : INVALID;
}

uint32_t ze_module_create(void *context, void *device, const void *description, void **out, void **log)
{
    ENTER(module_create);
    const nce_ze_module_description *d = description;
    if (context != &the_context || device != &the_device || d->type != NCE_ZE_MODULE_DESC || d->format != 0) return INVALID;
    fake.live++;
    *log = malloc(1);
    if (fake.wrong_arch || !fake_module_load(d->data, out)) return NCE_ZE_BUILD_FAILED;
    fake.live++;
    return 0;
}

uint32_t ze_module_destroy(void *module)
{
    ENTER_RELEASE(module_destroy);
    fake.live--;
    return module != NULL ? code : INVALID;
}

uint32_t ze_log_text(void *log, size_t *bytes, char *text)
{
    ENTER(log_text);
    static const char words[] = "not for this device";
    *bytes = sizeof words;
    if (text != NULL) memcpy(text, words, sizeof words);
    return log != NULL ? 0 : INVALID;
}

uint32_t ze_log_destroy(void *log)
{
    ENTER_RELEASE(log_destroy);
    free(log);
    fake.live--;
    return code;
}

uint32_t ze_kernel_create(void *module, const void *description, void **out)
{
    ENTER(kernel_create);
    const nce_ze_kernel_description *d = description;
    if (d->type != NCE_ZE_KERNEL_DESC) return INVALID;
    kernel *k = calloc(1, sizeof *k);
    if (k == NULL) return NCE_ZE_OUT_OF_HOST_MEMORY;
    k->fake = fake_kernel_find(module, d->name);
    if (k->fake == NULL) {
        free(k);
        return NCE_ZE_NO_KERNEL;
    }
    fake.live++;
    *out = k;
    return 0;
}

uint32_t ze_kernel_destroy(void *at)
{
    ENTER_RELEASE(kernel_destroy);
    kernel *k = at;
    fake_kernel_free(k->fake);
    free(k);
    fake.live--;
    return code;
}

uint32_t ze_kernel_indirect(void *at, uint32_t flags)
{
    ENTER(kernel_indirect);
    return at != NULL && flags == 7 ? 0 : INVALID;
}

uint32_t ze_kernel_group(void *at, uint32_t x, uint32_t y, uint32_t z)
{
    ENTER(kernel_group);
    ((kernel *)at)->next.group = x;
    return x <= 1024 && y == 1 && z == 1 ? 0 : INVALID;
}

uint32_t ze_kernel_arg(void *at, uint32_t index, size_t bytes, const void *value)
{
    ENTER(kernel_arg);
    kernel *k = at;
    if (index >= FAKE_MAX_ARGS || bytes > 8) return INVALID;
    if (!fake.skip_kernels && (index >= fake_kernel_args(k->fake) || bytes != fake_kernel_arg_bytes(k->fake, index))) return INVALID;
    k->next.value[index] = 0;
    if (value == NULL) return bytes == 8 ? 0 : INVALID;
    memcpy(&k->next.value[index], value, bytes);
    return bytes == 8 && k->next.value[index] == 0 ? INVALID : 0; /* no memory is said by no value */
}
