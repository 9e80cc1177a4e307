"""The report: one HTML file with every number of a workspace and the videos behind it.

How the page is made
    `gsm_bench.api.report` gathers a `ReportContent` from a workspace: splits with their results, tables, figures.
    `page.write_report` turns it into HTML. A *section* is a heading with content; there is one of each per split.
    Tables and charts are HTML and SVG made in Python, so they show and print without scripts. Scripts add what needs
    them: sorting, links into the clip browser, the browser itself. Everything is inline; a content security policy
    forbids the page to load, run or send anything else.

How a section is added
    Python: append a `Section(id, title, lead, body)` in `sections.py`. Its arrays go into the payload under the name of
    the split: ``payload.split(key).add("action/ranks", array, blob="core")``, small facts with ``.fact(name, value)``.
    Script: a file in ``page/panels/`` (listed in `page.SCRIPTS`), that calls::

        panels.register({
          id: "playground",                      // of its section
          first: false,                          // optional: true renders it before the page counts as ready
          async render(root, split) { ... },     // root: the section's <div class="panel">, which holds the static body
          show(root, split, parameters) { ... }, // optional: the hash asks for this section: #playground?weights=1,2
        });

    The page is ready (``html[data-ready]``) when the first panels are rendered, and complete (``html[data-complete]``) when
    all are; ``show`` is called after ``render``. ``html[data-shown]`` is the address that is shown.

    ``split`` (typedef `Split` in ``core/payload.js``): ``split.key``, ``split.videos``, ``split.results``,
    ``split.fact(name)`` and ``await split.array(name)``, a typed array with ``shape``. A blob is inflated when the first
    of its arrays is asked for, so large arrays that few people open belong into a blob of their own; all but ``core`` stand
    below the script, which does not wait for them.
    A section that the clip browser shows for a selected video is registered with ``details.register({id, order, render(root,
    split, video)})``; ``video`` is a row number.

How scripts write
    ``h("a", {href: nav.link("clips", {right: "En3"})}, "text")`` makes elements; texts become text nodes, never HTML. No
    ``innerHTML``, no ``style`` attribute (the policy forbids it): classes, or ``element.style.width = ...``.
    ``nav.link(section, parameters)`` gives the hash of a view, ``nav.go`` opens it, ``keys.register(key, what, run)`` adds
    a keyboard shortcut to the list that ``?`` shows.

Names of arrays, per split with N videos, R results of which F have predictions
    ``ids`` JSON; ``TASK/labels`` [N]; ``TASK/ranks`` [R, N]; ``TASK/classes`` [F, N, 5] the best classes;
    ``TASK/permille`` [F, N, 5] their probabilities in thousandths. The largest value of an unsigned type means unknown.
    Frames, cascades and quantised scores, each in blobs of their own: `frames.add_frames`, `cascade.add_cascades`,
    `playground.add_playground`.
"""
