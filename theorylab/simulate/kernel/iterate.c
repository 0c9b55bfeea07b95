/* Steps of a discrete scheme for an ensemble, LANES trajectories at a time.
 *
 * `step` gives, at the state of step n: the state of step n + 1, then with WAITS the square of the norm of the field,
 * then the observed quantities. A trajectory that has converged or left the finite numbers stands still. Arithmetic
 * never crosses lanes, so a row does not depend on its company.
 */

enum { RUNNING = -1, STATE_ROOTS = DIM + WAITS };

struct job {
    long count, first, steps, saves, next;
    double gtol;
    const double *own, *shared, *fresh;
    const long *times;
    double *y, *saved, *start, *drift;
    long *status, *done;
};

struct lanes {
    vec y[DIM], out[STATE_ROOTS + QUANTITIES], own[OWN + FRESH + 1], start[QUANTITIES + 1], drift[QUANTITIES + 1];
};

static void run(struct lanes *s, const struct job *job, long group) {
    ivec running = {0}, done = {0}, code = isplat(RUNNING);
    long trial[LANES], cursor = 0;
    EACH_LANE {
        const int is_there = group + lane < job->count;
        const long i = trial[lane] = is_there ? group + lane : group;
        running[lane] = -(is_there && job->status[i] == RUNNING);
        for (int d = 0; d < DIM; d++) s->y[d][lane] = job->y[i * DIM + d];
        for (int k = 0; k < OWN; k++) s->own[k][lane] = job->own[i * OWN + k];
        for (int q = 0; q < QUANTITIES; q++) {
            s->start[q][lane] = job->start[i * QUANTITIES + q];
            s->drift[q][lane] = job->drift[i * QUANTITIES + q];
        }
    }
    for (long n = 0; n < job->steps && any(running); n++) {
        if (cursor < job->saves && job->times[cursor] == job->first + n) {
            EACH_LANE if (running[lane])
                for (int d = 0; d < DIM; d++) job->saved[(trial[lane] * job->saves + cursor) * DIM + d] = s->y[d][lane];
            cursor++;
        }
        for (int k = 0; k < FRESH; k++)
            EACH_LANE s->own[OWN + k][lane] = job->fresh[(trial[lane] * job->steps + n) * FRESH + k];
        step(splat((double)(job->first + n)), s->y, s->own, job->shared, s->out);
        if (WAITS) {
            const ivec met = running & ((s->out[DIM] <= job->gtol * job->gtol) & isplat(-(job->gtol > 0.0)));
            code = ichoose(met, isplat(CONVERGED), code);
            running &= ~met;
        }
        for (int q = 0; q < QUANTITIES; q++) {
            const vec value = s->out[STATE_ROOTS + q];
            if (job->first + n == 0) s->start[q] = value;
            s->drift[q] = choose(running, larger(s->drift[q], absolute(value - s->start[q])), s->drift[q]);
        }
        ivec known = isplat(-1);
        for (int d = 0; d < DIM; d++) known &= is_finite(s->out[d]);
        code = ichoose(running & ~known, isplat(NON_FINITE), code);
        running &= known;
        for (int d = 0; d < DIM; d++) s->y[d] = choose(running, s->out[d], s->y[d]);
        done -= running;
    }
    EACH_LANE if (group + lane < job->count && job->status[trial[lane]] == RUNNING) {
        const long i = trial[lane];
        job->status[i] = code[lane];
        job->done[i] += done[lane];
        for (int d = 0; d < DIM; d++) job->y[i * DIM + d] = s->y[d][lane];
        for (int q = 0; q < QUANTITIES; q++) {
            job->start[i * QUANTITIES + q] = s->start[q][lane];
            job->drift[i * QUANTITIES + q] = s->drift[q][lane];
        }
    }
}

/* Run the trials of the queue. */
static void work(struct lanes *s, struct job *job, long first, long stride) {
    for (;;) {
        const long group = take(&job->next, LANES);
        if (group >= job->count) break;
        memset(s, 0, sizeof *s);
        run(s, job, group);
    }
}

ENTRY(iterate, work)
