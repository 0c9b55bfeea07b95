/* The adaptive integration of an ensemble, LANES trajectories at a time.
 *
 * Every lane holds a trajectory of its own with its own time, step and status; one that has stopped writes its row and
 * takes the next trial from a queue that all threads share. Arithmetic never crosses lanes, and a branch taken for the
 * sake of one lane changes no other, so that a row depends neither on its lane nor on its company. The order of events
 * in a step is that of the class ExplicitRun in adaptive_run.py; the formulas are those of control.py. Kinks are met in kinks.c and slides.c.
 */

/* Codes of trials that go on: with this method, or with one for stiff problems. */
enum { RUNNING = -1, STIFF = -2 };

struct job {
    long count, saves, max_steps, next, patience;
    double rtol, gtol, first_step, stiff;
    const double *initial, *own, *shared, *starts, *ends, *atol, *times;
    double *t, *y, *field, *step, *error, *saved, *observed, *drift;
    long *status, *accepted, *rejected, *evaluations, *slid, *grazed;
};

/* k   the field at each stage: f at the start of an attempt, slope at its end, and those of dense output */
struct lanes {
    ivec busy, trial, accepted, attempts, rejected, extra, cursor, stiff;
    vec t, h, end, scaled, error;
    vec radius[MEMORY], own[OWN + 1], y[DIM], start[QUANTITIES + 1], drift[QUANTITIES + 1];
    union {
        vec k[STAGES][DIM];
        struct {
            vec f[DIM], inner[LAST - 1][DIM], slope[DIM];
        };
    };
    vec state[2][DIM], spare[DIM], near[DIM];
    struct kinks kinks;
};

static inline vec norm(const vec *x) {
    vec sum = splat(0.0);
    for (int d = 0; d < DIM; d++) sum = v_fma(x[d], x[d], sum);
    return v_sqrt(sum);
}

static inline vec distance(const vec *a, const vec *b) {
    vec sum = splat(0.0);
    for (int d = 0; d < DIM; d++) sum = v_fma(a[d] - b[d], a[d] - b[d], sum);
    return v_sqrt(sum);
}

static inline vec smallest_step(vec t) { return larger(absolute(t) * (16 * EPS), splat(1e-100)); }

/* One norm of the error from the norms of one or two estimates; what is not finite becomes infinite. */
static inline vec combined(const vec *norms) {
    vec error = norms[0];
    if (ESTIMATES == 2)
        error = error * (error / v_sqrt(error * error + 0.01 * (norms[ESTIMATES - 1] * norms[ESTIMATES - 1]) + 1e-300));
    return choose(is_finite(error), error, splat(INFINITY));
}

/* --- one trial in one lane ------------------------------------------------------------------------------------- */

static void load(struct lanes *s, const struct job *job, int lane, long trial) {
    s->trial[lane] = trial;
    s->t[lane] = job->starts[trial];
    s->end[lane] = job->ends[trial];
    s->h[lane] = job->step[trial];
    s->scaled[lane] = 1e-4;
    s->error[lane] = 0.0;
    s->accepted[lane] = s->attempts[lane] = s->rejected[lane] = s->extra[lane] = s->stiff[lane] = 0;
    s->cursor[lane] = job->saves && job->times[0] == job->starts[trial];
    for (int i = 0; i < MEMORY; i++) s->radius[i][lane] = 0.0;
    for (int i = 0; i < OWN; i++) s->own[i][lane] = job->own[trial * OWN + i];
    for (int d = 0; d < DIM; d++) {
        s->y[d][lane] = job->initial[trial * DIM + d];
        s->f[d][lane] = job->field[trial * DIM + d];
    }
    for (int i = 0; i < QUANTITIES; i++) {
        s->start[i][lane] = job->observed[trial * QUANTITIES + i];
        s->drift[i][lane] = 0.0;
    }
    reset_gates(s, lane);
}

static void write(const struct lanes *s, const struct job *job, int lane, long code) {
    const long trial = s->trial[lane];
    job->status[trial] = code;
    job->t[trial] = s->t[lane];
    job->error[trial] = s->error[lane];
    job->accepted[trial] = s->accepted[lane];
    job->rejected[trial] = s->attempts[lane] - s->accepted[lane];
    job->step[trial] = s->h[lane];
    job->evaluations[trial] += s->extra[lane];
    for (int d = 0; d < DIM; d++) {
        job->y[trial * DIM + d] = s->y[d][lane];
        job->field[trial * DIM + d] = s->f[d][lane];
    }
    for (int i = 0; i < QUANTITIES; i++) job->drift[trial * QUANTITIES + i] = s->drift[i][lane];
    job->slid[trial] |= s->kinks.slid[lane] != 0;
    job->grazed[trial] |= s->kinks.grazed[lane] != 0;
}

/* Take up a trial where it was left: at its start, or where another method wrote it down. */
static void resume(struct lanes *s, const struct job *job, int lane, long trial) {
    load(s, job, lane, trial);
    s->t[lane] = job->t[trial];
    s->error[lane] = job->error[trial];
    s->accepted[lane] = job->accepted[trial];
    s->attempts[lane] = job->accepted[trial] + job->rejected[trial];
    while (s->cursor[lane] < job->saves && job->times[s->cursor[lane]] <= s->t[lane]) s->cursor[lane]++;
    for (int d = 0; d < DIM; d++) s->y[d][lane] = job->y[trial * DIM + d];
    for (int i = 0; i < QUANTITIES; i++) s->drift[i][lane] = job->drift[trial * QUANTITIES + i];
}

/* The next trial of the queue that is still to run, or an idle lane. */
static void refill(struct lanes *s, struct job *job, int lane) {
    for (;;) {
        const long trial = take(&job->next, 1);
        if (trial >= job->count) break;
        if (job->status[trial] != RUNNING) continue;
        s->busy[lane] = -1;
        resume(s, job, lane, trial);
        return;
    }
    s->busy[lane] = 0;
    s->h[lane] = 0.0;
    s->end[lane] = s->t[lane];
    reset_gates(s, lane);
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

/* k[i] = f(t + c_i h, y + h sum_j a_ij k[j]) for one stage. */
static inline void stage(struct lanes *s, const struct job *job, int i, vec h, vec *state) {
    combine(i, h, s->y, s->k, state);
    flow(s, job, s->t + NODES[i] * h, state, s->k[i]);
    note(s, i);
}

/* The state at time `when` inside a step of one lane from t with size h. */
static void interpolate(const struct lanes *s, int lane, double h, double when, double *out) {
    double theta = (when - s->t[lane]) / h, basis[DEGREE], weights[STAGES];
    theta = theta < 0.0 ? 0.0 : theta > 1.0 ? 1.0 : theta;
    basis[0] = theta;
    for (int n = 1; n < DEGREE; n++) basis[n] = basis[n - 1] * (n % 2 ? 1.0 - theta : theta);
    for (int i = 0; i < STAGES; i++) {
        weights[i] = 0.0;
        for (int n = 0; n < DEGREE; n++) weights[i] += basis[n] * DENSE[n][i];
    }
    for (int d = 0; d < DIM; d++) {
        double sum = 0.0;
        for (int i = 0; i < STAGES; i++) sum += weights[i] * s->k[i][d][lane];
        out[d] = s->y[d][lane] + h * sum;
    }
}

/* Keep the states at the save times that lanes pass on their way from t to `arrived`. */
static void save(struct lanes *s, const struct job *job, vec h, vec arrived) {
    ivec passes = {0};
    EACH_LANE if (s->busy[lane] && s->cursor[lane] < job->saves) passes[lane] = -(job->times[s->cursor[lane]] <= arrived[lane]);
    if (!any(passes)) return;
    for (int i = LAST + 1; i < STAGES; i++) stage(s, job, i, h, s->spare);
    s->extra += passes & (STAGES - LAST - 1);
    EACH_LANE if (passes[lane]) {
        double *rows = job->saved + s->trial[lane] * job->saves * DIM;
        for (; s->cursor[lane] < job->saves && job->times[s->cursor[lane]] <= arrived[lane]; s->cursor[lane]++)
            interpolate(s, lane, h[lane], job->times[s->cursor[lane]], rows + s->cursor[lane] * DIM);
    }
}

/* control.ending, for the lanes that do not step to a kink; returns those whose step is the last. */
static ivec ending(vec *h, vec room, ivec exact) {
    const vec share = room / (ENDING * *h);
    vec count = splat(1.0);
    for (int n = 1; n <= ENDING_STEPS; n++) count = choose(share > n, splat(n + 1.0), count);
    const ivec last = ichoose(exact, *h >= room, count <= 1.0);
    *h = choose(last, room, choose(exact | (count > ENDING_STEPS), *h, room / count));
    return last;
}

/* One attempt for every lane; returns the codes of the lanes. */
static ivec attempt(struct lanes *s, const struct job *job) {
    const int waits = job->gtol > 0.0, switches = job->stiff > 0.0;
    const vec room = s->end - s->t;
    vec h = s->h;
    const ivec last_step = ending(&h, room, approaches(s));
    for (int i = 1; i <= LAST; i++) stage(s, job, i, h, s->state[i & 1]);
    vec *ahead = s->state[LAST & 1];
    const vec *previous = s->state[(LAST - 1) & 1];
    s->attempts += 1;
    s->extra += LAST;

    vec own_norm[ESTIMATES], scaled_norm[ESTIMATES], estimate[ESTIMATES];
    for (int n = 0; n < ESTIMATES; n++) own_norm[n] = scaled_norm[n] = splat(0.0);
    ivec known = isplat(-1);
    for (int d = 0; d < DIM; d++) {
        const vec scale = larger(absolute(s->y[d]), absolute(ahead[d])) * job->rtol + job->atol[d];
        estimates(d, h, s->k, estimate);
        for (int n = 0; n < ESTIMATES; n++) {
            const vec ratio = estimate[n] / scale;
            scaled_norm[n] = v_fma(ratio, ratio, scaled_norm[n]);
            own_norm[n] = v_fma(estimate[n], estimate[n], own_norm[n]);
        }
        known &= is_finite(s->slope[d]);
    }
    for (int n = 0; n < ESTIMATES; n++) {
        own_norm[n] = v_sqrt(own_norm[n]);
        scaled_norm[n] = v_sqrt(scaled_norm[n]) / ROOT_DIM;
    }
    const vec own_error = combined(own_norm);
    vec scaled = combined(scaled_norm), speed = splat(0.0);
    if (waits) {
        speed = norm(s->slope);
        vec least = s->radius[0];
        for (int i = 1; i < MEMORY; i++) least = smaller(least, s->radius[i]);
        const vec allowed = choose(least > 0.0, STIFF_SHARE * speed / least, splat(INFINITY));
        scaled = larger(scaled, own_error / larger(allowed, 4 * EPS * norm(ahead)));
    }
    known &= is_finite(scaled);
    const ivec good = known & (scaled <= 1.0);
    vec arrived = choose(last_step, s->end, s->t + h), cut = splat(1.0);
    const ivec early = shorten(s, job, good, h, ahead, arrived, &cut), accept = good & ~early;

    ivec code = isplat(RUNNING);
    vec radius = splat(0.0);
    if (waits || switches) {
        radius = distance(s->k[LAST], s->k[LAST - 1]) / distance(ahead, previous);
        radius = choose(is_finite(radius), radius, splat(0.0));
    }
    if (job->saves) save(s, job, h, choose(accept, arrived, s->t));
    /* PI control: control.step_factor. */
    const vec drive = SAFETY * v_root(larger(scaled, splat(1e-10)), -0.7 / ORDER);
    const vec memory = choose(good, v_root(s->scaled, 0.4 / ORDER), splat(1.0));
    const vec ceiling = choose(good & ~s->rejected, splat(GROW), splat(1.0));
    const vec factor = smaller(larger(drive * memory, splat(SHRINK)), ceiling);

    for (int i = 0; waits && i < MEMORY; i++)
        s->radius[i] = choose(accept, i + 1 < MEMORY ? s->radius[i + 1] : radius, s->radius[i]);
    land(s, job, accept, h, ahead, &arrived);
    s->t = choose(accept, arrived, s->t);
    for (int d = 0; d < DIM; d++) {
        s->y[d] = choose(accept, ahead[d], s->y[d]);
        s->f[d] = choose(accept, s->slope[d], s->f[d]);
    }
    s->error += choose(accept, own_error, splat(0.0));
    s->scaled = choose(accept, larger(scaled, splat(1e-4)), s->scaled);
    if (switches) {
        /* Trials on a kink stay: methods for stiff problems know no fractions of gates. */
        const ivec more = accept & (h * radius > job->stiff) & ~slides(s), less = accept & ~more & (s->stiff > 0);
        s->stiff += less - more;
        code = ichoose(more & (s->stiff >= job->patience), isplat(STIFF), code);
    }
    s->accepted -= accept;
    s->rejected = ~good;
    /* control.next_step. */
    const vec size = h * choose(known, factor, splat(SHRINK));
    s->h = choose(accept & (h < s->h), larger(s->h, size), size);
    postpone(s, early, h, cut);
    const ivec met = arrive(s, job, accept);
    if (waits && any(met)) speed = choose(met, norm(s->f), speed);
    if (QUANTITIES && any(accept & s->busy)) {
        vec values[QUANTITIES + 1];
        observe(s->t, s->y, s->own + OBSERVED_OWN, job->shared + OBSERVED_SHARED, values);
        for (int i = 0; i < QUANTITIES; i++)
            s->drift[i] = choose(accept, larger(s->drift[i], absolute(values[i] - s->start[i])), s->drift[i]);
    }

    code = ichoose(s->h < smallest_step(s->t), ichoose(known, isplat(STEP_TOO_SMALL), isplat(NON_FINITE)), code);
    code = ichoose(accept & last_step, isplat(T_END), code);
    if (waits) code = ichoose((accept | met) & (speed <= job->gtol), isplat(CONVERGED), code);
    code = ichoose(unresolved(s), isplat(UNRESOLVED_SLIDE), code);
    return ichoose((code == RUNNING) & (s->attempts >= job->max_steps), isplat(MAX_STEPS), code);
}

/* Run the trials of the queue. */
static void work(struct lanes *s, struct job *job, long first, long stride) {
    EACH_LANE {
        refill(s, job, lane);
        if (!s->busy[lane] && lane) {
            /* Idle from the first: a copy of a busy lane that stands still. */
            load(s, job, lane, s->trial[0]);
            s->h[lane] = 0.0;
            s->end[lane] = s->t[lane];
        }
    }
    while (any(s->busy)) {
        begin(s, job);
        const ivec code = attempt(s, job), stops = s->busy & (code != RUNNING);
        if (any(stops)) EACH_LANE if (stops[lane]) {
            write(s, job, lane, code[lane]);
            refill(s, job, lane);
        }
    }
}

/* A first step size: control.first_step. */
static vec first_step(struct lanes *s, const struct job *job, vec room) {
    vec size = splat(0.0), speed = splat(0.0), bend = splat(0.0);
    for (int d = 0; d < DIM; d++) {
        const vec scale = job->atol[d] + job->rtol * absolute(s->y[d]);
        const vec a = s->y[d] / scale, b = s->f[d] / scale;
        size += a * a;
        speed += b * b;
    }
    size = v_sqrt(size) / ROOT_DIM;
    speed = v_sqrt(speed) / ROOT_DIM;
    const vec guess = smaller(choose((size < 1e-5) | (speed < 1e-5), splat(1e-6), 0.01 * size / speed), room);
    for (int d = 0; d < DIM; d++) s->state[0][d] = s->y[d] + guess * s->f[d];
    flow(s, job, s->t + guess, s->state[0], s->slope);
    for (int d = 0; d < DIM; d++) {
        const vec scale = job->atol[d] + job->rtol * absolute(s->y[d]);
        const vec change = (s->slope[d] - s->f[d]) / scale;
        bend += change * change;
    }
    bend = v_sqrt(bend) / ROOT_DIM / guess;
    const vec largest = larger(speed, bend);
    vec step = choose(largest <= 1e-15, larger(guess * 1e-3, splat(1e-6)), v_pow(0.01 / largest, 1.0 / ORDER));
    step = smaller(smaller(100.0 * guess, step), room);
    step = choose(is_finite(step) & (step > 0.0), step, 1e-3 * guess);
    return larger(step, 10.0 * smallest_step(s->t));
}

/* Evaluate the start of every trial: field, first step, observed quantities, and rows that stop at once. */
static void start(struct lanes *s, struct job *job, long first, long stride) {
    for (; first < job->count; first += stride) {
        EACH_LANE load(s, job, lane, first + lane < job->count ? first + lane : first);
        open_gates(s, job, isplat(-1));
        flow(s, job, s->t, s->y, s->f);
        const vec h = job->first_step > 0.0 ? splat(job->first_step) : first_step(s, job, s->end - s->t);
        if (QUANTITIES) observe(s->t, s->y, s->own + OBSERVED_OWN, job->shared + OBSERVED_SHARED, s->start);
        ivec known = isplat(-1), code = ichoose(s->end == s->t, isplat(T_END), isplat(RUNNING));
        for (int d = 0; d < DIM; d++) known &= is_finite(s->y[d]) & is_finite(s->f[d]);
        if (job->gtol > 0.0) code = ichoose(norm(s->f) <= job->gtol, isplat(CONVERGED), code);
        code = ichoose(known, code, isplat(NON_FINITE));
        EACH_LANE if (first + lane < job->count) {
            const long trial = first + lane;
            s->h[lane] = h[lane];
            job->evaluations[trial] = job->first_step > 0.0 ? 1 : 2;
            for (int i = 0; i < QUANTITIES; i++) job->observed[trial * QUANTITIES + i] = s->start[i][lane];
            write(s, job, lane, code[lane]);
            if (s->cursor[lane]) memcpy(job->saved + trial * job->saves * DIM, job->initial + trial * DIM, DIM * sizeof(double));
        }
    }
}

ENTRY(prepare, start)
ENTRY(solve, work)
