/* Constants of exp(-x) in single precision, for snn_lif_body.h. */
#define ROUND_TO_INT 12582912.0 /* 1.5 * 2^23 */
#define X_MAX 87.0
#define TAYLOR_DEGREE 7
