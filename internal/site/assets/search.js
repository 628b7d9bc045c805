// The home page: searches as one types. The data comes in shards, as scripts, when it is first wanted; a page that was opened from a
// file may load nothing else. Ranks are counted as in registry/rank.go.
"use strict";
(() => {
  const body = document.body, input = document.getElementById("q"), list = document.getElementById("results");
  const status = document.getElementById("status"), rest = document.getElementById("rest"), more = document.getElementById("more");
  const shards = body.dataset.shards.split(" ").filter(Boolean);
  const site = body.dataset.site, step = 30;
  const policy = window.trustedTypes ? trustedTypes.createPolicy("opkg", { createScriptURL: (url) => url }) : { createScriptURL: (url) => url };

  const rows = [];
  let begun = false, arrived = 0, failed = 0, shown = step, scheduled = false, spoken = 0;

  window.opkgShard = (_, data) => {
    for (const [name, version, text, keywords, yanked] of data) {
      rows.push({ name, version, text, yanked, base: name.slice(name.indexOf("/") + 1), keywords: keywords ? keywords.split("\n") : [], lower: text.toLowerCase() });
    }
  };

  function load() {
    if (begun) return;
    begun = true;
    let next = 0;
    const one = () => {
      if (next === shards.length) return;
      const i = next++, script = document.createElement("script");
      const done = () => { arrived++; script.remove(); schedule(); one(); };
      script.onload = done;
      script.onerror = () => { failed++; done(); };
      script.src = policy.createScriptURL(`${site}data/${i}.js?${shards[i]}`);
      document.head.append(script);
    };
    for (let i = 0; i < 4; i++) one();
  }

  const startsIn = (s, word, before) => {
    for (let i = s.indexOf(word, 1); i >= 0; i = s.indexOf(word, i + 1)) if (before.includes(s[i - 1])) return true;
    return false;
  };
  function rankName(row, word) {
    const i = row.name.indexOf(word);
    if (row.name === word || row.base === word) return 1000;
    if (i === 0 || row.base.startsWith(word)) return 500;
    if (i < 0) return 0;
    return startsIn(row.name, word, "-._/@") ? 300 : 200;
  }
  function rankKeywords(row, word) {
    let best = 0;
    for (const k of row.keywords) {
      if (k === word) return 150;
      if (k.includes(word)) best = 60;
    }
    return best;
  }
  function rankText(row, word) {
    const i = row.lower.indexOf(word);
    if (i < 0) return 0;
    return i === 0 || startsIn(row.lower, word, " ") ? 30 : 10;
  }
  function find(words) {
    const hits = [];
    next: for (const row of rows) {
      let rank = row.yanked ? -2000 : 0;
      for (const word of words) {
        const worth = Math.max(rankName(row, word), rankKeywords(row, word), rankText(row, word));
        if (!worth) continue next;
        rank += worth;
      }
      hits.push({ row, rank });
    }
    return hits.sort((a, b) => b.rank - a.rank || a.row.name.length - b.row.name.length || (a.row.name < b.row.name ? -1 : 1));
  }

  const element = (tag, className, ...children) => {
    const e = document.createElement(tag);
    if (className) e.className = className;
    e.append(...children);
    return e;
  };
  // marked is text with what was looked for set off.
  function marked(text, words) {
    const out = document.createDocumentFragment(), lower = text.toLowerCase();
    if (lower.length !== text.length) return out.append(text), out;
    let at = 0;
    for (;;) {
      let from = -1, length = 0;
      for (const w of words) {
        const i = lower.indexOf(w, at);
        if (i >= 0 && (from < 0 || i < from || i === from && w.length > length)) [from, length] = [i, w.length];
      }
      if (from < 0) break;
      out.append(text.slice(at, from), element("mark", "", text.slice(from, from + length)));
      at = from + length;
    }
    out.append(text.slice(at));
    return out;
  }
  function item({ name, version, text, yanked }, words) {
    const label = element("span", "name"), slash = name.indexOf("/") + 1;
    if (slash) label.append(element("span", "scope", marked(name.slice(0, slash), words)));
    label.append(marked(name.slice(slash), words));
    const a = element("a", "", label, " ", element("span", "version", version));
    if (yanked) a.append(" ", element("span", "mark", "yanked"));
    if (text) a.append(element("span", "says", marked(text, words)));
    a.href = `${site}p/${name.replace(/^@/, "").replace("/", "--")}.html`;
    return element("li", "", a);
  }

  // say tells what was found; a reader hears it when typing rests.
  function say(text) {
    clearTimeout(spoken);
    spoken = setTimeout(() => { if (status.textContent !== text) status.textContent = text; }, 120);
  }

  function render() {
    scheduled = false;
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 16);
    const searching = words.length > 0;
    rest.hidden = searching;
    list.hidden = !searching;
    if (!searching) {
      list.replaceChildren();
      more.hidden = true;
      return say("");
    }
    const hits = find(words), waiting = arrived < shards.length, held = list.contains(document.activeElement) ? [...list.children].indexOf(document.activeElement.parentElement) : -1;
    list.replaceChildren(...hits.slice(0, shown).map(({ row }) => item(row, words)));
    if (held >= 0) (links()[Math.min(held, links().length - 1)] || input).focus();
    list.dataset.complete = waiting ? "" : "yes";
    more.hidden = hits.length <= shown;
    if (waiting) return say(hits.length ? `${hits.length} found so far` : "Searching…");
    say((hits.length === 0 ? "No package matches" : hits.length === 1 ? "1 package" : `${hits.length} packages`) + (failed ? "; part of the search data could not be loaded" : ""));
  }
  function schedule() {
    if (!scheduled) { scheduled = true; requestAnimationFrame(render); }
  }

  const links = () => [...document.querySelectorAll(list.hidden ? "#rest .list a" : "#results a")];
  function move(by) {
    const all = links(), at = all.indexOf(document.activeElement);
    const to = at < 0 ? (by > 0 ? 0 : -1) : at + by;
    if (to < 0) input.focus();
    else if (to < all.length) { all[to].focus(); all[to].scrollIntoView({ block: "nearest" }); }
  }

  function remember() {
    const hash = input.value.trim() ? "#q=" + encodeURIComponent(input.value.trim()) : "";
    try { history.replaceState(null, "", location.pathname + hash); } catch { /* from a file, in some browsers */ }
  }
  function recall() {
    const from = location.hash.startsWith("#q=") ? location.hash.slice(3) : new URLSearchParams(location.search).get("q");
    let term = from || "";
    if (location.hash.startsWith("#q=")) try { term = decodeURIComponent(term); } catch { /* as it is */ }
    if (term) { input.value = term.slice(0, 200); load(); }
    shown = step;
    schedule();
  }

  input.addEventListener("focus", load);
  input.addEventListener("input", () => { shown = step; load(); remember(); schedule(); });
  input.form.addEventListener("submit", (e) => {
    e.preventDefault();
    if (!list.hidden && arrived === shards.length) { render(); const first = links()[0]; if (first) first.click(); }
  });
  more.firstElementChild.addEventListener("click", () => { const at = shown; shown += 100; render(); links()[at]?.focus(); });
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const there = document.activeElement === input || links().includes(document.activeElement);
    if (e.key === "/" && document.activeElement !== input) { e.preventDefault(); input.focus(); input.select(); }
    else if (e.key === "ArrowDown" && there) { e.preventDefault(); move(1); }
    else if (e.key === "ArrowUp" && there) { e.preventDefault(); move(-1); }
    else if (e.key === "Escape" && there) {
      if (document.activeElement === input) { input.value = ""; remember(); schedule(); } else input.focus();
    }
  });
  window.addEventListener("hashchange", recall);
  recall();
})();
