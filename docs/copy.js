// Copying an example takes what one types: neither prompts nor answers, and an empty line where a block ends, so that it
// can be pasted into Python as it is. Of Python without prompts an empty line within a block is left out, which would end
// the block there. Others are copied whole.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-clipboard-target]");
  const code = button && document.querySelector(button.dataset.clipboardTarget);
  if (!code) return;
  if (!code.textContent.startsWith(">>>")) {
    if (code.closest(".language-python:not(.mkdocstrings-source *)"))
      button.dataset.clipboardText = code.textContent.replace(/\n(?:[ \t]*\n)+(?=[ \t])/g, "\n");
    return;
  }
  const typed = [];
  let inside = false;
  for (const line of code.textContent.split("\n")) {
    const goesOn = line.startsWith("...");
    if (inside && !goesOn) typed.push("");
    inside = goesOn;
    if (goesOn || line.startsWith(">>>")) typed.push(line.slice(4));
  }
  button.dataset.clipboardText = typed.join("\n") + "\n";
}, true);
