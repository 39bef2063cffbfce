# What bash does at logout.
