"""Find each participant's site: exactly one, or none.

Data access groups are those on the day of the export, because REDCap stores no earlier ones.
"""

import numpy as np

from consent.counting.columns import stripped
from consent.counting.consents import Batch
from consent.redcap.arrivals import GROUP
from consent.redcap.cells import Array, Cells
from consent.studies.model import SiteRules


def find_sites(batch: Batch, latest: Array, rules: SiteRules) -> Cells:
    """Return the code of each participant's site, empty for none.

    The site is on the row of the latest agreed consent. If it is blank there, or there is no consent, it is the first
    site in the order of events. latest: the position of each participant's latest agreed consent, -1 for none.
    """
    codes = site_codes(batch, rules)
    is_filled = ~codes.is_in("")
    at = batch.sorted_rows(is_filled, codes)[::-1]  # in reverse, so the first row remains
    on_consent = batch.consents["row"][latest[latest >= 0]]
    return batch.last_cells(codes, np.append(at, on_consent[is_filled[on_consent]]))


def unknown_sites(sites: Cells, rules: SiteRules) -> Array:
    """Flag the sites that the study file does not list, if it lists any."""
    return ~sites.is_in("", *(site.code for site in rules.listed)) & bool(rules.listed)


def site_codes(batch: Batch, rules: SiteRules) -> Cells:
    """Return the site's code on each row, empty for none."""
    if rules.by is None:
        return stripped(batch.cells(GROUP), batch.counting.column_map)
    return batch.stripped(rules.by)
