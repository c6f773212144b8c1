// What is wider than the screen scrolls by itself, and must then be within reach of the keyboard.
addEventListener("load", () => {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  const scrolling = ".katex-display, td > .formula, .md-typeset__scrollwrap, figure.picture, p:has(> img:only-child)";
  for (const wide of document.querySelectorAll(scrolling)) observer.observe(wide);
});
