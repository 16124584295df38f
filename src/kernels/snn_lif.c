/* The reference of the LIF update (one lane at a time, any processor) and the choice of the fastest variant. */
#include "src/kernels/snn.h"
#include "src/core/runtime/cpu.h"
#include <string.h>

static inline float scale_f32(float p, float t)
{
    uint32_t bp, bt;
    memcpy(&bp, &p, sizeof bp);
    memcpy(&bt, &t, sizeof bt);
    bp += bt << 23;
    memcpy(&p, &bp, sizeof p);
    return p;
}

static inline double scale_f64(double p, double t)
{
    uint64_t bp, bt;
    memcpy(&bp, &p, sizeof bp);
    memcpy(&bt, &t, sizeof bt);
    bp += bt << 52;
    memcpy(&p, &bp, sizeof p);
    return p;
}

#define WIDTH 1
#define LOAD(p) (*(p))
#define STORE(p, x) (*(p) = (x))
#define SET1(x) ((REAL)(x))
#define ADD(x, y) ((x) + (y))
#define SUB(x, y) ((x) - (y))
#define MUL(x, y) ((x) * (y))
#define DIV(x, y) ((x) / (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y)) /* as maxps: y if they are equal or unordered */
#define MASK bool
#define GT(x, y) ((x) > (y))
#define BLEND(m, no, yes) ((m) ? (yes) : (no))
#define RVEC uint16_t
#define RLOAD(p) (*(p))
#define RSTORE(p, old, r) (*(p) = (uint16_t)(r))
#define RBUSY(r) ((r) != 0)
#define RDOWN(r) ((uint16_t)((r) > 0 ? (r)-1 : 0))
#define BITS(m) ((unsigned)(m))

#define REAL float
#define VEC float
#define ARGS nce_snn_lif_f32
#define NAME(f) f##_f32
#define SCALE(p, t) scale_f32(p, t)
#include "src/kernels/snn_real_f32.h"
#include "src/kernels/snn_lif_body.h"
#undef REAL
#undef VEC
#undef ARGS
#undef NAME
#undef SCALE
#undef ROUND_TO_INT
#undef X_MAX
#undef TAYLOR_DEGREE

#define REAL double
#define VEC double
#define ARGS nce_snn_lif_f64
#define NAME(f) f##_f64
#define SCALE(p, t) scale_f64(p, t)
#include "src/kernels/snn_real_f64.h"
#include "src/kernels/snn_lif_body.h"

static void lif_f32_ref(const nce_snn_lif_f32 *a, const nce_snn_sweep *w)
{
    step_f32(a, w);
}

static void lif_f64_ref(const nce_snn_lif_f64 *a, const nce_snn_sweep *w)
{
    step_f64(a, w);
}

void nce_snn_ops_init(nce_snn_ops *ops, uint32_t cpu)
{
    *ops = (nce_snn_ops){lif_f32_ref, lif_f64_ref};
#if NCE_HAVE_AVX2
    if (cpu & NCE_CPU_AVX2) *ops = (nce_snn_ops){nce_snn_lif_f32_avx2, nce_snn_lif_f64_avx2};
#endif
#if NCE_HAVE_AVX512
    if (cpu & NCE_CPU_AVX512) *ops = (nce_snn_ops){nce_snn_lif_f32_avx512, nce_snn_lif_f64_avx512};
#endif
    (void)cpu;
}
