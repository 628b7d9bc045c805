// What pages of packages do beyond being read: copy the install line, and go to search with "/".
"use strict";
(() => {
  const search = document.getElementById("q"), said = document.getElementById("copied");
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const line = document.getElementById(button.dataset.copy);
    button.hidden = false;
    let later = 0;
    const say = (label, text) => {
      button.textContent = label;
      said.textContent = text;
      clearTimeout(later);
      later = setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
    };
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(line.textContent);
        say("Copied", "Copied to the clipboard");
      } catch { // no clipboard here: the line is selected instead
        getSelection().selectAllChildren(line);
        const done = document.execCommand && document.execCommand("copy");
        say(done ? "Copied" : "Selected", done ? "Copied to the clipboard" : "The line is selected: copy it");
      }
    });
  }
  document.addEventListener("keydown", (e) => {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || document.activeElement === search) return;
    e.preventDefault();
    search.focus();
  });
})();
