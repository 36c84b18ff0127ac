// Keeps the page up to date. Without JavaScript, reload it.
"use strict";

const live = () => document.querySelector("[data-live]");
const isBusy = () =>
  document.hidden || document.querySelector("details[open]") || !getSelection().isCollapsed || new URL(location).searchParams.has("before");

async function refresh() {
  let took = 0;
  if (!isBusy()) {
    const started = performance.now();
    let isStale = true;
    try {
      const answer = await fetch(location, { headers: { "X-Refresh": "1" }, redirect: "error" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
      if (answer.ok && fresh) {
        isStale = false;
        const focused = [...live().querySelectorAll("a, button, summary")].indexOf(document.activeElement);
        if (!isBusy()) live().replaceWith(fresh);
        if (focused >= 0) fresh.querySelectorAll("a, button, summary")[focused]?.focus();
      }
    } catch { /* It is not up to date. */ }
    document.getElementById("stale").hidden = !isStale;
    took = performance.now() - started;
  }
  setTimeout(refresh, Math.max(5000, 10 * took));
}

if (live()) setTimeout(refresh, 5000);
