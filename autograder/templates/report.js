// Sorting for tables marked data-sortable: a heading becomes a button, aria-sort tells the order.
(() => {
  const text = new Intl.Collator(undefined, { numeric: true });
  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value ?? (cell.querySelector(".name") ?? cell).textContent.trim();
    const size = Number(value);
    return value !== "" && !Number.isNaN(size) && cell.classList.contains("num") ? size : value;
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : text.compare(a, b));
  const sort = (table, heading) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row, heading.cellIndex), row]);
    // Numbers start with the largest, words with the first.
    const next = { ascending: "descending", descending: "ascending" }[heading.getAttribute("aria-sort")]
      ?? (typeof rows[0]?.[0] === "number" ? "descending" : "ascending");
    const sign = next === "ascending" ? 1 : -1;
    rows.sort((a, b) => sign * order(a[0], b[0]));
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", next);
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("[data-sortable]")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, heading));
    }
  }
})();
