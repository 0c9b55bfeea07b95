/* A Rosenbrock method: Cholesky factors where the matrix is symmetric and positive definite, else elimination. */

#define DAMPS 1

static vec largest_step(const struct lanes *s) { return splat(INFINITY); }

/* The lower triangle of 1 / (gamma h) - J, or all of it. Cholesky's method sees where an entry of J is not finite;
 * elimination would take 1 / inf for 0, and the step for one of a field that vanishes: the diagonal is no number then. */
static void fill(struct lanes *s, const struct job *job, vec diagonal, int whole) {
    struct method *m = &s->method;
    vec zero = splat(0.0);
#if WRITTEN
    vec *entries = whole ? m->square[0] : m->lower;
    jacobian(s->t, s->y, s->own, job->shared, entries);
    for (int i = 0; i < (SYMMETRIC ? PACKED : DIM * DIM); i++) entries[i] = -entries[i];
    if (SYMMETRIC && whole) {
        /* Backwards, no entry of the triangle is overwritten before it has moved. */
        for (int i = DIM - 1; i >= 0; i--)
            for (int j = i; j >= 0; j--) m->square[i][j] = entries[ROW(i) + j];
        for (int i = 0; i < DIM; i++)
            for (int j = 0; j < i; j++) m->square[j][i] = m->square[i][j];
    }
#else
    for (int j = 0; j < DIM; j++) {
        m->unit[j] = splat(-1.0);
        tangent(s->t, s->y, s->own, job->shared, m->unit, m->other);
        m->unit[j] = splat(0.0);
        if (whole)
            for (int i = 0; i < DIM; i++) m->square[i][j] = m->other[i];
        else
            for (int i = j; i < DIM; i++) m->lower[ROW(i) + j] = m->other[i];
    }
#endif
    if (whole)
        for (int i = 0; i < DIM; i++)
            for (int j = 0; j < DIM; j++) zero += 0.0 * m->square[i][j];
    diagonal += zero;
    for (int i = 0; i < DIM; i++) *(whole ? &m->square[i][i] : &m->lower[ROW(i) + i]) += diagonal;
}

static void advance(struct lanes *s, const struct job *job, vec h) {
    struct method *m = &s->method;
    const vec diagonal = 1.0 / (GAMMA * h), per_step = 1.0 / h;
    ivec fine = isplat(0);
    if (SYMMETRIC) {
        fill(s, job, diagonal, 0);
        fine = cholesky(m->lower, m->inverse);
    }
    const int rest = any(s->busy & ~fine);
    if (rest) {
        fill(s, job, diagonal, 1);
        eliminate(m->square, m->pivot);
    }
    if (!AUTONOMOUS) change(s->t, s->y, s->own, job->shared, m->clock);
    s->evaluations += STAGES;

    for (int i = 0; i < STAGES; i++) {
        vec *k = m->k[i];
        const vec *slope = s->f;
        if (i) {
            for (int d = 0; d < DIM; d++) {
                vec sum = s->y[d];
                for (int j = 0; j < i; j++) sum = v_fma(splat(MATRIX[i][j]), m->k[j][d], sum);
                m->state[d] = sum;
            }
            field(s->t + NODES[i] * h, m->state, s->own, job->shared, s->slope);
            slope = s->slope;
        }
        for (int d = 0; d < DIM; d++) {
            vec sum = splat(0.0);
            for (int j = 0; j < i; j++) sum = v_fma(splat(COUPLING[i][j]), m->k[j][d], sum);
            k[d] = v_fma(sum, per_step, slope[d]);
        }
        if (!AUTONOMOUS)
            for (int d = 0; d < DIM; d++) k[d] += h * SHIFTS[i] * m->clock[d];
        if (rest) {
            memcpy(m->other, k, sizeof m->other);
            eliminated_solve(m->square, m->pivot, m->other);
        }
        if (SYMMETRIC) cholesky_solve(m->lower, m->inverse, k);
        if (rest)
            for (int d = 0; d < DIM; d++) k[d] = choose(fine, k[d], m->other[d]);
    }
    /* The last stage started from the embedded solution. */
    for (int d = 0; d < DIM; d++) {
        s->estimate[d] = m->k[STAGES - 1][d];
        s->ahead[d] = m->state[d] + s->estimate[d];
    }
    field(s->t + h, s->ahead, s->own, job->shared, s->slope);
}
