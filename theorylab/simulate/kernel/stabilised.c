/* A family of stabilised methods: the number of stages is chosen by step times spectral radius, for each lane. */

#define DAMPS 0

static vec largest_step(const struct lanes *s) {
    return choose(s->radius > 0.0, INTERVALS[MEMBERS - 1] / (RADIUS_SAFETY * s->radius), splat(INFINITY));
}

static inline vec of_lanes(const double *table, int width, ivec member, int column) {
    vec x;
    EACH_LANE x[lane] = table[member[lane] * width + column];
    return x;
}

#define FINISH_OF(column) of_lanes(FINISH[0], 20, member, column)

static void advance(struct lanes *s, const struct job *job, vec h) {
    struct method *m = &s->method;
    ivec member, first, length;
    long longest = 0;
    EACH_LANE {
        const double wanted = RADIUS_SAFETY * s->radius[lane] * h[lane];
        long i = 0;
        while (i < MEMBERS - 1 && INTERVALS[i] < wanted) i++;
        member[lane] = i;
        first[lane] = FIRSTS[i];
        length[lane] = FIRSTS[i + 1] - FIRSTS[i];
        if (s->busy[lane] && length[lane] > longest) longest = length[lane];
    }
    s->evaluations += length + 4;

    const vec *before = s->y, *now = s->y;
    vec *room[3] = {m->state[0], m->state[1], m->state[2]};
    for (long j = 0; j < longest; j++) {
        const ivec on = j < length;
        vec mu = splat(0.0), nu = splat(1.0), node = splat(0.0);
        EACH_LANE if (on[lane]) {
            mu[lane] = MU[first[lane] + j] * h[lane];
            nu[lane] = NU[first[lane] + j];
            node[lane] = NODES[first[lane] + j];
        }
        const vec *slope = s->f;
        if (j) {
            field(s->t + node * h, now, s->own, job->shared, s->slope);
            slope = s->slope;
        }
        vec *next = room[j % 3];
        const vec rest = 1.0 - nu;
        for (int d = 0; d < DIM; d++) next[d] = choose(on, v_fma(mu, slope[d], v_fma(nu, now[d], rest * before[d])), now[d]);
        before = now;
        now = next;
    }

    /* Columns of FINISH: the times of the four stages, a_21, a_31, a_32, a_41, a_42, a_43, b, e. */
    vec *state = (vec *)(now == room[0] ? room[1] : room[0]);
    for (int i = 0, column = 4; i < 4; i++) {
        vec a[3];
        for (int j = 0; j < i; j++) a[j] = h * FINISH_OF(column++);
        for (int d = 0; d < DIM; d++) {
            vec sum = now[d];
            for (int j = 0; j < i; j++) sum = v_fma(a[j], m->k[j][d], sum);
            state[d] = sum;
        }
        field(s->t + FINISH_OF(i) * h, state, s->own, job->shared, m->k[i]);
    }
    vec b[4], e[5];
    for (int i = 0; i < 4; i++) b[i] = h * FINISH_OF(10 + i);
    for (int i = 0; i < 5; i++) e[i] = h * FINISH_OF(14 + i);
    for (int d = 0; d < DIM; d++) {
        vec sum = b[0] * m->k[0][d];
        for (int j = 1; j < 4; j++) sum = v_fma(b[j], m->k[j][d], sum);
        s->ahead[d] = now[d] + sum;
    }
    field(s->t + h, s->ahead, s->own, job->shared, s->slope);
    for (int d = 0; d < DIM; d++) {
        vec sum = e[4] * s->slope[d];
        for (int j = 0; j < 4; j++) sum = v_fma(e[j], m->k[j][d], sum);
        s->estimate[d] = sum;
    }
}
