// What scrolls sideways can be scrolled with the keyboard too.
for (const region of document.querySelectorAll(".table-wrapper, .cell_output, pre")) {
  new ResizeObserver(() => {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }).observe(region);
}
