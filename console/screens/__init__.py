"""The screens. Each shows views and calls commands; none writes SQL, none calls a connector."""
