"""The thinking behind `ostiary waf`: rule texts, traffic, differences and proposals, as values.

Pure: no engine, file, clock or network. The commands hand in what those say.
"""
