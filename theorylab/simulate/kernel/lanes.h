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

/* The step function with the value `gate` at 0, and the sign. */
static inline vec v_step(vec x, double gate) { return choose(x > 0.0, splat(1.0), choose(x == 0.0, splat(gate), splat(0.0))); }
static inline vec v_sign(vec x) { return choose(x > 0.0, splat(1.0), choose(x == 0.0, splat(0.0), splat(-1.0))); }
static inline double s_step(double x, double gate) { return x > 0.0 ? 1.0 : x == 0.0 ? gate : 0.0; }
static inline double s_sign(double x) { return x > 0.0 ? 1.0 : x == 0.0 ? 0.0 : -1.0; }
