// companion.stats.sample_size for two models' shares of right answers: the same tests, the same search, the same numbers.
const MOST_EXAMPLES = 1e8;

/** McNemar's mid-p test on n examples, summed over how many of them are in dispute. */
function powerPaired(n, difference, alpha, disagreement) {
  const spread = 8 * Math.sqrt(n * disagreement * (1 - disagreement)) + 8;
  const last = Math.min(n, Math.trunc(n * disagreement + spread));
  const first = Math.max(0, Math.trunc(n * disagreement - spread));
  const forSecond = (1 + Math.abs(difference) / disagreement) / 2;
  const sides = [forSecond, 1 - forSecond];
  // The critical count and the probabilities up to it, carried from one number in dispute to the next.
  let critical = 0, level = Binomial.at(0, first, 0.5);
  while (level < alpha / 2) level += Binomial.at(++critical, first, 0.5);
  const tails = sides.map((p) => Binomial.upTo(critical, first, p));
  let power = 0;
  for (let disputed = first; disputed <= last; disputed++) {
    const midP = level - Binomial.at(critical, disputed, 0.5) / 2;
    const found = sides.map((p, i) => tails[i] - (midP > alpha / 2 ? Binomial.at(critical, disputed, p) : 0));
    power += Binomial.at(disputed, n, disagreement) * (found[0] + found[1]);
    level -= Binomial.at(critical, disputed, 0.5) / 2;
    sides.forEach((p, i) => (tails[i] -= p * Binomial.at(critical, disputed, p)));
    if (level < alpha / 2) {
      critical += 1;
      level += Binomial.at(critical, disputed + 1, 0.5);
      sides.forEach((p, i) => (tails[i] += Binomial.at(critical, disputed + 1, p)));
    }
  }
  return power;
}

/** The z test of two shares, with n examples in each of two groups: the pooled variance where they are equal. */
function powerUnpaired(n, difference, alpha, share) {
  const other = share + difference;
  const pooled = (share + other) / 2;
  const equal = Math.sqrt(2 * pooled * (1 - pooled));
  const different = Math.sqrt(share * (1 - share) + other * (1 - other));
  const critical = (-Normal.quantile(alpha / 2) * equal) / different;
  const signal = (difference * Math.sqrt(n)) / different;
  return Normal.below(signal - critical) + Normal.below(-signal - critical);
}

/** The fewest examples, or null where 100 million are not enough. */
function sampleSize({ paired, difference, alpha, power, assumed }) {
  const powerOf = (n) => (paired ? powerPaired : powerUnpaired)(n, difference, alpha, assumed);
  let tooFew = 1, enough = 2;
  while (powerOf(enough) < power) {
    [tooFew, enough] = [enough, 2 * enough];
    if (enough > MOST_EXAMPLES) return null;
  }
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (powerOf(middle) >= power) enough = middle;
    else tooFew = middle;
  }
  return enough;
}
