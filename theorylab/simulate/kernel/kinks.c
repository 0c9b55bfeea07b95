/* Events inside a step: crossings of kinks, and fractions that reach 0 or 1. What happens there is in slides.c and held.c.
 *
 * Between events every gate is frozen, so that the field is smooth. An accepted step over which a gate's argument leaves
 * its side is taken again up to the crossing, which is a root of the cubic through both ends, corrected on dense output;
 * there the gates whose arguments vanish are decided anew.
 */

/* u at theta in [0, 1] of a step: the cubic with values u0, u1 and slopes a, b (times the step) at its ends. */
static double cubic(double u0, double u1, double a, double b, double theta) {
    const double rest = 1.0 - theta;
    return u0 * rest * rest * (1.0 + 2.0 * theta) + u1 * theta * theta * (1.0 + 2.0 * rest) +
           theta * rest * (a * rest - b * theta);
}

static double cubic_slope(double u0, double u1, double a, double b, double theta) {
    return 6.0 * (u1 - u0) * theta * (1.0 - theta) + a * (1.0 - theta) * (1.0 - 3.0 * theta) + b * theta * (3.0 * theta - 2.0);
}

/* Where the cubic first leaves the side u >= 0 for more than round-off, or 2; `size` is that of u in the past. *turn is
 * its least interior minimum in absolute value, or infinite. */
static double leaves(double u0, double u1, double a, double b, double size, double *turn) {
    const double round_off = TINY * (size + fabs(u0) + fabs(u1) + fabs(a) + fabs(b));
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
            /* One that has been on the kink from the start is not followed along it. */
            if (low <= 0.0) return u0 <= 0.0 ? 0.0 : left;
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
    for (int i = LAST + 1; i < STAGES; i++) stage(s, job, i, h, s->spare);
    s->extra += lanes & (STAGES - LAST - 1);
    for (int round = 0; round < ROUNDS && any(lanes); round++) {
        for (int d = 0; d < DIM; d++) s->near[d] = s->y[d];
        EACH_LANE if (lanes[lane]) {
            double state[DIM];
            interpolate(s, lane, h[lane], s->t[lane] + (*cut)[lane] * h[lane], state);
            for (int d = 0; d < DIM; d++) s->near[d][lane] = state[d];
        }
        const vec when = s->t + *cut * h;
        if (fractions) flow(s, job, when, s->near, s->spare);
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

/* The lanes `at` that end in the same place whether or not they cross the kink of the gate which[lane], which the attempt
 * to `ahead` comes within `depth` of on the side `home`, or with a fraction of that side: those that the field beyond
 * sends back, and those that it moves as before. The other gates that they slide on keep sliding. */
static ivec sent_back(struct lanes *s, const struct job *job, ivec at, vec when, const vec *ahead, ivec which, vec home, vec depth) {
    struct kinks *k = &s->kinks;
    struct together kept[LANES];
    const ivec sliding = k->sliding;
    memcpy(kept, k->slides, sizeof kept);
    memcpy(k->now, k->next, sizeof k->now);
    EACH_LANE if (at[lane]) {
        struct together *list = &k->slides[lane];
        const int g = which[lane];
        list->count = 0;
        for (int n = 0; n < kept[lane].count; n++)
            if (kept[lane].gate[n] != g) list->gate[list->count++] = kept[lane].gate[n];
        paint(list, k->joint[lane] != 0);
        k->sliding[lane] = -(list->count > 0);
        k->now[g][lane] = home[lane] < 0.0;
        s->extra[lane] += 1 + list->colours;
    }
    flow(s, job, when, ahead, s->spare);
    rates(when, ahead, s->own, job->shared, k->now, s->spare, k->tilted);
    vec length = splat(0.0), jump = splat(0.0);
    for (int d = 0; d < DIM; d++) {
        const vec change = s->spare[d] - s->slope[d], error = absolute(ahead[d]) * job->rtol + job->atol[d];
        length = v_fma(error, error, length);
        jump = v_fma(change, change, jump);
    }
    /* The way back takes depth / speed. */
    ivec found = {0};
    EACH_LANE if (at[lane]) {
        const int g = which[lane];
        const double speed = home[lane] * (k->tilted[g][lane] - k->w_next[g][lane]);
        const double apart = sqrt(jump[lane]), allowed = sqrt(length[lane]);
        found[lane] = -(apart * (s->end[lane] - when[lane]) <= allowed ||
                        (speed > 0.0 && apart * depth[lane] <= FARTHEST * allowed * speed));
    }
    k->sliding = sliding;
    memcpy(k->slides, kept, sizeof kept);
    memcpy(k->now, k->next, sizeof k->now);
    return found;
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
    /* A fraction is known to the tolerance: beyond its bound by less, as near a place of rest, it ends no slide. */
    const double slack = job->rtol;
    ivec flagged = {0};
    if (any(k->sliding)) memset(k->idle, 0, sizeof k->idle);
    EACH_LANE for (int n = 0; n < k->slides[lane].count; n++) {
        const int g = k->slides[lane].gate[n];
        k->idle[g][lane] = -negligible(s, job, lane, g, 0.0, k->matrix[lane][n][n]);
    }
    for (int g = 0; g < GATES; g++) {
        const vec side = k->side[g], u0 = side * k->z[g], u1 = side * k->z_next[g];
        const vec a = side * k->w[g] * h, b = side * k->w_next[g] * h, low = smaller(3.0 * u0 + a, 3.0 * u1 - b);
        const ivec dips = (a < 0.0) & (b > 0.0) & (low < 3.0 * graze * k->size[g]);
        flagged |= (u1 < 0.0) | (low < 0.0) | dips | ((side == 0.0) & ((k->now[g] < -slack) | (k->now[g] > 1.0 + slack)));
    }
    if (any(k->holds))
        for (int g = 0; g < GATES; g++) flagged |= k->held[g] & (absolute(k->z_next[g]) > AWAY * job->rtol * k->size[g]);
    flagged |= over > -TOUCH;
    flagged &= accept & s->busy;
    if (!any(flagged)) return early;
    double depth[LANES][SLIDES];
    int most = 0;
    EACH_LANE if (flagged[lane]) {
        const double step = h[lane];
        const int target = k->landing[lane] ? k->target[lane] : -1;
        int first = -1, touches = 0;
        for (int g = 0; g < GATES; g++) {
            const double side = k->side[g][lane];
            double share = 2.0;
            if (k->held[g][lane]) {
                /* Too far beside its kink for a whole step: it is given up where the step starts. */
                if (fabs(k->z_next[g][lane]) <= AWAY * job->rtol * k->size[g][lane]) continue;
                share = 0.0;
                exact[lane] = 0;
            } else if (side == 0.0) {
                const double old = k->gate[g][lane], now = k->now[g][lane], bound = now > 0.5;
                if (k->idle[g][lane] || (now >= -slack && now <= 1.0 + slack)) continue;
                if (g == target && fabs(now - bound) <= SETTLED) continue;
                share = fmin(fmax((bound - old) / (now - old), 0.0), 1.0);
            } else {
                const double u0 = side * k->z[g][lane], u1 = side * k->z_next[g][lane];
                const double a = side * k->w[g][lane] * step, b = side * k->w_next[g][lane] * step;
                if (u1 >= 0.0 && 3.0 * u0 + a >= 0.0 && 3.0 * u1 - b >= 0.0 && !(a < 0.0 && b > 0.0)) continue;
                if (g == target && fabs(u1) <= NEAR * fabs(b)) continue;
                double turn;
                share = leaves(u0, u1, a, b, k->size[g][lane], &turn);
                if (fabs(turn) <= graze[lane] * k->size[g][lane] && u0 > TINY * k->size[g][lane]) {
                    if (touches == SLIDES) k->grazed[lane] = -1;
                    else depth[lane][touches] = fabs(turn), k->zeros[lane].gate[touches++] = g;
                }
            }
            if (share < (*cut)[lane]) (*cut)[lane] = share, first = g;
        }
        if (over[lane] > -TOUCH && NODES[k->inner[lane]] < (*cut)[lane]) {
            /* A fraction that turns inside the step, perhaps beyond its bound, since between stages it may go further: first
             * up to there. */
            const int g = k->beyond[lane];
            const double ends = fmax(fmax(-k->gate[g][lane], k->gate[g][lane] - 1.0), fmax(-k->now[g][lane], k->now[g][lane] - 1.0));
            const double turn = over[lane] - ends, most = over[lane] + TURN * turn;
            if (turn > 1e-3 * slack && fmin(over[lane] + TOUCH, most + GRAZE * slack) > k->doubt[lane] && !k->landing[lane] && !k->idle[g][lane])
                (*cut)[lane] = NODES[k->inner[lane]], first = g, exact[lane] = 0, k->seen[lane] = over[lane];
        }
        if (first >= 0 && (*cut)[lane] < 2.0) {
            early[lane] = -1;
            k->target[lane] = first;
        }
        k->zeros[lane].count = touches;
        if (touches > most) most = touches;
    }
    for (int n = 0; n < most; n++) {
        ivec at = {0}, which = {0};
        vec home = splat(1.0), within = splat(0.0);
        EACH_LANE if (flagged[lane] && n < k->zeros[lane].count && !k->grazed[lane]) {
            at[lane] = -1;
            which[lane] = k->zeros[lane].gate[n];
            home[lane] = k->side[which[lane]][lane];
            within[lane] = depth[lane][n];
        }
        if (any(at)) k->grazed |= at & ~sent_back(s, job, at, arrived, ahead, which, home, within);
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

/* The lanes whose step ends at a kink. */
static ivec approaches(const struct lanes *s) { return s->kinks.landing; }

/* The size of the next attempt of lanes whose step is taken again up to a kink. */
static void postpone(struct lanes *s, ivec early, vec h, vec cut) {
    struct kinks *k = &s->kinks;
    const ivec again = early & k->landing;
    k->resume = choose(again & ~k->waited, s->h, k->resume);
    k->waited = (k->waited | again) & k->landing;
    s->h = choose(again, cut * h, s->h);
}

static ivec unresolved(const struct lanes *s) { return s->kinks.unresolved; }

/* The lanes that slide, step to a kink, or stand next to one, which is known here alone; so is the value of a gate that
 * rests on its kink, unless it is that of the convention. */
static ivec slides(const struct lanes *s) {
    const struct kinks *k = &s->kinks;
    ivec found = k->sliding | k->landing;
    for (int g = 0; g < GATES; g++) {
        const ivec still = (k->z[g] == 0.0) & (k->w[g] == 0.0);
        found |= (k->side[g] == 0.0) | ichoose(still, k->gate[g] != GATE_AT_ZERO, absolute(k->z[g]) <= BESIDE * k->size[g]);
    }
    return found;
}

/* The step after one that ended before its kink, which is about `rest` away. */
static void hasten(struct kinks *k, int lane, double rest) {
    if (rest > 0.0 && 2.0 * rest < k->resume[lane]) k->resume[lane] = 2.0 * rest;
}

/* Move the end of steps that were shortened to a kink onto it, along the cubic through both ends. */
static void land(struct lanes *s, const struct job *job, ivec accept, vec h, vec *ahead, vec *arrived) {
    struct kinks *k = &s->kinks;
    const ivec lanes = accept & k->landing;
    if (!any(lanes)) return;
    vec rest = splat(0.0), home = splat(1.0);
    ivec turned = {0};
    EACH_LANE if (lanes[lane]) {
        const int g = k->target[lane];
        const double w = k->w_next[g][lane], z = k->z_next[g][lane];
        if (k->side[g][lane] == 0.0) {
            const double speed = (k->next[g][lane] - k->gate[g][lane]) / h[lane];
            const double inside = fmin(k->next[g][lane], 1.0 - k->next[g][lane]);
            if (k->probing[lane]) {
                k->doubt[lane] = fmax(k->doubt[lane], k->seen[lane] + inside);
                turned[lane] = -(inside <= GRAZE * job->rtol && !k->grazed[lane]);
                home[lane] = k->next[g][lane] > 0.5 ? 1.0 : -1.0;
                continue;
            }
            k->here[lane] = -(fabs(k->next[g][lane] - (k->next[g][lane] > 0.5)) <= SETTLED);
            if (!k->here[lane]) hasten(k, lane, ((speed > 0.0) - k->next[g][lane]) / speed);
        } else if (fabs(z) <= fmax(NEAR * h[lane] * fabs(w), TINY * k->size[g][lane])) {
            k->here[lane] = -1;
            /* A kink that is reached at rest is not moved to. */
            if (w != 0.0) rest[lane] = fmin(-z / w, s->end[lane] - (*arrived)[lane]);
        } else hasten(k, lane, -z / w);
    }
    if (any(turned)) k->grazed |= turned & ~sent_back(s, job, turned, *arrived, ahead, k->target, home, splat(0.0));
    const vec step = choose(lanes, h, splat(1.0));
    for (int d = 0; d < DIM; d++) {
        const vec bend = 6.0 * (s->y[d] - ahead[d]) / (step * step) + (2.0 * s->f[d] + 4.0 * s->slope[d]) / step;
        ahead[d] = choose(rest != 0.0, ahead[d] + rest * (s->slope[d] + 0.5 * rest * bend), ahead[d]);
    }
    *arrived += rest;
    if (!any(rest != 0.0)) return;
    /* On the kink but for round-off: beside it the gate would move more than its own argument. */
    for (int round = 0; round < LANDINGS; round++) {
        arguments(*arrived, ahead, s->own, job->shared, k->next, k->probe);
        vec more = splat(0.0);
        EACH_LANE if (rest[lane] != 0.0) {
            const int g = k->target[lane];
            const double left = -k->probe[g][lane] / k->w_next[g][lane];
            if (fabs(left) <= 0.1 * fabs(rest[lane]) && (*arrived)[lane] + left <= s->end[lane]) more[lane] = left;
        }
        if (round + 1 == LANDINGS || !any(more != 0.0)) break;
        for (int d = 0; d < DIM; d++) ahead[d] += more * s->slope[d];
        *arrived += more;
    }
    /* Other gates may vanish there as well. */
    for (int g = 0; g < GATES; g++) k->z_next[g] = choose(rest != 0.0, k->probe[g], k->z_next[g]);
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
    if (any(accept & k->sliding)) hold_idle(s, accept, landed);
    if (any(accept & k->sliding)) settle(s, job, accept & s->busy & ~landed);
    k->doubt *= FADES;
    const ivec strayed = stray(s, job, accept & s->busy);
    if (!any(landed)) return strayed;
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
        released[lane] = -1;
        if (k->held[g][lane]) {
            k->held[g][lane] = 0;
            k->side[g][lane] = k->z_next[g][lane] > 0.0 ? 1.0 : -1.0;
            k->gate[g][lane] = k->z_next[g][lane] > 0.0;
            continue;
        }
        /* It leaves the kink: the fractions of the others are solved for without it. */
        k->left[g][lane] = s->t[lane];
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
    resolve(s, job, landed, released);
    return landed | strayed;
}
