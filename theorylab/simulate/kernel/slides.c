/* What happens at a kink: the field of a trajectory that slides, and which of its gates open, close or slide. */

#define TINY 1e-12      /* of a gate's size or of its change in a step: round-off */
#define NEAR 1e-3       /* of a step: what is left to a kink is covered by the Taylor polynomial */
#define SETTLED 1e-7    /* fractions of sliding gates */
#define BESIDE 1e-6     /* of a gate's size: next to its kink */
#define ROUNDS 30
#define LANDINGS 3
#define PASSES 4
#define CROSSINGS 8
#define NEWTON 10
#define HASTE 1e-6      /* of the time: events that follow each other this soon, ENOUGH of them in a row, have no end */
#define ENOUGH 100      /* also steps: what moves an argument by less than the tolerance in so many does not count */
#define APART 1e-6      /* of what a gate or a rate is made of: two solutions */
#define FARTHEST 100.0  /* tolerances that two ways may lie apart and be one */
#define TOUCH 1e-3      /* of a fraction: how well an inner stage tells it */
#define AWAY 4.0        /* tolerances that a held gate may be from its kink at the end of a step */
#define FADES 0.95      /* what remains after a step of the doubt in inner stages */
#define TURN 4.0        /* of what a stage shows of a turn: how much further it may go */
#define COUPLED 1e-7    /* of what a jump moves in a step: how far beside their kinks gates act on their own arguments alone */

static void reset_gates(struct lanes *s, int lane) {
    struct kinks *k = &s->kinks;
    k->fresh[lane] = s->busy[lane];
    k->landing[lane] = k->waited[lane] = k->here[lane] = k->slid[lane] = k->grazed[lane] = k->sliding[lane] = 0;
    k->unresolved[lane] = k->joint[lane] = k->probing[lane] = k->hasty[lane] = 0;
    k->over[lane] = k->last[lane] = -1.0;
    k->doubt[lane] = k->seen[lane] = 0.0;
    k->slides[lane].count = k->slides[lane].colours = k->zeros[lane].count = k->zeros[lane].colours = 0;
    k->holds[lane] = 0;
    for (int g = 0; g < GATES; g++) k->side[g][lane] = 1.0, k->held[g][lane] = 0, k->left[g][lane] = -INFINITY;
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
            for (int c = j; c < n; c++) a[i][c] = s_fma(-factor, a[best][c], a[i][c]);
            x[i] = s_fma(-factor, x[best], x[i]);
        }
    }
    for (int r = ranks - 1; r >= 0; r--) {
        double sum = x[order[r]];
        for (int c = r + 1; c < ranks; c++) sum = s_fma(-a[order[r]][column[c]], solution[column[c]], sum);
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

/* Whether a gate, by which the rate of its argument changes by `jump`, moves that by less than the tolerance within
 * ENOUGH steps, and the argument stays as near in a step whatever the gate. */
static int negligible(const struct lanes *s, const struct job *job, int lane, int g, double rate, double jump) {
    const double small = job->rtol * s->kinks.size[g][lane];
    return jump != 0.0 && fabs(jump) * ENOUGH * s->h[lane] <= small && fabs(rate) * s->h[lane] <= small;
}

/* Whether a lane slides so far beside a kink, against the jump there, that the gate moves more than its own argument. */
static int beside(const struct lanes *s, const struct job *job, int lane, const struct together *list) {
    const struct kinks *k = &s->kinks;
    for (int i = 0; i < list->count; i++) {
        const int g = list->gate[i];
        const double jump = k->matrix[lane][i][i];
        if (fabs(k->z[g][lane]) > COUPLED * fabs(jump) * s->h[lane] && !negligible(s, job, lane, g, 0.0, jump)) return 1;
    }
    return 0;
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
    /* Gates of several layers multiply each other, and so do those beside their kinks: then one step of Newton's method
     * is not enough. */
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
            if ((DEPTH == 1 || list->count == 1) && !beside(s, job, lane, list)) open[lane] = 0;
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
 * Linear Algebra and its Applications 7 (1973)); a gate that repels does not slide. Returns 0 without a
 * solution. */
static int decide(const struct lanes *s, int lane, const struct together *list, int *side, double *value) {
    const struct kinks *k = &s->kinks;
    const int count = list->count;
    const double (*a)[SLIDES] = k->matrix[lane];
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
        double most = 0.0;
        for (int i = 0; i < count; i++) most = fmax(most, fabs(step[i]));
        for (int i = 0; i < count && wrong < 0; i++) {
            const double old = k->now[list->gate[i]][lane];
            double rate = k->base[list->gate[i]][lane], size = fabs(rate), jumps = 0.0;
            for (int j = 0; j < count; j++) rate += a[i][j] * step[j], size += fabs(a[i][j] * step[j]), jumps += fabs(a[i][j]);
            /* Near a place of rest rates are small, however large the jumps. Where a fraction reaches its bound, the rate of
             * the whole gate is 0 but for the error of the fraction. */
            const double allowed = k->left[list->gate[i]][lane] == s->t[lane] ? 1e-6 * (size + jumps) : 1e-9 * size + 1e-13 * jumps;
            value[i] = old + step[i];
            const double slack = TINY * (most + old);
            if (side[i] == SLIDING ? value[i] < -slack || value[i] > 1.0 + slack : side[i] * rate < -allowed) wrong = i;
        }
        if (wrong < 0) return 1;
        if (side[wrong] == SLIDING) side[wrong] = value[wrong] < 0.0 ? CLOSED : OPEN;
        else side[wrong] = a[wrong][wrong] < 0.0 ? SLIDING : -side[wrong];
    }
    return 0;
}

/* Whether the search ends elsewhere from other sides, so that round-off chose among the solutions: with other rates or,
 * where a gate leaves its kink, with other values of gates that move any argument, since with those it may have stayed. */
static int ambiguous(const struct lanes *s, int lane, const struct together *list, const int *side, const double *value, int leaves) {
    const struct kinks *k = &s->kinks;
    const double (*a)[SLIDES] = k->matrix[lane];
    const int count = list->count;
    double most = 0.0, acts[SLIDES], size[SLIDES];
    for (int i = 0; i < count; i++) acts[i] = 0.0, size[i] = fabs(k->base[list->gate[i]][lane]);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            acts[j] = fmax(acts[j], fabs(a[i][j]));
            size[i] += fabs(a[i][j]);
            most = fmax(most, fabs(a[i][j]));
        }
    for (int start = 0; start < 3; start++) {
        int other[SLIDES];
        double found[SLIDES], change[SLIDES];
        for (int n = 0; n < count; n++) other[n] = start == 0 ? OPEN : start == 1 ? CLOSED : side[n] == OPEN ? CLOSED : OPEN;
        if (!decide(s, lane, list, other, found)) continue;
        for (int n = 0; n < count; n++) {
            const double one = side[n] == SLIDING ? value[n] : side[n] == OPEN, two = other[n] == SLIDING ? found[n] : other[n] == OPEN;
            change[n] = two - one;
            if (leaves && acts[n] > APART * most && fabs(change[n]) > APART) return 1;
        }
        for (int i = 0; i < count; i++) {
            double rate = 0.0;
            for (int j = 0; j < count; j++) rate += a[i][j] * change[j];
            if (fabs(rate) > APART * size[i]) return 1;
        }
    }
    return 0;
}

/* Gates of several layers that vanish together and are all crossed: a gate that closes holds the arguments of later layers
 * at 0, so that the field is not affine in them, and each takes the side that its rate says until none changes. Returns
 * the lanes for which that comes to an end. */
static ivec cross_together(struct lanes *s, const struct job *job, ivec at) {
    struct kinks *k = &s->kinks;
    ivec open = {0}, settled = {0};
    EACH_LANE if (at[lane]) {
        const struct together *list = &k->zeros[lane];
        open[lane] = -(list->count > 1);
        for (int n = 0; n < list->count; n++)
            if (k->side[list->gate[n]][lane] == 0.0) open[lane] = 0;
    }
    if (!any(open)) return settled;
    memcpy(k->probe, k->now, sizeof k->now);
    for (int round = 0; round < CROSSINGS; round++) {
        frozen(s->t, s->y, s->own, job->shared, k->probe, k->tilt);
        rates(s->t, s->y, s->own, job->shared, k->probe, k->tilt, k->tilted);
        EACH_LANE if (open[lane] && !settled[lane]) {
            int changed = 0;
            for (int n = 0; n < k->zeros[lane].count; n++) {
                const int g = k->zeros[lane].gate[n];
                const double rate = k->tilted[g][lane], old = k->probe[g][lane], now = rate > 0.0 ? 1.0 : rate < 0.0 ? 0.0 : old;
                changed |= now != old;
                k->probe[g][lane] = now;
            }
            settled[lane] = -!changed;
            s->extra[lane] += 1;
        }
        if (!any(open & ~settled)) break;
    }
    EACH_LANE if (settled[lane]) for (int n = 0; n < k->zeros[lane].count; n++) {
        const int g = k->zeros[lane].gate[n];
        if (k->tilted[g][lane] != 0.0) k->side[g][lane] = 2.0 * k->probe[g][lane] - 1.0;
    }
    for (int g = 0; g < GATES; g++) {
        k->now[g] = choose(settled, k->probe[g], k->now[g]);
        k->gate[g] = choose(settled, k->probe[g], k->gate[g]);
        k->w[g] = choose(settled, k->tilted[g], k->w[g]);
    }
    for (int d = 0; d < DIM; d++) s->f[d] = choose(settled, k->tilt[d], s->f[d]);
    return settled;
}

/* Decide the gates of the lanes `at` whose arguments vanish. `base` holds the rates at the gates `now`; the field, the
 * rates and the gates at the state are set. */
static void resolve(struct lanes *s, const struct job *job, ivec at, ivec released) {
    struct kinks *k = &s->kinks;
    for (int pass = 0; pass < PASSES; pass++) {
        ivec simple = at;
        EACH_LANE {
            struct together *list = &k->zeros[lane];
            list->count = list->colours = 0;
            /* Those that stand still, such as the gates of a sample of zeros, come last, and may be left out. */
            for (int still = 0; at[lane] && still < 2; still++)
                for (int g = 0; g < GATES; g++) {
                    if (k->held[g][lane] || (k->side[g][lane] != 0.0 && !(fabs(k->z[g][lane]) <= TINY * k->size[g][lane]))) continue;
                    if ((k->side[g][lane] != 0.0 && k->z[g][lane] == 0.0 && k->w[g][lane] == 0.0) != still) continue;
                    if (list->count < SLIDES) list->gate[list->count++] = g;
                    else if (!still) k->unresolved[lane] = -1;
                }
            paint(list, k->joint[lane] != 0);
        }
        if (DEPTH > 1 && pass == 0) {
            at &= ~cross_together(s, job, at & ~k->unresolved);
            if (!any(at)) return;
            EACH_LANE if (!at[lane]) k->zeros[lane].count = k->zeros[lane].colours = 0;
        }
        ivec together = {0};
        EACH_LANE if (at[lane] && k->zeros[lane].count > 1) together[lane] = -1;
        if (pass == 0 && any(together)) {
            /* The rates are those before the last bit of the way to the kink. */
            frozen(s->t, s->y, s->own, job->shared, k->now, s->slope);
            rates(s->t, s->y, s->own, job->shared, k->now, s->slope, k->tilted);
            for (int g = 0; g < GATES; g++) k->base[g] = choose(together, k->tilted[g], k->base[g]);
            s->extra -= together;
        }
        columns(s, job, s->t, s->y, k->zeros);
        EACH_LANE if (at[lane]) {
            const struct together *list = &k->zeros[lane];
            if (hold(s, job, lane)) simple[lane] = 0;
            int side[SLIDES];
            double value[SLIDES];
            for (int n = 0; n < list->count; n++) side[n] = (int)k->side[list->gate[n]][lane];
            if (!decide(s, lane, list, side, value)) k->unresolved[lane] = -1;
            else if (list->count > 1 && ambiguous(s, lane, list, side, value, pass == 0 && released[lane])) k->grazed[lane] = -1;
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
    if (any(zero)) resolve(s, job, zero, isplat(0));
}
