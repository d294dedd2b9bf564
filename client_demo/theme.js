/**
 * Applies the chosen theme before the first paint: a plain script in the head, because modules run after it.
 *
 * The default is the system's theme.
 */

(() => {
  const KEY = "styletalk.theme";
  const root = document.documentElement;
  try {
    const chosen = localStorage.getItem(KEY);
    if (chosen) root.dataset.theme = chosen;
  } catch {
    // private windows may refuse storage
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // the choice lasts until the page is closed
      }
    });
  });
})();
