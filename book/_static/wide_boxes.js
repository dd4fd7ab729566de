/* What is wider than the page scrolls in a box of its own: let the keyboard reach those boxes. */

{
  const boxes = {
    'mjx-container[display="true"]': "Wide formula",
    ".pst-scrollable-table-container": "Wide table",
  };

  function letWideBoxesScroll() {
    for (const [selector, name] of Object.entries(boxes)) {
      for (const box of document.querySelectorAll(selector)) {
        if (box.scrollWidth > box.clientWidth) {
          box.tabIndex = 0;
          box.setAttribute("role", "group");
          box.setAttribute("aria-label", name);
        } else {
          for (const attribute of ["tabindex", "role", "aria-label"]) box.removeAttribute(attribute);
        }
      }
    }
  }

  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    letWideBoxesScroll();
    addEventListener("resize", letWideBoxesScroll);
  });
}
