/* What a lane keeps for a stabilised method. */
struct method {
    vec state[3][DIM], k[4][DIM];
};
