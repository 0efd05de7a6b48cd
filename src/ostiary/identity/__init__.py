"""Who somebody is and for how long: sessions, tokens, cookies and sign-in as values and arithmetic.

Pure: clock, ids and randomness arrive as arguments. Fed by `login` and `store`; feeds both.
"""
