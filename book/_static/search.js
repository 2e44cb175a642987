// The search page: sections found by MiniSearch (BM25), grouped by page, chapters before the reference, with excerpts.
const WEIGHT_OF_KIND = { chapter: 1, page: 0.3, reference: 1 }; // the reference stands last anyway
const SECTIONS_OF_A_PAGE = 3;
const EXCERPT = { before: 80, after: 160 }; // characters around the first word that was found

const index = new MiniSearch({
  fields: ["title", "heading", "text", "code"],
  tokenize: wordsOf,
  processTerm: stemOf,
});
index.addAll(SEARCH_SECTIONS.map((section, id) => ({ id, ...section })));

/** Sections with all words; where none has all, those with some. */
function find(query) {
  const all = findBy("AND", query);
  return all.length ? all : findBy("OR", query);
}

function findBy(combineWith, query) {
  return index.search(query, {
    combineWith,
    tokenize: wordsOfQuery,
    processTerm: stemOfQuery,
    prefix: (term) => /^[a-z_]{3,}$/.test(term),
    boost: { title: 3, heading: 4, code: 0.5 },
    boostDocument: (id) => WEIGHT_OF_KIND[SEARCH_SECTIONS[id].kind] * (isNamed(SEARCH_SECTIONS[id], query) ? 10 : 1),
  });
}

/** Who types the name of a function wants the function. */
function isNamed({ kind, heading }, query) {
  return kind === "reference" && heading.toLowerCase().split(".").pop() === query.toLowerCase();
}

/** A page scores what its best sections do together. The reference stands behind the others, unless one of its names was asked for. */
function byPage(hits, query) {
  const pages = new Map();
  for (const hit of hits) {
    const page = pages.get(SEARCH_SECTIONS[hit.id].page) ?? { score: 0, rank: 1, hits: [] };
    pages.set(SEARCH_SECTIONS[hit.id].page, page);
    if (page.hits.length === SECTIONS_OF_A_PAGE) continue;
    page.hits.push(hit);
    page.score += hit.score;
    if (SEARCH_SECTIONS[hit.id].kind !== "reference" || isNamed(SEARCH_SECTIONS[hit.id], query)) page.rank = 0;
  }
  return [...pages.values()].sort((a, b) => a.rank - b.rank || b.score - a.score);
}

/** The query with each word that stands nowhere replaced by the closest that does; null where one has none, or none is needed. */
function corrected(query) {
  const words = wordsOfQuery(query).filter((word) => !STOP_WORDS.has(word));
  const better = words.map((word) => (findBy("AND", word).length ? word : closestWord(word)));
  return better.every(Boolean) && better.join(" ") !== words.join(" ") ? better.join(" ") : null;
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

/** The text around the first word that was found, with all of them marked. */
function excerpt(section, words) {
  const anyWord = new RegExp(words.sort((a, b) => b.length - a.length).join("|"), "giu");
  const [text, name] = [[section.text, "p"], [section.code, "code"]].find(([text]) => text.search(anyWord) >= 0) ?? [section.text, "p"];
  const at = Math.max(0, text.search(anyWord));
  const start = at > EXCERPT.before ? text.indexOf(" ", at - EXCERPT.before) + 1 || at : 0;
  const shown = text.slice(start, at + EXCERPT.after);
  const node = element(name, "search-excerpt", start ? "… " : "");
  let end = 0;
  for (const match of shown.matchAll(anyWord)) {
    node.append(shown.slice(end, match.index), element("mark", "", match[0]));
    end = match.index + match[0].length;
  }
  node.append(shown.slice(end), start + shown.length < text.length ? " …" : "");
  return node;
}

function link(section, label, query) {
  const made = element("a", "", label);
  made.href = `${section.page}.html?highlight=${encodeURIComponent(query)}${section.anchor && "#" + section.anchor}`;
  return made;
}

function shownPage({ hits }, query) {
  const sections = hits.map((hit) => SEARCH_SECTIONS[hit.id]);
  const list = hits.map((hit, i) => {
    const words = [...query.match(/[\p{L}\p{N}_]+/gu), ...hit.terms, ...hit.terms.map((term) => spellings.get(term) ?? term)];
    return element("li", "", link(sections[i], sections[i].heading, query), excerpt(sections[i], words));
  });
  const title = element("h2", "", link({ ...sections[0], anchor: "" }, sections[0].title, query));
  return element("li", `search-page search-page--${sections[0].kind}`, title, element("ul", "", ...list));
}

function showResults(query) {
  const pages = byPage(find(query), query);
  const better = corrected(query);
  const message = element("p", "search-status");
  message.setAttribute("role", "status");
  if (pages.length) message.append(`${pages.length} ${pages.length === 1 ? "page" : "pages"} for “${query}”. `);
  else message.append(`Nothing was found for “${query}”. `);
  if (better) {
    const suggestion = element("a", "search-suggestion", better);
    suggestion.href = "?q=" + encodeURIComponent(better);
    message.append("Did you mean ", suggestion, "?");
  } else if (!pages.length) message.append("Try fewer words, or others.");
  const list = element("ul", "search-pages", ...pages.map((page) => shownPage(page, query)));
  document.getElementById("search-results").append(message, list);
}

const asked = new URLSearchParams(window.location.search).get("q")?.trim();
if (asked) {
  document.querySelectorAll('input[name="q"]').forEach((input) => (input.value = asked));
  showResults(asked);
}
