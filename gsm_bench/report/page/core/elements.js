// Elements from data: every text becomes a text node, so nothing in a name can be markup.

/**
 * An element with attributes and children.
 * @param {string} tag
 * @param {Object<string, any>} [attributes] `on...` functions are listeners; false and null are left out
 * @param {...(Node|string|number|null)} children
 * @returns {HTMLElement}
 */
function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. @returns {SVGElement} */
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : plain(String(child)));
  }
  return element;
}

const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]/gu;

/**
 * A text of unknown origin on one line, with its control characters and direction marks visible.
 * @param {string} text
 */
function plain(text) {
  return text.replace(/[\t\n]/g, " ").replace(UNPRINTABLE, (mark) => {
    return "\\u" + mark.codePointAt(0).toString(16).padStart(4, "0");
  });
}

/** A whole number with separators, as tables show it: 11,522. @param {number} value */
function counted(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The order of texts for people: item 2 before item 10. */
const collator = new Intl.Collator("en", { numeric: true });
