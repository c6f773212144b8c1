// The theme looks at the search box when a key goes up. Text that comes without a key, pasted with the mouse or chosen
// from a list of Chinese words, would find nothing.
document.querySelector("[data-md-component=search-query]")?.addEventListener("input", ({ target }) => {
  target.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
});
