/* What generated code is made of on a GPU: one trajectory a thread, in plain doubles, with what lanes.h says of vectors
 * said in C++. Without a GPU the same text is a plain program, in which one loop calls the threads of a launch.
 */

#ifdef __CUDACC__

/* Functions and tables belong to the device. */
#define static static __device__
#ifndef INFINITY
#define INFINITY __longlong_as_double(0x7ff0000000000000LL)
#endif

#else

#include <math.h>
#include <string.h>

#define __device__
#define __global__
static thread_local struct { unsigned x; } gridDim, blockDim, blockIdx, threadIdx;

#endif

#define restrict __restrict__

struct vec {
    double x;
    __device__ double &operator[](int) { return x; }
    __device__ const double &operator[](int) const { return x; }
};
/* A comparison gives -1 or 0, as in the lanes of vectors. */
struct ivec {
    long x;
    __device__ long &operator[](int) { return x; }
    __device__ const long &operator[](int) const { return x; }
};

#define EACH_LANE for (int lane = 0; lane < LANES; lane++)
#ifdef __CUDACC__
/* Loops over coordinates and gates that are written out whole take minutes to compile. */
#define for _Pragma("unroll 1") for
#endif

static inline vec splat(double x) { return vec{x}; }
static inline ivec isplat(long x) { return ivec{x}; }

#define BINARY(lanes, number, op)                                                                                     \
    static inline lanes operator op(lanes a, lanes b) { return lanes{a.x op b.x}; }                                   \
    static inline lanes operator op(lanes a, number b) { return lanes{a.x op b}; }                                    \
    static inline lanes operator op(number a, lanes b) { return lanes{a op b.x}; }                                    \
    static inline lanes &operator op##=(lanes &a, lanes b) { return a = a op b; }                                     \
    static inline lanes &operator op##=(lanes &a, number b) { return a = a op b; }
#define COMPARISON(lanes, number, op)                                                                                 \
    static inline ivec operator op(lanes a, lanes b) { return ivec{-(long)(a.x op b.x)}; }                            \
    static inline ivec operator op(lanes a, number b) { return ivec{-(long)(a.x op b)}; }                             \
    static inline ivec operator op(number a, lanes b) { return ivec{-(long)(a op b.x)}; }
#define ARITHMETIC(lanes, number)                                                                                     \
    BINARY(lanes, number, +)                                                                                          \
    BINARY(lanes, number, -)                                                                                          \
    BINARY(lanes, number, *)                                                                                          \
    static inline lanes operator-(lanes a) { return lanes{-a.x}; }                                                    \
    COMPARISON(lanes, number, <)                                                                                      \
    COMPARISON(lanes, number, >)                                                                                      \
    COMPARISON(lanes, number, <=)                                                                                     \
    COMPARISON(lanes, number, >=)                                                                                     \
    COMPARISON(lanes, number, ==)                                                                                     \
    COMPARISON(lanes, number, !=)
ARITHMETIC(vec, double)
ARITHMETIC(ivec, long)
BINARY(vec, double, /)
BINARY(ivec, long, &)
BINARY(ivec, long, |)
BINARY(ivec, long, <<)
BINARY(ivec, long, >>)
static inline ivec operator~(ivec a) { return ivec{~a.x}; }

static inline ivec BITS(vec a) {
    ivec bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
static inline vec OF_BITS(ivec bits) {
    vec a;
    memcpy(&a, &bits, sizeof a);
    return a;
}
static inline ivec WHOLE(vec a) { return ivec{(long)a.x}; }
static inline vec OF_WHOLE(ivec a) { return vec{(double)a.x}; }

static inline vec choose(ivec mask, vec a, vec b) { return mask.x ? a : b; }
static inline ivec ichoose(ivec mask, ivec a, ivec b) { return mask.x ? a : b; }
static inline int any(ivec mask) { return mask.x != 0; }

static inline double s_fma(double a, double b, double c) { return fma(a, b, c); }
static inline vec v_fma(vec a, vec b, vec c) { return vec{fma(a.x, b.x, c.x)}; }

static inline long take(long *queue, long n) {
#ifdef __CUDACC__
    return (long)atomicAdd((unsigned long long *)queue, (unsigned long long)n);
#else
    const long first = *queue;
    *queue += n;
    return first;
#endif
}

/* Work spaces are local memory, in which the same entry of all threads of a warp lies side by side. */
#define ENTRY(name, work)                                                                                             \
    extern "C" __global__ void name(struct job *job) {                                                                \
        struct lanes s;                                                                                               \
        static_assert(sizeof s <= MOST_BYTES, "the work space of a trajectory is too large for a thread");            \
        memset(&s, 0, sizeof s);                                                                                      \
        work(&s, job, blockIdx.x * (long)blockDim.x + threadIdx.x, gridDim.x * (long)blockDim.x);                     \
    }

#ifndef __CUDACC__
extern "C" void launch(void (*kernel)(struct job *), unsigned blocks, unsigned threads, struct job *job) {
    gridDim.x = blocks, blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) kernel(job);
}
#endif
