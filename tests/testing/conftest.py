"""The example app is run by a pytest of its own, as a host would."""

collect_ignore = ["example_app"]
