"""Reports as self-contained HTML pages: one file, no network, no script.

Every page is a list of sections, each a list of blocks (:mod:`servemix.report.page.blocks`), which
one template renders. Names are escaped by the template engine; pictures are inline SVG whose
colours follow the page's theme, each with a text alternative. What needs axes is drawn by
matplotlib where that is installed; bars and flows are markup, since they have to fit a phone.
"""

from servemix.report.page.compare import compare_page
from servemix.report.page.plan import plan_page
from servemix.report.page.replay import replay_page
from servemix.report.page.study import study_page

__all__ = ["compare_page", "plan_page", "replay_page", "study_page"]
