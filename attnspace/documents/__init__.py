"""Documents: files and plain data in, checked models out, and whole files written.

models       what all models have in common
families     open sets of models, each known by its `kind`
names        fields that hold one of several registered names
sections     the parts of a study file
columns      names that costs and metrics share with the ledger and with limits
document     the data of one file; names file and line in faults
limits       how large, deep and long a document may be
reading      JSON and YAML into plain data, with the line of each part
validation   plain data into models, with faults in words
imports      functions of the user's own
writing      files that are written whole or not at all
"""

__all__: list[str] = []
