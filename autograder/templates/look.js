// Theme and switches, remembered where the browser allows it. Pages read well without this.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const store = {
    get(key) { try { return localStorage.getItem("attention-course:" + key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem("attention-course:" + key, value); } catch { /* not kept */ } },
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => document.querySelector("[data-action=theme]")?.setAttribute("aria-pressed", dark());

  const theme = store.get("theme");
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  // Before the first paint, so that names hidden once are not shown again for a moment.
  if (store.get("private") === "true") root.dataset.private = "";

  system.addEventListener("change", show);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-action=theme]")) return;
    root.dataset.theme = dark() ? "light" : "dark";
    store.set("theme", root.dataset.theme);
    show();
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "private") store.set("private", event.target.checked);
  });
  document.addEventListener("DOMContentLoaded", () => {
    show();
    const names = document.getElementById("private");
    if (names && "private" in root.dataset) names.checked = true;
    delete root.dataset.private;
  });
})();
