/* What the methods for stiff problems have in common; see stiff.c. */

/* Codes of trials that go on: with this method, with an explicit one again, with one that takes larger steps. */
enum { RUNNING = -1, EASED = -3, STIFFER = -4 };

/* easy, hard   steps whose size times the spectral radius is below or above these belong to another method
 * near         a kink that is nearer than this over the spectral radius is left to the explicit method */
struct job {
    long count, saves, max_steps, next;
    double rtol, gtol, easy, hard, near;
    const double *own, *shared, *ends, *atol, *times, *observed;
    double *t, *y, *field, *step, *error, *saved, *drift;
    long *status, *accepted, *rejected, *evaluations;
};

/* direction, rounds   of the power iteration: the last vector, and how many products are to be taken
 * held                the gates at the start of the step, which hold for all of it */
struct lanes {
    ivec busy, trial, accepted, attempts, rejected, evaluations, cursor, easy, hard, rounds;
    vec t, h, end, goal, scaled, error, radius;
    vec own[OWN + 1], y[DIM], f[DIM], ahead[DIM], slope[DIM], estimate[DIM], direction[DIM];
    vec start[QUANTITIES + 1], drift[QUANTITIES + 1];
    vec held[GATES + 1], gate[GATES + 1], z[GATES + 1], z_next[GATES + 1], w[GATES + 1], w_next[GATES + 1];
    struct method method;
};

#if GATES
#define field(t, y, own, shared, out) frozen(t, y, own, shared, s->held, out)
#endif
