// The normal distribution: Marsaglia's series (2004, "Evaluating the Normal Distribution"), whose absolute error is that of rounding.
const Normal = {
  density: (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI),

  below(x) {
    if (x < -8 || x > 8) return x > 0 ? 1 : 0;
    let term = x, sum = x;
    for (let i = 3; sum + term !== sum; i += 2) sum += term *= (x * x) / i;
    return 0.5 + sum * Normal.density(x);
  },

  /** Newton's steps on `below`, which is convex on this side of 0: for p in (0, 0.5]. */
  quantile(p) {
    let x = -Math.sqrt(-2 * Math.log(p));
    for (let i = 0; i < 60; i++) x -= (Normal.below(x) - p) / Normal.density(x);
    return x;
  },
};
