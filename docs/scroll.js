// What is wider than the screen scrolls by itself, and must then be within reach of the keyboard.
addEventListener("load", () => {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const wide of document.querySelectorAll(".katex-display, .md-typeset__scrollwrap, figure.picture")) {
    observer.observe(wide);
  }
});
