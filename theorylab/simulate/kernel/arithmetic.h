/* Functions of lanes, whatever a lane is. */

static inline vec absolute(vec x) { return OF_BITS(BITS(x) & 0x7fffffffffffffffL); }
static inline ivec is_finite(vec x) { return x - x == 0.0; }

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
LANE_BY_LANE(v_log, log)
LANE_BY_LANE(v_log1p, log1p)
LANE_BY_LANE(v_sin, sin)
LANE_BY_LANE(v_cos, cos)
LANE_BY_LANE(v_asinh, asinh)

static inline vec v_pow(vec x, double exponent) {
    vec y;
    EACH_LANE y[lane] = pow(x[lane], exponent);
    return y;
}
static inline double s_pow(double x, double exponent) { return pow(x, exponent); }

/* Of artanh(s) / s in powers of s^2, and of exp: the last coefficients first. */
static const double ARTANH[] = {
    1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0,
};
static const double EXP[] = {
    1.0 / 87178291200.0, 1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
    1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0, 1.0, 1.0,
};

static inline vec polynomial(const double *coefficients, int degree, vec x) {
    vec sum = splat(coefficients[0]);
    for (int n = 1; n <= degree; n++) sum = v_fma(sum, x, splat(coefficients[n]));
    return sum;
}

/* x to a power that is no large number, for positive x: 2^(exponent log2(x)), to about 1e-14. */
static inline vec v_root(vec x, double exponent) {
    /* x = 2^whole m with m between sqrt(1/2) and sqrt(2); log(m) = 2 artanh((m - 1) / (m + 1)). */
    const ivec shifted = BITS(x) - 0x3fe6a09e667f3bcdL, whole = shifted >> 52;
    const vec m = OF_BITS(BITS(x) - (whole << 52)), s = (m - 1.0) / (m + 1.0);
    const vec log = s * polynomial(ARTANH, 10, s * s);
    const vec power = exponent * v_fma(log, splat(2.8853900817779268), OF_WHOLE(whole));
    const ivec nearest = WHOLE(power + choose(power < 0.0, splat(-0.5), splat(0.5)));
    const vec exp = polynomial(EXP, 14, (power - OF_WHOLE(nearest)) * 0.69314718055994531);
    return OF_BITS(BITS(exp) + (nearest << 52));
}

/* exp(r) - 1 and n for x = n log(2) + r with |r| <= log(2) / 2. Added to 1.5 2^52 a number is rounded to a whole one, whose
 * bits count up from those of that; the first part of log(2) ends in zeros, so that n times it is exact. */
static inline vec reduced(vec x, ivec *n) {
    const double large = 6755399441055744.0;
    const vec shifted = v_fma(x, splat(1.4426950408889634), splat(large)), whole = shifted - large;
    const vec near = v_fma(whole, splat(-6.93147180369123816490e-01), x);
    const vec r = v_fma(whole, splat(-1.90821492927058770002e-10), near);
    *n = BITS(shifted) - BITS(splat(large));
    return r * polynomial(EXP, 13, r);
}
static inline vec power_of_two(ivec n) { return OF_BITS((n + 1023L) << 52); }

/* exp and tanh to 2 units in the last place; calls of libm, lane by lane, would take most of the time of a field. */
static __attribute__((noinline)) vec v_exp(vec x) {
    ivec n;
    const vec rest = reduced(smaller(larger(x, splat(-746.0)), splat(710.0)), &n) + 1.0;
    const ivec half = n >> 1;
    return rest * power_of_two(half) * power_of_two(n - half);
}
static __attribute__((noinline)) vec v_tanh(vec x) {
    ivec n;
    const vec size = smaller(absolute(x), splat(20.0)), rest = reduced(size + size, &n), scale = power_of_two(n);
    /* (e^2|x| - 1) / (e^2|x| + 1) */
    const vec grown = v_fma(scale, rest, scale - 1.0), result = grown / (grown + 2.0);
    return choose(x < 0.0, -result, result);
}
static inline double s_exp(double x) {
    const vec lanes = v_exp(splat(x));
    return lanes[0];
}
static inline double s_tanh(double x) {
    const vec lanes = v_tanh(splat(x));
    return lanes[0];
}

/* The step function with the value `gate` at 0, and the sign. Among many fused operations GCC takes minutes over them
 * where they are inlined. */
static __attribute__((noinline)) vec v_step(vec x, double gate) { return choose(x > 0.0, splat(1.0), choose(x == 0.0, splat(gate), splat(0.0))); }
static __attribute__((noinline)) vec v_sign(vec x) { return choose(x > 0.0, splat(1.0), choose(x == 0.0, splat(0.0), splat(-1.0))); }
static inline double s_step(double x, double gate) { return x > 0.0 ? 1.0 : x == 0.0 ? gate : 0.0; }
static inline double s_sign(double x) { return x > 0.0 ? 1.0 : x == 0.0 ? 0.0 : -1.0; }
