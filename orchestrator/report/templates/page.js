(() => {
  const value = (cell) => {
    if (cell.dataset.key !== undefined) return Number(cell.dataset.key);
    const text = cell.textContent.trim(), number = Number(text.replace(/[,%]/g, ""));
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
    : typeof a === "number" ? -1 : typeof b === "number" ? 1 : a.localeCompare(b);
  const sort = (head) => {
    const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    const down = head.getAttribute("aria-sort") !== "descending" && head.classList.contains("number")
      || head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
    rows.sort(([a], [b]) => down ? compare(b, a) : compare(a, b));
    body.append(...rows.map(([, row]) => row));
  };
  for (const head of document.querySelectorAll("table.sortable thead th")) {
    head.tabIndex = 0;
    head.title = "Sort by this column";
    head.addEventListener("click", () => sort(head));
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(head); }
    });
  }
  const folds = document.querySelectorAll("details");
  addEventListener("beforeprint", () => { for (const fold of folds) { fold.dataset.was = fold.open; fold.open = true; } });
  addEventListener("afterprint", () => { for (const fold of folds) fold.open = fold.dataset.was === "true"; });
  const stage = document.getElementById("stage");
  const close = () => { stage.close(); stage.replaceChildren(); };
  stage.addEventListener("click", close);
  stage.addEventListener("close", () => stage.replaceChildren());
  for (const figure of document.querySelectorAll(".drawn")) {
    figure.tabIndex = 0;
    const open = () => { stage.replaceChildren(figure.firstElementChild.cloneNode(true)); stage.showModal(); };
    figure.addEventListener("click", open);
    figure.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
  }
})();
