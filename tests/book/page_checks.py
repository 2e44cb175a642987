"""What the tests ask of an open page: scripts that run in it, and give back the faults that they find."""

import re
from pathlib import Path

import axe_playwright_python

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# Contrast takes five times as long as all other rules, most of it for the words of code: LOW_CONTRAST sees to it.
# Formulas are left to MathJax: a chapter has thousands of their parts. Without preload no request leaves the page.
# Links are to be told from the words around them by more than color: the rule's other check, contrast, takes long.
AXE_FAULTS = """async contrast => {
  axe.configure({rules: [{id: "link-in-text-block", any: ["link-in-text-block-style"]}]});
  const rules = {"color-contrast": {enabled: contrast}};
  const found = await axe.run({exclude: ["mjx-container"]}, {resultTypes: ["violations"], preload: false, rules});
  return found.violations.filter(fault => ["serious", "critical"].includes(fault.impact))
    .map(fault => `${fault.id}: ${fault.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`);
}"""
# What a reader would see of MyST or reStructuredText that was not understood.
RAW_SYNTAX = re.compile(
    r"```|:::|\{[a-z]+(?::[a-z]+)*\}`|\{(?:exercise|solution|admonition|note|figure|bibliography|eval-rst)"
    r"|\$\$|\$[A-Za-z\\][^$\n]{0,80}\$|:[a-z]+:`|``|\*\*\w|\]\(|^#{1,6} "
)
VISIBLE_TEXT = """() => {
  const article = document.querySelector("article").cloneNode(true);
  article.querySelectorAll("pre, code, script, style, .math, .sig, a.headerlink").forEach(e => e.remove());
  return article.textContent;
}"""
UNTYPESET = """async () => {
  const formulas = [...document.querySelectorAll(".math")];
  if (formulas.length === 0) return [];
  await MathJax.startup.promise;
  const bad = formulas.filter(e => e.querySelectorAll("mjx-container").length !== 1 || e.querySelector("mjx-merror"));
  return bad.map(e => e.textContent);
}"""
# The mark stands beside the name that it would be described by.
BROKEN_IMAGES = """async () => {
  const images = [...document.images];
  images.forEach(e => { e.loading = "eager"; });
  await Promise.allSettled(images.map(e => e.decode()));
  const bad = images.filter(e => e.naturalWidth === 0 || !(e.alt || e.matches(".logo__image")));
  return bad.map(e => e.outerHTML.slice(0, 200));
}"""
# Pairs of text color and ground that a reader meets, with the contrast of WCAG 2.1.
LOW_CONTRAST = """minimum => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = channels(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const low = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (e.matches(".headerlink, mjx-container *, svg *, script, style, button")) continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
    const text = channels(getComputedStyle(e).color), back = ground(e);
    const [dark, light] = [luminance(text), luminance(back)].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < minimum) low.add(`${e.localName}.${e.className} ${contrast.toFixed(2)}: ${text} on ${back}`);
  }
  return [...low];
}"""
CUT_OFF = """() => [...document.querySelectorAll("article :is(pre, div.cell_output, mjx-container.wide)")]
  .filter(box => box.scrollWidth > box.clientWidth || box.matches(".more-right"))
  .map(box => box.textContent.slice(0, 160))"""
REPEATED_IDS = """() => {
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  return ids.filter((id, i) => ids.indexOf(id) !== i);
}"""
NOT_MARKED_CHINESE = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!/[\\u4e00-\\u9fff]/.test(text.data) || text.parentElement.closest("script, style, .math")) continue;
    if (text.parentElement.lang !== "zh-Hans") found.push(text.data.trim());
  }
  return found;
}"""
FORMULAS_IN_TAB_ORDER = """async () => {
  await window.MathJax?.startup?.promise;
  const stop = e => (e.tabIndex >= 0 && !e.matches(".wide")) || e.querySelector("[tabindex]");
  return [...document.querySelectorAll("mjx-container")].filter(stop).length;
}"""
IDENTIFIERS_WITHOUT_LINK = """() => [...document.querySelectorAll(".references li")].filter(entry => {
  const rest = entry.cloneNode(true);
  rest.querySelectorAll("a").forEach(link => link.remove());
  return /arxiv:|doi[:.]/i.test(rest.textContent);
}).map(entry => entry.textContent)"""
OUT_OF_REACH = """() => [...document.querySelectorAll("article :is(pre, .pst-scrollable-table-container, div.math)")]
  .filter(box => box.checkVisibility({contentVisibilityAuto: true}) && box.scrollWidth > box.clientWidth + 1)
  .filter(box => box.tabIndex < 0 || !box.matches(".more-right")).map(box => box.textContent.slice(0, 160))"""
# At each section, which entry of the contents is marked, and how far below the window's edge its heading stands.
CONTENTS_FOLLOW = """async sections => {
  const seen = [];
  const marked = () => [...document.querySelectorAll(".bd-toc-nav [aria-current]")].map(a => a.hash.slice(1));
  for (const id of sections) {
    window.scrollTo({top: document.getElementById(id).offsetTop - 100, behavior: "instant"});
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);  // the page reads its place once a frame
    seen.push([id, marked(), marked().map(each => document.getElementById(each).getBoundingClientRect().top)]);
  }
  return seen;
}"""
# Two prices in a line, `$2 and $4`, are a formula to Markdown unless their signs are escaped.
PRICE = re.compile(r'class="math[^>]*>\\\((\d[\d,.]* (?:[a-z]+ )+)\\\)')
