"""Everything that knows REDCap; after ``participants.py`` nobody needs to.

``client`` asks; ``responses`` reads good answers and ``refusals`` explains the others. ``probe`` asks about the
project; ``dictionary`` is what it consists of, ``fit`` whether the study file fits it, ``export_plan`` what to ask for.
``listing`` says which rows must come, ``rows`` keeps count of those that did, and ``export`` puts these together: the
whole registry, or an error.
"""
