/* SipHash of a message in each lane, over a few vector operations that the including file defines:
 *   VEC LANES SET1 ADD XOR ROL(x, n)  WORDS(p, at): word at of the message at p[lane], in each lane;  STORE(p, x)
 * Rounds and constants are those of siphash.h. */

static inline __attribute__((always_inline)) void round_lanes(VEC v[4])
{
    v[0] = ADD(v[0], v[1]);
    v[2] = ADD(v[2], v[3]);
    v[1] = XOR(ROL(v[1], 13), v[0]);
    v[3] = XOR(ROL(v[3], 16), v[2]);
    v[0] = ROL(v[0], 32);
    v[2] = ADD(v[2], v[1]);
    v[0] = ADD(v[0], v[3]);
    v[1] = XOR(ROL(v[1], 17), v[2]);
    v[3] = XOR(ROL(v[3], 21), v[0]);
    v[2] = ROL(v[2], 32);
}

static inline __attribute__((always_inline)) void word_lanes(VEC v[4], VEC word)
{
    v[3] = XOR(v[3], word);
    round_lanes(v);
    v[0] = XOR(v[0], word);
}

static inline __attribute__((always_inline)) VEC final_lanes(VEC v[4])
{
    for (int i = 0; i < 3; i++)
        round_lanes(v);
    return XOR(XOR(v[0], v[1]), XOR(v[2], v[3]));
}

/* LANES messages; those that are not there repeat the last one and are not written. */
static inline __attribute__((always_inline)) void sip_lanes(const uint64_t key[2], const unsigned char *messages,
                                                            size_t n_words, size_t n, uint64_t (*out)[2])
{
    const nce_sip s = nce_sip_init(key);
    VEC v[4] = {SET1(s.v0), SET1(s.v1), SET1(s.v2), SET1(s.v3)};
    const unsigned char *p[LANES];
    uint64_t lo[LANES], hi[LANES];
    for (size_t l = 0; l < LANES; l++)
        p[l] = messages + 8 * n_words * (l < n ? l : n - 1);
    for (size_t i = 0; i < n_words; i++)
        word_lanes(v, WORDS(p, i));
    word_lanes(v, SET1((uint64_t)(8 * n_words) << 56));
    v[2] = XOR(v[2], SET1(0xee));
    STORE(lo, final_lanes(v));
    v[1] = XOR(v[1], SET1(0xdd));
    STORE(hi, final_lanes(v));
    for (size_t l = 0; l < LANES && l < n; l++) {
        out[l][0] = lo[l];
        out[l][1] = hi[l];
    }
}

static inline void sip_many(const uint64_t key[2], const void *messages, size_t n_words, size_t n, uint64_t (*out)[2])
{
    const unsigned char *p = messages;
    for (size_t m = 0; m < n; m += LANES)
        sip_lanes(key, p + 8 * n_words * m, n_words, n - m, out + m);
}
