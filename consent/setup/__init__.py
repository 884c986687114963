"""What a person does before the first Monday and beside the later ones: check, sign in, begin, look into, compare.

Nothing of the Monday job imports it.
"""
