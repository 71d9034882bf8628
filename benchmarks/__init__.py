"""Speed measurements of skrobust against its peers; never imported by the package."""
