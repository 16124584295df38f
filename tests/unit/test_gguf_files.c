/* GGUF on disk: mapping and reading, split sets, files that change under us, cancelling, the writer's renaming. */
#include "src/core/gguf/gguf.h"
#include "src/core/gguf/writer.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static nce_context *ctx;
static char folder[64], path[128];

static void setup(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    strcpy(folder, "/tmp/nce-gguf-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.gguf", folder);
}

static int n_files(bool remove_them)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        n++;
        if (remove_them) unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return n;
}

static void teardown(void)
{
    n_files(true);
    rmdir(folder);
    nce_context_destroy(ctx);
}

TestSuite(gguf_files, .init = setup, .fini = teardown);

enum { WEIGHTS = 300000 }; /* floats: more than one step of reading */

/* One file with a tensor; part and n_parts 0: no split keys. */
static void write_model(const char *to, const char *tensor, unsigned part, unsigned n_parts, unsigned n_tensors)
{
    nce_gguf_writer *w;
    const uint64_t ne = WEIGHTS;
    float *data = malloc(WEIGHTS * sizeof *data);
    for (int i = 0; i < WEIGHTS; i++)
        data[i] = (float)i;
    cr_assert_eq(nce_gguf_writer_create(ctx, to, 0, &w), NCE_OK, "%s", nce_context_error(ctx));
    if (part <= 1) nce_gguf_put_text(w, "general.architecture", "llama");
    if (n_parts > 0) {
        nce_gguf_put_value(w, "split.no", NCE_GGUF_U16, &(uint16_t){(uint16_t)(part - 1)});
        nce_gguf_put_value(w, "split.count", NCE_GGUF_U16, &(uint16_t){(uint16_t)n_parts});
        nce_gguf_put_i32(w, "split.tensors.count", (int32_t)n_tensors);
    }
    nce_gguf_put_tensor(w, (nce_str){tensor, strlen(tensor)}, NCE_TYPE_F32, 1, &ne);
    nce_gguf_writer_begin(w);
    nce_gguf_write(w, data, WEIGHTS * sizeof *data);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_OK, "%s", nce_context_error(ctx));
    nce_gguf_writer_destroy(w);
    free(data);
}

static float weight(const nce_gguf *g, const char *name, size_t i)
{
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, name);
    float f;
    cr_assert_not_null(t);
    memcpy(&f, t->data + i * sizeof f, sizeof f);
    return f;
}

static void refuse(const char *file, nce_status status, const char *words)
{
    nce_gguf *g = (nce_gguf *)1;
    const nce_status got = nce_gguf_open(ctx, file, NULL, &g);
    cr_assert_eq(got, status, "%s: got %s: %s", words, nce_status_name(got), nce_context_error(ctx));
    cr_assert_null(g);
    cr_assert_not_null(strstr(nce_context_error(ctx), words), "'%s' lacks '%s'", nce_context_error(ctx), words);
}

/* ---- one file ---- */

static bool count_progress(void *user, uint64_t done, uint64_t total)
{
    uint64_t *last = user;
    cr_assert_leq(*last, done);
    cr_assert_leq(done, total);
    *last = done;
    return true;
}

Test(gguf_files, mapped_and_read_are_the_same)
{
    write_model(path, "w", 0, 0, 0);
    for (int no_mmap = 0; no_mmap <= 1; no_mmap++) {
        nce_gguf *g;
        uint64_t last = 0;
        const nce_gguf_options o = {.no_mmap = no_mmap != 0, .progress = count_progress, .progress_user = &last};
        cr_assert_eq(nce_gguf_open(ctx, path, &o, &g), NCE_OK, "%s", nce_context_error(ctx));
        cr_assert_eq(last, nce_gguf_file_bytes(g), "progress ends at the size");
        cr_assert_eq(weight(g, "w", 0), 0.0f);
        cr_assert_eq(weight(g, "w", WEIGHTS - 1), (float)(WEIGHTS - 1));
        cr_assert_eq(nce_gguf_context(g), ctx);
        cr_assert_eq(nce_gguf_check_size(g), NCE_OK);
        nce_gguf_close(g);
    }
}

static bool refuse_progress(void *user, uint64_t done, uint64_t total)
{
    (void)total;
    return done < *(uint64_t *)user;
}

Test(gguf_files, progress_cancels)
{
    write_model(path, "w", 0, 0, 0);
    for (uint64_t until = 0; until <= 1; until++) {
        nce_gguf *g;
        const nce_gguf_options o = {.no_mmap = true, .progress = refuse_progress, .progress_user = &until};
        cr_assert_eq(nce_gguf_open(ctx, path, &o, &g), NCE_ERR_CANCELLED);
        cr_assert_null(g);
    }
}

Test(gguf_files, what_is_no_model)
{
    char other[160];
    refuse("/nonexistent/model.gguf", NCE_ERR_NOTFOUND, "cannot open");
    refuse(folder, NCE_ERR_IO, "not a regular file");
    cr_assert_eq(mkfifo(path, 0600), 0);
    refuse(path, NCE_ERR_IO, "not a regular file"); /* and does not wait for a writer */
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    refuse(path, NCE_ERR_FORMAT, "empty");
    snprintf(other, sizeof other, "%s/none/model.gguf", folder);
    nce_gguf_writer *w;
    cr_assert_eq(nce_gguf_writer_create(ctx, other, 0, &w), NCE_ERR_IO);
    cr_assert_null(w);
}

Test(gguf_files, a_file_that_shrinks_is_noticed)
{
    write_model(path, "w", 0, 0, 0);
    nce_gguf *g;
    nce_str architecture;
    cr_assert_eq(nce_gguf_open(ctx, path, NULL, &g), NCE_OK);
    cr_assert_eq(truncate(path, 10), 0);
    cr_assert_eq(nce_gguf_check_size(g), NCE_ERR_IO);
    cr_assert_not_null(strstr(nce_context_error(ctx), "shrank from"));
    /* the metadata is ours: reading it must not raise SIGBUS */
    cr_assert_eq(nce_gguf_string(g, "general.architecture", &architecture), NCE_OK);
    cr_assert(nce_str_equal(architecture, "llama"));
    cr_assert_not_null(nce_gguf_find_tensor(g, "w"));
    nce_gguf_close(g);
    refuse(path, NCE_ERR_FORMAT, "truncated");
}

Test(gguf_files, a_rewritten_head_does_not_change_what_was_checked)
{
    write_model(path, "w", 0, 0, 0);
    nce_gguf *g;
    nce_str architecture;
    char junk[256];
    memset(junk, 0xff, sizeof junk);
    cr_assert_eq(nce_gguf_open(ctx, path, NULL, &g), NCE_OK);
    const int fd = open(path, O_WRONLY);
    cr_assert_eq(pwrite(fd, junk, sizeof junk, 0), (ssize_t)sizeof junk);
    close(fd);
    cr_assert_eq(nce_gguf_string(g, "general.architecture", &architecture), NCE_OK);
    cr_assert(nce_str_equal(architecture, "llama"));
    nce_gguf_close(g);
}

/* ---- split sets ---- */

static char *part_path(unsigned part, unsigned n_parts)
{
    snprintf(path, sizeof path, "%s/set-%05u-of-%05u.gguf", folder, part, n_parts);
    return path;
}

static void write_set(void)
{
    static const char *const names[] = {"w.1", "w.2", "w.3"};
    for (unsigned i = 1; i <= 3; i++)
        write_model(part_path(i, 3), names[i - 1], i, 3, 3);
}

Test(gguf_files, split_sets)
{
    nce_gguf *g;
    uint64_t last = 0;
    const nce_gguf_options o = {.progress = count_progress, .progress_user = &last};
    write_set();
    cr_assert_eq(nce_gguf_open(ctx, part_path(1, 3), &o, &g), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_gguf_n_splits(g), 3);
    cr_assert_eq(nce_gguf_n_tensors(g), 3);
    cr_assert_eq(last, nce_gguf_file_bytes(g));
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(nce_gguf_tensor_at(g, i)->split, i);
    cr_assert_eq(weight(g, "w.3", 77), 77.0f);
    cr_assert_eq(truncate(part_path(2, 3), 100), 0);
    cr_assert_eq(nce_gguf_check_size(g), NCE_ERR_IO);
    cr_assert_not_null(strstr(nce_context_error(ctx), "set-00002-of-00003.gguf"));
    nce_gguf_close(g);
}

Test(gguf_files, broken_split_sets)
{
    char other[160];
    write_set();
    refuse(part_path(2, 3), NCE_ERR_INVALID, "open the first part");
    snprintf(other, sizeof other, "%s/renamed.gguf", folder);
    cr_assert_eq(link(part_path(1, 3), other), 0);
    refuse(other, NCE_ERR_FORMAT, "must be named NAME-00001-of-00003.gguf");
    unlink(part_path(3, 3));
    refuse(part_path(1, 3), NCE_ERR_NOTFOUND, "set-00003-of-00003.gguf");
    write_model(part_path(3, 3), "w.3", 2, 3, 3);
    refuse(part_path(1, 3), NCE_ERR_FORMAT, "says it is part 2 of 3");
    write_model(part_path(3, 3), "w.2", 3, 3, 3);
    refuse(part_path(1, 3), NCE_ERR_FORMAT, "tensor 'w.2': appears twice");
    write_model(part_path(3, 3), "w.3", 0, 0, 0);
    refuse(part_path(1, 3), NCE_ERR_FORMAT, "split.no and split.count are missing");
    write_model(part_path(3, 3), "w.3", 3, 3, 3);
    write_model(part_path(1, 3), "w.1", 1, 3, 4);
    refuse(part_path(1, 3), NCE_ERR_FORMAT, "split.tensors.count is 4, the 3 parts have 3");
}

/* ---- the writer ---- */

Test(gguf_files, an_unfinished_file_never_appears)
{
    nce_gguf_writer *w;
    const uint64_t ne = 4;
    write_model(path, "old", 0, 0, 0);
    cr_assert_eq(nce_gguf_writer_create(ctx, path, 0, &w), NCE_OK);
    nce_gguf_put_tensor(w, (nce_str){"new", 3}, NCE_TYPE_F32, 1, &ne);
    nce_gguf_writer_begin(w);
    nce_gguf_write(w, &ne, 8);
    cr_assert_eq(nce_gguf_writer_finish(w), NCE_ERR_INVALID);
    cr_assert_not_null(strstr(nce_context_error(ctx), "tensor 'new' has 8 of its 16 bytes"));
    nce_gguf_writer_destroy(w);
    cr_assert_eq(n_files(false), 1, "the temporary file is gone");
    nce_gguf *g;
    cr_assert_eq(nce_gguf_open(ctx, path, NULL, &g), NCE_OK);
    cr_assert_not_null(nce_gguf_find_tensor(g, "old"));
    nce_gguf_close(g);
}

Test(gguf_files, writer_refuses_nonsense)
{
    static const struct {
        nce_type type;
        uint32_t n_dims;
        uint64_t ne[4];
    } wrong[] = {{NCE_TYPE_Q8_0, 1, {31}},
                 {NCE_TYPE_F32, 0, {1}},
                 {NCE_TYPE_F32, 5, {1, 1, 1, 1}},
                 {NCE_TYPE_F32, 2, {1, 0}},
                 {NCE_TYPE_F32, 2, {1ull << 40, 1ull << 40}},
                 {(nce_type)4, 1, {32}}};
    nce_gguf_writer *w;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(nce_gguf_writer_create(ctx, NULL, 0, &w), NCE_OK);
        cr_assert_eq(nce_gguf_put_tensor(w, (nce_str){"x", 1}, wrong[i].type, wrong[i].n_dims, wrong[i].ne),
                     NCE_ERR_INVALID, "case %zu", i);
        cr_assert_eq(nce_gguf_writer_finish(w), NCE_ERR_INVALID, "errors stick");
        nce_gguf_writer_destroy(w);
    }
    cr_assert_eq(nce_gguf_writer_create(ctx, NULL, 33, &w), NCE_ERR_INVALID);
    cr_assert_eq(nce_gguf_writer_create(ctx, NULL, 0, &w), NCE_OK);
    nce_gguf_put_u32(w, "k", 1);
    nce_gguf_put_u32(w, "k", 2);
    cr_assert_eq(nce_gguf_writer_begin(w), NCE_ERR_INVALID);
    cr_assert_not_null(strstr(nce_context_error(ctx), "key 'k' given twice"));
    nce_gguf_writer_destroy(w);
}

/* ---- files of others ---- */

static char *data_path(const char *name)
{
    static char found[512];
    const char *root = getenv("NCE_TEST_DATA");
    snprintf(found, sizeof found, "%s/models/%s", root != NULL ? root : "", name);
    if (root == NULL || access(found, R_OK) != 0) cr_skip_test("needs %s in NCE_TEST_DATA", name);
    return found;
}

static size_t read_hex(const char *name, uint8_t *bytes, size_t max)
{
    FILE *f = fopen(data_path(name), "r");
    size_t n = 0;
    unsigned byte;
    while (n < max && fscanf(f, "%2x", &byte) == 1)
        bytes[n++] = (uint8_t)byte;
    fclose(f);
    return n;
}

Test(gguf_files, version_2_fixture)
{
    uint8_t bytes[256];
    nce_gguf *g;
    const size_t n = read_hex("gguf-v2-f32.hex", bytes, sizeof bytes);
    cr_assert_eq(nce_gguf_open_memory(ctx, "v2", bytes, n, &g), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_gguf_version(g), 2);
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, "dense.weight");
    cr_assert(t->ne[0] == 2 && t->bytes == 8 && memcmp(t->data, "ABCDEFGH", 8) == 0);
    nce_gguf_close(g);
}

Test(gguf_files, unknown_type_fixture)
{
    uint8_t bytes[256];
    nce_gguf *g;
    const size_t n = read_hex("gguf-unknown-type.hex", bytes, sizeof bytes);
    cr_assert_eq(nce_gguf_open_memory(ctx, "x", bytes, n, &g), NCE_ERR_UNSUPPORTED);
    cr_assert_str_eq(nce_context_error(ctx), "x: tensor 'future.weight': type 43 is unknown");
}

Test(gguf_files, a_real_model)
{
    nce_gguf *g;
    uint32_t layers;
    cr_assert_eq(nce_gguf_open(ctx, data_path("stories260K.gguf"), NULL, &g), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_gguf_u32(g, "llama.block_count", 1, 1024, &layers), NCE_OK);
    cr_assert_eq(layers, 5);
    cr_assert_eq(nce_gguf_n_tensors(g), 48);
    cr_assert_not_null(nce_gguf_find_tensor(g, "blk.4.ffn_down.weight"));
    nce_gguf_close(g);
}
