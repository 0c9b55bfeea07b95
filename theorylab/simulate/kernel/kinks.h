/* The gates of a field and what a lane knows of them; see kinks.py. Without gates, nothing. */

struct lanes;
struct job;

#if GATES

/* Gates of one lane that are decided together. Those of one colour share no coordinates, so that the columns of all of
 * them are found by one evaluation of the field. */
struct together {
    int count, colours, gate[SLIDES], colour[SLIDES];
};

/* gate, z, w   value, argument and rate of each gate at the start of the step
 * side         1 where the gate is open, -1 where it is closed, 0 where the trajectory slides on its kink or it is held
 * size         the largest |z| so far
 * next, z_next, w_next, now   the same at the end of the attempt, and at the last evaluation of the field
 * left         when the fraction of each gate reached its bound last
 * fresh        the gates of the lane are still to be set
 * landing      the attempt is shortened so that it ends at the kink of `target`; the one after it has size `resume`
 * here         the lane stands on the kink of `target`
 * held         what the gate does moves its argument by less than the tolerance: its value stays, `holds`: any gate
 * idle         a sliding gate of which that is true at the end of the attempt
 * joint        gates of different blocks are coupled
 * probing      the attempt is shortened to the stage `inner`, to see whether a fraction turns outside [0, 1] or before
 * hasty        how many events in a row came soon after the one before, which was at the time `last`
 * over         how far a fraction left [0, 1] at an inner stage at most: that of the gate `beyond`, at stage `inner`
 * doubt        how much further it was there than a step up to there said, which had `seen` it, the longer ago the less */
struct kinks {
    ivec fresh, landing, waited, here, slid, grazed, sliding, unresolved, probing, hasty, target, joint, inner, beyond, holds, held[GATES], idle[GATES];
    vec resume, over, seen, doubt, last, gate[GATES], side[GATES], z[GATES], w[GATES], size[GATES];
    vec next[GATES], z_next[GATES], w_next[GATES], now[GATES], left[GATES], probe[GATES], base[GATES], tilted[GATES], tilt[DIM];
    struct together slides[LANES], zeros[LANES];
    double matrix[LANES][SLIDES][SLIDES];
};

static void reset_gates(struct lanes *s, int lane);
static void open_gates(struct lanes *s, const struct job *job, ivec at);
static void begin(struct lanes *s, const struct job *job);
static void flow(struct lanes *s, const struct job *job, vec t, const vec *state, vec *slope);
static int hold(struct lanes *s, const struct job *job, int lane);
static void note(struct lanes *s, int i);
static ivec approaches(const struct lanes *s);
static ivec shorten(struct lanes *s, const struct job *job, ivec accept, vec h, const vec *ahead, vec arrived, vec *cut);
static void postpone(struct lanes *s, ivec early, vec h, vec cut);
static void land(struct lanes *s, const struct job *job, ivec accept, vec h, vec *ahead, vec *arrived);
static ivec arrive(struct lanes *s, const struct job *job, ivec accept);
static ivec unresolved(const struct lanes *s);
static ivec slides(const struct lanes *s);

#else

struct kinks {
    ivec slid, grazed;
};

#define reset_gates(s, lane) ((void)0)
#define open_gates(s, job, at) ((void)0)
#define begin(s, job) ((void)0)
#define flow(s, job, t, state, slope) field(t, state, (s)->own, (job)->shared, slope)
#define note(s, i) ((void)0)
#define approaches(s) isplat(0)
#define shorten(s, job, accept, h, ahead, arrived, cut) isplat(0)
#define postpone(s, early, h, cut) ((void)0)
#define land(s, job, accept, h, ahead, arrived) ((void)0)
#define arrive(s, job, accept) isplat(0)
#define unresolved(s) isplat(0)
#define slides(s) isplat(0)

#endif
