/* Gates: crossings located inside a step, sliding along kinks.
 *
 * Between events every gate is frozen, so that the field is smooth. An accepted step over which a gate's argument leaves
 * its side is taken again up to the crossing, which is a root of the cubic through both ends, corrected on dense output;
 * there the gates whose arguments vanish are decided anew.
 */

#define TINY 1e-12      /* of a gate's size or of its change in a step: round-off */
#define NEAR 1e-3       /* of a step: what is left to a kink is covered by the Taylor polynomial */
#define SETTLED 1e-7    /* fractions of sliding gates */
#define ROUNDS 30
#define PASSES 4
#define NEWTON 10
#define HASTE 1e-6      /* of the time: events that follow each other this soon, ENOUGH of them in a row, have no end */
#define ENOUGH 100
#define TOUCH 1e-3      /* of a fraction: how well an inner stage tells it */

static void reset_gates(struct lanes *s, int lane) {
    struct kinks *k = &s->kinks;
    k->fresh[lane] = s->busy[lane];
    k->landing[lane] = k->waited[lane] = k->here[lane] = k->slid[lane] = k->grazed[lane] = k->sliding[lane] = 0;
    k->unresolved[lane] = k->joint[lane] = k->probing[lane] = k->hasty[lane] = 0;
    k->over[lane] = k->last[lane] = -1.0;
    k->slides[lane].count = k->slides[lane].colours = k->zeros[lane].count = k->zeros[lane].colours = 0;
    for (int g = 0; g < GATES; g++) k->side[g][lane] = 1.0;
}

static void open_gates(struct lanes *s, const struct job *job, ivec at) {
    struct kinks *k = &s->kinks;
    for (int layer = 0; layer < DEPTH; layer++) {
        arguments(s->t, s->y, s->own, job->shared, k->now, k->z_next);
        for (int g = 0; g < GATES; g++) k->now[g] = choose(at, v_step(k->z_next[g], GATE_AT_ZERO), k->now[g]);
    }
    k->sliding &= ~at;
    EACH_LANE if (at[lane]) k->slides[lane].count = k->slides[lane].colours = 0;
}

/* --- the sliding field ----------------------------------------------------------------------------------------- */

/* Solve a x = x in place by elimination with pivots; what the equations leave open is 0. */
static void eliminate(int n, double (*a)[SLIDES], double *x) {
    int used[SLIDES], column[SLIDES], ranks = 0;
    double most = 0.0, solution[SLIDES];
    for (int i = 0; i < n; i++) {
        used[i] = 0;
        solution[i] = 0.0;
        for (int j = 0; j < n; j++) most = fmax(most, fabs(a[i][j]));
    }
    int order[SLIDES];
    for (int j = 0; j < n; j++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!used[i] && (best < 0 || fabs(a[i][j]) > fabs(a[best][j]))) best = i;
        if (best < 0 || !(fabs(a[best][j]) > 1e-12 * most)) continue;
        used[best] = 1;
        order[ranks] = best;
        column[ranks++] = j;
        for (int i = 0; i < n; i++) {
            if (used[i] || a[i][j] == 0.0) continue;
            const double factor = a[i][j] / a[best][j];
            for (int c = j; c < n; c++) a[i][c] -= factor * a[best][c];
            x[i] -= factor * x[best];
        }
    }
    for (int r = ranks - 1; r >= 0; r--) {
        double sum = x[order[r]];
        for (int c = r + 1; c < ranks; c++) sum -= a[order[r]][column[c]] * solution[column[c]];
        solution[column[r]] = sum / a[order[r]][column[r]];
    }
    memcpy(x, solution, n * sizeof(double));
}

/* Give a colour to each gate of a list; gates of one block have different ones. */
static void paint(struct together *list, int joint) {
    list->colours = 0;
    for (int n = 0; n < list->count; n++) {
        int colour = 0;
        for (int m = 0; m < n; m++) colour += joint || BLOCK[list->gate[m]] == BLOCK[list->gate[n]];
        list->colour[n] = colour;
        if (colour >= list->colours) list->colours = colour + 1;
    }
}

static double toggled(double gate) { return gate < 0.5 ? gate + 1.0 : gate - 1.0; }

/* matrix[i][j]: how the rate of gate i of a lane's list grows with gate j; base holds the rates at the gates `now`. */
static void columns(struct lanes *s, const struct job *job, vec t, const vec *state, const struct together *lists) {
    struct kinks *k = &s->kinks;
    int most = 0;
    EACH_LANE {
        if (lists[lane].colours > most) most = lists[lane].colours;
        for (int i = 0; i < lists[lane].count; i++) memset(k->matrix[lane][i], 0, sizeof k->matrix[lane][i]);
    }
    for (int colour = 0; colour < most; colour++) {
        memcpy(k->probe, k->now, sizeof k->now);
        EACH_LANE for (int n = 0; n < lists[lane].count; n++) {
            const int g = lists[lane].gate[n];
            if (lists[lane].colour[n] == colour) k->probe[g][lane] = toggled(k->now[g][lane]);
        }
        frozen(t, state, s->own, job->shared, k->probe, k->tilt);
        rates(t, state, s->own, job->shared, k->probe, k->tilt, k->tilted);
        EACH_LANE for (int j = 0; j < lists[lane].count; j++) {
            if (lists[lane].colour[j] != colour) continue;
            const int g = lists[lane].gate[j];
            for (int i = 0; i < lists[lane].count; i++) {
                const int other = lists[lane].gate[i];
                if (k->joint[lane] || BLOCK[other] == BLOCK[g])
                    k->matrix[lane][i][j] =
                        (k->tilted[other][lane] - k->base[other][lane]) / (k->probe[g][lane] - k->now[g][lane]);
            }
        }
    }
}

/* The field with frozen gates; gates that a trajectory slides on take the fractions that keep their arguments. */
static void flow(struct lanes *s, const struct job *job, vec t, const vec *state, vec *slope) {
    struct kinks *k = &s->kinks;
    /* Always from the same guess, so that no lane depends on how often others evaluate. */
    EACH_LANE for (int i = 0; i < k->slides[lane].count; i++) {
        const int g = k->slides[lane].gate[i];
        k->now[g][lane] = k->gate[g][lane];
    }
    frozen(t, state, s->own, job->shared, k->now, slope);
    if (!any(k->sliding)) return;
    /* Gates of several layers multiply each other, so that one step of Newton's method is not enough. */
    vec most = splat(0.0);
    ivec open = k->sliding;
    for (int n = 0; n < NEWTON && any(open); n++) {
        rates(t, state, s->own, job->shared, k->now, slope, k->base);
        EACH_LANE if (n && open[lane]) {
            double rest = 0.0;
            for (int i = 0; i < k->slides[lane].count; i++) rest = fmax(rest, fabs(k->base[k->slides[lane].gate[i]][lane]));
            if (rest <= 1e-12 * most[lane]) open[lane] = 0;
        }
        if (!any(open)) break;
        columns(s, job, t, state, k->slides);
        EACH_LANE if (open[lane]) {
            const struct together *list = &k->slides[lane];
            double x[SLIDES], a[SLIDES][SLIDES];
            most[lane] = 0.0;
            for (int i = 0; i < list->count; i++) {
                x[i] = -k->base[list->gate[i]][lane];
                for (int j = 0; j < list->count; j++) most[lane] = fmax(most[lane], fabs(k->matrix[lane][i][j]));
            }
            if (DEPTH == 1 || list->count == 1) open[lane] = 0;
            memcpy(a, k->matrix[lane], list->count * sizeof a[0]);
            eliminate(list->count, a, x);
            for (int i = 0; i < list->count; i++) k->now[list->gate[i]][lane] += x[i];
        }
        frozen(t, state, s->own, job->shared, k->now, slope);
    }
}

/* --- decisions at a kink --------------------------------------------------------------------------------------- */

enum { CLOSED = -1, SLIDING = 0, OPEN = 1 };

/* The complementarity problem of kinks.py for one lane by principal pivots, least index first (K. G. Murty,
 * Linear Algebra and its Applications 7 (1973)); a gate that repels does not slide. Returns 0 without a solution. */
static int decide(const struct lanes *s, int lane, const struct together *list, int *side, double *value) {
    const struct kinks *k = &s->kinks;
    const int count = list->count;
    const double (*a)[SLIDES] = k->matrix[lane];
    double allowed[SLIDES];
    for (int i = 0; i < count; i++) {
        allowed[i] = fabs(k->base[list->gate[i]][lane]);
        for (int j = 0; j < count; j++) allowed[i] += fabs(a[i][j]);
        allowed[i] *= 1e-6;
    }
    for (int pivots = 0; pivots < 20 + 10 * count; pivots++) {
        double step[SLIDES], small[SLIDES][SLIDES], x[SLIDES];
        int inner[SLIDES], inners = 0, wrong = -1;
        for (int i = 0; i < count; i++) {
            const double old = k->now[list->gate[i]][lane];
            step[i] = side[i] == SLIDING ? 0.0 : (side[i] == OPEN) - old;
            if (side[i] == SLIDING) inner[inners++] = i;
        }
        for (int n = 0; n < inners; n++) {
            x[n] = -k->base[list->gate[inner[n]]][lane];
            for (int j = 0; j < count; j++) x[n] -= a[inner[n]][j] * step[j];
            for (int m = 0; m < inners; m++) small[n][m] = a[inner[n]][inner[m]];
        }
        eliminate(inners, small, x);
        for (int n = 0; n < inners; n++) step[inner[n]] = x[n];
        for (int i = 0; i < count && wrong < 0; i++) {
            double rate = k->base[list->gate[i]][lane];
            for (int j = 0; j < count; j++) rate += a[i][j] * step[j];
            value[i] = k->now[list->gate[i]][lane] + step[i];
            if (side[i] == SLIDING ? value[i] < -1e-12 || value[i] > 1.0 + 1e-12 : side[i] * rate < -allowed[i]) wrong = i;
        }
        if (wrong < 0) return 1;
        if (side[wrong] == SLIDING) side[wrong] = value[wrong] < 0.0 ? CLOSED : OPEN;
        else side[wrong] = a[wrong][wrong] < 0.0 ? SLIDING : -side[wrong];
    }
    return 0;
}

/* Decide the gates of the lanes `at` whose arguments vanish. `base` holds the rates at the gates `now`; the field, the
 * rates and the gates at the state are set. */
static void resolve(struct lanes *s, const struct job *job, ivec at) {
    struct kinks *k = &s->kinks;
    for (int pass = 0; pass < PASSES; pass++) {
        ivec simple = at;
        EACH_LANE {
            struct together *list = &k->zeros[lane];
            list->count = list->colours = 0;
            for (int g = 0; at[lane] && g < GATES; g++) {
                if (k->side[g][lane] != 0.0 && !(fabs(k->z[g][lane]) <= TINY * k->size[g][lane])) continue;
                if (list->count < SLIDES) list->gate[list->count++] = g;
                else k->unresolved[lane] = -1;
            }
            paint(list, k->joint[lane] != 0);
        }
        columns(s, job, s->t, s->y, k->zeros);
        EACH_LANE if (at[lane]) {
            const struct together *list = &k->zeros[lane];
            int side[SLIDES];
            double value[SLIDES];
            for (int n = 0; n < list->count; n++) side[n] = (int)k->side[list->gate[n]][lane];
            if (!decide(s, lane, list, side, value)) k->unresolved[lane] = -1;
            struct together *slides = &k->slides[lane];
            slides->count = 0;
            for (int n = 0; n < list->count; n++) {
                const int g = list->gate[n];
                if (side[n] == SLIDING) slides->gate[slides->count++] = g;
                if (side[n] != SLIDING) value[n] = side[n] == OPEN;
                if (value[n] != k->probe[g][lane] || list->colours > 1) simple[lane] = 0;
                k->side[g][lane] = side[n];
                k->now[g][lane] = value[n];
            }
            if (!list->count) simple[lane] = 0;
            s->extra[lane] += list->colours + 1;
            paint(slides, k->joint[lane] != 0);
            k->sliding[lane] = -(slides->count > 0);
            k->slid[lane] |= k->sliding[lane];
        }
        /* Where one gate crossed, the field and the rates behind the kink are those of its column. */
        const int known = !any(at & ~simple);
        const vec *slope = known ? k->tilt : s->slope, *rate = known ? k->tilted : k->base;
        if (!known) {
            for (int g = 0; g < GATES; g++) k->gate[g] = choose(at, k->now[g], k->gate[g]);
            flow(s, job, s->t, s->y, s->slope);
            rates(s->t, s->y, s->own, job->shared, k->now, s->slope, k->base);
        }
        ivec again = {0};
        for (int g = 0; g < GATES; g++) {
            k->w[g] = choose(at, rate[g], k->w[g]);
            k->gate[g] = choose(at, k->now[g], k->gate[g]);
        }
        for (int d = 0; d < DIM; d++) s->f[d] = choose(at, slope[d], s->f[d]);
        EACH_LANE if (k->sliding[lane] && at[lane]) {
            double most = 0.0, rest = 0.0;
            const struct together *list = &k->zeros[lane];
            for (int i = 0; i < list->count; i++) {
                const double w = rate[list->gate[i]][lane], side = k->side[list->gate[i]][lane];
                rest = fmax(rest, side == 0.0 ? fabs(w) : -1e-3 * side * w);
                for (int j = 0; j < list->count; j++) most = fmax(most, fabs(k->matrix[lane][i][j]));
            }
            again[lane] = -(rest > 1e-6 * most);
        }
        if (!any(again)) return;
        /* Columns of different blocks are coupled, or the field is not affine in the gates: once more from here. */
        k->joint |= again;
        at = again & ~k->unresolved;
        if (!any(at)) return;
    }
    k->unresolved |= at;
}

/* Set the gates of lanes that hold a new trial. */
static void begin(struct lanes *s, const struct job *job) {
    struct kinks *k = &s->kinks;
    const ivec at = k->fresh;
    if (!any(at)) return;
    open_gates(s, job, at);
    arguments(s->t, s->y, s->own, job->shared, k->now, k->z_next);
    rates(s->t, s->y, s->own, job->shared, k->now, s->f, k->base);
    ivec zero = {0};
    for (int g = 0; g < GATES; g++) {
        const ivec none = k->z_next[g] == 0.0;
        k->z[g] = choose(at, k->z_next[g], k->z[g]);
        k->w[g] = choose(at, k->base[g], k->w[g]);
        k->size[g] = choose(at, absolute(k->z[g]), k->size[g]);
        k->gate[g] = choose(at, k->now[g], k->gate[g]);
        /* On a kink the convention says where the trajectory comes from. */
        const vec from = choose(none, choose(k->base[g] == 0.0, 2.0 * k->now[g] - 1.0, v_sign(k->base[g])), k->z[g]);
        k->side[g] = choose(at, choose(from >= 0.0, splat(1.0), splat(-1.0)), k->side[g]);
        zero |= at & none;
    }
    k->fresh = isplat(0);
    if (any(zero)) resolve(s, job, zero);
}

/* --- events inside a step -------------------------------------------------------------------------------------- */

/* u at theta in [0, 1] of a step: the cubic with values u0, u1 and slopes a, b (times the step) at its ends. */
static double cubic(double u0, double u1, double a, double b, double theta) {
    const double rest = 1.0 - theta;
    return u0 * rest * rest * (1.0 + 2.0 * theta) + u1 * theta * theta * (1.0 + 2.0 * rest) +
           theta * rest * (a * rest - b * theta);
}

static double cubic_slope(double u0, double u1, double a, double b, double theta) {
    return 6.0 * (u1 - u0) * theta * (1.0 - theta) + a * (1.0 - theta) * (1.0 - 3.0 * theta) + b * theta * (3.0 * theta - 2.0);
}

/* Where the cubic first leaves the side u >= 0 for more than round-off, or 2. *turn is its least interior minimum in
 * absolute value, or infinite. */
static double leaves(double u0, double u1, double a, double b, double *turn) {
    const double round_off = TINY * (fabs(u0) + fabs(u1) + fabs(a) + fabs(b));
    double ends[4] = {0.0, 1.0, 1.0, 1.0};
    int count = 1;
    /* The slope is p theta^2 + q theta + a. */
    const double p = 6.0 * (u0 - u1) + 3.0 * (a + b), q = 6.0 * (u1 - u0) - 4.0 * a - 2.0 * b;
    const double disc = q * q - 4.0 * p * a;
    *turn = INFINITY;
    if (disc > 0.0) {
        const double r = -0.5 * (q + (q < 0.0 ? -sqrt(disc) : sqrt(disc)));
        double first = r / p, second = a / r;
        if (!(first <= second)) {
            const double swap = first;
            first = second;
            second = swap;
        }
        if (first > 0.0 && first < 1.0) ends[count++] = first;
        if (second > 0.0 && second < 1.0 && second != first) ends[count++] = second;
    }
    ends[count] = 1.0;
    for (int n = 1; n < count; n++) {
        const double value = cubic(u0, u1, a, b, ends[n]);
        if (value < fmin(u0, u1) && fabs(value) < fabs(*turn)) *turn = value;
    }
    double low = u0;
    for (int n = 1; n <= count; n++) {
        const double value = n == count ? u1 : cubic(u0, u1, a, b, ends[n]);
        if (value < -round_off && value < low) {
            double left = ends[n - 1], right = ends[n];
            if (low <= 0.0) return left;
            for (int i = 0; i < 40 && right - left > 1e-9; i++) {
                const double middle = 0.5 * (left + right);
                if (cubic(u0, u1, a, b, middle) > 0.0) left = middle;
                else right = middle;
            }
            return 0.5 * (left + right);
        }
        low = value;
    }
    return 2.0;
}

/* Correct the shares `cut` of the step at which lanes meet their targets, on dense output. */
static void refine(struct lanes *s, const struct job *job, ivec lanes, vec h, vec *cut) {
    struct kinks *k = &s->kinks;
    double left[LANES], right[LANES], at_left[LANES], at_right[LANES];
    int fractions = 0, searching = 0;
    EACH_LANE if (lanes[lane]) {
        const int g = k->target[lane];
        const double side = k->side[g][lane];
        left[lane] = 0.0;
        right[lane] = 1.0;
        searching = 1;
        if (side == 0.0) {
            const double bound = k->next[g][lane] > 0.5, sign = 1.0 - 2.0 * bound;
            at_left[lane] = sign * (k->gate[g][lane] - bound);
            at_right[lane] = sign * (k->next[g][lane] - bound);
            if (at_left[lane] <= 0.0) lanes[lane] = 0, (*cut)[lane] = 0.0;
            fractions = 1;
        }
    }
    if (!searching) return;
    for (int i = LAST + 1; i < STAGES; i++) stage(s, job, i, h, s->spare[0], s->spare[1]);
    s->extra += lanes & (STAGES - LAST - 1);
    for (int round = 0; round < ROUNDS && any(lanes); round++) {
        for (int d = 0; d < DIM; d++) s->near[d] = s->y[d];
        EACH_LANE if (lanes[lane]) {
            double state[DIM];
            interpolate(s, lane, h[lane], s->t[lane] + (*cut)[lane] * h[lane], state);
            for (int d = 0; d < DIM; d++) s->near[d][lane] = state[d];
        }
        const vec when = s->t + *cut * h;
        if (fractions) flow(s, job, when, s->near, s->spare[0]);
        arguments(when, s->near, s->own, job->shared, k->now, k->probe);
        EACH_LANE if (lanes[lane]) {
            const int g = k->target[lane];
            const double side = k->side[g][lane], share = (*cut)[lane];
            double moved;
            if (side == 0.0) {
                /* Regula falsi, the Illinois way. */
                const double bound = k->next[g][lane] > 0.5, sign = 1.0 - 2.0 * bound;
                const double value = sign * (k->now[g][lane] - bound);
                if (value > 0.0) left[lane] = share, at_left[lane] = value, at_right[lane] *= round ? 0.5 : 1.0;
                else right[lane] = share, at_right[lane] = value, at_left[lane] *= round ? 0.5 : 1.0;
                moved = left[lane] + (right[lane] - left[lane]) * at_left[lane] / (at_left[lane] - at_right[lane]);
                if (fabs(value) < 0.1 * SETTLED) moved = share;
            } else {
                const double u0 = side * k->z[g][lane], u1 = side * k->z_next[g][lane];
                const double a = side * k->w[g][lane] * h[lane], b = side * k->w_next[g][lane] * h[lane];
                const double slope = cubic_slope(u0, u1, a, b, share);
                moved = slope < 0.0 ? share - side * k->probe[g][lane] / slope : share;
            }
            if (!(moved > 0.0 && moved <= 1.0)) moved = share;
            if (fabs(moved - share) <= 1e-9 * share) lanes[lane] = 0;
            (*cut)[lane] = moved;
        }
    }
}

/* Keep the largest excess of a fraction among the inner stages of a step, and count what the stage cost. */
static void note(struct lanes *s, int i) {
    struct kinks *k = &s->kinks;
    if (!any(k->sliding) || i > LAST) return;
    EACH_LANE if (k->sliding[lane]) s->extra[lane] += 1 + k->slides[lane].colours;
    if (NODES[i] >= 1.0) return;
    EACH_LANE for (int n = 0; n < k->slides[lane].count; n++) {
        const int g = k->slides[lane].gate[n];
        const double over = fmax(-k->now[g][lane], k->now[g][lane] - 1.0);
        if (over > k->over[lane]) k->over[lane] = over, k->inner[lane] = i, k->beyond[lane] = g;
    }
}

/* The lanes whose accepted step meets a kink too early, with the share of the step up to it. */
static ivec shorten(struct lanes *s, const struct job *job, ivec accept, vec h, const vec *ahead, vec arrived, vec *cut) {
    struct kinks *k = &s->kinks;
    arguments(arrived, ahead, s->own, job->shared, k->now, k->z_next);
    rates(arrived, ahead, s->own, job->shared, k->now, s->slope, k->w_next);
    memcpy(k->next, k->now, sizeof k->now);
    ivec early = {0}, exact = isplat(-1);
    const vec over = k->over;
    *cut = splat(2.0);
    k->over = splat(-1.0);
    k->here &= ~accept;
    const vec graze = splat(GRAZE * job->rtol);
    ivec flagged = {0};
    for (int g = 0; g < GATES; g++) {
        const vec side = k->side[g], u0 = side * k->z[g], u1 = side * k->z_next[g];
        const vec a = side * k->w[g] * h, b = side * k->w_next[g] * h, low = smaller(3.0 * u0 + a, 3.0 * u1 - b);
        const ivec dips = (a < 0.0) & (b > 0.0) & (low < 3.0 * graze * k->size[g]);
        flagged |= (u1 < 0.0) | (low < 0.0) | dips | ((side == 0.0) & ((k->now[g] < 0.0) | (k->now[g] > 1.0)));
    }
    flagged |= over > -TOUCH;
    flagged &= accept;
    if (!any(flagged)) return early;
    EACH_LANE if (flagged[lane]) {
        const double step = h[lane];
        const int target = k->landing[lane] ? k->target[lane] : -1;
        int first = -1;
        for (int g = 0; g < GATES; g++) {
            const double side = k->side[g][lane];
            double share = 2.0;
            if (side == 0.0) {
                const double old = k->gate[g][lane], new = k->now[g][lane], bound = new > 0.5;
                if (new >= 0.0 && new <= 1.0) continue;
                if (g == target && fabs(new - bound) <= SETTLED) continue;
                share = fmin(fmax((bound - old) / (new - old), 0.0), 1.0);
            } else {
                const double u0 = side * k->z[g][lane], u1 = side * k->z_next[g][lane];
                const double a = side * k->w[g][lane] * step, b = side * k->w_next[g][lane] * step;
                if (u1 >= 0.0 && 3.0 * u0 + a >= 0.0 && 3.0 * u1 - b >= 0.0 && !(a < 0.0 && b > 0.0)) continue;
                if (g == target && fabs(u1) <= NEAR * fabs(b)) continue;
                double turn;
                share = leaves(u0, u1, a, b, &turn);
                if (fabs(turn) <= graze[lane] * k->size[g][lane] && u0 > TINY * k->size[g][lane]) k->grazed[lane] = -1;
            }
            if (share < (*cut)[lane]) (*cut)[lane] = share, first = g;
        }
        if (over[lane] > -TOUCH && NODES[k->inner[lane]] < (*cut)[lane]) {
            /* A fraction that turns inside the step, perhaps beyond its bound: first up to there. */
            const int g = k->beyond[lane];
            const double ends = fmax(fmax(-k->gate[g][lane], k->gate[g][lane] - 1.0), fmax(-k->now[g][lane], k->now[g][lane] - 1.0));
            if (over[lane] > ends && !k->landing[lane]) (*cut)[lane] = NODES[k->inner[lane]], first = g, exact[lane] = 0;
        }
        if (first >= 0 && (*cut)[lane] < 2.0) {
            early[lane] = -1;
            k->target[lane] = first;
        }
    }
    if (!any(early)) return early;
    refine(s, job, early & exact, h, cut);
    /* A kink closer than time can resolve is met where the lane stands. */
    const ivec at_once = early & (*cut * h <= 8.0 * smallest_step(s->t));
    k->here |= at_once;
    k->landing = (k->landing | early) & ~at_once;
    k->probing = (k->probing & ~early) | (early & ~exact);
    return early;
}

/* How much of what is left of the time a step may exceed; a step to a kink ends there. */
static vec stretch(const struct lanes *s) { return choose(s->kinks.landing, splat(1.0), splat(STRETCH)); }

/* The size of the next attempt of lanes whose step is taken again up to a kink. */
static void postpone(struct lanes *s, ivec early, vec h, vec cut) {
    struct kinks *k = &s->kinks;
    const ivec again = early & k->landing;
    k->resume = choose(again & ~k->waited, s->h, k->resume);
    k->waited = (k->waited | again) & k->landing;
    s->h = choose(again, cut * h, s->h);
}

static ivec unresolved(const struct lanes *s) { return s->kinks.unresolved; }

/* The step after one that ended before its kink, which is about `rest` away. */
static void hasten(struct kinks *k, int lane, double rest) {
    if (rest > 0.0 && 2.0 * rest < k->resume[lane]) k->resume[lane] = 2.0 * rest;
}

/* Move the end of steps that were shortened to a kink onto it, along the cubic through both ends. */
static void land(struct lanes *s, const struct job *job, ivec accept, vec h, vec *ahead, vec *arrived) {
    struct kinks *k = &s->kinks;
    const ivec lanes = accept & k->landing;
    if (!any(lanes)) return;
    vec rest = splat(0.0);
    EACH_LANE if (lanes[lane]) {
        const int g = k->target[lane];
        const double w = k->w_next[g][lane], z = k->z_next[g][lane];
        if (k->side[g][lane] == 0.0) {
            const double speed = (k->next[g][lane] - k->gate[g][lane]) / h[lane];
            const double inside = fmin(k->next[g][lane], 1.0 - k->next[g][lane]);
            if (k->probing[lane]) {
                if (inside <= GRAZE * job->rtol) k->grazed[lane] = -1;
                continue;
            }
            k->here[lane] = -(fabs(k->next[g][lane] - (k->next[g][lane] > 0.5)) <= SETTLED);
            if (!k->here[lane]) hasten(k, lane, ((speed > 0.0) - k->next[g][lane]) / speed);
        } else if (fabs(z) <= NEAR * h[lane] * fabs(w)) {
            k->here[lane] = -1;
            rest[lane] = fmin(-z / w, s->end[lane] - (*arrived)[lane]);
        } else hasten(k, lane, -z / w);
    }
    const vec step = choose(lanes, h, splat(1.0));
    for (int d = 0; d < DIM; d++) {
        const vec bend = 6.0 * (s->y[d] - ahead[d]) / (step * step) + (2.0 * s->f[d] + 4.0 * s->slope[d]) / step;
        ahead[d] = choose(rest != 0.0, ahead[d] + rest * (s->slope[d] + 0.5 * rest * bend), ahead[d]);
    }
    *arrived += rest;
}

/* Take over the gates at the end of accepted steps; decide those of the lanes that stand on a kink. */
static ivec arrive(struct lanes *s, const struct job *job, ivec accept) {
    struct kinks *k = &s->kinks;
    const ivec landed = k->here & s->busy;
    ivec released = {0};
    for (int g = 0; g < GATES; g++) {
        k->gate[g] = choose(accept, k->next[g], k->gate[g]);
        k->z[g] = choose(accept, k->z_next[g], k->z[g]);
        k->w[g] = choose(accept, k->w_next[g], k->w[g]);
        k->size[g] = choose(accept, larger(k->size[g], absolute(k->z_next[g])), k->size[g]);
    }
    s->h = choose(accept & k->landing, k->resume, s->h);
    k->landing &= ~accept;
    k->waited &= k->landing;
    k->here = isplat(0);
    if (!any(landed)) return landed;
    EACH_LANE if (landed[lane]) {
        const int g = k->target[lane];
        k->hasty[lane] = s->t[lane] - k->last[lane] <= HASTE * fabs(s->t[lane]) ? k->hasty[lane] + 1 : 0;
        if (k->hasty[lane] > ENOUGH) k->unresolved[lane] = -1;
        k->last[lane] = s->t[lane];
        if (k->side[g][lane] != 0.0) {
            /* It crosses unless the rate behind the kink sends it back. */
            k->z[g][lane] = 0.0;
            k->side[g][lane] = -k->side[g][lane];
            continue;
        }
        /* It leaves the kink: the fractions of the others are solved for without it. */
        released[lane] = -1;
        k->gate[g][lane] = k->gate[g][lane] > 0.5;
        k->side[g][lane] = 2.0 * k->gate[g][lane] - 1.0;
        struct together *slides = &k->slides[lane];
        int kept = 0;
        for (int n = 0; n < slides->count; n++)
            if (slides->gate[n] != g) slides->gate[kept++] = slides->gate[n];
        slides->count = kept;
        paint(slides, k->joint[lane] != 0);
        k->sliding[lane] = -(kept > 0);
    }
    for (int g = 0; g < GATES; g++) {
        k->now[g] = choose(landed, k->gate[g], k->now[g]);
        k->base[g] = k->w[g];
    }
    if (any(released)) {
        flow(s, job, s->t, s->y, s->slope);
        rates(s->t, s->y, s->own, job->shared, k->now, s->slope, k->base);
        for (int g = 0; g < GATES; g++) {
            k->base[g] = choose(released, k->base[g], k->w[g]);
            k->now[g] = choose(landed & ~released, k->gate[g], k->now[g]);
        }
    }
    resolve(s, job, landed);
    return landed;
}
