// From text to the words that are searched: lower case, English by its stem, Chinese by single characters and pairs of neighbors.
const STOP_WORDS = new Set(stopwords); // from Sphinx' language_data.js, as is the stemmer
const STEMMER = new Stemmer();
const CHINESE = /\p{Script=Han}+/gu;
const spellings = new Map(); // stem → the shortest word that was seen with it
const counts = new Map(); // word → how often it was seen

/** `sample_size` is found by itself and by its parts. */
function wordsOf(text) {
  const words = [];
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []) {
    for (const characters of word.match(CHINESE) ?? []) words.push(...neighbors(characters));
    for (const rest of word.split(CHINESE)) {
      if (rest) words.push(rest);
      if (rest.includes("_")) words.push(...rest.split("_").filter(Boolean));
    }
  }
  return words;
}

function neighbors(characters) {
  const all = [...characters];
  return [...all, ...all.slice(1).map((next, i) => all[i] + next)];
}

/** What is asked in Chinese must stand together: of two characters and more only the pairs count. */
function wordsOfQuery(query) {
  return wordsOf(query).filter((word) => !/^\p{Script=Han}$/u.test(word) || !new RegExp(`${word}\\p{Script=Han}|\\p{Script=Han}${word}`, "u").test(query));
}

/** What is asked: its stem, or nothing for a word that stands everywhere. */
function stemOfQuery(word) {
  if (STOP_WORDS.has(word)) return null;
  return /^[a-z]{3,}$/.test(word) ? STEMMER.stemWord(word) : word;
}

/** What stands in the book: its stem, and its spelling remembered. */
function stemOf(word) {
  const stem = stemOfQuery(word);
  if (stem === null) return null;
  counts.set(word, (counts.get(word) ?? 0) + 1);
  if (word.length < (spellings.get(stem)?.length ?? Infinity)) spellings.set(stem, word);
  return stem;
}

/** How many letters have to be put in, taken out, exchanged, or swapped with the next (restricted Damerau–Levenshtein). */
function edits(a, b) {
  const rows = [...Array(a.length + 1)].map((_, i) => [i, ...Array(b.length).fill(0)]);
  for (let j = 1; j <= b.length; j++) rows[0][j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const change = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? rows[i - 2][j - 2] + 1 : Infinity;
      rows[i][j] = Math.min(change, swap, rows[i - 1][j] + 1, rows[i][j - 1] + 1);
    }
  }
  return rows[a.length][b.length];
}

/** The word of the book that is closest to one that is not in it, the commonest of several; none that is far. */
function closestWord(word) {
  const most = word.length < 4 ? 0 : word.length < 7 ? 1 : 2;
  const near = [...counts.keys()]
    .filter((other) => Math.abs(other.length - word.length) <= most)
    .map((other) => ({ other, distance: edits(word, other) }))
    .filter(({ distance }) => distance <= most);
  near.sort((a, b) => a.distance - b.distance || counts.get(b.other) - counts.get(a.other));
  return near[0]?.other;
}
