/* The activation quantizer of NEON, the same bits as the reference. */
#include "src/kernels/matmul_panel.h"
#include <arm_neon.h>

static void quantize(const float *x, size_t n, nce_act_block *out)
{
    const uint32x4_t magnitude = vdupq_n_u32(0x7fffffff);
    uint32x4_t most = vdupq_n_u32(0);
    for (size_t i = 0; i < n; i += 4)
        most = vmaxq_u32(most, vandq_u32(magnitude, vreinterpretq_u32_f32(vld1q_f32(x + i))));
    if (!nce_act_scale(out, vmaxvq_u32(most), n)) return;
    for (size_t i = 0; i < n; i += 16) {
        int32x4_t v[4];
        for (size_t j = 0; j < 4; j++) /* nearest even */
            v[j] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4 * j), out->inverse));
        const int16x8_t low = vcombine_s16(vmovn_s32(v[0]), vmovn_s32(v[1])),
                        high = vcombine_s16(vmovn_s32(v[2]), vmovn_s32(v[3]));
        const int8x16_t q = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
        vst1q_s8(out->q + i, q);
        vst1q_s32(out->sum4 + i / 4, vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(1), q));
    }
}

void nce_act_pack_neon(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts)
{
    nce_act_pack_with(a, x, ld_x, part, n_parts, quantize);
}
