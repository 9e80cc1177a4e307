#!/bin/sh
# Sets every table of a demo workspace, and 1,000 hostile class names, in two-column templates; fails on any error or
# overfull box. Needs pdflatex: apt-get install texlive-latex-recommended texlive-latex-extra texlive-science texlive-publishers
set -eu
folder=${1:-$(mktemp -d)}
exec python -m pytest -q -p no:cacheprovider tests/tables/test_latex.py --basetemp "$folder"
