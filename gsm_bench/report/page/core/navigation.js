// The address decides what is shown: #section?parameter=value, so that every view has a link.

const nav = (() => {
  /** The hash of a view. @param {string} section @param {Object<string, any>|URLSearchParams} [parameters] */
  function link(section, parameters) {
    const query = new URLSearchParams();
    const entries = parameters instanceof URLSearchParams ? [...parameters] : Object.entries(parameters || {});
    for (const [name, value] of entries) {
      if (value !== null && value !== undefined && value !== "") query.append(name, String(value));
    }
    const current = new URLSearchParams(location.hash.split("?")[1] || "").get("split");
    if (current && !query.has("split")) query.set("split", current);
    const text = query.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
    return `#${section}${text ? `?${text}` : ""}`;
  }

  /** What the address asks for. @returns {{section: string, parameters: URLSearchParams}} */
  function asked() {
    const [section, query] = location.hash.slice(1).split("?");
    return { section: section || "", parameters: new URLSearchParams(query || "") };
  }

  /** Open a view; `replace` keeps the history as it is. */
  function go(section, parameters, replace) {
    const hash = link(section, parameters);
    if (hash === location.hash) return;
    if (replace) history.replaceState(null, "", hash);
    else location.hash = hash;
  }

  return { link, asked, go };
})();
