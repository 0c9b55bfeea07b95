/* Symmetric and general linear systems, one a lane. */

#define ROW(i) ((i) * ((i) + 1) / 2)

/* Cholesky factors in place of the lower triangle, by rows, and the inverse of their diagonal; returns the lanes whose
 * matrix is positive definite. Rows and columns are taken four at a time. */
static ivec cholesky(vec *a, vec *inverse) {
    ivec fine = isplat(-1);
    for (int i = 0; i < DIM; i += 4) {
        const int rows = DIM - i < 4 ? DIM - i : 4;
        for (int j = 0; j <= i; j += 4) {
            const int columns = j < i ? 4 : rows;
            vec sum[4][4];
            for (int r = 0; r < 4; r++)
                for (int c = 0; c < 4; c++) sum[r][c] = splat(0.0);
            if (rows == 4 && columns == 4) {
                const vec *x[4], *y[4];
                for (int r = 0; r < 4; r++) x[r] = a + ROW(i + r), y[r] = a + ROW(j + r);
                for (int k = 0; k < j; k++)
                    for (int r = 0; r < 4; r++)
                        for (int c = 0; c < 4; c++) sum[r][c] = v_fma(x[r][k], y[c][k], sum[r][c]);
            } else {
                for (int r = 0; r < rows; r++)
                    for (int c = 0; c < columns; c++)
                        for (int k = 0; k < j; k++) sum[r][c] = v_fma(a[ROW(i + r) + k], a[ROW(j + c) + k], sum[r][c]);
            }
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < columns && j + c <= i + r; c++) {
                    vec *entry = a + ROW(i + r) + j + c;
                    vec rest = *entry - sum[r][c];
                    for (int k = j; k < j + c; k++) rest = v_fma(-a[ROW(i + r) + k], a[ROW(j + c) + k], rest);
                    if (j + c < i + r) {
                        *entry = rest * inverse[j + c];
                    } else {
                        fine &= (rest > 0.0) & is_finite(rest);
                        *entry = v_sqrt(rest);
                        inverse[i + r] = 1.0 / *entry;
                    }
                }
            }
        }
    }
    return fine;
}

/* x = (L L')^-1 x */
static void cholesky_solve(const vec *a, const vec *inverse, vec *x) {
    for (int i = 0; i < DIM; i++) {
        vec sum = x[i];
        for (int k = 0; k < i; k++) sum = v_fma(-a[ROW(i) + k], x[k], sum);
        x[i] = sum * inverse[i];
    }
    for (int i = DIM - 1; i >= 0; i--) {
        x[i] = x[i] * inverse[i];
        for (int k = 0; k < i; k++) x[k] = v_fma(-a[ROW(i) + k], x[i], x[k]);
    }
}

/* L U in place with the largest entry of each column as its pivot, for each lane on its own. */
static void eliminate(vec (*a)[DIM], int (*pivot)[LANES]) {
    for (int k = 0; k < DIM; k++) {
        EACH_LANE {
            int best = k;
            for (int i = k + 1; i < DIM; i++)
                if (fabs(a[i][k][lane]) > fabs(a[best][k][lane])) best = i;
            pivot[k][lane] = best;
            if (best != k) for (int j = 0; j < DIM; j++) {
                const double kept = a[k][j][lane];
                a[k][j][lane] = a[best][j][lane];
                a[best][j][lane] = kept;
            }
        }
        const vec inverse = 1.0 / a[k][k];
        for (int i = k + 1; i < DIM; i++) {
            const vec factor = a[i][k] * inverse;
            a[i][k] = factor;
            for (int j = k + 1; j < DIM; j++) a[i][j] = v_fma(-factor, a[k][j], a[i][j]);
        }
    }
}

static void eliminated_solve(vec (*a)[DIM], int (*pivot)[LANES], vec *x) {
    for (int k = 0; k < DIM; k++) EACH_LANE {
        const double kept = x[k][lane];
        x[k][lane] = x[pivot[k][lane]][lane];
        x[pivot[k][lane]][lane] = kept;
    }
    for (int i = 0; i < DIM; i++)
        for (int k = 0; k < i; k++) x[i] = v_fma(-a[i][k], x[k], x[i]);
    for (int i = DIM - 1; i >= 0; i--) {
        for (int k = i + 1; k < DIM; k++) x[i] = v_fma(-a[i][k], x[k], x[i]);
        x[i] /= a[i][i];
    }
}
