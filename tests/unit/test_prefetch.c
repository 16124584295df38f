/* Asking for weights before they are needed: what is asked for comes into memory, and nothing is once steps are calm. */
#include "src/hal/cpu/prefetch.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { N_OPS = 4, PART = 4 << 20, FAR = 64 << 20 };

static struct mapping {
    uint8_t *p;
    size_t bytes;
} file;

/* A file of holes reads as zeros, takes no room, and is in memory no more than any other before it is touched. */
static void map_file(size_t bytes)
{
    char path[] = "/var/tmp/nce-prefetch-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    unlink(path);
    file.p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    file.bytes = bytes;
    cr_assert(file.p != MAP_FAILED);
    close(fd);
}

/* Share of the pages of a range that are in memory. */
static double resident(size_t at, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = bytes / page;
    unsigned char *in = malloc(n);
    size_t n_in = 0;
    cr_assert_eq(mincore(file.p + at, bytes, in), 0);
    for (size_t j = 0; j < n; j++)
        n_in += in[j] & 1;
    free(in);
    return (double)n_in / (double)n;
}

/* All of them, after some waiting at most: reading goes on while we do other things. */
static bool comes(size_t at, size_t bytes)
{
    for (int i = 0; i < 1000 && resident(at, bytes) < 1.0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return resident(at, bytes) == 1.0;
}

Test(prefetch, bytes_come_into_memory)
{
    map_file(PART);
    if (resident(0, PART) > 0.1) cr_skip_test("the file system keeps new files in memory");
    nce_cpu_prefetch_bytes(file.p + 9000, PART / 2);
    cr_assert(comes(8192, PART / 2));
    nce_cpu_prefetch_bytes((const uint8_t *)"no mapping of a file", 5); /* harmless */
}

/* Four products: the second and the third are within reach of the first, the fourth lies behind a large one. */
static nce_program *products(nce_op ops[N_OPS], nce_weight w[N_OPS], nce_buffer *b)
{
    static nce_program p;
    const size_t bytes[N_OPS] = {PART, PART, FAR, PART};
    size_t at = 0;
    *b = (nce_buffer){.address = file.p, .bytes = file.bytes};
    for (int i = 0; i < N_OPS; at += bytes[i++]) {
        w[i] = (nce_weight){.buffer = b, .offset = at, .n_experts = 1, .expert_bytes = bytes[i]};
        ops[i] = (nce_op){.kind = NCE_OP_MATMUL, .n_matrices = 1, .matrix = {{.w = &w[i]}}};
    }
    p = (nce_program){.ops = ops, .n_ops = N_OPS};
    return &p;
}

Test(prefetch, asks_for_what_is_next_until_enough_is_under_way)
{
    nce_op ops[N_OPS];
    nce_weight w[N_OPS];
    nce_buffer b;
    nce_cpu_prefetch f = {0};
    map_file(3 * PART + FAR);
    if (resident(0, PART) > 0.1) cr_skip_test("the file system keeps new files in memory");
    const nce_program *p = products(ops, w, &b);
    nce_cpu_prefetch_begin(&f);
    nce_cpu_prefetch_ahead(&f, p, 0);
    cr_assert_eq(f.next, 3);
    cr_assert(comes(PART, PART));
    nce_cpu_prefetch_ahead(&f, p, 1);
    cr_assert_eq(f.next, 3, "64 MiB are under way");
    nce_cpu_prefetch_ahead(&f, p, 2);
    cr_assert_eq(f.next, 4);
    cr_assert(comes(2 * PART + FAR, PART));
}

Test(prefetch, only_experts_that_are_used)
{
    nce_buffer b;
    nce_cpu_prefetch f = {0};
    map_file(4 * (size_t)FAR);
    if (resident(0, PART) > 0.1) cr_skip_test("the file system keeps new files in memory");
    b = (nce_buffer){.address = file.p, .bytes = file.bytes};
    const nce_weight w = {.buffer = &b, .n_experts = 4, .expert_bytes = FAR};
    const nce_op_experts o = {.up = &w, .down = &w};
    nce_cpu_prefetch_experts(&f, &o, (const uint32_t[]){0, 0, 3, 3, 3});
    cr_assert(comes(FAR, PART));
    cr_assert_lt(resident(0, PART), 0.1);
    cr_assert_lt(resident(3 * (size_t)FAR, PART), 0.1);
}

Test(prefetch, stops_when_steps_meet_no_faults)
{
    nce_op ops[N_OPS];
    nce_weight w[N_OPS];
    nce_buffer b;
    nce_cpu_prefetch f = {0};
    map_file(3 * PART + FAR);
    const nce_program *p = products(ops, w, &b);
    for (int step = 0; step < 8; step++) {
        nce_cpu_prefetch_begin(&f);
        nce_cpu_prefetch_end(&f);
    }
    nce_cpu_prefetch_begin(&f);
    nce_cpu_prefetch_ahead(&f, p, 0);
    cr_assert_eq(f.next, 0);
    f.faults--; /* as if one had happened since */
    nce_cpu_prefetch_end(&f);
    nce_cpu_prefetch_begin(&f);
    nce_cpu_prefetch_ahead(&f, p, 0);
    cr_assert_eq(f.next, 3);
}
