// What scrolls sideways can be scrolled with the keyboard too.
for (const region of document.querySelectorAll(".table-wrapper, .cell_output, pre")) {
  new ResizeObserver(() => {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }).observe(region);
}

// A link to a result opens its figures; on paper all are shown.
function unfold() {
  const section = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  section?.querySelector(":scope > details")?.setAttribute("open", "");
}
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
});
unfold();
