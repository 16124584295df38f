/* Constants of exp(-x) in double precision, for snn_lif_body.h. */
#define ROUND_TO_INT 6755399441055744.0 /* 1.5 * 2^52 */
#define X_MAX 708.0
#define TAYLOR_DEGREE 13
