/* Eight trajectories side by side: one vector of doubles, and comparisons as masks of the same width. */

typedef double vec __attribute__((vector_size(8 * LANES)));
typedef long ivec __attribute__((vector_size(8 * LANES)));

#define EACH_LANE for (int lane = 0; lane < LANES; lane++)
#define BITS(x) ((ivec)(x))

static inline vec splat(double x) { return x - (vec){0}; }
static inline ivec isplat(long x) { return x + (ivec){0}; }
static inline vec choose(ivec mask, vec a, vec b) { return (vec)((mask & BITS(a)) | (~mask & BITS(b))); }
static inline ivec ichoose(ivec mask, ivec a, ivec b) { return (mask & a) | (~mask & b); }
static inline vec absolute(vec x) { return (vec)(BITS(x) & 0x7fffffffffffffffL); }
static inline ivec is_finite(vec x) { return x - x == 0.0; }
static inline int any(ivec mask) {
    long all = 0;
    EACH_LANE all |= mask[lane];
    return all != 0;
}

/* The larger and the smaller of two numbers; what is not a number stays so. */
static inline vec larger(vec a, vec b) { return choose((a > b) | (a != a), a, b); }
static inline vec smaller(vec a, vec b) { return choose((a < b) | (a != a), a, b); }

/* a b + c, rounded once where the processor can do so: then everywhere, in vectors and in numbers alike. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_elementwise_fma)
#define ELEMENTWISE_FMA
#endif
#endif
#if defined(__FMA__) || defined(__AVX512F__) || (defined(ELEMENTWISE_FMA) && defined(__ARM_FEATURE_FMA))
static inline double s_fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline vec v_fma(vec a, vec b, vec c) {
#if defined(ELEMENTWISE_FMA)
    return __builtin_elementwise_fma(a, b, c);
#elif defined(__AVX512F__)
    return __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, 4);
#else
    typedef double half __attribute__((vector_size(32)));
    union halves { vec whole; half part[2]; } x = {a}, y = {b}, z = {c};
    for (int i = 0; i < 2; i++) z.part[i] = __builtin_ia32_vfmaddpd256(x.part[i], y.part[i], z.part[i]);
    return z.whole;
#endif
}
#else
static inline double s_fma(double a, double b, double c) { return a * b + c; }
static inline vec v_fma(vec a, vec b, vec c) { return a * b + c; }
#endif

#define LANE_BY_LANE(name, function)                                                                                  \
    static inline vec name(vec x) {                                                                                   \
        vec y;                                                                                                        \
        EACH_LANE y[lane] = function(x[lane]);                                                                        \
        return y;                                                                                                     \
    }
LANE_BY_LANE(v_sqrt, sqrt)
LANE_BY_LANE(v_exp, exp)
LANE_BY_LANE(v_log, log)
LANE_BY_LANE(v_tanh, tanh)
LANE_BY_LANE(v_sin, sin)
LANE_BY_LANE(v_cos, cos)
LANE_BY_LANE(v_asinh, asinh)

static inline vec v_pow(vec x, double exponent) {
    vec y;
    EACH_LANE y[lane] = pow(x[lane], exponent);
    return y;
}
static inline double s_pow(double x, double exponent) { return pow(x, exponent); }

/* x to a power that is no large number, for positive x: 2^(exponent log2(x)), to about 1e-14. */
static inline vec v_root(vec x, double exponent) {
    /* x = 2^whole m with m between sqrt(1/2) and sqrt(2); log(m) = 2 artanh((m - 1) / (m + 1)). */
    const ivec shifted = BITS(x) - 0x3fe6a09e667f3bcdL, whole = shifted >> 52;
    const vec m = (vec)(BITS(x) - (whole << 52)), s = (m - 1.0) / (m + 1.0), square = s * s;
    vec log = splat(1.0 / 21.0);
    for (int n = 19; n > 0; n -= 2) log = v_fma(log, square, splat(1.0 / n));
    const vec power = exponent * v_fma(s * log, splat(2.8853900817779268), __builtin_convertvector(whole, vec));
    const ivec nearest = __builtin_convertvector(power + choose(power < 0.0, splat(-0.5), splat(0.5)), ivec);
    const vec rest = (power - __builtin_convertvector(nearest, vec)) * 0.69314718055994531;
    vec exp = splat(1.0);
    for (int n = 14; n > 0; n--) exp = v_fma(exp * rest, splat(1.0 / n), splat(1.0));
    return (vec)(BITS(exp) + (nearest << 52));
}

/* The step function with the value `gate` at 0, and the sign. Among many fused operations GCC takes minutes over them
 * where they are inlined. */
static __attribute__((noinline)) vec v_step(vec x, double gate) { return choose(x > 0.0, splat(1.0), choose(x == 0.0, splat(gate), splat(0.0))); }
static __attribute__((noinline)) vec v_sign(vec x) { return choose(x > 0.0, splat(1.0), choose(x == 0.0, splat(0.0), splat(-1.0))); }
static inline double s_step(double x, double gate) { return x > 0.0 ? 1.0 : x == 0.0 ? gate : 0.0; }
static inline double s_sign(double x) { return x > 0.0 ? 1.0 : x == 0.0 ? 0.0 : -1.0; }
