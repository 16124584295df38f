/* Code books fixed by the file format (codebooks.c is generated).  Element k of a word is its byte k, lowest first. */
#ifndef NCE_SRC_TYPES_CODEBOOKS_H
#define NCE_SRC_TYPES_CODEBOOKS_H
#include <stdint.h>

extern const uint64_t nce_iq2_xxs_words[256]; /* magnitudes 8, 25, 43 */
extern const uint64_t nce_iq2_xs_words[512];
extern const uint64_t nce_iq2_s_words[1024];
extern const uint32_t nce_iq3_xxs_words[256]; /* magnitudes 4, 12, ... 52, 62 */
extern const uint32_t nce_iq3_s_words[512];   /* magnitudes 1, 3, ... 15 */
extern const uint64_t nce_iq1_words[2048];    /* -1, 0, 1 as signed bytes; shared by IQ1_S and IQ1_M */
extern const uint32_t nce_iq1_nibbles[2048];  /* the same: 4 (value + 1) of elements k and k + 4 in byte k */
extern const uint8_t nce_iq_signs[128];       /* the seven bits and, on top, the bit that makes their number even */
extern const int8_t nce_iq4_values[16];       /* levels of IQ4_NL and IQ4_XS */
extern const int8_t nce_fp4_values[16];       /* E2M1 doubled */

#endif
