/* Four-bit floats E2M1 (0 .5 1 1.5 2 3 4 6 and their negatives), kept doubled so that they are integers; the scales are
 * halved instead (bits.h).  MXFP4 is the OCP Microscaling format 1.0: one E8M0 power of two per 32.  NVFP4 has four
 * UE4M3 scales per 64, one for each 16, which do not fit integers of one common scale: hence half_scales. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/kernels/types/decode.h"

void nce_decode_mxfp4(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_e8m0_half_to_f32(b[0]));
    for (int i = 0; i < 32; i++)
        out->code[i] = nce_fp4_values[b[1 + i % 16] >> (4 * (i / 16)) & 15];
}

void nce_decode_nvfp4(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    const uint8_t *scales = b + 2 * piece, *q = b + 4 + 16 * piece;
    nce_plain_flat(out, 0);
    for (int half = 0; half < 2; half++) {
        out->d[half] = nce_ue4m3_half_to_f32(scales[half]);
        for (int i = 0; i < 16; i++)
            out->code[16 * half + i] = nce_fp4_values[q[8 * half + i % 8] >> (4 * (i / 8)) & 15];
    }
}
