// The search shows an excerpt of each hit by fetching its page, which browsers refuse for file:// addresses: there it lists titles.
if (window.location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
