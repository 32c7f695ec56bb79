"use strict";

// What the page was made with, and what its reader has chosen. All scripts of the page share this one object.
const report = {
  data: JSON.parse(document.getElementById("data").textContent),
  choices: {
    axis: "step",
    // Time constant of the smoothing, as a share of the longest run.
    smoothing: 0,
    hiddenRuns: new Set(),
    // Names of parts that are hidden, by plot.
    hiddenParts: new Map(),
    logarithmic: new Set(),
    // Lowest and highest x that are shown; null for all.
    range: null,
    spectrum: "ends",
  },
};

report.several = report.data.runs.length > 1;

// An element with attributes and children. Text becomes text nodes only, so that no name is ever markup.
report.element = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

report.button = (label, pressed, onToggle) => {
  const button = report.element("button", { type: "button", "aria-pressed": String(pressed) });
  button.append(label);
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(now));
    onToggle(now);
  });
  return button;
};

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });

report.number = (value) => {
  if (value === null || value === undefined) {
    return "\u2013";
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    return value.toExponential(2).replace(/\.?0+e/, "e");
  }
  return plain.format(value);
};

// Exponential moving average over steps, corrected for its start. Steps that are further apart count for less, so that
// runs with more and with fewer reports are smoothed alike.
report.smoothed = (steps, values, constant) => {
  let sum = 0;
  let weight = 0;
  let before = null;
  return values.map((value, index) => {
    if (value === null) {
      return null;
    }
    const decay = before === null ? 0 : Math.exp(-(steps[index] - before) / constant);
    before = steps[index];
    sum = sum * decay + value;
    weight = weight * decay + 1;
    return sum / weight;
  });
};
