/* Gates that do not count: what they do moves their arguments by less than the tolerance within many steps, as where a
 * trajectory comes to rest. They are held, since their fractions are round-off, until their arguments have moved away.
 */

/* Hold the gates of a list that are negligible: what slides there is round-off. Others of the list see them as they are.
 * Returns whether there are any. */
static int hold(struct lanes *s, const struct job *job, int lane) {
    struct kinks *k = &s->kinks;
    struct together *list = &k->zeros[lane];
    int kept = 0, from[SLIDES];
    for (int n = 0; n < list->count; n++) {
        const int g = list->gate[n];
        if (negligible(s, job, lane, g, k->base[g][lane], k->matrix[lane][n][n])) {
            k->held[g][lane] = k->holds[lane] = -1;
            k->side[g][lane] = 0.0;
            k->now[g][lane] = fmin(fmax(k->now[g][lane], 0.0), 1.0);
        } else from[kept++] = n;
    }
    if (kept == list->count) return 0;
    for (int i = 0; i < kept; i++) {
        list->gate[i] = list->gate[from[i]];
        for (int j = 0; j < kept; j++) k->matrix[lane][i][j] = k->matrix[lane][from[i]][from[j]];
    }
    list->count = kept;
    return 1;
}

/* Hold the gates that are idle at the end of accepted steps, but for those whose kinks or bounds lanes have landed on. */
static void hold_idle(struct lanes *s, ivec accept, ivec landed) {
    struct kinks *k = &s->kinks;
    EACH_LANE if (accept[lane] && k->sliding[lane]) {
        struct together *slides = &k->slides[lane];
        int kept = 0;
        for (int n = 0; n < slides->count; n++) {
            const int g = slides->gate[n];
            if (k->idle[g][lane] && !(k->target[lane] == g && landed[lane])) {
                k->held[g][lane] = k->holds[lane] = -1;
                k->gate[g][lane] = fmin(fmax(k->gate[g][lane], 0.0), 1.0);
            } else slides->gate[kept++] = g;
        }
        if (kept == slides->count) continue;
        slides->count = kept;
        paint(slides, k->joint[lane] != 0);
        k->sliding[lane] = -(kept > 0);
    }
}

/* Held gates whose arguments are more than a tolerance away from 0 take the values of their sides; returns their lanes. */
static ivec stray(struct lanes *s, const struct job *job, ivec accept) {
    struct kinks *k = &s->kinks;
    ivec strayed = {0};
    if (!any(accept & k->holds)) return strayed;
    for (int g = 0; g < GATES; g++) {
        const ivec out = accept & k->held[g] & (absolute(k->z[g]) > job->rtol * k->size[g]);
        k->held[g] &= ~out;
        k->side[g] = choose(out, v_sign(k->z[g]), k->side[g]);
        k->gate[g] = choose(out, choose(k->z[g] > 0.0, splat(1.0), splat(0.0)), k->gate[g]);
        strayed |= out;
    }
    if (!any(strayed)) return strayed;
    memcpy(k->now, k->gate, sizeof k->now);
    flow(s, job, s->t, s->y, s->slope);
    rates(s->t, s->y, s->own, job->shared, k->now, s->slope, k->base);
    for (int g = 0; g < GATES; g++) {
        k->w[g] = choose(strayed, k->base[g], k->w[g]);
        k->gate[g] = choose(strayed, k->now[g], k->gate[g]);
    }
    for (int d = 0; d < DIM; d++) s->f[d] = choose(strayed, s->slope[d], s->f[d]);
    EACH_LANE if (strayed[lane]) s->extra[lane] += 1 + k->slides[lane].colours;
    return strayed;
}

/* Move lanes that slide beside their kinks onto them, along the jumps. Not further than whole jumps at once. */
static void settle(struct lanes *s, const struct job *job, ivec lanes) {
    struct kinks *k = &s->kinks;
    ivec off = {0};
    EACH_LANE if (lanes[lane] && k->sliding[lane]) off[lane] = -beside(s, job, lane, &k->slides[lane]);
    if (!any(off)) return;
    memcpy(k->now, k->gate, sizeof k->now);
    rates(s->t, s->y, s->own, job->shared, k->now, s->f, k->base);
    columns(s, job, s->t, s->y, k->slides);
    memcpy(k->probe, k->gate, sizeof k->probe);
    EACH_LANE if (off[lane]) {
        const struct together *list = &k->slides[lane];
        double x[SLIDES], a[SLIDES][SLIDES], most = 1.0;
        memcpy(a, k->matrix[lane], list->count * sizeof a[0]);
        for (int i = 0; i < list->count; i++) x[i] = -k->z[list->gate[i]][lane];
        eliminate(list->count, a, x);
        for (int i = 0; i < list->count; i++) most = fmax(most, fabs(x[i]));
        for (int i = 0; i < list->count; i++) k->probe[list->gate[i]][lane] += x[i] / most;
        s->extra[lane] += 2 + 2 * list->colours;
    }
    frozen(s->t, s->y, s->own, job->shared, k->probe, k->tilt);
    for (int d = 0; d < DIM; d++) s->y[d] = choose(off, s->y[d] + (k->tilt[d] - s->f[d]), s->y[d]);
    flow(s, job, s->t, s->y, s->slope);
    arguments(s->t, s->y, s->own, job->shared, k->now, k->probe);
    rates(s->t, s->y, s->own, job->shared, k->now, s->slope, k->base);
    for (int g = 0; g < GATES; g++) {
        k->gate[g] = choose(off, k->now[g], k->gate[g]);
        k->z[g] = choose(off, k->probe[g], k->z[g]);
        k->w[g] = choose(off, k->base[g], k->w[g]);
    }
    for (int d = 0; d < DIM; d++) s->f[d] = choose(off, s->slope[d], s->f[d]);
}
