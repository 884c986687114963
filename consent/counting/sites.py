"""Which site each participant is in: exactly one, or none.

Pure and vectorised. Data access groups are those of the day of the export: REDCap keeps no earlier ones.
"""

import numpy as np

from consent.counting.columns import Array, is_one_of, order_of, texts, written
from consent.counting.consents import Batch
from consent.redcap.arrivals import GROUP
from consent.studies.model import SiteRules


def find_sites(batch: Batch, latest: Array, rules: SiteRules) -> Array:
    """The code of each participant's site, empty where there is none.

    A field's value comes from the row of the latest agreed consent; where there is none, or it is blank there, from
    the participant's first row that has one, in the order of events.

    Args:
        latest: the position of each participant's latest agreed consent, -1 where there is none.
    """
    values = site_values(batch, rules)
    found = np.full(batch.size, "", dtype=object)
    at = order_of(values, np.flatnonzero(values != ""), batch.rows, batch.counting.coding)[::-1]
    found[batch.numbers[at]] = values[at]  # the first comes last, and stays
    with_consent = np.flatnonzero(latest >= 0)
    on_consent = values[batch.consents["row"].to_numpy()[latest[with_consent]]]
    found[with_consent] = np.where(on_consent == "", found[with_consent], on_consent)
    return found


def unknown_sites(found: Array, rules: SiteRules) -> Array:
    """Which participants are in a site that the study file does not list, if it lists any."""
    listed = [site.code for site in rules.listed]
    unknown: Array = (found != "") & ~is_one_of(found, listed) & bool(listed)
    return unknown


def site_values(batch: Batch, rules: SiteRules) -> Array:
    """The site's code on each row, empty where there is none."""
    coding = batch.counting.coding
    values = batch.rows[GROUP].to_numpy(dtype=object) if rules.by is None else texts(batch.rows, rules.by, coding)
    return written(values, coding)
