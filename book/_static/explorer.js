/* <attention-explorer>: point at a word, touch it or move to it by keyboard, and see where it looks.
   Written by attention_lib.plots.explorer; without this script the table in it stands alone. */

{
  const chinese = /[\u4e00-\u9fff]/;
  const percent = (weight) => `${Math.round(100 * weight)} %`;
  const mean = (heads) => heads[0].map((row, i) => row.map((_, j) =>
    heads.reduce((sum, head) => sum + head[i][j], 0) / heads.length));

  function make(tag, className, text = "", attributes = {}) {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    if (chinese.test(text)) element.lang = "zh";
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  class AttentionExplorer extends HTMLElement {
    connectedCallback() {
      if (this.weights) return;
      Object.assign(this, JSON.parse(this.dataset.attention));
      this.caption = this.querySelector("p");
      this.chosen = 0;
      this.caption.after(this.makeChoices(), this.makeQueries(), this.makeKeys(), this.makeAnswer());
      this.querySelector("details").open = false;
      this.show();
    }

    /* The map of the chosen layer and head, or the mean of a layer's heads. */
    get map() {
      const heads = this.weights[this.layer ? this.layer.value : 0];
      const chosen = this.head ? this.head.value : 0;
      return chosen === "mean" ? mean(heads) : heads[chosen];
    }

    makeChoices() {
      const box = make("div", "explorer-choices");
      const [layers, heads] = [this.weights.length, this.weights[0].length];
      if (layers > 1) this.layer = this.makeChoice(box, "Layer", layers, []);
      // A mean can hide what each head does, so it stands last.
      if (heads > 1) this.head = this.makeChoice(box, "Head", heads, [["mean", "mean of all"]]);
      if (this.layer) this.layer.value = layers - 1;
      return box;
    }

    makeChoice(box, name, count, after) {
      const label = make("label", "", `${name} `);
      const select = label.appendChild(make("select", ""));
      const numbers = Array.from({length: count}, (_, i) => [i, i + 1]);
      for (const [value, text] of [...numbers, ...after]) select.append(new Option(text, value));
      select.addEventListener("change", () => this.show());
      box.append(label);
      return select;
    }

    /* One stop for Tab; the arrow keys go from word to word. */
    makeQueries() {
      const box = make("div", "explorer-queries", "", {role: "group", "aria-label": "Words that look"});
      this.buttons = this.queries.map((word, i) => {
        const button = make("button", "", word, {type: "button"});
        for (const event of ["pointerenter", "focus", "click"])
          button.addEventListener(event, () => this.choose(i));
        return box.appendChild(button);
      });
      box.addEventListener("keydown", (event) => this.move(event));
      return box;
    }

    makeKeys() {
      const box = make("div", "explorer-keys", "", {"aria-hidden": "true"});
      this.cells = this.keys.map((word) => {
        const cell = box.appendChild(make("span", "explorer-key"));
        cell.append(make("span", "explorer-word", word), make("span", "explorer-weight"));
        return cell;
      });
      return box;
    }

    makeAnswer() {
      this.answer = make("p", "explorer-answer", "", {"aria-live": "polite"});
      return this.answer;
    }

    move(event) {
      const last = this.buttons.length - 1;
      const next = {ArrowLeft: Math.max(this.chosen - 1, 0), ArrowRight: Math.min(this.chosen + 1, last),
                    Home: 0, End: last}[event.key];
      if (next === undefined) return;
      event.preventDefault();
      this.buttons[next].focus();
    }

    choose(i) {
      this.chosen = i;
      this.show();
    }

    show() {
      const map = this.map;
      const row = map[this.chosen];
      this.buttons.forEach((button, i) => {
        button.tabIndex = i === this.chosen ? 0 : -1;
        button.setAttribute("aria-pressed", i === this.chosen);
      });
      row.forEach((weight, j) => {
        this.cells[j].style.setProperty("--weight", weight.toFixed(3));
        this.cells[j].lastChild.textContent = percent(weight);
      });
      const order = row.map((_, j) => j).sort((a, b) => row[b] - row[a]).slice(0, 3);
      const most = order.filter((j) => row[j] >= 0.005)
        .map((j) => `${this.keys[j]} (${percent(row[j])})`);
      this.answer.textContent =
        `${this.queries[this.chosen]} looks at ${most.join(", ") || "nothing"}.`;
      this.fillTable(map);
    }

    fillTable(map) {
      const table = this.querySelector("table");
      const named = [this.layer && `layer ${+this.layer.value + 1}`,
        this.head && (this.head.value === "mean" ? "mean of all heads" : `head ${+this.head.value + 1}`)];
      table.caption.textContent = named.filter(Boolean).join(", ");
      map.forEach((row, i) => row.forEach((weight, j) => {
        table.tBodies[0].rows[i].cells[j + 1].textContent = weight.toFixed(2);
      }));
    }
  }

  const define = () => customElements.define("attention-explorer", AttentionExplorer);
  // An element's words and table must have been read before it can take them up.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", define);
  else define();
}
