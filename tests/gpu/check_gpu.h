/* Harness of checkgpu: a small program of random shape, run by the scalar CPU device and by the device under test, after which
 * every slot and every page must be equal bit for bit.  Both go through the interface that models use (src/hal/device.h), so
 * the executor is checked with the kernels. */
#ifndef NCE_TESTS_CHECK_GPU_H
#define NCE_TESTS_CHECK_GPU_H
#include "src/hal/program.h"
#include "tests/kernels/check.h"

enum { RIG_OPS = 4, RIG_WEIGHTS = 4, RIG_RUNS = 3, RIG_STEPS = 3, RIG_PAGES = 64 };

typedef struct rig {
    check c;
    nce_context *ctx;
    nce_device *device[2]; /* scalar CPU, device under test */
    int skipped;           /* set by a family: the device has nothing to check */
} rig;

/* One case.  Everything in it belongs to the check, which frees it after the case. */
typedef struct rig_case {
    nce_program program;
    nce_op ops[RIG_OPS];
    nce_weight weight[RIG_WEIGHTS];
    const void *bytes[RIG_WEIGHTS]; /* of each weight, offset included */
    size_t n_bytes[RIG_WEIGHTS];
    uint32_t n_weights;
    uint32_t max_rows;
    size_t page_bytes, n_pages; /* pages of each run; 0: none */
    uint32_t n_steps;
    struct rig_step {
        size_t n_runs, n_rows;
        struct {
            size_t n_rows, pos0;
        } run[RIG_RUNS];
        const int32_t *tokens;
        const float *rope;
    } step[RIG_STEPS];
    uint32_t rope_width;
    uint32_t scratch_slots;           /* a bit for each slot that a device may leave as it likes: router scores */
    const float *slot[NCE_MAX_SLOTS]; /* contents before the first step, [max_rows][width] */
} rig_case;

/* An empty case of these rows in one step of one run. */
void rig_begin(rig *r, rig_case *k, uint32_t n_rows);
/* A slot of random contents; returns its number. */
uint16_t rig_slot(rig *r, rig_case *k, uint32_t width, check_fill kind, float scale);
/* Random numbers that live as long as the case. */
float *rig_floats(rig *r, size_t n, check_fill kind, float scale);
/* A weight of this type, blocks random but their scales usable; returns its number. */
uint32_t rig_weight(rig *r, rig_case *k, const nce_type_info *type, size_t n_rows, size_t n_k, size_t n_experts);
nce_op *rig_op(rig_case *k, nce_op_kind kind);
static inline nce_view rig_view(uint16_t slot, uint32_t column)
{
    return (nce_view){slot, 0, column};
}
/* Runs the case on both devices and compares; then frees everything of the case. */
void rig_run(rig *r, rig_case *k);
/* Print which way the products of each type of weight took, if the device is a GPU. */
void rig_print_paths(const rig *r);

typedef void rig_family_fn(rig *r);
rig_family_fn check_products, check_tensors, check_embeddings, check_rows, check_norms, check_ropes, check_attentions, check_experts,
    check_fused;

#endif
