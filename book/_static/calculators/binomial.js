// The binomial distribution by Loader's saddle-point expansion (2000), which loses no digits however large n is.
const HALF_LOG_TWO_PI = Math.log(2 * Math.PI) / 2;

/** log n! less Stirling's formula. */
function stirlingError(n) {
  if (n > 15) return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / n / n) / n / n) / n / n) / n / n) / n;
  let logFactorial = 0;
  for (let i = 2; i <= n; i++) logFactorial += Math.log(i);
  return n ? logFactorial - (n + 0.5) * Math.log(n) + n - HALF_LOG_TWO_PI : 0;
}

/** x log(x / mean) + mean - x, by a series where x is near the mean. */
function deviance(x, mean) {
  if (x === 0) return mean;
  if (Math.abs(x - mean) > 0.1 * (x + mean)) return x * Math.log(x / mean) + mean - x;
  const v = (x - mean) / (x + mean);
  let term = 2 * x * v, sum = (x - mean) * v, before;
  for (let i = 3; sum !== before; i += 2) {
    before = sum;
    term *= v * v;
    sum += term / i;
  }
  return sum;
}

const Binomial = {
  /** Probability of k successes in n trials. */
  at(k, n, p) {
    if (k < 0 || k > n) return 0;
    if (k === 0) return Math.exp(n * Math.log1p(-p));
    if (k === n) return p ** n;
    const log = stirlingError(n) - stirlingError(k) - stirlingError(n - k) - deviance(k, n * p) - deviance(n - k, n * (1 - p));
    return Math.exp(log) * Math.sqrt(n / (2 * Math.PI * k * (n - k)));
  },

  /** Probability of k successes at most; what lies 40 deviations below is nothing. */
  upTo(k, n, p) {
    const lowest = Math.max(0, Math.floor(Math.min(k, n * p) - 40 * Math.sqrt(n * p * (1 - p)) - 40));
    let sum = 0;
    for (let i = lowest; i <= k; i++) sum += Binomial.at(i, n, p);
    return sum;
  },
};
