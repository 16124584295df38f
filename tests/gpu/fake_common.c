/* Counting, failing, and memory of the fake drivers. */
#include "tests/gpu/fake.h"
#include <stdlib.h>
#include <string.h>

enum { HEADER = 64 };
static const uint64_t device_mark = 0x6465766963652121u, host_mark = 0x686f73746d656d21u;

fake_control fake = {.memory_bytes = (size_t)1 << 32};
static bool init_failed;

fake_control *nce_fake_control(void);
__attribute__((visibility("default"))) fake_control *nce_fake_control(void)
{
    return &fake;
}

int fake_enter(const char *name, bool release)
{
    if (fake.calls == 0) init_failed = false; /* the test began anew */
    if (init_failed) fake.calls_after_init_failed++;
    fake.calls++;
    const bool again = fake.failed != NULL && fake.fail_for_good && !release;
    if (!again && fake.calls != fake.fail_at) return 0;
    if (fake.failed == NULL) fake.failed = name;
    return fake.fail_code;
}

void fake_init_failed(void)
{
    init_failed = true;
}

void *fake_block_alloc(size_t bytes, bool device)
{
    if (bytes == 0 || (device && bytes > fake.memory_bytes - fake.used_bytes)) return NULL;
    uint64_t *p = aligned_alloc(HEADER, HEADER + (bytes + HEADER - 1) / HEADER * HEADER);
    if (p == NULL) return NULL;
    p[0] = device ? device_mark : host_mark;
    p[1] = bytes;
    memset((char *)p + HEADER, 0xff, bytes); /* what nobody wrote reads as NaN */
    fake.live++;
    if (device) fake.used_bytes += bytes;
    return (char *)p + HEADER;
}

bool fake_block_is_device(const void *p)
{
    return ((const uint64_t *)p)[-HEADER / 8] == device_mark;
}

/* A pointer that is not what alloc gave ends the test, which is what it should do. */
void fake_block_free(void *p, bool device)
{
    uint64_t *at = (uint64_t *)(void *)((char *)p - HEADER);
    if (at[0] != (device ? device_mark : host_mark)) abort();
    at[0] = 0;
    fake.live--;
    if (device) fake.used_bytes -= at[1];
    free(at);
}
