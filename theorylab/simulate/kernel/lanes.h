/* What generated code is made of on a processor: eight trajectories side by side in one vector of doubles, comparisons as
 * masks of the same width. What follows from it is in arithmetic.h; thread.h says the same for one trajectory.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef double vec __attribute__((vector_size(8 * LANES)));
typedef long ivec __attribute__((vector_size(8 * LANES)));

#define EACH_LANE for (int lane = 0; lane < LANES; lane++)
/* The bits of a number, and the number with given bits; a number without its fraction, and back. */
#define BITS(x) ((ivec)(x))
#define OF_BITS(x) ((vec)(x))
#define WHOLE(x) __builtin_convertvector(x, ivec)
#define OF_WHOLE(x) __builtin_convertvector(x, vec)

static inline vec splat(double x) { return x - (vec){0}; }
static inline ivec isplat(long x) { return x + (ivec){0}; }
static inline vec choose(ivec mask, vec a, vec b) { return OF_BITS((mask & BITS(a)) | (~mask & BITS(b))); }
static inline ivec ichoose(ivec mask, ivec a, ivec b) { return (mask & a) | (~mask & b); }
static inline int any(ivec mask) {
    long all = 0;
    EACH_LANE all |= mask[lane];
    return all != 0;
}

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

/* The next n trials of a queue that all threads share: the number of the first. */
static inline long take(long *queue, long n) { return __atomic_fetch_add(queue, n, __ATOMIC_RELAXED); }

/* A function that threads call: `work` with a work space, from the trial `first` on in strides. It returns 0, or 1 where
 * there was no memory. */
#define ENTRY(name, work)                                                                                             \
    int name(struct job *job) {                                                                                       \
        void *memory = NULL;                                                                                          \
        if (posix_memalign(&memory, 64, sizeof(struct lanes))) return 1;                                              \
        work(memset(memory, 0, sizeof(struct lanes)), job, 0, LANES);                                                 \
        free(memory);                                                                                                 \
        return 0;                                                                                                     \
    }
