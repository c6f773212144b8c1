// The theme looks at the search box when a key goes up. Text that comes without a key, pasted with the mouse or chosen
// from a list of Chinese words, would find nothing.
const box = document.querySelector("[data-md-component=search-query]");
box?.addEventListener("input", ({ target }) => {
  target.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
});

// Who types a name of the library means that name: `adam`, and not `adamw`, whose page would come first.
const found = document.querySelector(".md-search-result__list");
const name = link => decodeURIComponent(link.hash).split(".").pop().replace("#", "");
const named = typed => [...found.children].find(page => [...page.querySelectorAll("a")].some(link => name(link) === typed));
if (found)
  new MutationObserver(() => {
    const typed = box.value.trim().split(".").pop();
    const page = named(typed) ?? named(typed.toLowerCase());
    if (page && page !== found.firstElementChild) found.prepend(page);
  }).observe(found, { childList: true });
