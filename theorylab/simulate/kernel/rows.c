/* Values of the formula `field` at n states, LANES at a time. */
void rows(long n, const double *times, const double *states, const double *constants, double *out) {
    vec t, y[DIM], own[OWN + 1], values[ROOTS];
    for (long first = 0; first < n; first += LANES) {
        EACH_LANE {
            const long row = first + lane < n ? first + lane : n - 1;
            t[lane] = times[row];
            for (int d = 0; d < DIM; d++) y[d][lane] = states[row * DIM + d];
            for (int i = 0; i < OWN; i++) own[i][lane] = constants[row * OWN + i];
        }
        field(t, y, own, 0, values);
        EACH_LANE for (int i = 0; i < ROOTS && first + lane < n; i++) out[(first + lane) * ROOTS + i] = values[i][lane];
    }
}
