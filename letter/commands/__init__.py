"""Commands: like pages, they ask the rules and commit once."""
