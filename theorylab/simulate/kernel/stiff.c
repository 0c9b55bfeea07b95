/* The adaptive integration of an ensemble by a method for stiff problems, LANES trajectories at a time.
 *
 * Lanes and queue are those of solve.c. The method's own file gives `struct method`, `enter` (a trial enters a lane),
 * `largest_step` and `advance` (from y to `ahead` with the field `slope` there and the error `estimate`). Steps end at
 * save times, so that no interpolant is needed. Control is that of control.py.
 */

static inline vec smallest_step(vec t) { return larger(absolute(t) * (16 * EPS), splat(1e-100)); }

static inline vec norm(const vec *x) {
    vec sum = splat(0.0);
    for (int d = 0; d < DIM; d++) sum = v_fma(x[d], x[d], sum);
    return v_sqrt(sum);
}

/* --- the spectral radius by power iteration ------------------------------------------------------------------------ */

/* The product of the Jacobian with the direction. Across a kink a difference quotient is huge, so a field with gates is
 * differentiated with its gates frozen; a smooth one needs no more than the quotient. */
static void product(struct lanes *s, const struct job *job, vec *image) {
#if SMOOTH
    /* A small share of the state, or of what it moves in a step where it starts at 0. */
    const vec step = 1.5e-8 * larger(larger(norm(s->y), s->h * norm(s->f)), splat(1e-100));
    for (int d = 0; d < DIM; d++) s->ahead[d] = s->y[d] + step * s->direction[d];
    field(s->t, s->ahead, s->own, job->shared, image);
    for (int d = 0; d < DIM; d++) image[d] = (image[d] - s->f[d]) / step;
#else
    tangent(s->t, s->y, s->own, job->shared, s->direction, image);
#endif
}

/* `rounds` products for each lane, fewer once the length has settled. */
static void find_radius(struct lanes *s, const struct job *job) {
    vec *image = s->slope;
    while (any(s->rounds > 0)) {
        const ivec at = s->rounds > 0;
        product(s, job, image);
        const vec length = norm(image);
        const ivec moves = at & (length > 0.0) & is_finite(length);
        for (int d = 0; d < DIM; d++) s->direction[d] = choose(moves, image[d] / length, s->direction[d]);
        const ivec settled = absolute(length - s->radius) <= 0.01 * length;
        s->radius = choose(at, choose(is_finite(length), length, s->radius), s->radius);
        s->rounds = ichoose(at, ichoose(settled | ~moves, isplat(0), s->rounds - 1), s->rounds);
        s->evaluations -= at;
    }
}

/* A direction with a part along every eigenvector: that of the field, and a fixed pattern. */
static void first_direction(struct lanes *s, int lane) {
    double length = 0.0, total = 0.0;
    for (int d = 0; d < DIM; d++) length += s->f[d][lane] * s->f[d][lane];
    length = length > 0.0 ? sqrt(length) : 1.0;
    for (int d = 0; d < DIM; d++) {
        const double value = s->f[d][lane] / length + ((d * 2654435761u % 1024) / 512.0 - 1.0) / ROOT_DIM;
        s->direction[d][lane] = value;
        total += value * value;
    }
    for (int d = 0; d < DIM; d++) s->direction[d][lane] /= sqrt(total);
    s->radius[lane] = 0.0;
    s->rounds[lane] = FIRST_ROUNDS;
}

/* --- kinks ---------------------------------------------------------------------------------------------------- */

#define APPROACH 0.9    /* of the way to a kink is gone at once */

#if GATES

/* The arguments of the gates at a state, layer by layer, and their rates where the field is `slope`. */
static void look(struct lanes *s, const struct job *job, vec t, const vec *state, const vec *slope, vec *z, vec *w) {
    memset(s->gate, 0, sizeof s->gate);
    for (int layer = 0; layer < DEPTH; layer++) {
        arguments(t, state, s->own, job->shared, s->gate, z);
        for (int g = 0; g < GATES; g++) s->gate[g] = v_step(z[g], GATE_AT_ZERO);
    }
    rates(t, state, s->own, job->shared, s->gate, slope, w);
}

/* The lanes whose step from t to t + h leads across a kink, and the share of it up to there along the chord. Where an
 * argument may turn at its kink, by the corners of its cubic, the share is that of the line through them. */
static ivec crosses(struct lanes *s, const struct job *job, vec h, vec *share) {
    look(s, job, s->t + h, s->ahead, s->slope, s->z_next, s->w_next);
    ivec found = {0};
    *share = splat(1.0);
    for (int g = 0; g < GATES; g++) {
        const vec a = s->z[g], b = s->z_next[g];
        const ivec here = (a * b < 0.0) | ((a == 0.0) != (b == 0.0));
        *share = choose(here, smaller(*share, a / (a - b)), *share);
        const vec side = v_sign(a), u0 = side * a, u1 = side * b, graze = GRAZE * job->rtol * larger(u0, u1);
        const vec first = side * s->w[g] * h / 3.0, last = side * s->w_next[g] * h / 3.0, c = u0 + first, d = u1 - last;
        const ivec turns = (u0 > 0.0) & (u1 > 0.0) & (first < 0.0) & (last > 0.0) & (smaller(c, d) < graze);
        const vec corner = choose(c < graze, (graze - u0) / first, 1.0 + (c - graze) / (c - d)) / 3.0;
        *share = choose(turns, smaller(*share, larger(corner, splat(0.0))), *share);
        found |= here | turns;
    }
    return found;
}

#endif

/* --- one trial in one lane ------------------------------------------------------------------------------------- */

/* Where the next step must end. */
static void aim(struct lanes *s, const struct job *job, int lane) {
    s->goal[lane] = s->end[lane];
    if (s->cursor[lane] < job->saves && job->times[s->cursor[lane]] < s->end[lane])
        s->goal[lane] = job->times[s->cursor[lane]];
}

static void load(struct lanes *s, const struct job *job, int lane, long trial) {
    s->trial[lane] = trial;
    s->t[lane] = job->t[trial];
    s->end[lane] = job->ends[trial];
    s->h[lane] = job->step[trial];
    s->scaled[lane] = 1e-4;
    s->error[lane] = job->error[trial];
    s->accepted[lane] = job->accepted[trial];
    s->attempts[lane] = job->accepted[trial] + job->rejected[trial];
    s->evaluations[lane] = job->evaluations[trial];
    s->rejected[lane] = s->easy[lane] = s->hard[lane] = s->cursor[lane] = 0;
    while (s->cursor[lane] < job->saves && job->times[s->cursor[lane]] <= s->t[lane]) s->cursor[lane]++;
    for (int i = 0; i < OWN; i++) s->own[i][lane] = job->own[trial * OWN + i];
    for (int d = 0; d < DIM; d++) {
        s->y[d][lane] = job->y[trial * DIM + d];
        s->f[d][lane] = job->field[trial * DIM + d];
    }
    for (int i = 0; i < QUANTITIES; i++) {
        s->start[i][lane] = job->observed[trial * QUANTITIES + i];
        s->drift[i][lane] = job->drift[trial * QUANTITIES + i];
    }
    aim(s, job, lane);
    first_direction(s, lane);
}

static void write(const struct lanes *s, const struct job *job, int lane, long code) {
    const long trial = s->trial[lane];
    job->status[trial] = code;
    job->t[trial] = s->t[lane];
    job->step[trial] = s->h[lane];
    job->error[trial] = s->error[lane];
    job->accepted[trial] = s->accepted[lane];
    job->rejected[trial] = s->attempts[lane] - s->accepted[lane];
    job->evaluations[trial] = s->evaluations[lane];
    for (int d = 0; d < DIM; d++) {
        job->y[trial * DIM + d] = s->y[d][lane];
        job->field[trial * DIM + d] = s->f[d][lane];
    }
    for (int i = 0; i < QUANTITIES; i++) job->drift[trial * QUANTITIES + i] = s->drift[i][lane];
}

static void idle(struct lanes *s, int lane) {
    s->busy[lane] = s->rounds[lane] = 0;
    s->h[lane] = 0.0;
    s->end[lane] = s->goal[lane] = s->t[lane];
}

/* The next trial of the queue that is still to run, or an idle lane. */
static void refill(struct lanes *s, struct job *job, int lane) {
    for (;;) {
        const long trial = take(&job->next, 1);
        if (trial >= job->count) break;
        if (job->status[trial] != RUNNING) continue;
        load(s, job, lane, trial);
        s->busy[lane] = -1;
        return;
    }
    idle(s, lane);
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

/* One attempt for every lane; returns the codes of the lanes. */
static ivec attempt(struct lanes *s, const struct job *job) {
    const int waits = job->gtol > 0.0;
#if GATES
    look(s, job, s->t, s->y, s->f, s->z, s->w);
    memcpy(s->held, s->gate, sizeof s->held);
#endif
    find_radius(s, job);
    const vec room = s->goal - s->t, wanted = smaller(s->h, largest_step(s));
    /* A remainder below one per cent of a step is stepped over at once. */
    const ivec lands = 1.01 * wanted >= room;
    const vec h = choose(lands, room, wanted);
    advance(s, job, h);
    s->attempts += 1;

    vec own_error = splat(0.0), scaled = splat(0.0), speed = splat(0.0);
    ivec known = isplat(-1);
    for (int d = 0; d < DIM; d++) {
        const vec scale = larger(absolute(s->y[d]), absolute(s->ahead[d])) * job->rtol + job->atol[d];
        const vec ratio = s->estimate[d] / scale;
        scaled = v_fma(ratio, ratio, scaled);
        own_error = v_fma(s->estimate[d], s->estimate[d], own_error);
        known &= is_finite(s->slope[d]);
    }
    own_error = v_sqrt(own_error);
    scaled = v_sqrt(scaled) / ROOT_DIM;
    if (waits) {
        speed = norm(s->slope);
        if (!DAMPS) {
            const vec allowed = choose(s->radius > 0.0, STIFF_SHARE * speed / s->radius, splat(INFINITY));
            scaled = larger(scaled, own_error / larger(allowed, 4 * EPS * norm(s->ahead)));
        }
    }
    known &= is_finite(scaled);
    ivec accept = known & (scaled <= 1.0), met = isplat(0);
    vec share = splat(1.0);
#if GATES
    /* The explicit method beside this one finds and decides kinks; a step ends short of one. */
    if (any(accept & s->busy)) met = accept & crosses(s, job, h, &share);
    accept &= ~met;
#endif

    /* PI control: control.step_factor. A step that was cut says nothing against the size that was wanted. */
    const vec drive = SAFETY * v_root(larger(scaled, splat(1e-10)), -0.7 / ORDER);
    const vec memory = choose(accept, v_root(s->scaled, 0.4 / ORDER), splat(1.0));
    const vec ceiling = choose(accept & ~s->rejected, splat(GROW), splat(1.0));
    const vec factor = smaller(larger(drive * memory, splat(SHRINK)), ceiling);
    const vec size = h * choose(known, factor, splat(SHRINK));
    const ivec near = met & (share * h * s->radius <= job->near);
    const vec shorter = choose(near, smaller(h, job->near / s->radius), APPROACH * share * h);
    s->h = choose(accept & lands, larger(wanted, size), choose(met, shorter, size));

    ivec code = ichoose(near, isplat(EASED), isplat(RUNNING));
    const ivec calm = accept & ~lands & (h * s->radius < job->easy);
    s->easy = ichoose(accept & ~lands, ichoose(calm, s->easy + 1, isplat(0)), s->easy);
    s->hard -= accept & (h * s->radius > job->hard);
    code = ichoose(s->hard >= HARD_STEPS, isplat(STIFFER), code);
    code = ichoose(s->easy >= EASY_STEPS, isplat(EASED), code);
    s->t = choose(accept, choose(lands, s->goal, s->t + h), s->t);
    for (int d = 0; d < DIM; d++) {
        s->y[d] = choose(accept, s->ahead[d], s->y[d]);
        s->f[d] = choose(accept, s->slope[d], s->f[d]);
    }
    s->error += choose(accept, own_error, splat(0.0));
    s->scaled = choose(accept, larger(scaled, splat(1e-4)), s->scaled);
    s->accepted -= accept;
    s->rejected = ~accept;
    s->rounds = ichoose(s->busy, ichoose(accept, isplat(1), isplat(MORE_ROUNDS)), isplat(0));
    if (QUANTITIES && any(accept & s->busy)) {
        vec values[QUANTITIES + 1];
        observe(s->t, s->y, s->own + OBSERVED_OWN, job->shared + OBSERVED_SHARED, values);
        for (int i = 0; i < QUANTITIES; i++)
            s->drift[i] = choose(accept, larger(s->drift[i], absolute(values[i] - s->start[i])), s->drift[i]);
    }
    const ivec ends = accept & (s->t >= s->end);
    if (job->saves) EACH_LANE if (s->busy[lane] && accept[lane] && lands[lane]) {
        double *rows = job->saved + s->trial[lane] * job->saves * DIM;
        for (; s->cursor[lane] < job->saves && job->times[s->cursor[lane]] <= s->t[lane]; s->cursor[lane]++)
            for (int d = 0; d < DIM; d++) rows[s->cursor[lane] * DIM + d] = s->y[d][lane];
        aim(s, job, lane);
    }

    code = ichoose((s->h < smallest_step(s->t)) & (code != EASED), ichoose(known, isplat(STEP_TOO_SMALL), isplat(NON_FINITE)), code);
    code = ichoose(ends, isplat(T_END), code);
    if (waits) code = ichoose(accept & (speed <= job->gtol), isplat(CONVERGED), code);
    return ichoose((code == RUNNING) & (s->attempts >= job->max_steps), isplat(MAX_STEPS), code);
}

/* Run the trials of the queue. */
static void work(struct lanes *s, struct job *job, long first, long stride) {
    EACH_LANE {
        refill(s, job, lane);
        if (!s->busy[lane] && lane) {
            /* Idle from the first: a copy of the first lane that stands still. */
            load(s, job, lane, s->trial[0]);
            idle(s, lane);
        }
    }
    while (any(s->busy)) {
        const ivec code = attempt(s, job), stops = s->busy & (code != RUNNING);
        if (any(stops)) EACH_LANE if (stops[lane]) {
            write(s, job, lane, code[lane]);
            refill(s, job, lane);
        }
    }
}

ENTRY(solve, work)
