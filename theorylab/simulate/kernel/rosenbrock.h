/* What a lane keeps for a Rosenbrock method: the matrix I / (gamma h) - J and its factors, below the diagonal alone where
 * J is symmetric; the whole matrix where it is not, or where a symmetric one is not positive definite. */
struct method {
    vec lower[PACKED], inverse[DIM], square[DIM][DIM], k[STAGES][DIM], state[DIM], unit[DIM], clock[DIM], other[DIM];
    int pivot[DIM][LANES];
};
